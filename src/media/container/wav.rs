//! WAV files: read as mono samples, written as 16-bit mono.
//!
//! The reader takes PCM of 8, 16, 24 and 32 bits and float of 32 and 64, any rate, up to
//! [`MAX_CHANNELS`] channels, which it averages. It believes nothing: lengths in the file only
//! limit what is read, and nothing is allocated by them. The writer corrects the lengths in
//! the header with every write, so that a file is whole at any moment.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::ErrorKind;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;

use crate::media::error::MediaError;

/// Most channels that are averaged.
pub const MAX_CHANNELS: u16 = 32;
/// Highest sample rate that is believed.
pub const MAX_RATE: u32 = 768_000;
/// Most chunks that are skipped in search of the sound.
const MAX_CHUNKS: usize = 256;
/// Bytes read at a time.
const BUFFER: usize = 8192;
/// Bytes before the first sample in the files that we write.
const HEADER: u32 = 44;
/// Bytes of one sample in the files that we write.
const SAMPLE: u32 = 2;

const FORMAT_PCM: u16 = 1;
const FORMAT_FLOAT: u16 = 3;
const FORMAT_EXTENSIBLE: u16 = 0xfffe;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Encoding {
    fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn decode(self, bytes: &[u8]) -> f32 {
        let value = match (self, bytes) {
            (Self::U8, &[byte]) => (f32::from(byte) - 128.0) / 128.0,
            (Self::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::I24, &[a, b, c]) => from_i32(i32::from_le_bytes([0, a, b, c])),
            (Self::I32, &[a, b, c, d]) => from_i32(i32::from_le_bytes([a, b, c, d])),
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            #[expect(clippy::cast_possible_truncation, reason = "f32 is precise enough for sound")]
            (Self::F64, &[a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            _ => 0.0,
        };
        if value.is_finite() { value } else { 0.0 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "f32 keeps the upper 24 bits")]
fn from_i32(value: i32) -> f32 {
    value as f32 / 2_147_483_648.0
}

/// Reads the samples of a WAV file.
#[derive(Debug)]
pub struct WavReader<R> {
    input: R,
    encoding: Encoding,
    channels: u16,
    rate: u32,
    /// Bytes of sound that the header promises; `None` where it was left open.
    left: Option<u64>,
    /// Bytes of a sample group that was cut by the end of a read.
    carry: Vec<u8>,
}

impl<R: Read> WavReader<R> {
    /// Reads the header and finds the sound.
    ///
    /// # Errors
    ///
    /// [`MediaError::Wav`] if this is not a WAV file or one of an unknown kind,
    /// [`MediaError::Io`] if reading fails.
    pub fn new(mut input: R) -> Result<Self, MediaError> {
        let [riff, _, wave] = read_words(&mut input)?;
        if riff != *b"RIFF" && riff != *b"RF64" || wave != *b"WAVE" {
            return Err(MediaError::Wav("it does not begin like one"));
        }
        let mut format = None;
        for _ in 0..MAX_CHUNKS {
            let [name, length] = read_words(&mut input)?;
            let length = u32::from_le_bytes(length);
            match &name {
                b"fmt " => format = Some(read_format(&mut input, length)?),
                b"data" => {
                    let (encoding, channels, rate) =
                        format.ok_or(MediaError::Wav("the sound comes before its format"))?;
                    let open = length == 0 || length == u32::MAX || riff == *b"RF64";
                    let left = (!open).then_some(u64::from(length));
                    return Ok(Self { input, encoding, channels, rate, left, carry: Vec::new() });
                }
                _ => skip(&mut input, u64::from(length).saturating_add(u64::from(length & 1)))?,
            }
        }
        Err(MediaError::Wav("there is no sound in it"))
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Channels in the file; they are averaged.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Appends the next samples, some thousand at most, to `out`; returns how many, 0 at the end.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if reading fails. A file that is cut short simply ends.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<usize, MediaError> {
        let group = self.encoding.size().saturating_mul(usize::from(self.channels)).max(1);
        loop {
            let mut buffer = [0; BUFFER];
            let length = self.fill(&mut buffer)?;
            self.carry.extend_from_slice(buffer.get(..length).unwrap_or_default());
            let mut groups = self.carry.chunks_exact(group);
            let before = out.len();
            out.extend(groups.by_ref().map(|group| self.decode(group)));
            let rest = groups.remainder().len();
            self.carry.drain(..self.carry.len().saturating_sub(rest));
            let read = out.len().saturating_sub(before);
            if read > 0 || length == 0 {
                return Ok(read);
            }
        }
    }

    fn decode(&self, group: &[u8]) -> f32 {
        let samples = group.chunks_exact(self.encoding.size());
        let sum: f32 = samples.map(|sample| self.encoding.decode(sample)).sum();
        sum / f32::from(self.channels)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, MediaError> {
        let most = self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(BUFFER);
        let most = most.min(buffer.len());
        let target = buffer.get_mut(..most).unwrap_or_default();
        let length = loop {
            match self.input.read(target) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let length_64 = u64::try_from(length).unwrap_or(u64::MAX);
        self.left = self.left.map(|left| left.saturating_sub(length_64));
        Ok(length)
    }
}

impl<R: Read + Seek> WavReader<R> {
    /// Samples from here to the end.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if the end can't be found.
    pub fn samples_left(&mut self) -> Result<u64, MediaError> {
        let here = self.input.stream_position()?;
        let end = self.input.seek(SeekFrom::End(0))?;
        self.input.seek(SeekFrom::Start(here))?;
        let there = end.saturating_sub(here);
        let bytes = self.left.map_or(there, |left| left.min(there));
        Ok(bytes.checked_div(self.group()).unwrap_or_default())
    }

    /// Passes over so many samples, at most to the end.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if that fails.
    pub fn skip_samples(&mut self, samples: u64) -> Result<(), MediaError> {
        let samples = samples.min(self.samples_left()?);
        let bytes = samples.saturating_mul(self.group());
        let step = i64::try_from(bytes).map_err(|_| MediaError::Wav("it is too long"))?;
        self.input.seek(SeekFrom::Current(step))?;
        self.left = self.left.map(|left| left.saturating_sub(bytes));
        self.carry.clear();
        Ok(())
    }

    /// Gives the input back.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// Bytes of one sample of all channels.
    fn group(&self) -> u64 {
        let size = u64::try_from(self.encoding.size()).unwrap_or(1);
        size.saturating_mul(u64::from(self.channels)).max(1)
    }
}

fn read_format(input: &mut impl Read, length: u32) -> Result<(Encoding, u16, u32), MediaError> {
    if length < 16 {
        return Err(MediaError::Wav("its format is cut short"));
    }
    let mut bytes = [0; 40];
    let known = usize::try_from(length).unwrap_or(40).min(40);
    read_exact(input, bytes.get_mut(..known).unwrap_or_default())?;
    let rest = u64::from(length).saturating_sub(40).saturating_add(u64::from(length & 1));
    skip(input, rest)?;
    let [t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1, ..] = bytes;
    let mut tag = u16::from_le_bytes([t0, t1]);
    if tag == FORMAT_EXTENSIBLE && known >= 26 {
        let sub_format = bytes.get(24..26).unwrap_or_default();
        tag = sub_format.iter().rev().fold(0, |tag, &byte| tag << 8 | u16::from(byte));
    }
    let encoding = match (tag, u16::from_le_bytes([b0, b1])) {
        (FORMAT_PCM, 8) => Encoding::U8,
        (FORMAT_PCM, 16) => Encoding::I16,
        (FORMAT_PCM, 24) => Encoding::I24,
        (FORMAT_PCM, 32) => Encoding::I32,
        (FORMAT_FLOAT, 32) => Encoding::F32,
        (FORMAT_FLOAT, 64) => Encoding::F64,
        _ => return Err(MediaError::Wav("its samples are neither PCM nor float")),
    };
    let channels = u16::from_le_bytes([c0, c1]);
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(MediaError::Wav("it has no channels, or more than 32"));
    }
    let rate = u32::from_le_bytes([r0, r1, r2, r3]);
    if !(1..=MAX_RATE).contains(&rate) {
        return Err(MediaError::Wav("its sample rate makes no sense"));
    }
    Ok((encoding, channels, rate))
}

fn read_words<const N: usize>(input: &mut impl Read) -> Result<[[u8; 4]; N], MediaError> {
    let mut words = [[0; 4]; N];
    for word in &mut words {
        read_exact(input, word)?;
    }
    Ok(words)
}

fn read_exact(input: &mut impl Read, bytes: &mut [u8]) -> Result<(), MediaError> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => MediaError::Wav("it ends before its sound begins"),
        _ => error.into(),
    })
}

fn skip(input: &mut impl Read, length: u64) -> Result<(), MediaError> {
    let skipped = std::io::copy(&mut input.take(length), &mut std::io::sink())?;
    if skipped < length { Err(MediaError::Wav("it ends before its sound begins")) } else { Ok(()) }
}

/// Writes a mono WAV file of 16 bits that is valid after every call.
#[derive(Debug)]
pub struct WavWriter<W> {
    output: W,
    data_bytes: u32,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Writes the header of a file without sound.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn new(mut output: W, rate: u32) -> Result<Self, MediaError> {
        let mut header = Vec::with_capacity(44);
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&HEADER.saturating_sub(8).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16u32.to_le_bytes());
        header.extend_from_slice(&FORMAT_PCM.to_le_bytes());
        header.extend_from_slice(&1u16.to_le_bytes());
        header.extend_from_slice(&rate.to_le_bytes());
        header.extend_from_slice(&rate.saturating_mul(SAMPLE).to_le_bytes());
        header.extend_from_slice(&2u16.to_le_bytes());
        header.extend_from_slice(&16u16.to_le_bytes());
        header.extend_from_slice(b"data");
        header.extend_from_slice(&0u32.to_le_bytes());
        output.write_all(&header)?;
        output.flush()?;
        Ok(Self { output, data_bytes: 0 })
    }

    /// Appends `samples`; beyond -1 to 1 they are cut off.
    ///
    /// # Errors
    ///
    /// [`MediaError::WavFull`] if they no longer fit into a WAV file, [`MediaError::Io`] if
    /// writing fails.
    pub fn write(&mut self, samples: &[f32]) -> Result<(), MediaError> {
        if samples.is_empty() {
            return Ok(());
        }
        let bytes: Vec<u8> =
            samples.iter().flat_map(|&sample| to_i16(sample).to_le_bytes()).collect();
        let added = u32::try_from(bytes.len()).map_err(|_| MediaError::WavFull)?;
        let data_bytes = self.data_bytes.checked_add(added).ok_or(MediaError::WavFull)?;
        let riff_bytes = data_bytes.checked_add(HEADER - 8).ok_or(MediaError::WavFull)?;
        let end = u64::from(HEADER).saturating_add(u64::from(self.data_bytes));
        self.output.seek(SeekFrom::Start(end))?;
        self.output.write_all(&bytes)?;
        self.output.seek(SeekFrom::Start(4))?;
        self.output.write_all(&riff_bytes.to_le_bytes())?;
        self.output.seek(SeekFrom::Start(40))?;
        self.output.write_all(&data_bytes.to_le_bytes())?;
        self.output.flush()?;
        self.data_bytes = data_bytes;
        Ok(())
    }

    /// Samples written so far.
    pub fn samples(&self) -> u64 {
        u64::from(self.data_bytes / SAMPLE)
    }

    /// Gives the output back.
    pub fn into_inner(self) -> W {
        self.output
    }
}

/// What a 16-bit file holds comes back from [`WavReader`] and through here unchanged.
fn to_i16(sample: f32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "held within 16 bits; NaN becomes 0")]
    let value = (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    value
}
