//! Microphones.

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
use crate::device::audio::AudioInput;
use crate::device::error::DeviceError;
use crate::device::error::Direction;
use crate::media::audio::Resampler;
use crate::media::frame::SAMPLE_RATE;

/// From the device's thread to the reader: half a second. When it is full, the newest samples
/// are dropped and counted.
const RING_PER_SECOND: u32 = 2;
/// How long the system may take to start the stream.
const START: Duration = Duration::from_secs(2);

/// Opens the microphone called `name`, or the default one.
pub(in crate::device) fn open_input(
    name: Option<&str>,
) -> Result<Box<dyn AudioInput>, DeviceError> {
    Ok(Box::new(stream::open(Direction::Input, name, RealInput::open)?))
}

struct RealInput {
    /// Recording ends when this is dropped.
    _stream: OpenStream,
    ring: HeapCons<f32>,
    state: Arc<StreamState>,
    watchdog: Watchdog,
    resampler: Resampler,
    scratch: Vec<f32>,
    started: bool,
}

impl RealInput {
    fn open(candidate: &Candidate, format: Format) -> Result<Self, cpal::Error> {
        let rate = format.config.sample_rate;
        let capacity = usize::try_from(rate / RING_PER_SECOND).unwrap_or(1).max(1);
        let (producer, ring) = HeapRb::new(capacity).split();
        let state = Arc::new(StreamState::default());
        let capture = Capture {
            ring: producer,
            channels: usize::from(format.config.channels).max(1),
            state: Arc::clone(&state),
        };
        let stream = capture.start(candidate, format)?;
        Ok(Self {
            _stream: OpenStream::new(stream),
            ring,
            state,
            watchdog: Watchdog::new(Direction::Input, candidate.info.name.clone()),
            resampler: Resampler::new(rate, SAMPLE_RATE),
            scratch: vec![0.0; capacity],
            started: false,
        })
    }
}

impl AudioInput for RealInput {
    fn read(&mut self, now: Instant, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        self.watchdog.look(&self.state, now);
        self.watchdog.check(&self.state)?;
        if !std::mem::replace(&mut self.started, true) {
            // Whatever was said before anybody listened.
            self.ring.clear();
            return Ok(());
        }
        let length = self.ring.pop_slice(&mut self.scratch);
        self.resampler.process(self.scratch.get(..length).unwrap_or_default(), out);
        Ok(())
    }

    fn overruns(&self) -> u64 {
        self.state.missed()
    }
}

/// What the device's thread owns.
struct Capture {
    ring: HeapProd<f32>,
    channels: usize,
    state: Arc<StreamState>,
}

impl Capture {
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
        T: SizedSample,
        f32: FromSample<T>,
    {
        let state = Arc::clone(&self.state);
        candidate.device.build_input_stream::<T, _, _>(
            format.config,
            move |samples, _| self.on_samples(samples),
            move |error| state.on_error(&error),
            Some(START),
        )
    }

    /// Averages the channels into the ring.
    fn on_samples<T>(&mut self, samples: &[T])
    where
        T: SizedSample,
        f32: FromSample<T>,
    {
        let groups = samples.chunks_exact(self.channels);
        let total = groups.len();
        let scale = 1.0 / self.channels as f32;
        let mono = groups.map(|group| {
            let sum: f32 = group.iter().map(|&sample| sample.to_sample::<f32>()).sum();
            sum * scale
        });
        let room = self.ring.vacant_len();
        let pushed = self.ring.push_iter(mono.take(room));
        self.state.on_missed(total.saturating_sub(pushed));
        self.state.on_callback();
    }
}
