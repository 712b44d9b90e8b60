//! Encryption of encoded media frames, format 1 (streams.md 11.4).
//!
//! A sealed frame is
//! `clear header | AES-256-GCM ciphertext and tag | IV | 12 | key id | length of key id | level`.
//! The clear header is authenticated; the key id and the level are not. We always send one
//! clear byte, as every released client does, and look for other lengths only in video.
//!
//! A frame that does not authenticate is an error here and must be dropped and counted, never
//! decoded.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use aes_gcm::AeadInOut;
use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use rand::CryptoRng;

use crate::model::KeyId;
use crate::model::Level;
use crate::model::Secret;
use crate::model::TrackKind;

pub(super) const IV_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;

/// [`IV_BYTES`] as it is written into the frame; no other length is read.
const IV_LENGTH: u8 = 12;

/// What sealing adds, apart from the key id: tag, IV, two lengths and the level.
const OVERHEAD_BYTES: usize = TAG_BYTES + IV_BYTES + 3;

/// Clear bytes of every frame that we send.
const CLEAR_BYTES: usize = 1;
/// Clear bytes that audio frames can have.
const CLEAR_AUDIO: &[usize] = &[CLEAR_BYTES];
/// Clear bytes that video frames can have: as released, then as once intended for key frames
/// and for delta frames. Nothing in the frame says which; the tag tells.
const CLEAR_VIDEO: &[usize] = &[CLEAR_BYTES, 10, 3];

/// Longest key id, whose length is written in one byte.
const MAX_KEY_ID_BYTES: usize = 255;

/// Longest frame, far above the largest key frame that the SFU lets through. Bounds what a
/// peer can make us copy.
const MAX_FRAME_BYTES: usize = 4 << 20;

/// The level byte is this above the level in dBFS, so 0 to 100.
const LEVEL_OFFSET: f32 = 100.0;

/// A key that protects media: SHA-256 of a container key, under the id of that key.
pub struct MediaKey {
    /// The id of the container key.
    pub id: KeyId,
    /// The derived key.
    pub key: Secret<[u8; 32]>,
}

/// Why a frame could not be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// There is nothing to seal; official clients crash on empty frames.
    #[error("empty frame")]
    Empty,
    /// The frame is larger than any real one.
    #[error("frame is too long")]
    TooLong,
    /// There is no key under the id that was chosen for sending, or its id is no legal one.
    #[error("no key to send with")]
    NoSendingKey,
    /// Too short for its own fields: not an encrypted frame.
    #[error("frame is truncated")]
    Truncated,
    /// An IV of a length that is not allowed.
    #[error("IV of {0} bytes")]
    IvLength(u8),
    /// The frame names a key that we do not have.
    #[error("unknown key")]
    UnknownKey,
    /// The frame was changed, or sealed with another key of that name.
    #[error("frame does not authenticate")]
    NotAuthentic,
}

/// The keys of a room, ready for use: the key schedules are computed once, here.
pub struct FrameKeys {
    current: KeyId,
    ciphers: HashMap<String, Aes256Gcm>,
}

impl FrameKeys {
    /// Takes the keys that frames may be sealed with; `current` names the one to send with.
    ///
    /// If `current` is not among them, received frames can be opened but none be sealed.
    #[must_use]
    pub fn new(current: KeyId, keys: Vec<MediaKey>) -> Self {
        let ciphers = keys
            .into_iter()
            .map(|MediaKey { id, key }| (id.0, Aes256Gcm::new(key.expose().into())))
            .collect();
        Self { current, ciphers }
    }

    /// Names the key to send with.
    #[must_use]
    pub const fn current(&self) -> &KeyId {
        &self.current
    }

    /// Tells whether frames that name this key can be opened.
    #[must_use]
    pub fn contains(&self, id: &KeyId) -> bool {
        self.ciphers.contains_key(&id.0)
    }

    /// The id of the sending key, its length, and its cipher.
    pub(super) fn sending(&self) -> Option<(&str, u8, &Aes256Gcm)> {
        let length = u8::try_from(self.current.0.len()).ok().filter(|length| *length > 0)?;
        Some((&self.current.0, length, self.ciphers.get(&self.current.0)?))
    }

