//! VP8 (RFC 6386) for calls: pictures in, frames out, and back.
//!
//! The work is done by libvpx, or without the feature of that name by a codec in Rust, which
//! takes about twenty times as long. This module is what both have in common: limits that are
//! checked before either sees a byte, the rule that nothing is decoded without what it refers
//! to, and a new beginning when the size of the picture changes.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use super::vp8_engine;
use crate::media::container::ivf::key_frame_size;
use crate::media::error::MediaError;
use crate::media::video::Picture;

/// Most pixels of a picture that is decoded: a 4K screen. A header can claim 30 times as many.
pub const MAX_PIXELS: u32 = 4096 * 2304;
/// Longest frame that is decoded; the same as can be sealed.
pub const MAX_FRAME: usize = 4 << 20;
/// Ticks of the encoder's clock in a second, those of RTP.
pub const TICKS_PER_SECOND: u32 = 90_000;
/// Bit rates that are aimed at, in kbit/s.
pub const BITRATE_KBIT: std::ops::RangeInclusive<u32> = 16..=20_000;
/// Pictures per second that are planned for.
pub const FPS: std::ops::RangeInclusive<u32> = 1..=60;

/// The first byte of a frame tells key frames by its lowest bit.
const DELTA: u8 = 1;
/// Bits 1 to 3 of the first byte are the version of the format.
const MAX_VERSION: u8 = 3;
/// A frame has at least its tag.
const TAG_BYTES: usize = 3;

/// What an encoder aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Columns, until a picture says otherwise.
    pub width: u32,
    /// Rows, until a picture says otherwise.
    pub height: u32,
    /// Pictures per second, held within [`FPS`].
    pub fps: u32,
    /// Kilobits per second, held within [`BITRATE_KBIT`].
    pub bitrate_kbit: u32,
}

/// What the pictures are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// What a camera sees: noisy, and everything moves a little.
    #[default]
    Camera,
    /// A screen: sharp, and most of it stands still.
    Screen,
}

/// One encoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vp8Frame {
    /// The bytes for the decoder.
    pub data: Vec<u8>,
    /// It can be decoded without any other.
    pub key: bool,
}

/// Turns pictures into frames.
pub struct Encoder {
    engine: vp8_engine::Encoder,
    config: EncoderConfig,
    content: Content,
    last_ticks: Option<u64>,
}

impl Encoder {
    /// An encoder for what a camera sees.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if there can be no pictures of that size.
    pub fn new(config: EncoderConfig) -> Result<Self, MediaError> {
        Self::with_content(config, Content::Camera)
    }

    /// An encoder for pictures of a certain kind.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_content(config: EncoderConfig, content: Content) -> Result<Self, MediaError> {
        let config = bounded(config);
        let engine = start(&config, content)?;
        Ok(Self { engine, config, content, last_ticks: None })
    }

    /// What it aims at now.
    #[must_use]
    pub const fn config(&self) -> EncoderConfig {
        self.config
    }

    /// Aims at `kbit` kilobits per second from the next picture on.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if the codec refuses.
    pub fn set_bitrate(&mut self, kbit: u32) -> Result<(), MediaError> {
        self.configure(EncoderConfig { bitrate_kbit: kbit, ..self.config })
    }

    /// Plans for `fps` pictures per second from the next one on.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if the codec refuses.
    pub fn set_fps(&mut self, fps: u32) -> Result<(), MediaError> {
        self.configure(EncoderConfig { fps, ..self.config })
    }

    /// Encodes a picture that is shown at `time`. `None`: left out, or the bit rate would be
    /// exceeded. The first frame, and the first of another size, is always a key frame.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if the codec refuses.
    pub fn encode(
        &mut self,
        picture: &Picture,
        time: Duration,
        force_key: bool,
    ) -> Result<Option<Vp8Frame>, MediaError> {
        if (picture.width(), picture.height()) != (self.config.width, self.config.height) {
            let (width, height) = (picture.width(), picture.height());
            let config = EncoderConfig { width, height, ..self.config };
            self.engine = start(&config, self.content)?;
            self.config = config;
        }
        let ticks = ticks(time);
        let ticks = self.last_ticks.map_or(ticks, |last| ticks.max(last.saturating_add(1)));
        self.last_ticks = Some(ticks);
        self.engine.encode(picture, ticks, force_key)
    }

    fn configure(&mut self, config: EncoderConfig) -> Result<(), MediaError> {
        let config = bounded(config);
        if config != self.config {
            self.engine.configure(&config)?;
            self.config = config;
        }
        Ok(())
    }
}

