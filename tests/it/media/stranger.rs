//! What somebody without the key can do: nothing.

use std::time::Duration;
use std::time::Instant;

use conclave::media::AudioFrame;
use conclave::media::EncodedFrame;
use conclave::media::pipeline::AudioReceiver;
use conclave::media::pipeline::AudioSender;
use conclave::media::pipeline::Received;
use rand::RngExt;

use super::support::keys;
use super::support::rng;
use super::support::tone;

const FRAMES: u32 = 100_000;

fn sealed(key: u8, frames: usize) -> Vec<EncodedFrame> {
    let mut sender = AudioSender::new(keys(key), 0).unwrap();
    let mut out = Vec::new();
    sender.handle_samples(&tone(440.0, 960 * frames), &mut rng(), &mut out).unwrap();
    out
}

#[test]
fn a_hundred_thousand_frames_without_the_key_are_never_heard() {
    let strangers = sealed(2, 50);
    let genuine = sealed(1, 50);
    let mut rng = rng();
    let mut receiver = AudioReceiver::new(keys(1)).unwrap();
    let mut out = AudioFrame::silence();
    let start = Instant::now();
    let mut loud = 0usize;
    for n in 0..FRAMES {
        let now = start + Duration::from_millis(20) * n;
        let pick = n as usize % 50;
        let payload = match n % 3 {
            // Sealed with another key of the same name.
            0 => strangers[pick].payload.to_vec(),
            // A genuine frame with one bit turned, anywhere but in its level.
            1 => {
                let mut bytes = genuine[pick].payload.to_vec();
                let at = rng.random_range(0..bytes.len() - 1);
                bytes[at] ^= 1 << rng.random_range(0..8);
                bytes
            }
            // Anything.
            _ => (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
        };
        let timestamp = n.wrapping_mul(960);
        let verdict = receiver.handle_packet(u64::from(n), timestamp, &payload, now);
        assert_eq!(verdict, Received::Unauthenticated);
        receiver.pull(now, &mut out);
        loud += out.samples().iter().filter(|&&sample| sample != 0.0).count();
    }
    assert_eq!(loud, 0);
    let stats = receiver.stats();
    assert_eq!(stats.packets, u64::from(FRAMES));
    assert_eq!(stats.dropped_unauthenticated, u64::from(FRAMES));
    assert_eq!((stats.concealed_ms, stats.lost, stats.speaking), (0, 0, false));
}

#[test]
fn forged_packets_do_not_disturb_the_genuine_ones() {
    let genuine = sealed(1, 200);
    let strangers = sealed(2, 200);
    let listen = |forge: bool| {
        let mut receiver = AudioReceiver::new(keys(1)).unwrap();
        let start = Instant::now();
        let mut heard = Vec::new();
        for (n, frame) in (0u32..).zip(&genuine) {
            let now = start + Duration::from_millis(20) * n;
            if forge {
                // The same numbers, times ahead and behind, and the future.
                let stranger = &strangers[n as usize].payload;
                receiver.handle_packet(u64::from(n), frame.timestamp, stranger, now);
                receiver.handle_packet(u64::from(n) + 1000, u32::MAX - n, stranger, now);
            }
            receiver.handle_packet(u64::from(n), frame.timestamp, &frame.payload, now);
            let mut out = AudioFrame::silence();
            receiver.pull(now, &mut out);
            heard.extend_from_slice(out.samples());
        }
        heard
    };
    assert_eq!(listen(false), listen(true));
}
