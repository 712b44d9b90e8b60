//! Recorded packets put back on one clock, decoded and stored.

use std::io::Cursor;

use conclave::crypto::frame::FrameCryptor;
use conclave::media::EncodedFrame;
use conclave::media::codec::opus::Decoder;
use conclave::media::codec::opus::packet_samples;
use conclave::media::pipeline::AudioSender;
use conclave::media::recording::AudioExport;
use conclave::media::recording::ExportReport;
use conclave::media::recording::SoundFormat;
use conclave::media::recording::Stamp;
use conclave::media::recording::Timeline;
use conclave::media::recording::VideoExport;
use conclave::model::Level;
use proptest::prelude::*;

use super::support::Noise;
use super::support::keys;
use super::support::rng;
use super::support::tone;
use crate::support::burst::onsets;
use crate::support::burst::samples;

/// Close below the end, so that every test crosses the wrap.
const FIRST_TIMESTAMP: u32 = u32::MAX - 100_000;
const RATE: usize = 48_000;

/// Silence with 20 ms of a tone at these times, in milliseconds.
fn bursts(seconds: usize, at_ms: &[usize]) -> Vec<f32> {
    let mut samples = vec![0.0; seconds * RATE];
    for at in at_ms {
        let start = at * 48;
        samples[start..start + 960].copy_from_slice(&tone(1000.0, 960));
    }
    samples
}

struct Recorded {
    seq: u64,
    frame: EncodedFrame,
    arrival_us: u64,
}

/// What a server would have noted: a sender that began at `start_ms`, whose clock is wrong by so
/// many parts in a million, behind a network with this delay and up to 40 ms of jitter.
fn record(samples: &[f32], start_ms: u64, ppm: i64, delay_ms: u64, seed: u64) -> Vec<Recorded> {
    let mut sender = AudioSender::new(keys(1), FIRST_TIMESTAMP).unwrap();
    let mut frames = Vec::new();
    sender.handle_samples(samples, &mut rng(), &mut frames).unwrap();
    let mut noise = Noise(seed);
    let recorded = frames.into_iter().enumerate().map(|(seq, frame)| {
        let media_us = i64::from(frame.timestamp.wrapping_sub(FIRST_TIMESTAMP)) * 1000 / 48;
        let sent_us = media_us + media_us * ppm / 1_000_000;
        let jitter_us = (noise.next().abs() * 40_000.0) as u64;
        // Now and then a packet is in time.
        let jitter_us = if seq % 10 == 0 { 0 } else { jitter_us };
        let arrival_us = (start_ms + delay_ms) * 1000 + sent_us as u64 + jitter_us;
        Recorded { seq: 500 + seq as u64, frame, arrival_us }
    });
    let mut recorded: Vec<_> = recorded.collect();
    recorded.sort_by_key(|packet| packet.arrival_us);
    recorded
}

fn timeline(packets: &[Recorded]) -> Timeline {
    let stamps = packets.iter().map(|packet| Stamp {
        seq: packet.seq,
        arrival_us: packet.arrival_us,
        timestamp: packet.frame.timestamp,
    });
    Timeline::new(stamps.collect(), 48_000)
}

fn export(packets: &[Recorded], format: SoundFormat, key: u8) -> (Vec<u8>, ExportReport) {
    let output = Cursor::new(Vec::new());
    let timeline = timeline(packets);
    let mut export = AudioExport::new(output, format, timeline, keys(key), ("ana", 7)).unwrap();
    for packet in packets {
        export.handle(packet.seq, &packet.frame.payload).unwrap();
    }
    let (output, report) = export.finish().unwrap();
    (output.into_inner(), report)
}

fn wav(packets: &[Recorded]) -> (Vec<f32>, ExportReport) {
    let (file, report) = export(packets, SoundFormat::Wav, 1);
    (samples(Cursor::new(file)), report)
}

