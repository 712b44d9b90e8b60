//! Sender and receiver against each other, over a network made of arithmetic.

use std::time::Duration;
use std::time::Instant;

use conclave::crypto::frame::claimed_level;
use conclave::media::AudioFrame;
use conclave::media::EncodedFrame;
use conclave::media::jitter::MIN_DELAY;
use conclave::media::pipeline::AudioReceiver;
use conclave::media::pipeline::AudioSender;
use conclave::media::pipeline::ReceiverStats;
use conclave::model::Level;

use super::support::Noise;
use super::support::correlation;
use super::support::keys;
use super::support::rng;
use super::support::speech;
use super::support::tone;

/// Close below the end, so that every test crosses the wrap.
const FIRST_TIMESTAMP: u32 = u32::MAX - 100_000;

fn sender() -> AudioSender {
    AudioSender::new(keys(1), FIRST_TIMESTAMP).unwrap()
}

fn encode(samples: &[f32]) -> Vec<EncodedFrame> {
    let mut frames = Vec::new();
    sender().handle_samples(samples, &mut rng(), &mut frames).unwrap();
    frames
}

/// Sends `frames` with the numbers they have and a delay of so many milliseconds each (`None`:
/// lost), and listens for `seconds`.
fn transmit(
    frames: &[EncodedFrame],
    seconds: u32,
    mut network: impl FnMut(usize) -> Option<u64>,
) -> (Vec<f32>, ReceiverStats) {
    let mut arrivals = Vec::new();
    for (seq, frame) in frames.iter().enumerate() {
        let sent = u64::from(frame.timestamp.wrapping_sub(FIRST_TIMESTAMP) / 48 + 20);
        arrivals.extend(network(seq).map(|delay| (sent + delay, seq)));
    }
    arrivals.sort_unstable();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut receiver = AudioReceiver::new(keys(1)).unwrap();
    let start = Instant::now();
    let mut heard = Vec::new();
    let mut out = AudioFrame::silence();
    for tick in 0..u64::from(seconds) * 50 {
        while let Some((at, seq)) = arrivals.next_if(|(at, _)| *at <= tick * 20) {
            let frame = &frames[seq];
            let at = start + Duration::from_millis(at);
            receiver.handle_packet(1000 + seq as u64, frame.timestamp, &frame.payload, at);
        }
        receiver.pull(start + Duration::from_millis(tick * 20), &mut out);
        heard.extend_from_slice(out.samples());
    }
    (heard, receiver.stats())
}

/// A tone that rises, so that it fits in one place only, and begins at once.
fn chirp(samples: usize) -> Vec<f32> {
    let turns = (0..samples).map(|n| {
        let time = n as f64 / 48_000.0;
        (300.0 * time + 200.0 * time * time).fract()
    });
    turns.map(|turns| (0.5 * (std::f64::consts::TAU * turns).sin()) as f32).collect()
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()))
}

#[test]
fn speech_arrives_as_it_was_said() {
    let original = speech(6);
    let (heard, stats) = transmit(&encode(&original), 7, |_| Some(0));
    let (similar, lag) = correlation(&original, &heard, 5000);
    assert!(similar >= 0.97, "{similar}");
    // 20 ms to fill a frame, 40 ms of jitter buffer, a tick, and the encoder's own delay.
    assert!(lag <= 48 * 90, "{} ms", lag / 48);
    assert_eq!((stats.lost, stats.late, stats.concealed_ms), (0, 0, 0));
    assert_eq!(stats.dropped_unauthenticated, 0);
}

#[test]
fn the_first_sound_comes_early() {
    let (heard, _) = transmit(&encode(&tone(440.0, 48_000)), 1, |_| Some(0));
    let first = heard.iter().position(|sample| sample.abs() > 0.05).unwrap();
    assert!(first < 48 * 90, "after {} ms", first / 48);
}

#[test]
fn jitter_is_absorbed() {
    let original = speech(8);
    let frames = encode(&original);
    let mut noise = Noise(3);
    let (heard, stats) = transmit(&frames, 9, |_| Some(((noise.next() + 1.0) * 12.0) as u64));
    // While the delay settles it changes, so only the end is compared.
    let (similar, _) = correlation(&original[5 * 48_000..], &heard[5 * 48_000..], 6000);
    assert!(similar > 0.95, "{similar}");
    assert!((1.0..15.0).contains(&stats.jitter_ms), "{}", stats.jitter_ms);
    assert_eq!(stats.lost, 0);
}

