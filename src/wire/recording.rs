//! The file of one recorded track: a bridge writes it, a member reads it.
//!
//! It begins with [`MAGIC`]. Records follow, each `length | CRC-32 of the body | body`, both
//! numbers of four bytes, big endian. The first byte of a body is its kind; the first record
//! is the [`TrackHeader`] as JSON, the others are packets as the media server received them,
//! sealed. A file is only ever appended to, so whatever ended its writer, it reads up to the
//! last whole record: a torn tail is told of and otherwise ignored.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io;
use std::io::ErrorKind;
use std::io::Read;

use serde::Deserialize;
use serde::Serialize;

use crate::model::StreamId;
use crate::model::TrackKind;

/// What every file begins with; the last byte is the version of the format.
pub const MAGIC: [u8; 8] = *b"cnclrec1";

/// Longest body: a message of a data channel has up to 64 KiB, an RTP payload less than 1500.
pub const MAX_BODY: usize = 128 * 1024;

/// Bytes before a body: its length and its checksum.
const FRAMING: usize = 8;

/// Kinds of records. Readers skip those that they don't know.
const HEADER: u8 = b'H';
const PACKET: u8 = b'P';

/// In the flags of a packet: its RTP marker bit.
const MARKER: u8 = 1;

/// What a file says about its track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackHeader {
    /// The recording that the track is part of.
    pub recording: String,
    /// The room that was recorded.
    pub room: String,
    /// The stream that the track belonged to.
    pub stream: StreamId,
    /// Who published it.
    pub user: String,
    /// What it carries.
    pub kind: TrackKind,
    /// `opus`, `vp8`, or `data`.
    pub codec: String,
    /// Id of the track within its stream.
    pub track: String,
    /// RTP timestamps count so many in a second; 0 for messages, which have none.
    pub clock_rate: u32,
    /// When the recording began, by the bridge's clock, in microseconds of Unix time. Arrival
    /// times count from here in all tracks of a recording.
    pub started_us: i64,
}

/// [`TrackHeader`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    recording: String,
    room: String,
    stream: i64,
    user: String,
    kind: String,
    codec: String,
    track: String,
    clock_rate: u32,
    started_us: i64,
}

/// The word for a kind of track, in files and on the wire.
#[must_use]
pub const fn kind_name(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Audio => "audio",
        TrackKind::Video => "video",
        TrackKind::Data => "data",
    }
}

/// The kind of track that a word stands for.
#[must_use]
pub fn kind_of(name: &str) -> Option<TrackKind> {
    [TrackKind::Audio, TrackKind::Video, TrackKind::Data]
        .into_iter()
        .find(|kind| kind_name(*kind) == name)
}

/// One recorded packet, or message of a data channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackPacket<'a> {
    /// When it arrived, in microseconds since the recording began.
    pub arrival_us: u64,
    /// RTP sequence number without wrap-around; 0 for messages.
    pub seq: u64,
    /// RTP timestamp; 0 for messages.
    pub timestamp: u32,
    /// RTP marker bit.
    pub marker: bool,
    /// Sealed payload.
    pub payload: &'a [u8],
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// It does not begin like one.
    #[error("not a recorded track")]
    NotATrack,
    /// Its first record is cut off or damaged.
    #[error("the recorded track has no readable header")]
    NoHeader,
    /// Reading failed.
    #[error("reading a recorded track failed")]
    Io(#[from] io::Error),
}

/// The start of a file: everything before its first packet.
#[must_use]
pub fn encode_header(header: &TrackHeader) -> Vec<u8> {
    let written = Header {
        recording: header.recording.clone(),
        room: header.room.clone(),
        stream: header.stream.0,
        user: header.user.clone(),
        kind: kind_name(header.kind).to_owned(),
        codec: header.codec.clone(),
        track: header.track.clone(),
        clock_rate: header.clock_rate,
        started_us: header.started_us,
    };
    let mut body = vec![HEADER];
    serde_json::to_writer(&mut body, &written).expect("text and numbers are valid JSON");
    let mut out = MAGIC.to_vec();
    encode_body(&body, &mut out);
    out
}

/// Appends one packet to `out`. One that is longer than any real one is left out.
pub fn encode_packet(packet: &TrackPacket<'_>, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(packet.payload.len().saturating_add(32));
    body.push(PACKET);
    body.extend_from_slice(&packet.arrival_us.to_be_bytes());
    body.extend_from_slice(&packet.seq.to_be_bytes());
    body.extend_from_slice(&packet.timestamp.to_be_bytes());
    body.push(if packet.marker { MARKER } else { 0 });
    body.extend_from_slice(packet.payload);
    if body.len() <= MAX_BODY {
        encode_body(&body, out);
    }
}

