//! YUV4MPEG2 files: uncompressed pictures behind one line of text, as many tools read and write.
//!
//! The reader takes 4:2:0 of 8 bits, wherever its chroma samples lie, and pictures without
//! colours. It believes nothing: sides are bounded before anything is allocated, lines are bounded in
//! length, and a file that is cut short simply ends.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::ErrorKind;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::time::Duration;

use crate::media::error::MediaError;
use crate::media::video::Picture;

/// How a file begins.
const MAGIC: &[u8] = b"YUV4MPEG2";
/// How each picture begins.
const FRAME: &[u8] = b"FRAME";
/// Longest line, parameters that nobody knows included.
const MAX_LINE: usize = 512;
/// Highest rate that is believed.
const MAX_FPS: u32 = 1000;
/// What is assumed where no rate is given.
const DEFAULT_RATE: Rate = Rate { pictures: 25, seconds: 1 };

/// Pictures per second, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many pictures, not 0,
    pub pictures: u32,
    /// in so many seconds, not 0.
    pub seconds: u32,
}

impl Rate {
    /// When the picture with this number is shown.
    #[must_use]
    pub fn time_of(self, number: u64) -> Duration {
        let nanos = u128::from(number)
            .saturating_mul(u128::from(self.seconds))
            .saturating_mul(1_000_000_000);
        let nanos = nanos.checked_div(u128::from(self.pictures)).unwrap_or_default();
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The number of the picture that is shown at `time`.
    #[must_use]
    pub fn number_at(self, time: Duration) -> u64 {
        let pictures = time.as_nanos().saturating_mul(u128::from(self.pictures));
        let second = u128::from(self.seconds).saturating_mul(1_000_000_000);
        u64::try_from(pictures.checked_div(second).unwrap_or_default()).unwrap_or(u64::MAX)
    }
}

/// Reads the pictures of a file.
#[derive(Debug)]
pub struct Y4mReader<R> {
    input: R,
    /// Of the right size; cloned for each picture.
    blank: Picture,
    colours: bool,
    rate: Rate,
    header_bytes: u64,
}

impl<R: Read> Y4mReader<R> {
    /// Reads the header. The input should be buffered.
    ///
    /// # Errors
    ///
    /// [`MediaError::Y4m`] if this is no such file or one of an unknown kind,
    /// [`MediaError::Picture`] if its pictures are too large, [`MediaError::Io`] if reading fails.
    pub fn new(mut input: R) -> Result<Self, MediaError> {
        let line = read_line(&mut input)?.ok_or(MediaError::Y4m("it is empty"))?;
        let mut words = line.split(|byte| *byte == b' ');
        if words.next() != Some(MAGIC) {
            return Err(MediaError::Y4m("it does not begin like one"));
        }
        let (mut width, mut height, mut rate, mut colours) = (None, None, DEFAULT_RATE, true);
        for word in words {
            let Some((kind, value)) = word.split_first() else { continue };
            let text = std::str::from_utf8(value).unwrap_or_default();
            match kind {
                b'W' => width = text.parse().ok(),
                b'H' => height = text.parse().ok(),
                b'F' => rate = read_rate(text)?,
                b'C' => colours = read_colours(text)?,
                _ => {}
            }
        }
        let (Some(width), Some(height)) = (width, height) else {
            return Err(MediaError::Y4m("it does not say how large its pictures are"));
        };
        let blank = Picture::new(width, height)?;
        let header_bytes = u64::try_from(line.len()).unwrap_or_default().saturating_add(1);
        Ok(Self { input, blank, colours, rate, header_bytes })
    }

    /// Columns of each picture.
    pub const fn width(&self) -> u32 {
        self.blank.width()
    }

    /// Rows of each picture.
    pub const fn height(&self) -> u32 {
        self.blank.height()
    }

