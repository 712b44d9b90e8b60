//! From sealed RTP payloads to 20 ms of sound for each tick of the loudspeaker.
//!
//! A packet is opened when it arrives. What does not authenticate is counted and dropped
//! before it can reach the jitter buffer, so that nothing a stranger sends is ever heard or
//! shifts what is heard. When the sender stops, the sound fades within 60 ms into exact zeros.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::sequence::SequenceCounter;
use crate::crypto::frame::FrameCryptor;
use crate::crypto::frame::FrameKeys;
use crate::crypto::frame::ReplayWindow;
use crate::media::audio::Meter;
use crate::media::audio::SpeechDetector;
use crate::media::audio::level::rms;
use crate::media::codec::opus::Decoder;
use crate::media::codec::opus::MAX_PACKET_SAMPLES;
use crate::media::codec::opus::SILENCE;
use crate::media::codec::opus::has_fec;
use crate::media::codec::opus::packet_samples;
use crate::media::error::MediaError;
use crate::media::frame::AudioFrame;
use crate::media::frame::FRAME_MS;
use crate::media::frame::FRAME_SAMPLES;
use crate::media::jitter::JitterBuffer;
use crate::media::jitter::MAX_CONCEALMENT;
use crate::media::jitter::Output;
use crate::media::jitter::Packet;
use crate::media::jitter::Verdict;
use crate::model::Level;
use crate::model::TrackKind;

/// Samples of [`MAX_CONCEALMENT`].
const FADE: usize = MAX_CONCEALMENT.as_millis() as usize * 48;
/// Samples over which sound comes back after zeros: 2.5 ms, against the click.
const FADE_IN: usize = 120;
/// A frame quieter than this may be left out to catch up, in dBFS.
const LEAVE_OUT_DB: f32 = -50.0;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It will be heard.
    Queued,
    /// It says that the sender is there and silent.
    Silent,
    /// It came twice or too late.
    Useless,
    /// It did not authenticate.
    Unauthenticated,
    /// It is authentic, but not Opus.
    Undecodable,
}

/// What one incoming track has counted, and how it sounds now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReceiverStats {
    /// RTP packets that came.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// RTP packets that never came, by their numbers.
    pub lost: u64,
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Sound invented to cover what was lost, in milliseconds.
    pub concealed_ms: u64,
    /// Lost sound read out of the packets that followed, in milliseconds.
    pub recovered_ms: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Delay that the jitter buffer aims at, in milliseconds.
    pub target_delay_ms: u64,
    /// Packets that did not authenticate and were dropped.
    pub dropped_unauthenticated: u64,
    /// Authentic packets that libopus refused.
    pub undecodable: u64,
    /// Level of what is heard now.
    pub level: Level,
    /// Highest sample of the last second.
    pub peak: Level,
    /// The sound is taken for speech.
    pub speaking: bool,
    /// The sender says that it is muted. Not authenticated: a hint for the eye.
    pub muted: bool,
}

/// One incoming audio track.
pub struct AudioReceiver {
    cryptor: FrameCryptor,
    replays: ReplayWindow,
    jitter: JitterBuffer,
    decoder: Decoder,
    meter: Meter,
    detector: SpeechDetector,
    sequence: SequenceCounter,
    /// Decoded and not yet pulled; at most one packet and one frame.
    decoded: VecDeque<f32>,
    /// Samples invented since the last real one; from [`FADE`] on there is silence.
    faded: usize,
    pulled_frames: u64,
    bytes: u64,
    unauthenticated: u64,
    undecodable: u64,
    recovered: u64,
    muted: bool,
}

impl AudioReceiver {
    /// A receiver that has heard nothing yet.
    pub fn new(keys: Arc<FrameKeys>) -> Result<Self, MediaError> {
        Ok(Self {
            cryptor: FrameCryptor::new(keys),
            replays: ReplayWindow::default(),
            jitter: JitterBuffer::new(),
            decoder: Decoder::new()?,
            meter: Meter::new(),
            detector: SpeechDetector::default(),
            sequence: SequenceCounter::default(),
            decoded: VecDeque::with_capacity(MAX_PACKET_SAMPLES.saturating_add(FRAME_SAMPLES)),
            faded: FADE,
            pulled_frames: 0,
            bytes: 0,
            unauthenticated: 0,
            undecodable: 0,
            recovered: 0,
            muted: false,
        })
    }

    /// Opens with `keys` from the next packet on.
    pub fn set_keys(&mut self, keys: Arc<FrameKeys>) {
        self.cryptor.set_keys(keys);
    }

