//! Laws of the jitter buffer.

use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::media::jitter::JitterBuffer;
use conclave::media::jitter::MAX_PACKETS;
use conclave::media::jitter::MIN_DELAY;
use conclave::media::jitter::Output;
use conclave::media::jitter::Packet;
use conclave::media::jitter::Verdict;
use proptest::prelude::*;

use super::support::Noise;

const TICK: Duration = Duration::from_millis(20);

fn packet(seq: u64, timestamp: u32) -> Packet {
    Packet { seq, timestamp, samples: 960, payload: Bytes::from(seq.to_be_bytes().to_vec()) }
}

/// The packet with number `seq` of a sender that never pauses.
fn steady(seq: u64) -> Packet {
    packet(seq, (seq as u32).wrapping_mul(960))
}

/// Plays arrivals (milliseconds, packet) against a consumer that polls every 20 ms.
fn play(mut arrivals: Vec<(u64, Packet)>, ticks: u32) -> (Vec<Output>, JitterBuffer) {
    arrivals.sort_by_key(|(ms, _)| *ms);
    let mut arrivals = arrivals.into_iter().peekable();
    let start = Instant::now();
    let mut buffer = JitterBuffer::new();
    let mut outputs = Vec::new();
    for tick in 0..ticks {
        let now = start + TICK * tick;
        while let Some((ms, packet)) =
            arrivals.next_if(|(ms, _)| start + Duration::from_millis(*ms) <= now)
        {
            buffer.handle_input(packet, start + Duration::from_millis(ms));
        }
        outputs.push(buffer.poll_output(now));
    }
    (outputs, buffer)
}

fn released(outputs: &[Output]) -> Vec<u64> {
    let seq = |output: &Output| match output {
        Output::Frame(payload) => Some(u64::from_be_bytes(payload[..].try_into().unwrap())),
        _ => None,
    };
    outputs.iter().filter_map(seq).collect()
}

fn lost(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Lost { .. })).count()
}

#[test]
fn steady_packets_come_out_in_order_without_a_gap() {
    let arrivals = (0..200).map(|seq| (seq * 20, steady(seq))).collect();
    let (outputs, buffer) = play(arrivals, 200);
    let first = outputs.iter().position(|output| matches!(output, Output::Frame(_))).unwrap();
    assert!(first <= 2, "first sound after {} ms", first * 20);
    assert_eq!(released(&outputs), (0..200 - first as u64).collect::<Vec<_>>());
    assert_eq!(lost(&outputs), 0);
    let stats = buffer.stats();
    assert_eq!((stats.late, stats.duplicates, stats.concealed_samples), (0, 0, 0));
    assert_eq!(stats.jitter_ms, 0.0);
    assert_eq!(stats.target, MIN_DELAY);
}

#[test]
fn a_lost_packet_is_concealed_once_and_its_successor_is_offered() {
    let arrivals = (0..100).filter(|&seq| seq != 50).map(|seq| (seq * 20, steady(seq))).collect();
    let (outputs, buffer) = play(arrivals, 100);
    let losses: Vec<&Output> =
        outputs.iter().filter(|output| matches!(output, Output::Lost { .. })).collect();
    let next = Some(Bytes::from(51u64.to_be_bytes().to_vec()));
    assert_eq!(losses, [&Output::Lost { samples: 960, next }]);
    assert_eq!(buffer.stats().concealed_samples, 960);
}

#[test]
fn reordered_packets_come_out_in_order() {
    let arrivals =
        (0..100).map(|seq| (if seq % 5 == 3 { seq * 20 + 25 } else { seq * 20 }, steady(seq)));
    let (outputs, buffer) = play(arrivals.collect(), 110);
    assert_eq!(released(&outputs)[..95], (0..95).collect::<Vec<_>>());
    assert_eq!(buffer.stats().late, 0);
}

#[test]
fn a_pause_of_the_sender_is_no_loss() {
    let pause = 100;
    let arrivals = (0..100).map(|seq| {
        let slot = if seq < 50 { seq } else { seq + pause };
        (slot * 20, packet(seq, slot as u32 * 960))
    });
    let (outputs, buffer) = play(arrivals.collect(), 210);
    assert_eq!(released(&outputs), (0..100).collect::<Vec<_>>());
    assert_eq!(buffer.stats().concealed_samples, 0);
    // The buffer can't know at once that a pause begins, but it invents 60 ms and no more.
    assert_eq!(lost(&outputs[..outputs.len() - 10]), 3);
}

