//! IVF files of VP8 frames: a header of 32 bytes, then each frame behind its size and its time.
//! Written as they come, read with nothing believed.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::ErrorKind;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::time::Duration;

use crate::media::error::MediaError;

/// Times are in milliseconds.
const TICKS_PER_SECOND: u32 = 1000;
/// Where the size of the picture is in the header.
const SIZE_AT: u64 = 12;
/// Where the number of frames is in the header.
const COUNT_AT: u64 = 24;

/// Shortest header, and the one that we write.
const HEADER: usize = 32;
/// Longest frame that is read; the same as can be sealed.
const MAX_FRAME: u32 = 4 << 20;
/// Most frames that are listed: 38 hours at 30 per second.
const MAX_FRAMES: usize = 1 << 22;

/// A frame and when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IvfFrame {
    /// Since the beginning.
    pub time: Duration,
    /// VP8.
    pub data: Vec<u8>,
}

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvfEntry {
    /// When it is shown, since the beginning.
    pub time: Duration,
    /// Bytes before its header.
    pub offset: u64,
    /// It can be decoded without any other.
    pub key: bool,
}

/// Reads the frames of a file. Lengths in the file are bounded before anything is allocated.
#[derive(Debug)]
pub struct IvfReader<R> {
    input: R,
    ticks_per_second: u32,
    scale: u32,
    header_bytes: u64,
}

impl<R: Read> IvfReader<R> {
    /// Reads the header. The input should be buffered.
    ///
    /// # Errors
    ///
    /// [`MediaError::Ivf`] if this is no such file or not of VP8, [`MediaError::Io`] if reading
    /// fails.
    pub fn new(mut input: R) -> Result<Self, MediaError> {
        let mut header = [0; HEADER];
        if !read_whole(&mut input, &mut header)? {
            return Err(MediaError::Ivf("it is too short"));
        }
        let [b'D', b'K', b'I', b'F', _, _, l0, l1, codec @ ..] = header else {
            return Err(MediaError::Ivf("it does not begin like one"));
        };
        let [b'V', b'P', b'8', b'0', _, _, _, _, r0, r1, r2, r3, s0, s1, s2, s3, ..] = codec else {
            return Err(MediaError::Ivf("its pictures are not VP8"));
        };
        let length = u16::from_le_bytes([l0, l1]);
        let ticks_per_second = u32::from_le_bytes([r0, r1, r2, r3]);
        let scale = u32::from_le_bytes([s0, s1, s2, s3]);
        if usize::from(length) != HEADER || ticks_per_second == 0 || scale == 0 {
            return Err(MediaError::Ivf("its header makes no sense"));
        }
        Ok(Self { input, ticks_per_second, scale, header_bytes: u64::from(length) })
    }

    /// The next frame; `None` at the end, also where the file is cut short.
    ///
    /// # Errors
    ///
    /// [`MediaError::Ivf`] if a frame claims to be too long, [`MediaError::Io`] if reading fails.
    pub fn read(&mut self) -> Result<Option<IvfFrame>, MediaError> {
        let Some((length, time)) = self.read_frame_header()? else { return Ok(None) };
        let mut data = Vec::new();
        let read = self.input.by_ref().take(u64::from(length)).read_to_end(&mut data)?;
        Ok((u32::try_from(read) == Ok(length)).then_some(IvfFrame { time, data }))
    }

    fn read_frame_header(&mut self) -> Result<Option<(u32, Duration)>, MediaError> {
        let mut header = [0; 12];
        if !read_whole(&mut self.input, &mut header)? {
            return Ok(None);
        }
        let [l0, l1, l2, l3, ticks @ ..] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length > MAX_FRAME {
            return Err(MediaError::Ivf("a frame of it is too long"));
        }
        let nanos = u128::from(u64::from_le_bytes(ticks))
            .saturating_mul(u128::from(self.scale))
            .saturating_mul(1_000_000_000);
        let nanos = nanos.checked_div(u128::from(self.ticks_per_second)).unwrap_or_default();
        Ok(Some((length, Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))))
    }
}

