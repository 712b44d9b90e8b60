//! The pictures of a file, by time.
//!
//! Asked for a time, it decodes what leads there: from the last key frame, or from where it is
//! if that is nearer. So playing, playing fast and seeking are the same thing.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::sync::Arc;
use std::time::Duration;

use super::Kind;
use crate::media::codec::vp8::Decoder;
use crate::media::container::ivf::IvfEntry;
use crate::media::container::ivf::IvfReader;
use crate::media::container::y4m::Y4mReader;
use crate::media::error::MediaError;
use crate::media::video::Picture;

/// How long the last picture is shown.
const LAST_PICTURE: Duration = Duration::from_millis(66);

/// A file of pictures.
pub struct VideoFile<R> {
    source: Source<R>,
    /// The picture that was answered last, by its number.
    shown: Option<usize>,
    damaged: u64,
}

enum Source<R> {
    Ivf {
        reader: IvfReader<R>,
        entries: Vec<IvfEntry>,
        decoder: Decoder,
        /// The frame that is decoded next.
        next: usize,
    },
    Y4m {
        reader: Y4mReader<R>,
        count: usize,
        /// The picture that is read next.
        next: usize,
    },
}

impl<R: Read + Seek> VideoFile<R> {
    /// Opens an IVF or Y4M file. The input should be buffered.
    ///
    /// # Errors
    ///
    /// [`MediaError::Ivf`], [`MediaError::Y4m`] or [`MediaError::Picture`] if it is neither or
    /// makes no sense, [`MediaError::Io`] if reading fails.
    pub fn open(mut input: R) -> Result<Self, MediaError> {
        let mut beginning = [0; Kind::BYTES];
        input.read_exact(&mut beginning)?;
        input.seek(SeekFrom::Start(0))?;
        let source = if &beginning == b"DKIF" {
            let mut reader = IvfReader::new(input)?;
            let mut entries = reader.index()?;
            let mut latest = Duration::ZERO;
            for entry in &mut entries {
                latest = latest.max(entry.time);
                entry.time = latest;
            }
            Source::Ivf { reader, entries, decoder: Decoder::new(), next: 0 }
        } else {
            let mut reader = Y4mReader::new(input)?;
            let count = usize::try_from(reader.count()?).unwrap_or(usize::MAX);
            Source::Y4m { reader, count, next: 0 }
        };
        Ok(Self { source, shown: None, damaged: 0 })
    }

    /// When the last picture ends.
    #[must_use]
    pub fn length(&self) -> Duration {
        match &self.source {
            Source::Ivf { entries, .. } => {
                entries.last().map_or(Duration::ZERO, |last| last.time.saturating_add(LAST_PICTURE))
            }
            Source::Y4m { reader, count, .. } => reader.rate().time_of(widen(*count)),
        }
    }

    /// Frames that were left out because they could not be decoded.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// What is seen at `time`. `None`: what was answered last, or nothing yet.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if reading fails.
    pub fn at(&mut self, time: Duration) -> Result<Option<Arc<Picture>>, MediaError> {
        let Some(wanted) = self.number_at(time) else { return Ok(None) };
        if self.shown == Some(wanted) {
            return Ok(None);
        }
        self.shown = Some(wanted);
        let picture = match &mut self.source {
            Source::Y4m { reader, next, .. } => {
                if *next != wanted {
                    reader.seek(widen(wanted))?;
                }
                *next = wanted.saturating_add(1);
                reader.read()?
            }
            Source::Ivf { reader, entries, decoder, next } => {
                let before = entries.get(..=wanted).unwrap_or_default();
                let key = before.iter().rposition(|entry| entry.key).unwrap_or_default();
                if *next > wanted || *next < key {
                    let Some(entry) = entries.get(key) else { return Ok(None) };
                    reader.seek(entry.offset)?;
                    *next = key;
                }
                let mut newest = None;
                while *next <= wanted {
                    *next = next.saturating_add(1);
                    let Some(frame) = reader.read()? else { break };
                    match decoder.decode(&frame.data) {
                        Ok(picture) => newest = picture.or(newest),
                        Err(_) => self.damaged = self.damaged.saturating_add(1),
                    }
                }
                newest
            }
        };
        Ok(picture.map(Arc::new))
    }

    /// The number of the picture that is shown at `time`.
    fn number_at(&self, time: Duration) -> Option<usize> {
        match &self.source {
            Source::Ivf { entries, .. } => {
                entries.partition_point(|entry| entry.time <= time).checked_sub(1)
            }
            Source::Y4m { reader, count, .. } => {
                let last = count.checked_sub(1)?;
                let number = usize::try_from(reader.rate().number_at(time)).unwrap_or(usize::MAX);
                Some(number.min(last))
            }
        }
    }
}

fn widen(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
