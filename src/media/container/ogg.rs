//! Ogg files of Opus packets (RFC 3533, RFC 7845): mono, written as they come, and read.
//!
//! Nothing is decoded: packets go into the file as they are. Time is the sum of the packets, so
//! whoever writes has to fill pauses with packets, too. The reader believes nothing: lengths are
//! bounded, checksums are checked, and a file that is cut short simply ends.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
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

const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Bytes of a page before its list of pieces.
const PAGE_HEADER: usize = 27;
/// Most pages that are listed: 46 days.
const MAX_PAGES: usize = 4_000_000;
/// Longest packet that is put together from several pages.
const MAX_PACKET: usize = 1 << 17;
/// A page on which no packet ends has no position.
const NO_POSITION: u64 = u64::MAX;

/// Reads the packets of the first stream.
#[derive(Debug)]
pub struct OggOpusReader<R> {
    input: R,
    serial: u32,
    pre_skip: u16,
    /// Where pages begin, and the samples before them. The first is the first with sound.
    pages: Vec<(u64, u64)>,
    /// Samples up to the end.
    samples: u64,
    packets: VecDeque<Vec<u8>>,
    /// The beginning of a packet that goes on on the next page.
    partial: Vec<u8>,
}

/// One page, as far as it concerns us.
struct Page {
    continued: bool,
    samples: u64,
    serial: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
}

impl<R: Read + Seek> OggOpusReader<R> {
    /// Reads the two headers and lists the pages.
    ///
    /// # Errors
    ///
    /// [`MediaError::Ogg`] if this is no such file, [`MediaError::Io`] if reading fails.
    pub fn new(mut input: R) -> Result<Self, MediaError> {
        let damaged = MediaError::Ogg("it does not begin like one");
        let Some(first) = read_page(&mut input)? else { return Err(damaged) };
        let Some((b"OpusHead", [version, _, s0, s1, ..])) = first.body.split_first_chunk() else {
            return Err(MediaError::Ogg("its sound is not Opus"));
        };
        if version >> 4 != 0 {
            return Err(MediaError::Ogg("it is of a later kind"));
        }
        let mut reader = Self {
            input,
            serial: first.serial,
            pre_skip: u16::from_le_bytes([*s0, *s1]),
            pages: Vec::new(),
            samples: 0,
            packets: VecDeque::new(),
            partial: Vec::new(),
        };
        reader.fill()?;
        if reader.packets.pop_front().is_none_or(|tags| !tags.starts_with(b"OpusTags")) {
            return Err(MediaError::Ogg("its second header is missing"));
        }
        reader.list()?;
        reader.seek(0)?;
        Ok(reader)
    }

    /// Samples to drop at the beginning.
    pub const fn pre_skip(&self) -> u16 {
        self.pre_skip
    }

    /// Samples that are to be heard.
    pub fn samples(&self) -> u64 {
        self.samples.saturating_sub(u64::from(self.pre_skip))
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if reading fails.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, MediaError> {
        if self.packets.is_empty() {
            self.fill()?;
        }
        Ok(self.packets.pop_front())
    }

    /// Goes to the last page that begins at or before this many samples; answers how many
    /// samples come before it.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if that fails.
    pub fn seek(&mut self, samples: u64) -> Result<u64, MediaError> {
        self.packets.clear();
        self.partial.clear();
        let after = self.pages.partition_point(|(_, before)| *before <= samples);
        let Some((offset, before)) = self.pages.get(after.saturating_sub(1)) else { return Ok(0) };
        self.input.seek(SeekFrom::Start(*offset))?;
        Ok(*before)
    }

    /// Lists the pages from here on.
    fn list(&mut self) -> Result<(), MediaError> {
        loop {
            let offset = self.input.stream_position()?;
            let Some(page) = read_page(&mut self.input)? else { return Ok(()) };
            if page.serial != self.serial {
                continue;
            }
            if self.pages.len() >= MAX_PAGES {
                return Err(MediaError::Ogg("it is too long"));
            }
            // Only where a packet begins can decoding begin.
            if !page.continued {
                self.pages.push((offset, self.samples));
            }
            if page.samples != NO_POSITION {
                self.samples = self.samples.max(page.samples);
            }
        }
    }

    /// Reads pages until a packet is whole, or to the end.
    fn fill(&mut self) -> Result<(), MediaError> {
        while self.packets.is_empty() {
            let Some(page) = read_page(&mut self.input)? else { return Ok(()) };
            if page.serial != self.serial {
                continue;
            }
            if !page.continued {
                self.partial.clear();
            }
            // What continues a packet that we have not seen begin is no packet.
            let mut orphan = page.continued && self.partial.is_empty();
            let mut rest = page.body.as_slice();
            for length in &page.segments {
                let (piece, after) =
                    rest.split_at_checked(usize::from(*length)).unwrap_or_default();
                rest = after;
                if !orphan && self.partial.len() < MAX_PACKET {
                    self.partial.extend_from_slice(piece);
                }
                if usize::from(*length) < SEGMENT {
                    let packet = std::mem::take(&mut self.partial);
                    if !std::mem::take(&mut orphan) && !packet.is_empty() {
                        self.packets.push_back(packet);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads a page; `None` at the end, and from where the file is damaged.
fn read_page(input: &mut impl Read) -> Result<Option<Page>, MediaError> {
    let mut header = [0; PAGE_HEADER];
    if !read_whole(input, &mut header)? {
        return Ok(None);
    }
    let [b'O', b'g', b'g', b'S', 0, flags, rest @ ..] = header else { return Ok(None) };
    let ([p0, p1, p2, p3, p4, p5, p6, p7, s0, s1, s2, s3, ..], [.., count]) = (rest, rest);
    let mut segments = vec![0; usize::from(count)];
    if !read_whole(input, &mut segments)? {
        return Ok(None);
    }
    let mut body = vec![0; segments.iter().map(|length| usize::from(*length)).sum()];
    if !read_whole(input, &mut body)? {
        return Ok(None);
    }
    let mut page = [&header[..], &segments, &body].concat();
    let stored = page.get_mut(CHECKSUM_AT).map(|place| {
        let stored = place.to_vec();
        place.fill(0);
        stored
    });
    if stored.as_deref() != Some(&checksum(&page).to_le_bytes()[..]) {
        return Ok(None);
    }
    Ok(Some(Page {
        continued: flags & CONTINUED != 0,
        samples: u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
        serial: u32::from_le_bytes([s0, s1, s2, s3]),
        segments,
        body,
    }))
}

/// Fills `buffer`; whether there was enough.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> Result<bool, MediaError> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

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