    /// The key with this id, and the id from our own memory.
    pub(super) fn receiving(&self, id: &[u8]) -> Option<(&str, &Aes256Gcm)> {
        let (id, cipher) = self.ciphers.get_key_value(std::str::from_utf8(id).ok()?)?;
        Some((id, cipher))
    }
}

impl fmt::Debug for FrameKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ids: Vec<_> = self.ciphers.keys().collect();
        ids.sort_unstable();
        f.debug_struct("FrameKeys").field("current", &self.current).field("ids", &ids).finish()
    }
}

/// A frame that authenticated.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedFrame {
    /// The encoded frame, ready for the decoder.
    pub frame: Vec<u8>,
    /// The level that the sender states; the server can change it.
    pub level: Level,
    /// The key that it was sealed with.
    pub key_id: KeyId,
}

/// What [`FrameCryptor::open_into`] says about the frame that it wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameInfo<'a> {
    /// The level that the sender states; the server can change it.
    pub level: Level,
    /// The key that it was sealed with.
    pub key_id: &'a str,
}

/// Seals and opens the frames of one room.
#[derive(Clone, Debug)]
pub struct FrameCryptor {
    keys: Arc<FrameKeys>,
}

impl FrameCryptor {
    /// Works with `keys` until told otherwise.
    #[must_use]
    pub const fn new(keys: Arc<FrameKeys>) -> Self {
        Self { keys }
    }

    /// Exchanges all keys at once: the next frame is sealed with the new sending key.
    pub fn set_keys(&mut self, keys: Arc<FrameKeys>) {
        self.keys = keys;
    }

    /// Seals an encoded frame and states its level.
    ///
    /// # Errors
    ///
    /// [`FrameError::Empty`], [`FrameError::TooLong`] or [`FrameError::NoSendingKey`].
    pub fn seal(
        &self,
        rng: &mut impl CryptoRng,
        frame: &[u8],
        level: Level,
    ) -> Result<Vec<u8>, FrameError> {
        let mut out = Vec::new();
        self.seal_into(rng, frame, level, &mut out)?;
        Ok(out)
    }

    /// [`seal`](Self::seal) into a buffer of the caller, whose content is replaced, or cleared
    /// if nothing can be sealed.
    ///
    /// # Errors
    ///
    /// Those of [`seal`](Self::seal).
    pub fn seal_into(
        &self,
        rng: &mut impl CryptoRng,
        frame: &[u8],
        level: Level,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        out.clear();
        if frame.is_empty() {
            return Err(FrameError::Empty);
        }
        if frame.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong);
        }
        let (id, id_length, cipher) = self.keys.sending().ok_or(FrameError::NoSendingKey)?;
        let overhead = OVERHEAD_BYTES.saturating_add(id.len());
        out.reserve(frame.len().saturating_add(overhead));
        out.extend_from_slice(frame);
        let mut iv = [0; IV_BYTES];
        rng.fill_bytes(&mut iv);
        let (clear, body) = out.split_at_mut(CLEAR_BYTES);
        let tag = cipher
            .encrypt_inout_detached((&iv).into(), clear, body.into())
            .map_err(|_| FrameError::TooLong)?;
        out.extend_from_slice(&tag);
        out.extend_from_slice(&iv);
        out.push(IV_LENGTH);
        out.extend_from_slice(id.as_bytes());
        out.push(id_length);
        out.push(level_byte(level));
        Ok(())
    }

    /// Opens a frame of a track of this kind.
    ///
    /// # Errors
    ///
    /// Any error means that the frame must not be decoded.
    pub fn open(&self, kind: TrackKind, sealed: &[u8]) -> Result<OpenedFrame, FrameError> {
        let mut frame = Vec::new();
        let info = self.open_into(kind, sealed, &mut frame)?;
        let FrameInfo { level, key_id } = info;
        Ok(OpenedFrame { level, key_id: KeyId::from(key_id), frame })
    }

    /// [`open`](Self::open) into a buffer of the caller, whose content is replaced, or cleared
    /// if the frame is refused.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn open_into(
        &self,
        kind: TrackKind,
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<FrameInfo<'_>, FrameError> {
        out.clear();
        let parts = Parts::parse(sealed)?;
        let (key_id, cipher) = self.keys.receiving(parts.key_id).ok_or(FrameError::UnknownKey)?;
        let lengths = if kind == TrackKind::Video { CLEAR_VIDEO } else { CLEAR_AUDIO };
        out.extend_from_slice(parts.frame);
        for length in lengths {
            let Some((clear, body)) = out.split_at_mut_checked(*length) else { continue };
            // The tag is checked before anything is decrypted, so a wrong guess leaves the
            // buffer as it was.
            let (iv, tag) = (parts.iv.into(), parts.tag.into());
            if cipher.decrypt_inout_detached(iv, clear, body.into(), tag).is_ok() {
                return Ok(FrameInfo { level: parts.level, key_id });
            }
        }
        out.clear();
        Err(FrameError::NotAuthentic)
    }
}