#[test]
fn spurts_keep_their_place_whoever_is_late() {
    // Ten spurts; the first packet of each is late by up to 25 ms, and so is every poll.
    const SPURT: u64 = 25;
    const PERIOD: u64 = 40;
    let mut noise = Noise(7);
    let mut late = |ms: f32| Duration::from_secs_f32((noise.next() + 1.0) / 2.0 * ms / 1000.0);
    let start = Instant::now();
    let mut arrivals: Vec<_> = (0..10 * SPURT)
        .map(|seq| {
            let frame = seq / SPURT * PERIOD + seq % SPURT;
            let delay = if seq % SPURT == 0 && seq > 0 { late(25.0) } else { Duration::ZERO };
            (start + TICK * frame as u32 + delay, packet(seq, frame as u32 * 960))
        })
        .collect();
    arrivals.sort_by_key(|(at, _)| *at);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut buffer = JitterBuffer::new();
    let mut places = Vec::new();
    for tick in 0..10 * PERIOD + 5 {
        let now = start + TICK * tick as u32 + late(15.0);
        while let Some((at, packet)) = arrivals.next_if(|(at, _)| *at <= now) {
            buffer.handle_input(packet, at);
        }
        if let Output::Frame(payload) = buffer.poll_output(now) {
            let seq = u64::from_be_bytes(payload[..].try_into().unwrap());
            places.push(tick - (seq / SPURT * PERIOD + seq % SPURT));
        }
    }
    assert_eq!(places.len() as u64, 10 * SPURT, "everything is played");
    assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
}

#[test]
fn after_the_sender_stopped_there_is_silence() {
    let (outputs, _) = play((0..50).map(|seq| (seq * 20, steady(seq))).collect(), 200);
    let last = outputs.iter().rposition(|output| matches!(output, Output::Frame(_))).unwrap();
    assert_eq!(lost(&outputs[last..]), 3);
    let rest = &outputs[last + 4..];
    assert!(rest.iter().all(|output| *output == Output::Silence { samples: 960 }));
}

#[test]
fn delay_follows_jitter_within_its_bounds() {
    let jittery = |most: f32| {
        let mut noise = Noise(7);
        let arrivals = (0..500).map(|seq| {
            let late = (noise.next() + 1.0) / 2.0 * most;
            (seq * 20 + late as u64, steady(seq))
        });
        play(arrivals.collect(), 500)
    };
    for (name, most, low, high) in [
        ("calm", 0.0, MIN_DELAY.as_millis(), MIN_DELAY.as_millis()),
        ("rough", 80.0, 60, 100),
        ("storm", 900.0, 200, 200),
    ] {
        let (outputs, buffer) = jittery(most);
        let target = buffer.stats().target.as_millis();
        assert!((low..=high).contains(&target), "{name}: {target} ms");
        assert!(released(&outputs).is_sorted_by(|a, b| a < b), "{name}");
        if most < 100.0 {
            // While it learns, and then hardly ever.
            assert!(lost(&outputs) <= 15, "{name}: {} lost", lost(&outputs));
        }
    }
}

#[test]
fn a_stall_of_the_network_does_not_become_delay_for_good() {
    // One second of nothing, then everything at once.
    let arrivals = (0..300).map(|seq| {
        let ms = seq * 20;
        (if (2000..3000).contains(&ms) { 3000 } else { ms }, steady(seq))
    });
    let (outputs, buffer) = play(arrivals.collect(), 300);
    let last = released(&outputs).last().copied().unwrap();
    assert!(299 - last <= 25, "still {} ms behind", (299 - last) * 20);
    assert!(buffer.stats().depth < Duration::from_millis(500));
}

#[test]
fn after_a_stall_playout_is_as_late_as_before_it() {
    for stall in [30, 60, 100, 150, 180, 300] {
        for phase in 0..20 {
            let held_up =
                |ms: u64| if (2000..2000 + stall).contains(&ms) { 2000 + stall } else { ms };
            let arrivals = (0..250).map(|seq| (held_up(seq * 20 + phase), steady(seq))).collect();
            let (outputs, _) = play(arrivals, 250);
            let played_at = |seq: u64| {
                let payload = &seq.to_be_bytes()[..];
                outputs
                    .iter()
                    .position(|output| matches!(output, Output::Frame(frame) if frame == payload))
            };
            let before = played_at(50).unwrap() - 50;
            let after = (0..250).find(|&seq| seq * 20 > 2000 + stall + 200).unwrap();
            for seq in after..240 {
                let late = played_at(seq).map(|tick| tick - seq as usize);
                assert_eq!(late, Some(before), "frame {seq} after {stall} ms, phase {phase}");
            }
        }
    }
}

#[test]
fn a_late_start_is_made_up_for_within_two_seconds() {
    let arrivals = (0..250).map(|seq| ((seq * 20).max(60), steady(seq))).collect();
    let (outputs, _) = play(arrivals, 250);
    let played = released(&outputs[110..]);
    // The least delay is 40 ms, and a tick more is left alone.
    assert!(played[0] >= 107, "still at frame {}", played[0]);
    assert_eq!(played, (played[0]..played[0] + 140).collect::<Vec<_>>());
}

