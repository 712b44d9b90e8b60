//! From pictures to sealed RTP payloads.
//!
//! A picture is encoded, the frame is sealed as a whole, and what comes out is cut into packets.
//! Key frames are made when asked for, but no more often than the network can stand: a request
//! that comes too early is kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use rand::CryptoRng;

use super::descriptor;
use crate::crypto::frame::FrameCryptor;
use crate::crypto::frame::FrameKeys;
use crate::media::codec::vp8::Content;
use crate::media::codec::vp8::Encoder;
use crate::media::codec::vp8::EncoderConfig;
use crate::media::error::MediaError;
use crate::media::video::Picture;
use crate::model::Level;

/// Longest RTP payload, descriptor included: with the headers of RTP, SRTP, UDP, IPv6 and TURN
/// it stays below 1280 bytes, which every path carries.
pub const MAX_PAYLOAD: usize = 1180;
/// Time between two key frames that were asked for: each takes as many bits as several others.
pub const MIN_KEY_INTERVAL: Duration = Duration::from_millis(300);
/// Ticks of the RTP clock of video in a millisecond.
const TICKS_PER_MS: u128 = 90;

/// One encoded and sealed picture: the payloads of its RTP packets. The last packet gets the
/// marker bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPicture {
    /// Payloads in the order of their packets, never empty.
    pub payloads: Vec<Bytes>,
    /// RTP timestamp of all of them, 90 kHz.
    pub timestamp: u32,
    /// A decoder can begin here.
    pub key: bool,
}

/// What one outgoing track has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoSenderStats {
    /// Pictures that came.
    pub pictures: u64,
    /// Of these, encoded.
    pub frames: u64,
    /// Of these, key frames.
    pub key_frames: u64,
    /// Bytes of all payloads.
    pub bytes: u64,
}

/// One outgoing video track.
pub struct VideoSender {
    encoder: Encoder,
    cryptor: FrameCryptor,
    /// RTP timestamp at time zero.
    timestamp: u32,
    picture_id: u16,
    key_wanted: bool,
    last_key: Option<Duration>,
    level: Level,
    stats: VideoSenderStats,
}

impl VideoSender {
    /// A sender whose time zero has the RTP timestamp `timestamp`, which should be random, as
    /// should the picture id it begins with.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if there can be no pictures of that size.
    pub fn new(
        keys: Arc<FrameKeys>,
        config: EncoderConfig,
        content: Content,
        timestamp: u32,
        picture_id: u16,
    ) -> Result<Self, MediaError> {
        Ok(Self {
            encoder: Encoder::with_content(config, content)?,
            cryptor: FrameCryptor::new(keys),
            timestamp,
            picture_id,
            key_wanted: false,
            last_key: None,
            level: Level::FLOOR,
            stats: VideoSenderStats::default(),
        })
    }

    /// Seals with the current one of `keys` from the next picture on.
    pub fn set_keys(&mut self, keys: Arc<FrameKeys>) {
        self.cryptor.set_keys(keys);
    }

    /// Aims at `kbit` kilobits per second.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if the codec refuses.
    pub fn set_bitrate(&mut self, kbit: u32) -> Result<(), MediaError> {
        self.encoder.set_bitrate(kbit)
    }

    /// Plans for `fps` pictures per second.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if the codec refuses.
    pub fn set_fps(&mut self, fps: u32) -> Result<(), MediaError> {
        self.encoder.set_fps(fps)
    }

    /// States `level` in the frames, as official clients do in those of every track.
    pub fn set_level(&mut self, level: Level) {
        self.level = level;
    }

    /// Makes a key frame as soon as one is due.
    pub fn request_key_frame(&mut self) {
        self.key_wanted = true;
    }

    /// What it aims at now.
    #[must_use]
    pub const fn config(&self) -> EncoderConfig {
        self.encoder.config()
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn stats(&self) -> VideoSenderStats {
        self.stats
    }

    /// Takes a picture that is shown at `time` since the track began. `None`: it was left out to
    /// keep the bit rate.
    ///
    /// # Errors
    ///
    /// [`MediaError::Vp8`] if the codec refuses, [`MediaError::Seal`] without a key.
    pub fn handle_picture(
        &mut self,
        picture: &Picture,
        time: Duration,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<EncodedPicture>, MediaError> {
        self.stats.pictures += 1;
        let due = self.last_key.is_none_or(|last| time.saturating_sub(last) >= MIN_KEY_INTERVAL);
        let force_key = self.key_wanted && due;
        let Some(frame) = self.encoder.encode(picture, time, force_key)? else { return Ok(None) };
        let sealed = self.cryptor.seal(rng, &frame.data, self.level).map_err(MediaError::Seal);
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                // The others miss this frame, so the next one they see has to stand alone.
                self.key_wanted = true;
                self.last_key = None;
                return Err(error);
            }
        };
        if frame.key {
            self.key_wanted = false;
            self.last_key = Some(time);
            self.stats.key_frames += 1;
        }
        let payloads = split(&sealed, self.picture_id);
        self.picture_id = descriptor::next_id(self.picture_id);
        self.stats.frames += 1;
        self.stats.bytes += payloads.iter().map(|payload| payload.len() as u64).sum::<u64>();
        #[expect(clippy::cast_possible_truncation, reason = "RTP timestamps wrap around")]
        let ticks = (time.as_micros() * TICKS_PER_MS / 1000) as u32;
        let timestamp = self.timestamp.wrapping_add(ticks);
        Ok(Some(EncodedPicture { payloads, timestamp, key: frame.key }))
    }
}

/// Cuts a sealed frame into payloads of about the same length.
fn split(sealed: &[u8], id: u16) -> Vec<Bytes> {
    let most = MAX_PAYLOAD - descriptor::BYTES;
    let count = sealed.len().div_ceil(most).max(1);
    let each = sealed.len().div_ceil(count).max(1);
    let pieces = sealed.chunks(each).enumerate().map(|(index, piece)| {
        let mut payload = BytesMut::with_capacity(descriptor::BYTES + piece.len());
        payload.extend_from_slice(&descriptor::write(index == 0, id));
        payload.extend_from_slice(piece);
        payload.freeze()
    });
    pieces.collect()
}
