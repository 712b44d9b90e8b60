//! Sender and receiver against each other, and against those who have no key.

use std::time::Duration;
use std::time::Instant;

use conclave::media::AudioFrame;
use conclave::media::EncodedFrame;
use conclave::media::pipeline::AudioReceiver;
use conclave::media::pipeline::AudioSender;

use super::support::keys;
use super::support::rng;
use super::support::tone;

fn encode(samples: &[f32]) -> Vec<EncodedFrame> {
    let mut sender = AudioSender::new(keys(1), 4_294_900_000).unwrap();
    let mut frames = Vec::new();
    sender.handle_samples(samples, &mut rng(), &mut frames).unwrap();
    frames
}

#[test]
fn a_tone_arrives() {
    let frames = encode(&tone(440.0, 48_000));
    assert_eq!(frames.len(), 50);
    let mut receiver = AudioReceiver::new(keys(1)).unwrap();
    let start = Instant::now();
    let mut heard = Vec::new();
    for (n, frame) in (0u32..).zip(&frames) {
        let now = start + Duration::from_millis(20) * n;
        receiver.handle_packet(u64::from(n), frame.timestamp, &frame.payload, now);
        let mut out = AudioFrame::silence();
        receiver.pull(now, &mut out);
        heard.extend_from_slice(out.samples());
    }
    let peak = heard.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.45..0.6).contains(&peak), "{peak}");
    let first = heard.iter().position(|sample| sample.abs() > 0.01).unwrap();
    assert!(first < 48 * 60, "first sound after {} ms", first / 48);
    let stats = receiver.stats();
    assert_eq!((stats.packets, stats.lost, stats.concealed_ms), (50, 0, 0));
}
