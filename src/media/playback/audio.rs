//! The sound of a file, from any time on, as 48 kHz mono.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::time::Duration;

use super::Kind;
use crate::media::audio::resample::Resampler;
use crate::media::codec::opus::Decoder;
use crate::media::codec::opus::packet_samples;
use crate::media::container::ogg::OggOpusReader;
use crate::media::container::wav::WavReader;
use crate::media::error::MediaError;
use crate::media::frame::SAMPLE_RATE;

/// Sound that is decoded before the place that was sought, so that the decoder has settled
/// (RFC 7845 §4.6): 80 ms.
const PRE_ROLL: u64 = 3840;

/// A file of sound.
pub struct AudioFile<R> {
    source: Source<R>,
    length: Duration,
    /// Decoded and not yet read.
    ready: Vec<f32>,
    /// Samples that are decoded and then dropped.
    drop: u64,
}

enum Source<R> {
    Wav {
        /// Always there between two calls.
        reader: Option<WavReader<R>>,
        resampler: Resampler,
    },
    Ogg {
        reader: OggOpusReader<R>,
        decoder: Decoder,
    },
}

impl<R: Read + Seek> AudioFile<R> {
    /// Opens a WAV file or an Ogg file of Opus. The input should be buffered.
    ///
    /// # Errors
    ///
    /// [`MediaError::Wav`] or [`MediaError::Ogg`] if it is neither or makes no sense,
    /// [`MediaError::Io`] if reading fails.
    pub fn open(mut input: R) -> Result<Self, MediaError> {
        let mut beginning = [0; Kind::BYTES];
        input.read_exact(&mut beginning)?;
        input.seek(SeekFrom::Start(0))?;
        if &beginning == b"OggS" {
            let reader = OggOpusReader::new(input)?;
            let length = time_of(reader.samples(), SAMPLE_RATE);
            let drop = u64::from(reader.pre_skip());
            let source = Source::Ogg { reader, decoder: Decoder::new()? };
            return Ok(Self { source, length, ready: Vec::new(), drop });
        }
        let mut reader = WavReader::new(input)?;
        let length = time_of(reader.samples_left()?, reader.rate());
        let resampler = Resampler::new(reader.rate(), SAMPLE_RATE);
        let source = Source::Wav { reader: Some(reader), resampler };
        Ok(Self { source, length, ready: Vec::new(), drop: 0 })
    }

    /// When the sound ends.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// Appends the next `count` samples to `out`, fewer at the end; answers how many.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if reading fails.
    pub fn read(&mut self, count: usize, out: &mut Vec<f32>) -> Result<usize, MediaError> {
        while self.ready.len() < count {
            if !self.decode()? {
                break;
            }
            let left = usize::try_from(self.drop).unwrap_or(usize::MAX).min(self.ready.len());
            self.ready.drain(..left);
            self.drop = self.drop.saturating_sub(u64::try_from(left).unwrap_or(u64::MAX));
        }
        let count = count.min(self.ready.len());
        out.extend(self.ready.drain(..count));
        Ok(count)
    }

    /// Goes to `time`, or to the end.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if reading fails.
    pub fn seek(&mut self, time: Duration) -> Result<(), MediaError> {
        self.ready.clear();
        self.drop = 0;
        match &mut self.source {
            Source::Wav { reader, resampler } => {
                let Some(old) = reader.take() else { return Ok(()) };
                let mut input = old.into_inner();
                input.seek(SeekFrom::Start(0))?;
                let mut new = WavReader::new(input)?;
                new.skip_samples(samples_at(time, new.rate()))?;
                *resampler = Resampler::new(new.rate(), SAMPLE_RATE);
                *reader = Some(new);
            }
            Source::Ogg { reader, decoder } => {
                decoder.reset()?;
                let skip = u64::from(reader.pre_skip());
                let wanted = samples_at(time, SAMPLE_RATE).saturating_add(skip);
                let begin = reader.seek(wanted.saturating_sub(PRE_ROLL))?;
                self.drop = wanted.saturating_sub(begin);
            }
        }
        Ok(())
    }

    /// Decodes a piece; whether there was one.
    fn decode(&mut self) -> Result<bool, MediaError> {
        match &mut self.source {
            Source::Wav { reader, resampler } => {
                let Some(reader) = reader else { return Ok(false) };
                let mut samples = Vec::new();
                let read = reader.read(&mut samples)?;
                resampler.process(&samples, &mut self.ready);
                Ok(read > 0)
            }
            Source::Ogg { reader, decoder } => {
                let Some(packet) = reader.read()? else { return Ok(false) };
                match decoder.decode(&packet) {
                    Ok(samples) => self.ready.extend_from_slice(samples),
                    Err(_) => {
                        let lost = packet_samples(&packet).unwrap_or(960);
                        let lost = usize::try_from(lost).unwrap_or_default();
                        self.ready.extend(std::iter::repeat_n(0.0, lost));
                    }
                }
                Ok(true)
            }
        }
    }
}

fn time_of(samples: u64, rate: u32) -> Duration {
    let nanos = u128::from(samples).saturating_mul(1_000_000_000);
    let nanos = nanos.checked_div(u128::from(rate)).unwrap_or_default();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn samples_at(time: Duration, rate: u32) -> u64 {
    let samples = time.as_nanos().saturating_mul(u128::from(rate)) / 1_000_000_000;
    u64::try_from(samples).unwrap_or(u64::MAX)
}
