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
use crate::media::audio::Resampler;
use crate::media::container::wav::WavReader;
use crate::media::container::wav::WavWriter;
use crate::media::frame::SAMPLE_RATE;

/// Plays a file into the microphone, once; after that there is silence. It is read and
/// resampled as it is played, so that a long file starts as soon as a short one.
#[derive(Debug)]
pub(super) struct FileInput {
    path: PathBuf,
    /// `None` after the end of the file.
    reader: Option<WavReader<BufReader<File>>>,
    resampler: Resampler,
    chunk: Vec<f32>,
    /// Resampled and not yet due.
    ready: Vec<f32>,
    pacer: Pacer,
}

impl FileInput {
    pub(super) fn open(path: &Path) -> Result<Self, DeviceError> {
        let file = File::open(path)
            .map_err(|source| DeviceError::File { path: path.to_owned(), source })?;
        let reader =
            WavReader::new(BufReader::new(file)).map_err(|source| wav_error(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            resampler: Resampler::new(reader.rate(), SAMPLE_RATE),
            reader: Some(reader),
            chunk: Vec::new(),
            ready: Vec::new(),
            pacer: Pacer::default(),
        })
    }
}

impl AudioInput for FileInput {
    fn read(&mut self, now: Instant, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let due = self.pacer.due(now);
        while self.ready.len() < due
            && let Some(reader) = &mut self.reader
        {
            self.chunk.clear();
            let read = reader.read(&mut self.chunk);
            if read.map_err(|source| wav_error(&self.path, source))? > 0 {
                self.resampler.process(&self.chunk, &mut self.ready);
            } else {
                self.resampler.finish(&mut self.ready);
                self.reader = None;
            }
        }
        let target = out.len() + due;
        out.extend(self.ready.drain(..due.min(self.ready.len())));
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
