//! From a microphone's samples to sealed RTP payloads.
//!
//! Samples are cut into 20 ms frames, measured, encoded and sealed. What is silent costs
//! nothing: after [`HANGOVER`] of silence only a constant keep-alive packet leaves now and
//! then, while the timestamp goes on, so that receivers know a pause from a loss. What is
//! muted never reaches the encoder.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::CryptoRng;

use crate::crypto::frame::FrameCryptor;
use crate::crypto::frame::FrameKeys;
use crate::media::audio::Meter;
use crate::media::audio::SpeechDetector;
use crate::media::audio::level::rms;
use crate::media::codec::opus::Encoder;
use crate::media::codec::opus::SILENCE;
use crate::media::error::MediaError;
use crate::media::frame::AudioFrame;
use crate::media::frame::EncodedFrame;
use crate::media::frame::FRAME_MS;
use crate::media::frame::FRAME_SAMPLES;
use crate::media::frame::FRAME_TICKS;
use crate::model::Bitrate;
use crate::model::Level;

/// Quieter than this is silence: below the noise of a 16-bit microphone preamplifier.
pub const SILENCE_THRESHOLD_DB: f32 = -75.0;
/// Silence that is still encoded, so that the tail of a word is not cut off.
pub const HANGOVER: Duration = Duration::from_millis(400);
/// Time between two packets in silence: levels stay current and address translators stay open.
pub const KEEP_ALIVE: Duration = Duration::from_millis(400);

const HANGOVER_FRAMES: u64 = HANGOVER.as_millis() as u64 / FRAME_MS;
const KEEP_ALIVE_FRAMES: u64 = KEEP_ALIVE.as_millis() as u64 / FRAME_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every frame is encoded; so many of the last ones were silent.
    Sending { silent_frames: u64 },
    /// Nothing is encoded; so many frames since the last packet.
    Silent { frames: u64 },
    /// Nothing is encoded, and so many frames since the others were told.
    Muted { frames: u64 },
}

/// One outgoing audio track.
pub struct AudioSender {
    encoder: Encoder,
    cryptor: FrameCryptor,
    meter: Meter,
    detector: SpeechDetector,
    partial: AudioFrame,
    filled: usize,
    timestamp: u32,
    frames: u64,
    state: State,
    /// The next encoded frame is the first after a pause.
    resumes: bool,
}

impl AudioSender {
    /// A sender whose first frame has the RTP timestamp `timestamp`, which should be random.
    pub fn new(keys: Arc<FrameKeys>, timestamp: u32) -> Result<Self, MediaError> {
        Ok(Self {
            encoder: Encoder::new()?,
            cryptor: FrameCryptor::new(keys),
            meter: Meter::new(),
            detector: SpeechDetector::default(),
            partial: AudioFrame::silence(),
            filled: 0,
            timestamp,
            frames: 0,
            state: State::Sending { silent_frames: 0 },
            resumes: true,
        })
    }

    /// Seals with the current one of `keys` from the next frame on.
    pub fn set_keys(&mut self, keys: Arc<FrameKeys>) {
        self.cryptor.set_keys(keys);
    }