fn encode_body(body: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(body.len()).expect("bodies are bounded");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&crc32(body).to_be_bytes());
    out.extend_from_slice(body);
}

/// Reads a file from front to back, one record at a time.
#[derive(Debug)]
pub struct TrackReader<R> {
    input: R,
    header: TrackHeader,
    body: Vec<u8>,
    torn: bool,
}

impl<R: Read> TrackReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`TrackError`] if this is not the file of a track.
    pub fn new(mut input: R) -> Result<Self, TrackError> {
        let mut magic = [0; MAGIC.len()];
        if fill(&mut input, &mut magic)? < magic.len() || magic != MAGIC {
            return Err(TrackError::NotATrack);
        }
        let mut body = Vec::new();
        if !matches!(read_body(&mut input, &mut body)?, Found::Body) {
            return Err(TrackError::NoHeader);
        }
        let header = parse_header(&body).ok_or(TrackError::NoHeader)?;
        Ok(Self { input, header, body, torn: false })
    }

    /// What the file says about its track.
    #[must_use]
    pub const fn header(&self) -> &TrackHeader {
        &self.header
    }

    /// The file did not end with a whole record: what followed the last one was ignored.
    #[must_use]
    pub const fn is_torn(&self) -> bool {
        self.torn
    }

    /// The next packet; `None` at the end, also at a torn one.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn next_packet(&mut self) -> io::Result<Option<TrackPacket<'_>>> {
        while !self.torn {
            match read_body(&mut self.input, &mut self.body)? {
                Found::End => return Ok(None),
                Found::Torn => self.torn = true,
                Found::Body if self.body.first() == Some(&PACKET) => break,
                Found::Body => {}
            }
        }
        if self.torn {
            return Ok(None);
        }
        let packet = parse_packet(&self.body);
        self.torn = packet.is_none();
        Ok(packet)
    }
}

enum Found {
    Body,
    End,
    Torn,
}

fn read_body(input: &mut impl Read, body: &mut Vec<u8>) -> io::Result<Found> {
    let mut framing = [0; FRAMING];
    let read = fill(input, &mut framing)?;
    if read == 0 {
        return Ok(Found::End);
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3] = framing;
    let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    if read < FRAMING || length == 0 || length > MAX_BODY {
        return Ok(Found::Torn);
    }
    body.clear();
    body.resize(length, 0);
    let whole = fill(input, body)? == length;
    let authentic = crc32(body) == u32::from_be_bytes([c0, c1, c2, c3]);
    Ok(if whole && authentic { Found::Body } else { Found::Torn })
}

/// Reads until `bytes` is full or the input ends; answers how many there were.
fn fill(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(length) => filled = filled.saturating_add(length),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn parse_header(body: &[u8]) -> Option<TrackHeader> {
    let (&kind, json) = body.split_first()?;
    let header: Header = serde_json::from_slice(json).ok().filter(|_| kind == HEADER)?;
    Some(TrackHeader {
        recording: header.recording,
        room: header.room,
        stream: StreamId(header.stream),
        user: header.user,
        kind: kind_of(&header.kind)?,
        codec: header.codec,
        track: header.track,
        clock_rate: header.clock_rate,
        started_us: header.started_us,
    })
}

fn parse_packet(body: &[u8]) -> Option<TrackPacket<'_>> {
    let (_, rest) = body.split_first()?;
    let (arrival, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (timestamp, rest) = rest.split_first_chunk()?;
    let (flags, payload) = rest.split_first()?;
    Some(TrackPacket {
        arrival_us: u64::from_be_bytes(*arrival),
        seq: u64::from_be_bytes(*seq),
        timestamp: u32::from_be_bytes(*timestamp),
        marker: flags & MARKER != 0,
        payload,
    })
}

/// CRC-32 of IEEE 802.3, as in gzip and PNG.
const CRC: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0_u32;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit = bit.saturating_add(1);
        }
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within bounds")]
        {
            table[byte as usize] = value;
        }
        byte = byte.saturating_add(1);
    }
    table
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let index = usize::from(crc.to_le_bytes()[0] ^ byte);
        CRC.get(index).copied().unwrap_or_default() ^ (crc >> 8)
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_the_world() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
