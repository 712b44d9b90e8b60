//! IVF files of VP8 frames: a header of 32 bytes, then each frame behind its size and its time.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;

use crate::media::error::MediaError;

/// Times are in milliseconds.
const TICKS_PER_SECOND: u32 = 1000;
/// Where the size of the picture is in the header.
const SIZE_AT: u64 = 12;
/// Where the number of frames is in the header.
const COUNT_AT: u64 = 24;

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