#[test]
fn loss_is_counted_concealed_and_recovered() {
    let original = speech(8);
    let mut sender = sender();
    sender.set_loss(10).unwrap();
    let mut frames = Vec::new();
    sender.handle_samples(&original, &mut rng(), &mut frames).unwrap();
    let is_lost = |seq: usize| seq % 10 == 7;
    let count = (0..frames.len()).filter(|&seq| is_lost(seq)).count() as u64;
    let (heard, stats) = transmit(&frames, 9, |seq| (!is_lost(seq)).then_some(0));
    assert_eq!(stats.lost, count);
    // What was neither invented nor recovered fell into a pause.
    assert!(stats.concealed_ms + stats.recovered_ms <= count * 20);
    assert!(stats.recovered_ms * 2 > count * 20, "{stats:?}");
    let (similar, _) = correlation(&original, &heard, 6000);
    assert!(similar > 0.9, "{similar}");
}

#[test]
fn silence_costs_a_packet_now_and_then_and_no_time() {
    let mut samples = chirp(48_000);
    samples.resize(5 * 48_000, 0.0);
    samples.extend(chirp(48_000));
    let frames = encode(&samples);
    let timestamps: Vec<u32> =
        frames.iter().map(|frame| frame.timestamp.wrapping_sub(FIRST_TIMESTAMP) / 960).collect();
    let within = |from, to| timestamps.iter().filter(|&&slot| (from..to).contains(&slot)).count();
    assert_eq!(within(0, 50), 50, "while there is sound");
    assert_eq!(within(50, 70), 20, "while it dies away");
    assert!((8..=10).contains(&within(75, 250)), "{} in 3.5 s", within(75, 250));
    assert_eq!(within(250, 300), 50, "when it begins anew");
    assert!(timestamps.is_sorted_by(|a, b| a < b));
    let markers: Vec<u32> = frames
        .iter()
        .zip(&timestamps)
        .filter(|(frame, _)| frame.marker)
        .map(|(_, &slot)| slot)
        .collect();
    assert_eq!(markers, [0, 250]);

    let (heard, stats) = transmit(&frames, 7, |_| Some(0));
    assert_eq!((stats.lost, stats.concealed_ms), (0, 0));
    let pause = &heard[48_000 * 3 / 2 + 24_000..48_000 * 5];
    assert!(peak(pause) < 1e-3, "{}", peak(pause));
    for (name, start) in [("before the pause", 0), ("after it", 48_000 * 5)] {
        let said = &samples[start..start + 48_000];
        let (similar, lag) = correlation(said, &heard[start..], 6000);
        let first = heard[start + lag..].chunks(960).map(peak).take(3).collect::<Vec<_>>();
        assert!(first.iter().all(|&peak| peak > 0.4), "{name} it begins with {first:?}");
        assert!(similar > 0.97, "{name}: {similar}");
    }
}

#[test]
fn softer_than_the_threshold_is_silence() {
    let count = |amplitude: f32| {
        encode(&tone(440.0, 480_000).iter().map(|x| x * amplitude).collect::<Vec<_>>()).len()
    };
    // A sine at half of full scale is at -9 dBFS.
    assert!(count(0.000_4) < 60, "-77 dBFS");
    assert_eq!(count(0.001), 500, "-69 dBFS");
}

#[test]
fn muting_sends_no_sound_but_says_so_again_and_again() {
    let mut sender = sender();
    let mut rng = rng();
    let mut frames = Vec::new();
    sender.handle_samples(&tone(440.0, 48_000), &mut rng, &mut frames).unwrap();
    sender.set_muted(true);
    let before = frames.len();
    sender.handle_samples(&tone(440.0, 96_000), &mut rng, &mut frames).unwrap();
    let told = &frames[before..];
    assert_eq!(told.len(), 5, "every 400 ms of two seconds");
    assert!(told.iter().all(|frame| claimed_level(&frame.payload) == Some(Level::MUTED)));
    assert!(sender.level().dbfs() > -12.0, "one's own meter goes on");
    sender.set_muted(false);
    sender.handle_samples(&tone(440.0, 48_000), &mut rng, &mut frames).unwrap();
    assert_eq!(frames.len(), before + 55);
    assert!(frames[before + 5].marker);
    let slot = frames[before + 5].timestamp.wrapping_sub(FIRST_TIMESTAMP) / 960;
    assert_eq!(slot, 150, "the timestamp went on");

    let (heard, stats) = transmit(&frames[..before + 5], 3, |_| Some(0));
    assert!(stats.muted);
    assert!(heard[48_000 + 48 * 180..].iter().all(|&sample| sample == 0.0));
    let (_, stats) = transmit(&frames, 5, |_| Some(0));
    assert!(!stats.muted);
    assert_eq!(stats.concealed_ms, 0);
}