    /// Aims at `bitrate`.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), MediaError> {
        self.encoder.set_bitrate(bitrate)
    }

    /// Prepares for `percent` of the packets being lost on their way.
    pub fn set_loss(&mut self, percent: u8) -> Result<(), MediaError> {
        self.encoder.set_loss(percent)
    }

    /// Mutes or unmutes. What has been said but not yet sent when muting is not sent.
    pub fn set_muted(&mut self, muted: bool) {
        if muted == self.is_muted() {
            return;
        }
        if muted {
            self.partial.clear();
            self.state = State::Muted { frames: KEEP_ALIVE_FRAMES - 1 };
            self.resumes = true;
        } else {
            self.state = State::Sending { silent_frames: 0 };
        }
    }

    /// Muted now.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        matches!(self.state, State::Muted { .. })
    }

    /// Level of the microphone, whether it is muted or not.
    #[must_use]
    pub fn level(&self) -> Level {
        self.meter.level()
    }

    /// Highest sample of the last second.
    #[must_use]
    pub fn peak(&self) -> Level {
        self.meter.peak()
    }

    /// Somebody speaks into the microphone, whether it is muted or not.
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        self.detector.is_active(self.elapsed())
    }

    /// Takes 48 kHz mono `samples`, any number, and appends the packets that they complete to `out`.
    pub fn handle_samples(
        &mut self,
        samples: &[f32],
        rng: &mut impl CryptoRng,
        out: &mut Vec<EncodedFrame>,
    ) -> Result<(), MediaError> {
        for &sample in samples {
            let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
            if let Some(slot) = self.partial.samples_mut().get_mut(self.filled) {
                *slot = sample;
            }
            self.filled += 1;
            if self.filled >= FRAME_SAMPLES {
                self.filled = 0;
                out.extend(self.finish_frame(rng)?);
            }
        }
        Ok(())
    }

    /// Passes over `samples` samples that nobody will hear: time goes on without them.
    pub fn skip(&mut self, samples: usize) {
        let frames = u64::try_from((self.filled + samples) / FRAME_SAMPLES).unwrap_or(u64::MAX);
        self.filled = 0;
        self.frames = self.frames.saturating_add(frames);
        #[expect(clippy::cast_possible_truncation, reason = "RTP timestamps wrap around")]
        let ticks = (frames as u32).wrapping_mul(FRAME_TICKS);
        self.timestamp = self.timestamp.wrapping_add(ticks);
        self.resumes = true;
    }

    fn finish_frame(
        &mut self,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<EncodedFrame>, MediaError> {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(FRAME_TICKS);
        self.frames += 1;
        let level = Level::from_rms(rms(self.partial.samples()));
        self.meter.measure(self.partial.samples());
        self.detector.observe(level, self.elapsed());

        let silent = level.dbfs() < SILENCE_THRESHOLD_DB;
        self.state = advance(self.state, silent);
        match self.state {
            State::Sending { .. } => self.encode(timestamp, rng).map(Some),
            State::Silent { frames: 0 } => {
                self.resumes = true;
                self.seal_silence(timestamp, self.meter.level(), rng).map(Some)
            }
            // Again and again, for those who come later.
            State::Muted { frames: 0 } => self.seal_silence(timestamp, Level::MUTED, rng).map(Some),
            State::Silent { .. } | State::Muted { .. } => Ok(None),
        }
    }

    fn encode(
        &mut self,
        timestamp: u32,
        rng: &mut impl CryptoRng,
    ) -> Result<EncodedFrame, MediaError> {
        let marker = std::mem::take(&mut self.resumes);
        if marker {
            self.encoder.resume()?;
        }
        let level = self.meter.level();
        let packet = self.encoder.encode(self.partial.samples())?;
        let payload = self.cryptor.seal(rng, packet, level).map_err(MediaError::Seal)?;
        Ok(EncodedFrame { payload: Bytes::from(payload), timestamp, marker })
    }

    fn seal_silence(
        &self,
        timestamp: u32,
        level: Level,
        rng: &mut impl CryptoRng,
    ) -> Result<EncodedFrame, MediaError> {
        let payload = self.cryptor.seal(rng, &SILENCE, level).map_err(MediaError::Seal)?;
        Ok(EncodedFrame { payload: Bytes::from(payload), timestamp, marker: false })
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.frames.saturating_mul(FRAME_MS))
    }
}

/// The state in which a frame is dealt with, from the one before it.
fn advance(state: State, silent: bool) -> State {
    match state {
        State::Sending { silent_frames } if silent && silent_frames >= HANGOVER_FRAMES => {
            State::Silent { frames: 0 }
        }
        State::Sending { silent_frames } if silent => {
            State::Sending { silent_frames: silent_frames + 1 }
        }
        State::Silent { frames } if silent => {
            State::Silent { frames: (frames + 1) % KEEP_ALIVE_FRAMES }
        }
        State::Sending { .. } | State::Silent { .. } => State::Sending { silent_frames: 0 },
        State::Muted { frames } => State::Muted { frames: (frames + 1) % KEEP_ALIVE_FRAMES },
    }
}