    /// Takes one RTP packet: its sequence number extended to 64 bits, its timestamp, its payload.
    pub fn handle_packet(
        &mut self,
        seq: u64,
        timestamp: u32,
        payload: &[u8],
        now: Instant,
    ) -> Received {
        let size = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(size);
        self.sequence.count(seq);
        let Ok(opened) = self.cryptor.open(TrackKind::Audio, payload) else {
            self.unauthenticated = self.unauthenticated.saturating_add(1);
            return Received::Unauthenticated;
        };
        if !self.replays.accept(payload) {
            return Received::Useless;
        }
        self.muted = opened.level == Level::MUTED;
        let Some(samples) = packet_samples(&opened.frame) else {
            self.undecodable = self.undecodable.saturating_add(1);
            return Received::Undecodable;
        };
        let payload = Bytes::from(opened.frame);
        let silent = payload[..] == SILENCE;
        match self.jitter.handle_input(Packet { seq, timestamp, samples, payload }, now) {
            Verdict::Queued if silent => Received::Silent,
            Verdict::Queued => Received::Queued,
            Verdict::Duplicate | Verdict::Late => Received::Useless,
        }
    }

    /// Writes the next 20 ms to `out`; returns whether there is anything but zeros in it.
    pub fn pull(&mut self, now: Instant, out: &mut AudioFrame) -> bool {
        while self.decoded.len() < FRAME_SAMPLES {
            self.step(now);
        }
        for (slot, sample) in out.samples_mut().iter_mut().zip(self.decoded.drain(..FRAME_SAMPLES))
        {
            *slot = sample;
        }
        self.pulled_frames = self.pulled_frames.saturating_add(1);
        self.meter.measure(out.samples());
        self.detector.observe(Level::from_rms(rms(out.samples())), self.elapsed());
        !out.is_silent()
    }

    /// What has been counted so far.
    #[must_use]
    pub fn stats(&self) -> ReceiverStats {
        let jitter = self.jitter.stats();
        let concealed = jitter.concealed_samples.saturating_sub(self.recovered);
        ReceiverStats {
            packets: self.sequence.received(),
            bytes: self.bytes,
            lost: self.sequence.lost(),
            late: jitter.late,
            concealed_ms: concealed / 48,
            recovered_ms: self.recovered / 48,
            jitter_ms: jitter.jitter_ms,
            target_delay_ms: u64::try_from(jitter.target.as_millis()).unwrap_or(u64::MAX),
            dropped_unauthenticated: self.unauthenticated,
            undecodable: self.undecodable,
            level: self.meter.level(),
            peak: self.meter.peak(),
            speaking: self.detector.is_active(self.elapsed()),
            muted: self.muted,
        }
    }

    /// Appends at least one sample to `decoded`, or takes a packet from the jitter buffer.
    fn step(&mut self, now: Instant) {
        match self.jitter.poll_output(now) {
            Output::Frame(packet) => self.decode(&packet),
            Output::Lost { samples, next } => self.conceal(samples, next.as_deref()),
            Output::Silence { samples } => self.fade(count(samples)),
        }
    }

    fn decode(&mut self, packet: &[u8]) {
        let Ok(samples) = self.decoder.decode(packet) else {
            self.undecodable = self.undecodable.saturating_add(1);
            self.fade(FRAME_SAMPLES);
            return;
        };
        if self.jitter.is_deep() && Level::from_rms(rms(samples)).dbfs() < LEAVE_OUT_DB {
            self.jitter.shrunk();
            return;
        }
        if self.faded >= FADE && packet == SILENCE {
            // A sign of life in a pause. The decoder may remember what was said before it.
            self.decoded.extend(std::iter::repeat_n(0.0, samples.len()));
            return;
        }
        let from_silence = std::mem::take(&mut self.faded) >= FADE;
        self.decoded.extend(samples.iter().enumerate().map(|(index, &sample)| {
            if from_silence && index < FADE_IN { sample * part(index, FADE_IN) } else { sample }
        }));
    }

    fn conceal(&mut self, samples: u32, next: Option<&[u8]>) {
        let Some(next) = next.filter(|next| has_fec(next)) else {
            self.fade(count(samples));
            return;
        };
        match self.decoder.recover(next, count(samples)) {
            Ok(recovered) => {
                self.faded = 0;
                self.recovered = self.recovered.saturating_add(u64::from(samples));
                self.decoded.extend(recovered);
            }
            Err(_) => self.fade(count(samples)),
        }
    }

    /// Lets what was heard last fade away, then plays zeros.
    fn fade(&mut self, samples: usize) {
        let start = self.faded;
        self.faded = start.saturating_add(samples).min(FADE);
        let invented = if start < FADE { self.decoder.conceal(samples).ok() } else { None };
        let invented = invented.unwrap_or_default().iter().copied();
        let tail = invented.chain(std::iter::repeat(0.0)).take(samples).enumerate();
        self.decoded.extend(tail.map(|(index, sample)| {
            let left = FADE.saturating_sub(start).saturating_sub(index);
            if left == 0 { 0.0 } else { sample * part(left, FADE) }
        }));
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.pulled_frames.saturating_mul(FRAME_MS))
    }
}

fn count(samples: u32) -> usize {
    usize::try_from(samples).unwrap_or(FRAME_SAMPLES).min(MAX_PACKET_SAMPLES)
}

#[expect(clippy::cast_precision_loss, reason = "both are a few thousand at most")]
fn part(index: usize, whole: usize) -> f32 {
    index as f32 / whole as f32
}
