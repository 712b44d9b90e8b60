//! Speakers.
//!
//! The speaker's clock is the clock of what is heard: it drains the ring, [`AudioOutput::wanted`]
//! says how much is missing in it, and exactly that much is pulled from the mixer. So a clock
//! that drifts against the senders' never fills or empties the ring; the jitter buffers see it.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use cpal::FromSample;
use cpal::SampleFormat;
use cpal::SizedSample;
use cpal::traits::DeviceTrait;
use cpal::traits::StreamTrait;
use ringbuf::HeapCons;
use ringbuf::HeapProd;
use ringbuf::HeapRb;
use ringbuf::traits::Consumer;
use ringbuf::traits::Observer;
use ringbuf::traits::Producer;
use ringbuf::traits::Split;

use super::deadline::OpenStream;
use super::fault::StreamState;
use super::fault::Watchdog;
use super::host::Candidate;
use super::stream;
use super::stream::Format;
use crate::device::audio::AudioOutput;
use crate::device::error::DeviceError;
use crate::device::error::Direction;
use crate::media::audio::Resampler;
use crate::media::frame::FRAME_SAMPLES;
use crate::media::frame::SAMPLE_RATE;

/// From the writer to the device's thread: half a second. When it is full, the newest samples
/// are dropped; who writes what is wanted never fills it.
const RING_PER_SECOND: u32 = 2;
/// How long the system may take to start the stream.
const START: Duration = Duration::from_secs(2);
/// Sound held ready, at first: one frame being played, one waiting, and half a frame of leeway.
const TARGET: usize = FRAME_SAMPLES * 5 / 2;
/// More of it after a gap, because the writer comes late now and then.
const TARGET_STEP: usize = FRAME_SAMPLES / 2;
/// Most of it: 120 ms.
const MAX_TARGET: usize = FRAME_SAMPLES * 6;
/// What a gap fades by with each sample: gone in 5 ms, without a click.
const FADE: f32 = 0.98;
/// Softer than 16 bits can tell.
const INAUDIBLE: f32 = 1.0 / 65_536.0;
/// Longest wait for the end of what was written.
const DRAIN: Duration = Duration::from_millis(300);

/// Opens the speaker called `name`, or the default one.
pub(in crate::device) fn open_output(
    name: Option<&str>,
) -> Result<Box<dyn AudioOutput>, DeviceError> {
    Ok(Box::new(stream::open(Direction::Output, name, RealOutput::open)?))
}

struct RealOutput {
    /// Playing ends when this is dropped.
    _stream: OpenStream,
    ring: HeapProd<f32>,
    state: Arc<StreamState>,
    watchdog: Watchdog,
    resampler: Resampler,
    scratch: Vec<f32>,
    rate: u32,
    target: usize,
    gaps_seen: u64,
}

impl RealOutput {
    fn open(candidate: &Candidate, format: Format) -> Result<Self, cpal::Error> {
        let rate = format.config.sample_rate.max(1);
        let capacity = usize::try_from(rate / RING_PER_SECOND).unwrap_or(1).max(1);
        let (ring, consumer) = HeapRb::new(capacity).split();
        let state = Arc::new(StreamState::default());
        let playback = Playback {
            ring: consumer,
            channels: usize::from(format.config.channels).max(1),
            state: Arc::clone(&state),
            last: 0.0,
            playing: false,
        };
        let stream = playback.start(candidate, format)?;
        Ok(Self {
            _stream: OpenStream::new(stream),
            ring,
            state,
            watchdog: Watchdog::new(Direction::Output, candidate.info.name.clone()),
            resampler: Resampler::new(SAMPLE_RATE, rate),
            scratch: Vec::new(),
            rate,
            target: TARGET,
            gaps_seen: 0,
        })
    }

    /// What is in the ring, as 48 kHz samples.
    fn held(&self) -> usize {
        let held = u64::try_from(self.ring.occupied_len()).unwrap_or(u64::MAX);
        let held = held.saturating_mul(u64::from(SAMPLE_RATE)) / u64::from(self.rate);
        usize::try_from(held).unwrap_or(usize::MAX)
    }
}

impl AudioOutput for RealOutput {
    fn wanted(&mut self, now: Instant) -> usize {
        self.watchdog.look(&self.state, now);
        if self.watchdog.check(&self.state).is_err() {
            // So that the caller writes, and is told.
            return FRAME_SAMPLES;
        }
        let gaps = self.state.missed();
        if gaps > self.gaps_seen {
            self.gaps_seen = gaps;
            self.target = (self.target + TARGET_STEP).min(MAX_TARGET);
        }
        self.target.saturating_sub(self.held())
    }

    fn write(&mut self, samples: &[f32]) -> Result<(), DeviceError> {
        self.watchdog.check(&self.state)?;
        self.scratch.clear();
        self.resampler.process(samples, &mut self.scratch);
        self.ring.push_slice(&self.scratch);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DeviceError> {
        /// Between two looks.
        const PAUSE: Duration = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !self.ring.is_empty() && waited < DRAIN {
            self.watchdog.check(&self.state)?;
            // The callback must not wake anybody, so this looks now and then.
            std::thread::park_timeout(PAUSE);
            waited += PAUSE;
        }
        Ok(())
    }

    fn underruns(&self) -> u64 {
        self.state.missed()
    }
}

/// What the device's thread owns.
struct Playback {
    ring: HeapCons<f32>,
    channels: usize,
    state: Arc<StreamState>,
    /// Last sample played: a gap begins there.
    last: f32,
    /// There was sound in the previous callback. Before the first sample and long after the
    /// last one, nothing is missing.
    playing: bool,
}

impl Playback {
    fn start(self, candidate: &Candidate, format: Format) -> Result<cpal::Stream, cpal::Error> {
        let stream = match format.sample {
            SampleFormat::F32 => self.build::<f32>(candidate, format),
            SampleFormat::F64 => self.build::<f64>(candidate, format),
            SampleFormat::I8 => self.build::<i8>(candidate, format),
            SampleFormat::I16 => self.build::<i16>(candidate, format),
            SampleFormat::I24 => self.build::<cpal::I24>(candidate, format),
            SampleFormat::I32 => self.build::<i32>(candidate, format),
            SampleFormat::U8 => self.build::<u8>(candidate, format),
            SampleFormat::U16 => self.build::<u16>(candidate, format),
            _ => Err(cpal::Error::new(cpal::ErrorKind::UnsupportedConfig)),
        }?;
        stream.play()?;
        Ok(stream)
    }

    fn build<T>(
        mut self,
        candidate: &Candidate,
        format: Format,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample + FromSample<f32>,
    {
        let state = Arc::clone(&self.state);
        candidate.device.build_output_stream::<T, _, _>(
            format.config,
            move |samples, _| self.on_samples(samples),
            move |error| state.on_error(&error),
            Some(START),
        )
    }

    /// Spreads the ring over the channels.
    fn on_samples<T>(&mut self, samples: &mut [T])
    where
        T: SizedSample + FromSample<f32>,
    {
        let mut missed = 0;
        for group in samples.chunks_exact_mut(self.channels) {
            if let Some(sample) = self.ring.try_pop() {
                self.last = sample;
            } else {
                missed += 1;
                self.last *= FADE;
                if self.last.abs() < INAUDIBLE {
                    self.last = 0.0;
                }
            }
            group.fill(T::from_sample(self.last));
        }
        let total = samples.len() / self.channels;
        if self.playing {
            self.state.on_missed(missed);
        }
        self.playing = missed < total;
        self.state.on_callback();
    }
}