    /// Pictures per second.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The next picture; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`MediaError::Y4m`] if there is something else, [`MediaError::Io`] if reading fails.
    pub fn read(&mut self) -> Result<Option<Picture>, MediaError> {
        let Some(line) = read_line(&mut self.input)? else { return Ok(None) };
        if line.split(|byte| *byte == b' ').next() != Some(FRAME) {
            return Err(MediaError::Y4m("there is something between its pictures"));
        }
        let mut picture = self.blank.clone();
        let (y, u, v) = picture.planes_mut();
        let whole = read_whole(&mut self.input, y)?
            && (!self.colours
                || read_whole(&mut self.input, u)? && read_whole(&mut self.input, v)?);
        Ok(whole.then_some(picture))
    }
}

impl<R: Read + Seek> Y4mReader<R> {
    /// Goes back to the first picture.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if that fails.
    pub fn rewind(&mut self) -> Result<(), MediaError> {
        self.input.seek(SeekFrom::Start(self.header_bytes))?;
        Ok(())
    }

    /// Goes to the picture with this number, counted from 0, or to the end. Exact where no
    /// picture has parameters of its own, which nobody writes.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if that fails.
    pub fn seek(&mut self, number: u64) -> Result<(), MediaError> {
        let at = self.header_bytes.saturating_add(number.saturating_mul(self.picture_bytes()));
        self.input.seek(SeekFrom::Start(at))?;
        Ok(())
    }

    /// Whole pictures in the file; the next one read is the first.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if that fails.
    pub fn count(&mut self) -> Result<u64, MediaError> {
        let end = self.input.seek(SeekFrom::End(0))?;
        self.rewind()?;
        let pictures = end.saturating_sub(self.header_bytes).checked_div(self.picture_bytes());
        Ok(pictures.unwrap_or_default())
    }

    fn picture_bytes(&self) -> u64 {
        let chroma = if self.colours { self.blank.u().len().saturating_mul(2) } else { 0 };
        let line = FRAME.len().saturating_add(1);
        let bytes = self.blank.y().len().saturating_add(chroma).saturating_add(line);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Writes pictures of one size.
#[derive(Debug)]
pub struct Y4mWriter<W> {
    output: W,
    size: Option<(u32, u32)>,
    rate: Rate,
}

impl<W: Write> Y4mWriter<W> {
    /// A file that is empty until the first picture tells its size.
    pub const fn new(output: W, rate: Rate) -> Self {
        Self { output, size: None, rate }
    }

    /// Appends a picture; one of another size than the first is scaled.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn write(&mut self, picture: &Picture) -> Result<(), MediaError> {
        let own = (picture.width(), picture.height());
        let size = match self.size {
            Some(size) => size,
            None => {
                let Rate { pictures, seconds } = self.rate;
                let (width, height) = own;
                writeln!(
                    self.output,
                    "YUV4MPEG2 W{width} H{height} F{pictures}:{seconds} Ip A1:1 C420jpeg"
                )?;
                *self.size.insert(own)
            }
        };
        let scaled = (size != own).then(|| picture.scaled_to(size.0, size.1)).transpose()?;
        let picture = scaled.as_ref().unwrap_or(picture);
        self.output.write_all(b"FRAME\n")?;
        for plane in [picture.y(), picture.u(), picture.v()] {
            self.output.write_all(plane)?;
        }
        Ok(())
    }

    /// Gives the output back.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn finish(mut self) -> Result<W, MediaError> {
        self.output.flush()?;
        Ok(self.output)
    }
}

fn read_rate(text: &str) -> Result<Rate, MediaError> {
    let parts: Option<(u32, u32)> =
        text.split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match parts {
        Some((0, _)) => Ok(DEFAULT_RATE),
        Some((pictures, seconds))
            if pictures.checked_div(seconds).is_some_and(|rate| rate <= MAX_FPS) =>
        {
            Ok(Rate { pictures, seconds })
        }
        _ => Err(MediaError::Y4m("its rate makes no sense")),
    }
}

/// Whether there are chroma planes.
fn read_colours(text: &str) -> Result<bool, MediaError> {
    match text {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(true),
        "mono" => Ok(false),
        _ => Err(MediaError::Y4m("its colours are not 4:2:0 of 8 bits")),
    }
}

/// Reads up to the next line feed; `None` at the end of the file.
fn read_line(input: &mut impl Read) -> Result<Option<Vec<u8>>, MediaError> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < MAX_LINE {
        if !read_whole(input, &mut byte)? {
            return Ok(None);
        }
        match byte {
            [b'\n'] => return Ok(Some(line)),
            [other] => line.push(other),
        }
    }
    Err(MediaError::Y4m("a line of it is too long"))
}

/// Fills `buffer`; whether there was enough.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> Result<bool, MediaError> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}