/// Turns frames into pictures. Believes nothing: what does not decode is an error, and after an
/// error only a key frame is decoded.
#[derive(Default)]
pub struct Decoder {
    /// There is one from a key frame on, as long as each frame decodes.
    engine: Option<vp8_engine::Decoder>,
}

impl Decoder {
    /// A decoder that waits for a key frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only a key frame can be decoded next.
    #[must_use]
    pub const fn needs_key_frame(&self) -> bool {
        self.engine.is_none()
    }

    /// Forgets everything: the next frame has to be a key frame.
    pub fn reset(&mut self) {
        self.engine = None;
    }

    /// Decodes the next frame. `None`: it is not to be shown, but others refer to it.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if it is no VP8 frame, or too large, or refers to what is not there.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, MediaError> {
        let engine = self.engine.take();
        let mut engine = match check(frame)? {
            Kind::Key => engine.map_or_else(vp8_engine::Decoder::new, Ok)?,
            Kind::Delta => engine.ok_or(refused("it refers to frames that are missing"))?,
        };
        let picture = engine.decode(frame)?;
        self.engine = Some(engine);
        Ok(picture)
    }
}

enum Kind {
    Key,
    Delta,
}

/// Whether `frame` begins like a key frame. Holds for sealed frames, too: their first byte is
/// in the clear.
#[must_use]
pub fn begins_like_key_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|tag| tag & DELTA == 0)
}

/// What kind of frame this is, if it can be decoded at all.
fn check(frame: &[u8]) -> Result<Kind, MediaError> {
    let &[tag, _, _, ..] = frame else { return Err(refused("it is too short")) };
    if frame.len() <= TAG_BYTES {
        return Err(refused("it is too short"));
    }
    if frame.len() > MAX_FRAME {
        return Err(refused("it is too long"));
    }
    if (tag >> 1) & 7 > MAX_VERSION {
        return Err(refused("it is of an unknown version"));
    }
    if tag & DELTA != 0 {
        return Ok(Kind::Delta);
    }
    let (width, height) = key_frame_size(frame).ok_or(refused("it is no key frame"))?;
    if width == 0 || height == 0 {
        return Err(refused("its picture has no pixels"));
    }
    if u32::from(width).saturating_mul(u32::from(height)) > MAX_PIXELS {
        return Err(refused("its picture is too large"));
    }
    Ok(Kind::Key)
}

fn refused(reason: &'static str) -> MediaError {
    MediaError::Vp8 { action: "decode a frame", reason }
}

fn start(config: &EncoderConfig, content: Content) -> Result<vp8_engine::Encoder, MediaError> {
    let pixels = config.width.saturating_mul(config.height);
    if pixels == 0 || pixels > MAX_PIXELS {
        let reason = "there are no such pictures";
        return Err(MediaError::Vp8 { action: "start an encoder", reason });
    }
    vp8_engine::Encoder::new(config, content)
}

fn bounded(config: EncoderConfig) -> EncoderConfig {
    let bitrate_kbit = config.bitrate_kbit.clamp(*BITRATE_KBIT.start(), *BITRATE_KBIT.end());
    EncoderConfig { fps: config.fps.clamp(*FPS.start(), *FPS.end()), bitrate_kbit, ..config }
}

fn ticks(time: Duration) -> u64 {
    let ticks = time.as_micros().saturating_mul(u128::from(TICKS_PER_SECOND)) / 1_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}