/// The fields of a sealed frame, found from its end.
struct Parts<'a> {
    /// Clear header and ciphertext.
    frame: &'a [u8],
    tag: &'a [u8; TAG_BYTES],
    iv: &'a [u8; IV_BYTES],
    key_id: &'a [u8],
    level: Level,
}

impl<'a> Parts<'a> {
    fn parse(sealed: &'a [u8]) -> Result<Self, FrameError> {
        if sealed.len() > MAX_FRAME_BYTES.saturating_add(OVERHEAD_BYTES + MAX_KEY_ID_BYTES) {
            return Err(FrameError::TooLong);
        }
        let [rest @ .., id_length, level] = sealed else {
            return Err(FrameError::Truncated);
        };
        let id_start =
            rest.len().checked_sub(usize::from(*id_length)).ok_or(FrameError::Truncated)?;
        let (rest, key_id) = rest.split_at_checked(id_start).ok_or(FrameError::Truncated)?;
        let (iv_length, rest) = rest.split_last().ok_or(FrameError::Truncated)?;
        if *iv_length != IV_LENGTH {
            return Err(FrameError::IvLength(*iv_length));
        }
        let (rest, iv) = rest.split_last_chunk().ok_or(FrameError::Truncated)?;
        let (frame, tag) = rest.split_last_chunk().ok_or(FrameError::Truncated)?;
        if frame.is_empty() {
            return Err(FrameError::Truncated);
        }
        Ok(Self { frame, tag, iv, key_id, level: level_of(*level) })
    }
}

fn level_byte(level: Level) -> u8 {
    // Rounds half up, like the official client; the cast saturates and its range is 0 to 100.
    (level.dbfs() + LEVEL_OFFSET + 0.5).floor() as u8
}

fn level_of(byte: u8) -> Level {
    Level::from_dbfs(f32::from(byte) - LEVEL_OFFSET)
}

/// Frames whose IVs are remembered: 40 s of sound at 50 frames per second. Frames that are
/// older than that are too late to be played anyway.
const REPLAY_WINDOW: usize = 2048;

/// Remembers the frames of one track that were opened lately, so that none is heard twice.
///
/// Nothing in a frame counts, so whoever carries frames could deliver one again under another
/// packet number (streams.md 14.4, D1). But every frame has a random IV of its own: the same IV
/// twice is the same frame twice. In which order frames come does not matter here.
#[derive(Debug, Default)]
pub struct ReplayWindow {
    seen: HashSet<[u8; IV_BYTES]>,
    order: VecDeque<[u8; IV_BYTES]>,
}

impl ReplayWindow {
    /// Notes a frame that authenticated; whether it is new.
    pub fn accept(&mut self, sealed: &[u8]) -> bool {
        let Ok(parts) = Parts::parse(sealed) else { return false };
        if !self.seen.insert(*parts.iv) {
            return false;
        }
        self.order.push_back(*parts.iv);
        if self.order.len() > REPLAY_WINDOW
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

/// The level that a sealed frame states, without a key: for the SFU, and for meters that may
/// be lied to. `None` if there is no frame.
#[must_use]
pub fn claimed_level(sealed: &[u8]) -> Option<Level> {
    sealed.last().map(|byte| level_of(*byte))
}