/// Reads an Ogg file back: checks its pages, and decodes what a player would play.
fn ogg(file: &[u8]) -> Vec<f32> {
    let mut packets: Vec<Vec<u8>> = vec![Vec::new()];
    let (mut rest, mut pages, mut granule) = (file, 0_u32, 0);
    while !rest.is_empty() {
        assert_eq!(&rest[..5], b"OggS\0");
        let last = rest[5] & 4 != 0;
        assert_eq!(rest[5] & 2 != 0, pages == 0, "the first page, and no other, says so");
        granule = u64::from_le_bytes(rest[6..14].try_into().unwrap());
        assert_eq!(rest[14..18], 7_u32.to_le_bytes());
        assert_eq!(rest[18..22], pages.to_le_bytes());
        let count = usize::from(rest[26]);
        let sizes = &rest[27..27 + count];
        let mut body = &rest[27 + count..];
        for size in sizes {
            let (piece, after) = body.split_at(usize::from(*size));
            packets.last_mut().unwrap().extend_from_slice(piece);
            if *size < 255 {
                packets.push(Vec::new());
            }
            body = after;
        }
        rest = body;
        pages += 1;
        assert_eq!(last, rest.is_empty(), "the last page, and no other, says so");
    }
    assert!(packets.pop().unwrap().is_empty());
    assert!(packets[0].starts_with(b"OpusHead\x01\x01"));
    let skip = usize::from(u16::from_le_bytes([packets[0][10], packets[0][11]]));
    assert!(packets[1].starts_with(b"OpusTags"));
    let mut decoder = Decoder::new().unwrap();
    let mut sound = Vec::new();
    for packet in &packets[2..] {
        let samples = packet_samples(packet).unwrap() as usize;
        let decoded = match packet.len() {
            1 => decoder.conceal(samples).unwrap(),
            _ => decoder.decode(packet).unwrap(),
        };
        assert_eq!(decoded.len(), samples);
        sound.extend_from_slice(decoded);
    }
    assert_eq!(sound.len() as u64, granule, "time is the sum of the packets");
    sound.split_off(skip)
}

#[test]
fn tracks_of_different_networks_and_clocks_play_in_sync() {
    // Each track's bursts happen at the same moments; each began at another time, on another
    // clock, behind another jitter. Only the constant delay of its network remains.
    let cases = [(0_u64, 0_i64, 5_u64), (1500, 80, 5), (700, -80, 5), (3000, 0, 35)];
    let mut placed = Vec::new();
    for (index, (start, ppm, delay)) in cases.into_iter().enumerate() {
        let at: Vec<usize> = (0..20).map(|n| 4000 + 1000 * n - start as usize).collect();
        let packets = record(&bursts(25, &at), start, ppm, delay, index as u64 + 1);
        let (sound, report) = wav(&packets);
        let found = onsets(&sound);
        assert_eq!(found.len(), 20, "{found:?}");
        assert_eq!((report.lost, report.unopened, report.unreadable), (0, 0, 0));
        placed.push((found, delay));
    }
    let mut worst = 0.0_f64;
    for (found, delay) in &placed {
        for (n, onset) in found.iter().enumerate() {
            let expected = 4000.0 + 1000.0 * n as f64 + *delay as f64;
            worst = worst.max((onset - expected).abs());
        }
    }
    println!("largest error of placement: {worst:.2} ms");
    assert!(worst < 12.0, "{worst} ms");
}

#[test]
fn ogg_plays_like_wav() {
    let packets = record(&bursts(8, &[1000, 2500, 6000]), 400, 0, 5, 3);
    let (sound, _) = wav(&packets);
    let (file, report) = export(&packets, SoundFormat::Ogg, 1);
    let stored = ogg(&file);
    assert_eq!(report.unreadable, 0);
    let (first, second) = (onsets(&sound), onsets(&stored));
    assert_eq!((first.len(), second.len()), (3, 3));
    for (a, b) in first.iter().zip(&second) {
        assert!((a - b).abs() < 3.0, "{first:?} {second:?}");
    }
}

