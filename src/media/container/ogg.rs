//! Ogg files of Opus packets (RFC 3533, RFC 7845): mono, written as they come.
//!
//! Nothing is decoded: packets go into the file as they are. Time is the sum of the packets, so
//! whoever writes has to fill pauses with packets, too.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::Write;

use crate::media::error::MediaError;

/// Samples that the decoder makes before the sound begins, as our encoder does.
pub const PRE_SKIP: u16 = 312;
/// Samples after which a page ends at the latest, so that players can seek: a second.
const PAGE_SAMPLES: u64 = 48_000;
/// Pieces of packets on a page, a byte each in its header.
const MAX_SEGMENTS: usize = 255;
/// Longest piece; one that is shorter ends its packet.
const SEGMENT: usize = 255;
/// The checksum within the header of a page.
const CHECKSUM_AT: std::ops::Range<usize> = 22..26;

const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Writes one stream.
#[derive(Debug)]
pub struct OggOpusWriter<W> {
    output: W,
    serial: u32,
    sequence: u32,
    /// Samples up to the end of the page that is being filled.
    samples: u64,
    /// Of these, on this page.
    page_samples: u64,
    segments: Vec<u8>,
    body: Vec<u8>,
}

impl<W: Write> OggOpusWriter<W> {
    /// Writes the two pages that come before the sound. `artist` is who speaks.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn new(output: W, serial: u32, artist: &str) -> Result<Self, MediaError> {
        let mut writer = Self {
            output,
            serial,
            sequence: 0,
            samples: 0,
            page_samples: 0,
            segments: Vec::new(),
            body: Vec::new(),
        };
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend_from_slice(&PRE_SKIP.to_le_bytes());
        head.extend_from_slice(&48_000_u32.to_le_bytes());
        // No gain, and channels in the usual order.
        head.extend_from_slice(&[0, 0, 0]);
        writer.add(&head);
        writer.end_page(FIRST)?;
        let comment = format!("ARTIST={}", artist.chars().take(128).collect::<String>());
        let mut tags = b"OpusTags".to_vec();
        put_text(&mut tags, "conclave");
        tags.extend_from_slice(&1_u32.to_le_bytes());
        put_text(&mut tags, &comment);
        writer.add(&tags);
        writer.end_page(0)?;
        Ok(writer)
    }

    /// Appends one packet of `samples` samples.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails, [`MediaError::Opus`] if the packet is longer than a
    /// page, which none of Opus is.
    pub fn write(&mut self, packet: &[u8], samples: u32) -> Result<(), MediaError> {
        let needed = (packet.len() / SEGMENT).saturating_add(1);
        if needed > MAX_SEGMENTS {
            return Err(MediaError::Opus { action: "be stored", reason: "the packet is too long" });
        }
        let full = self.segments.len().saturating_add(needed) > MAX_SEGMENTS;
        if full || self.page_samples >= PAGE_SAMPLES {
            self.end_page(0)?;
        }
        self.add(packet);
        self.samples = self.samples.saturating_add(u64::from(samples));
        self.page_samples = self.page_samples.saturating_add(u64::from(samples));
        Ok(())
    }

    /// Ends the stream and gives the output back.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn finish(mut self) -> Result<W, MediaError> {
        self.end_page(LAST)?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn add(&mut self, packet: &[u8]) {
        for piece in packet.chunks(SEGMENT) {
            self.segments.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
        }
        if packet.len().is_multiple_of(SEGMENT) {
            self.segments.push(0);
        }
        self.body.extend_from_slice(packet);
    }

    fn end_page(&mut self, flags: u8) -> Result<(), MediaError> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend_from_slice(&self.samples.to_le_bytes());
        page.extend_from_slice(&self.serial.to_le_bytes());
        page.extend_from_slice(&self.sequence.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.push(u8::try_from(self.segments.len()).unwrap_or(u8::MAX));
        page.append(&mut self.segments);
        page.append(&mut self.body);
        let sum = checksum(&page).to_le_bytes();
        if let Some(place) = page.get_mut(CHECKSUM_AT) {
            place.copy_from_slice(&sum);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.page_samples = 0;
        Ok(self.output.write_all(&page)?)
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or_default();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// CRC-32 as Ogg uses it: polynomial 0x04c11db7, nothing reflected, nothing inverted.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc: u32, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000_0000 == 0 { shifted } else { shifted ^ 0x04c1_1db7 }
        })
    })
}