#[test]
fn a_sender_that_starts_anew_is_followed() {
    let cases: [(&str, u64, u32); 4] = [
        ("numbers jump ahead", 1_000_000, 100 * 960),
        ("timestamps jump ahead", 100, 3_000_000_000),
        ("timestamps jump back", 100, 0),
        ("both start over", 0, 0),
    ];
    for (name, seq, timestamp) in cases {
        let first = (1000..1100).map(|n| (n - 1000, n, (n as u32 + 5000) * 960));
        let base = 1000 + if name == "both start over" { 0 } else { seq };
        let base = if seq == 0 { 0 } else { base };
        let second = (0..100).map(|n| {
            let timestamp = match name {
                "numbers jump ahead" => (6100 + n as u32) * 960,
                _ => timestamp.wrapping_add(n as u32 * 960),
            };
            (100 + n, base + n, timestamp)
        });
        let arrivals =
            first.chain(second).map(|(slot, seq, timestamp)| (slot * 20, packet(seq, timestamp)));
        let (outputs, _) = play(arrivals.collect(), 230);
        let after = released(&outputs[110..]).len();
        assert!(after >= 85, "{name}: only {after} of 100 after it");
    }
}

#[test]
fn timestamps_and_numbers_wrap() {
    let arrivals = (0..200u64)
        .map(|n| (n * 20, packet(65_436 + n, (u32::MAX - 48_000).wrapping_add(n as u32 * 960))));
    let (outputs, _) = play(arrivals.collect(), 200);
    assert_eq!(lost(&outputs), 0);
    assert!(released(&outputs).len() >= 197);
}

#[test]
fn duplicates_and_late_packets_are_told_apart_and_dropped() {
    let now = Instant::now();
    let mut buffer = JitterBuffer::new();
    for seq in [10, 11, 12] {
        assert_eq!(buffer.handle_input(steady(seq), now), Verdict::Queued);
    }
    assert_eq!(buffer.handle_input(steady(11), now), Verdict::Duplicate);
    let later = now + Duration::from_millis(100);
    for _ in 0..3 {
        assert!(matches!(buffer.poll_output(later), Output::Frame(_)));
    }
    assert_eq!(buffer.handle_input(steady(9), later), Verdict::Late);
    assert_eq!(buffer.handle_input(steady(12), later), Verdict::Duplicate);
    let stats = buffer.stats();
    assert_eq!((stats.late, stats.duplicates), (1, 2));
}

#[test]
fn what_waits_too_long_may_be_left_out() {
    // After two seconds the way becomes shorter, so everything waits longer than it has to.
    let arrivals = (0..400).map(|seq| (seq * 20 + if seq < 100 { 130 } else { 0 }, steady(seq)));
    let mut arrivals: Vec<(u64, Packet)> = arrivals.collect();
    arrivals.sort_by_key(|(ms, _)| *ms);
    let start = Instant::now();
    let mut buffer = JitterBuffer::new();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut shrunk = 0;
    for tick in 0..400 {
        let now = start + TICK * tick;
        while let Some((_, packet)) =
            arrivals.next_if(|(ms, _)| start + Duration::from_millis(*ms) <= now)
        {
            buffer.handle_input(packet, now);
        }
        buffer.poll_output(now);
        if buffer.is_deep() {
            buffer.shrunk();
            buffer.poll_output(now);
            shrunk += 1;
        }
    }
    assert!((1..=6).contains(&shrunk), "{shrunk} frames left out");
    assert!(!buffer.is_deep());
}

fn arrivals() -> impl Strategy<Value = Vec<(u64, u64, u32)>> {
    // Time of arrival, sequence number, timestamp: sensible ones and senseless ones.
    let sensible =
        (0u64..150, 0u64..400).prop_map(|(seq, late)| (seq * 20 + late, seq, seq as u32 * 960));
    let senseless = (0u64..3000, 0u64..1_000_000, any::<u32>());
    prop::collection::vec(prop_oneof![9 => sensible, 1 => senseless], 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sensible_frames_leave_in_order_and_never_twice(
        late in prop::collection::vec((0u64..150, 0u64..400), 1..200),
    ) {
        let arrivals =
            late.iter().map(|&(seq, late)| (seq * 20 + late, steady(seq))).collect();
        let (outputs, _) = play(arrivals, 250);
        prop_assert!(released(&outputs).is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn nothing_makes_it_grow_or_stall(arrivals in arrivals()) {
        let mut arrivals = arrivals;
        arrivals.sort_by_key(|&(ms, ..)| ms);
        let start = Instant::now();
        let mut buffer = JitterBuffer::new();
        for &(ms, seq, timestamp) in &arrivals {
            let now = start + Duration::from_millis(ms);
            buffer.handle_input(packet(seq, timestamp), now);
            if ms % 3 == 0 {
                buffer.poll_output(now);
            }
            prop_assert!(buffer.stats().depth <= Duration::from_secs(60));
        }
        // Whatever is inside comes out: each packet after its delay and a gap of half a second.
        let mut now = start + Duration::from_secs(4);
        for _ in 0..MAX_PACKETS * 40 {
            now += TICK;
            buffer.poll_output(now);
        }
        prop_assert_eq!(buffer.stats().depth, Duration::ZERO);
    }
}
