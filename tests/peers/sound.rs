//! Keys, tones, and ears that tell one tone from another.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::media::AudioFrame;
use conclave::media::pipeline::AudioReceiver;
use conclave::media::pipeline::ReceiverStats;
use conclave::model::KeyId;
use conclave::model::Secret;

/// The id of every key here.
pub const KEY_ID: &str = "0123456789abcdef0123456789abcdef";

/// A room with one key, made of one byte.
pub fn keys(byte: u8) -> Arc<FrameKeys> {
    let id = KeyId::from(KEY_ID);
    let key = MediaKey { id: id.clone(), key: Secret::new([byte; 32]) };
    Arc::new(FrameKeys::new(id, vec![key]))
}

/// Samples `from..from + count` of a sine at half of full scale, 48 kHz.
pub fn tone(hertz: f64, from: usize, count: usize) -> Vec<f32> {
    let turns = (from..from + count).map(|n| (n as f64 * hertz / 48_000.0).fract());
    turns.map(|turns| (0.5 * (turns * std::f64::consts::TAU).sin()) as f32).collect()
}

fn share(samples: &[f32], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let (value, phase) = (f64::from(*sample), step * index as f64);
        re += value * phase.cos();
        im += value * phase.sin();
        energy += value * value;
    }
    2.0 * (re * re + im * im) / (samples.len() as f64 * energy.max(1e-9))
}

/// One packet as it came.
#[derive(Clone)]
pub struct Packet {
    pub seq: u64,
    pub timestamp: u32,
    pub payload: Bytes,
}

/// What was heard on one line.
pub struct Heard {
    pub samples: Vec<f32>,
    pub stats: ReceiverStats,
}

impl Heard {
    /// Opens and decodes `packets` as if each had come when it was due.
    pub fn decode(packets: &[Packet], keys: Arc<FrameKeys>) -> Self {
        let mut receiver = AudioReceiver::new(keys).unwrap();
        let start = Instant::now();
        let first = packets.first().map_or(0, |packet| packet.timestamp);
        let slots = packets.iter().map(|packet| packet.timestamp.wrapping_sub(first) / 960);
        let ticks = slots.max().unwrap_or(0) + 10;
        let mut packets = packets.iter().peekable();
        let mut samples = Vec::new();
        let mut out = AudioFrame::silence();
        for tick in 0..ticks {
            let now = start + Duration::from_millis(20) * tick;
            let due = |packet: &&Packet| packet.timestamp.wrapping_sub(first) / 960 <= tick;
            while let Some(packet) = packets.next_if(due) {
                receiver.handle_packet(packet.seq, packet.timestamp, &packet.payload, now);
            }
            receiver.pull(now, &mut out);
            samples.extend_from_slice(out.samples());
        }
        Self { samples, stats: receiver.stats() }
    }

    /// What there is after the beginning and before the end, where sound fades in and out.
    fn middle(&self) -> &[f32] {
        let inner = 9600..self.samples.len().saturating_sub(19_200).max(9600);
        self.samples.get(inner).unwrap_or_default()
    }

    /// The share of the energy that is at `hertz`, in the median of pieces of 50 ms: where sound
    /// was concealed or left out its phase jumps, which a longer piece would take for noise.
    pub fn share(&self, hertz: f64) -> f64 {
        let mut shares: Vec<f64> =
            self.middle().chunks_exact(2400).map(|piece| share(piece, hertz)).collect();
        shares.sort_by(f64::total_cmp);
        shares.get(shares.len() / 2).copied().unwrap_or_default()
    }

    /// Level of the whole, in dBFS.
    pub fn dbfs(&self) -> f64 {
        let samples = self.middle();
        let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        10.0 * (power / samples.len().max(1) as f64).max(1e-12).log10()
    }

    /// What a loudspeaker has played.
    pub fn played(samples: Vec<f32>) -> Self {
        Self { samples, stats: ReceiverStats::default() }
    }

    /// Says what was heard, and fails unless it is the tone; less strict than
    /// [`is_tone`](Self::is_tone): a busy machine interrupts what is played as it comes.
    pub fn is_mostly_tone(&self, what: &str, hertz: f64) {
        println!(
            "{what}: {} ms played, {:.1} % at {hertz} Hz, {:.1} dBFS",
            self.samples.len() / 48,
            100.0 * self.share(hertz),
            self.dbfs(),
        );
        assert!(self.share(hertz) > 0.9, "{what}: {} at {hertz} Hz", self.share(hertz));
        assert!((self.dbfs() + 9.03).abs() < 2.0, "{what}: {} dBFS", self.dbfs());
    }

    /// Says what was heard, and fails unless it is the tone.
    pub fn is_tone(&self, what: &str, hertz: f64) {
        let stats = &self.stats;
        println!(
            "{what}: {} packets, {} ms decoded, {:.1} % at {hertz} Hz, {:.1} dBFS, lost {}, \
             concealed {} ms, dropped_unauthenticated {}",
            stats.packets,
            self.samples.len() / 48,
            100.0 * self.share(hertz),
            self.dbfs(),
            stats.lost,
            stats.concealed_ms,
            stats.dropped_unauthenticated,
        );
        assert_eq!((stats.dropped_unauthenticated, stats.undecodable), (0, 0), "{what}: {stats:?}");
        assert!(self.share(hertz) > 0.95, "{what}: {} at {hertz} Hz", self.share(hertz));
        // A sine at half of full scale.
        assert!((self.dbfs() + 9.03).abs() < 1.0, "{what}: {} dBFS", self.dbfs());
    }
}
