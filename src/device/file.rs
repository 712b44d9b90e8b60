//! WAV files as microphones and speakers, at the pace of the clock.

use std::fs::File;
use std::io::BufReader;
use std::io::BufWriter;
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use super::audio::AudioInput;
use super::audio::AudioOutput;
use super::error::DeviceError;
use super::synthetic::Pacer;
use crate::media::MediaError;
use crate::media::container::wav::WavWriter;
use crate::media::container::wav::read_mono;
use crate::media::frame::SAMPLE_RATE;

/// Plays a file into the microphone, once; after that there is silence.
#[derive(Debug)]
pub(super) struct FileInput {
    samples: Vec<f32>,
    pacer: Pacer,
}

impl FileInput {
    pub(super) fn open(path: &Path) -> Result<Self, DeviceError> {
        let file = File::open(path)
            .map_err(|source| DeviceError::File { path: path.to_owned(), source })?;
        let samples = read_mono(BufReader::new(file), SAMPLE_RATE)
            .map_err(|source| wav_error(path, source))?;
        Ok(Self { samples, pacer: Pacer::default() })
    }
}

impl AudioInput for FileInput {
    fn read(&mut self, now: Instant, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let due = self.pacer.due(now);
        let start = usize::try_from(self.pacer.done()).unwrap_or(usize::MAX);
        let end = start.saturating_add(due).min(self.samples.len());
        let target = out.len() + due;
        out.extend_from_slice(self.samples.get(start..end).unwrap_or_default());
        out.resize(target, 0.0);
        self.pacer.advance(due);
        Ok(())
    }

    fn is_processed(&self) -> bool {
        true
    }
}

/// Records what a speaker would play.
#[derive(Debug)]
pub(super) struct FileOutput {
    path: PathBuf,
    writer: WavWriter<BufWriter<File>>,
    pacer: Pacer,
}

impl FileOutput {
    pub(super) fn create(path: &Path) -> Result<Self, DeviceError> {
        let file = File::create(path)
            .map_err(|source| DeviceError::File { path: path.to_owned(), source })?;
        let writer = WavWriter::new(BufWriter::new(file), SAMPLE_RATE)
            .map_err(|source| wav_error(path, source))?;
        Ok(Self { path: path.to_owned(), writer, pacer: Pacer::default() })
    }
}

impl AudioOutput for FileOutput {
    fn wanted(&mut self, now: Instant) -> usize {
        self.pacer.due(now)
    }

    fn write(&mut self, samples: &[f32]) -> Result<(), DeviceError> {
        self.writer.write(samples).map_err(|source| wav_error(&self.path, source))?;
        self.pacer.advance(samples.len());
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

fn wav_error(path: &Path, source: MediaError) -> DeviceError {
    let path = path.to_owned();
    match source {
        MediaError::Io(source) => DeviceError::File { path, source },
        source => DeviceError::Wav { path, source },
    }
}