impl<R: Read + Seek> IvfReader<R> {
    /// Lists all frames without decoding any; the next one read is the first.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`MediaError::Ivf`] if there are too many.
    pub fn index(&mut self) -> Result<Vec<IvfEntry>, MediaError> {
        let end = self.input.seek(SeekFrom::End(0))?;
        let mut offset = self.header_bytes;
        self.seek(offset)?;
        let mut entries = Vec::new();
        while let Some((length, time)) = self.read_frame_header()? {
            let mut tag = [0];
            let key = length > 0
                && read_whole(&mut self.input, &mut tag)?
                && tag.iter().all(|tag| tag & 1 == 0);
            let next = offset.saturating_add(12).saturating_add(u64::from(length));
            if next > end {
                break;
            }
            if entries.len() >= MAX_FRAMES {
                return Err(MediaError::Ivf("it has too many frames"));
            }
            entries.push(IvfEntry { time, offset, key });
            offset = next;
            self.seek(offset)?;
        }
        self.seek(self.header_bytes)?;
        Ok(entries)
    }

    /// Goes to an [`IvfEntry`]'s offset.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if that fails.
    pub fn seek(&mut self, offset: u64) -> Result<(), MediaError> {
        self.input.seek(SeekFrom::Start(offset))?;
        Ok(())
    }
}

/// Writes one file.
#[derive(Debug)]
pub struct IvfWriter<W> {
    output: W,
    frames: u32,
    last_ms: Option<u64>,
}

impl<W: Write + Seek> IvfWriter<W> {
    /// Writes the header of a file without frames.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn new(mut output: W) -> Result<Self, MediaError> {
        let mut header = b"DKIF".to_vec();
        header.extend_from_slice(&0_u16.to_le_bytes());
        header.extend_from_slice(&32_u16.to_le_bytes());
        header.extend_from_slice(b"VP80");
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&TICKS_PER_SECOND.to_le_bytes());
        header.extend_from_slice(&1_u32.to_le_bytes());
        header.extend_from_slice(&[0; 8]);
        output.write_all(&header)?;
        Ok(Self { output, frames: 0, last_ms: None })
    }

    /// Appends a frame that is shown from `at_ms` on. Frames before the first key frame can't be
    /// shown and are left out; whether it was taken is answered.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn write(&mut self, frame: &[u8], at_ms: u64) -> Result<bool, MediaError> {
        if self.frames == 0 {
            let Some((width, height)) = key_frame_size(frame) else { return Ok(false) };
            self.output.seek(SeekFrom::Start(SIZE_AT))?;
            self.output.write_all(&width.to_le_bytes())?;
            self.output.write_all(&height.to_le_bytes())?;
            self.output.seek(SeekFrom::End(0))?;
        }
        let Ok(size) = u32::try_from(frame.len()) else { return Ok(false) };
        // Players expect times that grow.
        let at_ms = self.last_ms.map_or(at_ms, |last| at_ms.max(last.saturating_add(1)));
        self.last_ms = Some(at_ms);
        self.output.write_all(&size.to_le_bytes())?;
        self.output.write_all(&at_ms.to_le_bytes())?;
        self.output.write_all(frame)?;
        self.frames = self.frames.saturating_add(1);
        Ok(true)
    }

    /// Frames written so far.
    pub const fn frames(&self) -> u32 {
        self.frames
    }

    /// Completes the header and gives the output back.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn finish(mut self) -> Result<W, MediaError> {
        self.output.seek(SeekFrom::Start(COUNT_AT))?;
        self.output.write_all(&self.frames.to_le_bytes())?;
        self.output.flush()?;
        Ok(self.output)
    }
}

/// Width and height that a VP8 key frame states (RFC 6386 §9.1); `None` for any other frame.
#[must_use]
pub fn key_frame_size(frame: &[u8]) -> Option<(u16, u16)> {
    let &[tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = frame else { return None };
    // The two upper bits tell how to scale.
    let size = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    (tag & 1 == 0).then(|| (size(w0, w1), size(h0, h1)))
}

/// Fills `buffer`; whether there was enough.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> Result<bool, MediaError> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}