#[test]
fn losses_leave_everything_else_where_it_was() {
    let said = bursts(8, &[1000, 2500, 6000]);
    let whole = onsets(&wav(&record(&said, 0, 0, 5, 4)).0);
    let mut packets = record(&said, 0, 0, 5, 4);
    packets.retain(|packet| packet.seq % 7 != 3);
    // Some come twice.
    for index in (0..packets.len()).step_by(5) {
        let Recorded { seq, frame, arrival_us } = &packets[index];
        let again = Recorded { seq: *seq, frame: frame.clone(), arrival_us: arrival_us + 900 };
        packets.push(again);
    }
    packets.sort_by_key(|packet| packet.arrival_us);
    for format in [SoundFormat::Wav, SoundFormat::Ogg] {
        let (file, report) = export(&packets, format, 1);
        let sound = match format {
            SoundFormat::Wav => samples(Cursor::new(file)),
            SoundFormat::Ogg => ogg(&file),
        };
        assert!(report.lost > 10, "{report:?}");
        let found = onsets(&sound);
        assert!(!found.is_empty());
        for onset in found {
            let near = whole.iter().any(|at| (at - onset).abs() < 25.0);
            assert!(near, "{onset} is not near any of {whole:?}");
        }
    }
}

#[test]
fn without_the_key_nothing_is_heard() {
    let packets = record(&bursts(3, &[1000]), 0, 0, 5, 5);
    let (file, report) = export(&packets, SoundFormat::Wav, 2);
    assert_eq!(report.unopened, report.packets);
    assert!(samples(Cursor::new(file)).is_empty());
}

#[test]
fn a_clock_that_jumps_is_followed() {
    let mut packets = record(&vec![0.3; 20 * RATE], 0, 0, 5, 6);
    // The sender's timestamps stand still for five seconds of the server's time.
    for packet in &mut packets {
        if packet.seq >= 1000 {
            packet.arrival_us += 5_000_000;
        }
    }
    let timeline = timeline(&packets);
    let place = |seq| timeline.place(seq).unwrap() as f64 / 48.0;
    assert!((place(1300) - place(800) - 15_000.0).abs() < 30.0, "{}", place(1300) - place(800));
}

/// A frame in pieces behind payload descriptors of several forms.
fn pieces(frame: &[u8], size: usize) -> Vec<(bool, Vec<u8>)> {
    let count = frame.chunks(size).count();
    let pieces = frame.chunks(size).enumerate().map(|(index, piece)| {
        let start = if index == 0 { 0x10 } else { 0 };
        let mut payload = match index % 3 {
            0 => vec![0x80 | start, 0x80, 0x80 | 3, 7],
            1 => vec![start],
            _ => vec![0x80 | start, 0xf0, 5, 1, 2],
        };
        payload.extend_from_slice(piece);
        (index + 1 == count, payload)
    });
    pieces.collect()
}