#[test]
fn speech_goes_on_at_full_volume_after_unmuting() {
    for loss in [0, 10] {
        let mut sender = sender();
        sender.set_loss(loss).unwrap();
        let mut rng = rng();
        let mut frames = Vec::new();
        let sound = tone(440.0, 48_000);
        sender.handle_samples(&sound, &mut rng, &mut frames).unwrap();
        sender.set_muted(true);
        sender.handle_samples(&sound, &mut rng, &mut frames).unwrap();
        sender.set_muted(false);
        sender.handle_samples(&sound, &mut rng, &mut frames).unwrap();
        let (heard, _) = transmit(&frames, 4, |_| Some(0));
        let after = &heard[2 * 48_000..];
        let first = after.iter().position(|sample| sample.abs() > 0.1).unwrap();
        let peaks: Vec<f32> = after[first..].chunks(960).map(peak).take(40).collect();
        assert!(peaks[1..].iter().all(|peak| (0.4..0.6).contains(peak)), "{loss}: {peaks:?}");
    }
}

#[test]
fn what_was_said_before_muting_stays_unsaid() {
    let mut sender = sender();
    let mut rng = rng();
    let mut frames = Vec::new();
    sender.handle_samples(&[0.5; 900], &mut rng, &mut frames).unwrap();
    sender.set_muted(true);
    sender.set_muted(false);
    sender.handle_samples(&[0.0; 60], &mut rng, &mut frames).unwrap();
    assert_eq!(claimed_level(&frames[0].payload), Some(Level::FLOOR));
}

#[test]
fn when_the_sender_vanishes_the_sound_fades_into_exact_zeros() {
    let frames = encode(&tone(440.0, 48_000));
    let (heard, _) = transmit(&frames, 3, |_| Some(0));
    let end = heard.iter().rposition(|&sample| sample != 0.0).unwrap();
    let frames_end = 48_000 + 48 * (40 + 20 + 20);
    assert!(end <= frames_end + 48 * 60, "silent after {} ms", (end - 48_000) / 48);
    let tail = &heard[end - 48 * 10..end];
    assert!(peak(tail) < 0.1, "it fades: {}", peak(tail));
}

#[test]
fn samples_that_are_no_numbers_do_no_harm() {
    let mut samples = tone(440.0, 48_000);
    samples[100] = f32::NAN;
    samples[2000] = f32::INFINITY;
    samples[3000] = -1e30;
    let (heard, stats) = transmit(&encode(&samples), 2, |_| Some(0));
    assert!(heard.iter().all(|sample| sample.is_finite()));
    assert!(peak(&heard) < 2.0 && stats.packets == 50);
}

#[test]
fn delay_that_is_no_longer_needed_goes_away_in_silence() {
    // Speech with pauses; the network is rough for two seconds and calm from then on.
    let original: Vec<f32> = (0..20)
        .flat_map(|_| {
            tone(300.0, 24_000)
                .into_iter()
                .chain(tone(300.0, 24_000).into_iter().map(|x| x * 0.001))
        })
        .collect();
    let frames = encode(&original);
    let (heard, stats) =
        transmit(&frames, 21, |seq| Some(if seq < 100 { (seq as u64 * 37) % 160 } else { 0 }));
    assert_eq!(u128::from(stats.target_delay_ms), MIN_DELAY.as_millis());
    let second = |n: usize| &heard[n * 48_000 - 12_000..(n + 1) * 48_000 - 12_000];
    let delay = |n: usize| second(n).iter().position(|sample| sample.abs() > 0.3).unwrap() / 48;
    let (before, after) = (delay(3), delay(18));
    assert!(after + 40 <= before, "{before} ms before, {after} ms after");
    assert!(after <= 250 + 100, "{after}");
}