#[test]
fn video_becomes_ivf() {
    let key_frame = [&[0x10, 2, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0][..], &[7; 3000][..]].concat();
    let delta = [&[0x11, 3, 0][..], &[9; 900][..]].concat();
    let cryptor = FrameCryptor::new(keys(1));
    let (mut stamps, mut packets, mut seq) = (Vec::new(), Vec::new(), 10_u64);
    // A delta frame that nobody could show, a key frame, and two that follow; of the third
    // one a piece is missing.
    for (index, frame) in [&delta, &key_frame, &delta, &delta, &delta].into_iter().enumerate() {
        let sealed = cryptor.seal(&mut rng(), frame, Level::default()).unwrap();
        for (piece, (marker, payload)) in pieces(&sealed, 500).into_iter().enumerate() {
            seq += 1;
            if index == 3 && piece == 1 {
                continue;
            }
            let timestamp = (u32::MAX - 3000).wrapping_add(3000 * index as u32);
            stamps.push(Stamp { seq, arrival_us: 1_000_000 + index as u64 * 33_334, timestamp });
            packets.push((seq, marker, payload));
        }
    }
    packets.swap(3, 4);
    let timeline = Timeline::new(stamps, 90_000);
    let mut export = VideoExport::new(Cursor::new(Vec::new()), timeline, keys(1)).unwrap();
    for (seq, marker, payload) in &packets {
        export.handle(*seq, *marker, payload).unwrap();
    }
    let (file, report) = export.finish().unwrap();
    let file = file.into_inner();
    assert_eq!((report.lost, report.unopened, report.unreadable), (1, 0, 1));
    assert_eq!(&file[..4], b"DKIF");
    assert_eq!(
        &file[8..16],
        [&b"VP80"[..], &320_u16.to_le_bytes(), &180_u16.to_le_bytes()].concat()
    );
    assert_eq!(file[24..28], 3_u32.to_le_bytes());
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let size = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        frames.push((u64::from_le_bytes(rest[4..12].try_into().unwrap()), &rest[12..12 + size]));
        rest = &rest[12 + size..];
    }
    let expected = [(1033, &key_frame[..]), (1066, &delta[..]), (1133, &delta[..])];
    assert_eq!(frames.iter().map(|(_, frame)| *frame).collect::<Vec<_>>(), expected.map(|e| e.1));
    for ((at, _), (expected, _)) in frames.iter().zip(expected) {
        assert!(at.abs_diff(expected) <= 1, "{at} {expected}");
    }
}

proptest! {
    #[test]
    fn exports_take_whatever_a_bridge_hands_out(
        packets in prop::collection::vec(
            (0_u64..400, any::<u64>(), any::<u32>(), any::<bool>(),
             prop::collection::vec(any::<u8>(), 0..90)),
            0..200,
        ),
    ) {
        let stamps = packets.iter().map(|(seq, arrival, timestamp, ..)| Stamp {
            seq: *seq,
            // Beyond a year, arrival times are what a bridge made up; sound would be as long.
            arrival_us: *arrival >> 24,
            timestamp: *timestamp,
        });
        let timeline = Timeline::new(stamps.collect(), 48_000);
        let key = keys(1);
        let output = Cursor::new(Vec::new());
        let mut sound =
            AudioExport::new(output, SoundFormat::Ogg, timeline.clone(), key.clone(), ("", 1)).unwrap();
        let mut pictures = VideoExport::new(Cursor::new(Vec::new()), timeline, key).unwrap();
        for (seq, _, _, marker, payload) in &packets {
            sound.handle(*seq, payload).unwrap();
            pictures.handle(*seq, *marker, payload).unwrap();
        }
        let (_, report) = sound.finish().unwrap();
        prop_assert!(report.unopened <= report.packets && report.unreadable == 0);
        let (file, _) = pictures.finish().unwrap();
        prop_assert_eq!(file.into_inner().len(), 32);
    }

    #[test]
    fn order_and_jitter_do_not_move_packets(
        delays in prop::collection::vec(0_u64..60_000, 300..600),
        start in any::<u32>(),
    ) {
        let stamps: Vec<Stamp> = delays.iter().enumerate().map(|(index, delay)| Stamp {
            seq: index as u64,
            arrival_us: 2_000_000 + index as u64 * 20_000 + delay,
            timestamp: start.wrapping_add(index as u32 * 960),
        }).collect();
        let mut shuffled = stamps.clone();
        shuffled.sort_by_key(|stamp| stamp.arrival_us);
        let timeline = Timeline::new(shuffled, 48_000);
        let places: Vec<i64> = (0..stamps.len() as u64).map(|seq| timeline.place(seq).unwrap()).collect();
        for pair in places.windows(2) {
            prop_assert!((pair[1] - pair[0] - 960).abs() <= 2880, "{pair:?}");
        }
        for (place, stamp) in places.iter().zip(&stamps) {
            // Never later than it came, give or take the tolerance.
            prop_assert!(*place <= (stamp.arrival_us * 48 / 1000) as i64 + 480);
        }
    }
}
