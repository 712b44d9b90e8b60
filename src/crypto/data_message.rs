//! Encryption of data-channel messages, format 1 (streams.md 11.8).
//!
//! A message is `1 | sequence number | IV | length of key id | key id | ciphertext and tag`;
//! everything before the ciphertext is authenticated. The sequence number of a sender only
//! grows, so a message that was seen before is refused.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::sync::Arc;

use aes_gcm::AeadInOut;
use rand::CryptoRng;

use super::frame::FrameKeys;
use super::frame::IV_BYTES;
use super::frame::TAG_BYTES;
use crate::model::KeyId;
use crate::model::StreamId;

const VERSION: u8 = 1;

/// Version, sequence number, IV and length of the key id.
const FIXED_BYTES: usize = 18;

/// Longest message: what a data channel passes is far below. Bounds what a peer can make us copy.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// First sequence number: official web clients refuse 0.
const FIRST_SEQUENCE: u32 = 1;

/// Senders that are remembered. Stream ids are chosen by the server, which could otherwise fill
/// our memory by delivering one message under many ids.
const MAX_SENDERS: usize = 4096;

/// Why a message could not be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Shorter than the fixed part.
    #[error("message is too short")]
    TooShort,
    /// Of another version.
    #[error("unsupported message version {0}")]
    UnsupportedVersion(u8),
    /// Not newer than the last one from this sender: replayed or out of order.
    #[error("message {sequence} is not newer than the last one")]
    Sequence {
        /// The number that came again.
        sequence: u32,
    },
    /// Ends within the key id.
    #[error("message is truncated")]
    Truncated,
    /// Names no key.
    #[error("message without key id")]
    InvalidKeyId,
    /// Names a key that we do not have.
    #[error("unknown key")]
    UnknownKey,
    /// Was changed, or sealed with another key of that name.
    #[error("message does not authenticate")]
    NotAuthentic,
    /// Comes from one stream too many.
    #[error("too many senders")]
    TooManySenders,
    /// Longer than a data channel can pass.
    #[error("message is too long")]
    TooLong,
    /// There is no key under the id that was chosen for sending, or its id is no legal one.
    #[error("no key to send with")]
    NoSendingKey,
    /// All sequence numbers are used up.
    #[error("no sequence number left")]
    Exhausted,
}

impl DataError {
    /// The status that official web clients give their listener (streams.md 3.3).
    #[must_use]
    pub const fn status(&self) -> i64 {
        match self {
            Self::TooShort => 0x1001,
            Self::UnsupportedVersion(_) => 0x1002,
            Self::Truncated | Self::TooLong => 0x1004,
            Self::InvalidKeyId => 0x1005,
            Self::UnknownKey | Self::NoSendingKey => 0x1006,
            Self::NotAuthentic => 0x1008,
            Self::Sequence { .. } | Self::TooManySenders | Self::Exhausted => 0x1009,
        }
    }

    /// The code that official native clients report.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::TooShort | Self::Truncated | Self::TooLong => 0x0008_002B,
            Self::UnsupportedVersion(_) => 0x0008_002C,
            Self::InvalidKeyId => 0x0008_002A,
            Self::UnknownKey => 0x0008_0029,
            Self::NoSendingKey => 0x0008_0028,
            Self::NotAuthentic => 0xE0A1_0027,
            Self::Sequence { .. } | Self::TooManySenders | Self::Exhausted => 0x0008_002E,
        }
    }
}

/// A message that authenticated and is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedMessage {
    /// The content.
    pub data: Vec<u8>,
    /// Its number among the messages of its sender.
    pub sequence: u32,
    /// The key that it was sealed with.
    pub key_id: KeyId,
}

/// Seals and opens the data messages of one room.
///
/// Make one per joined room and keep it until the room is left: receivers remember sequence
/// numbers by stream, and a stream that is published again keeps its id.
#[derive(Debug)]
pub struct DataCryptor {
    keys: Arc<FrameKeys>,
    next: Option<u32>,
    last_accepted: HashMap<StreamId, u32>,
}

impl DataCryptor {
    /// Starts to count at 1 and works with `keys` until told otherwise.
    #[must_use]
    pub fn new(keys: Arc<FrameKeys>) -> Self {
        Self { keys, next: Some(FIRST_SEQUENCE), last_accepted: HashMap::new() }
    }

    /// Exchanges all keys at once; sequence numbers go on.
    pub fn set_keys(&mut self, keys: Arc<FrameKeys>) {
        self.keys = keys;
    }

    /// Seals a message under the next sequence number.
    ///
    /// # Errors
    ///
    /// [`DataError::NoSendingKey`], [`DataError::TooLong`] or, after 2^32 - 1 messages,
    /// [`DataError::Exhausted`].
    pub fn seal(&mut self, rng: &mut impl CryptoRng, data: &[u8]) -> Result<Vec<u8>, DataError> {
        let (id, id_length, cipher) = self.keys.sending().ok_or(DataError::NoSendingKey)?;
        if data.len() > MAX_MESSAGE_BYTES {
            return Err(DataError::TooLong);
        }
        let sequence = self.next.ok_or(DataError::Exhausted)?;
        let mut iv = [0; IV_BYTES];
        rng.fill_bytes(&mut iv);
        let header_length = FIXED_BYTES.saturating_add(id.len());
        let length = header_length.saturating_add(data.len()).saturating_add(TAG_BYTES);
        let mut out = Vec::with_capacity(length);
        out.push(VERSION);
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&iv);
        out.push(id_length);
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(data);
        let (header, body) = out.split_at_mut(header_length);
        let tag = cipher
            .encrypt_inout_detached((&iv).into(), header, body.into())
            .map_err(|_| DataError::TooLong)?;
        out.extend_from_slice(&tag);
        self.next = sequence.checked_add(1);
        Ok(out)
    }

    /// Opens a message that came on `stream`, and remembers its number if it is authentic.
    ///
    /// # Errors
    ///
    /// Any error means that there is no message; its status tells the application why.
    pub fn open(&mut self, stream: StreamId, message: &[u8]) -> Result<OpenedMessage, DataError> {
        let parts = Parts::parse(message)?;
        let last = self.last_accepted.get(&stream);
        if last.is_some_and(|last| parts.sequence <= *last) {
            return Err(DataError::Sequence { sequence: parts.sequence });
        }
        let body = parts.body()?;
        if last.is_none() && self.last_accepted.len() >= MAX_SENDERS {
            return Err(DataError::TooManySenders);
        }
        let (id, cipher) = self.keys.receiving(body.key_id).ok_or(DataError::UnknownKey)?;
        let (sealed, tag) =
            body.sealed.split_last_chunk::<TAG_BYTES>().ok_or(DataError::NotAuthentic)?;
        let mut data = sealed.to_vec();
        cipher
            .decrypt_inout_detached(
                parts.iv.into(),
                body.header,
                data.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| DataError::NotAuthentic)?;
        let key_id = KeyId::from(id);
        self.last_accepted.insert(stream, parts.sequence);
        Ok(OpenedMessage { data, sequence: parts.sequence, key_id })
    }

    /// Forgets a stream that is gone for good, so that a later one under its id starts afresh.
    pub fn forget(&mut self, stream: StreamId) {
        self.last_accepted.remove(&stream);
    }
}

struct Parts<'a> {
    message: &'a [u8],
    sequence: u32,
    iv: &'a [u8; IV_BYTES],
    id_length: u8,
    rest: &'a [u8],
}

struct Body<'a> {
    header: &'a [u8],
    key_id: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, DataError> {
        let (fixed, rest) =
            message.split_first_chunk::<FIXED_BYTES>().ok_or(DataError::TooShort)?;
        let [version, a, b, c, d, iv @ .., id_length] = fixed;
        if *version != VERSION {
            return Err(DataError::UnsupportedVersion(*version));
        }
        let sequence = u32::from_be_bytes([*a, *b, *c, *d]);
        Ok(Self { message, sequence, iv, id_length: *id_length, rest })
    }

    fn body(&self) -> Result<Body<'a>, DataError> {
        let id_length = usize::from(self.id_length);
        let (key_id, sealed) = self.rest.split_at_checked(id_length).ok_or(DataError::Truncated)?;
        if sealed.len() > MAX_MESSAGE_BYTES {
            return Err(DataError::TooLong);
        }
        if key_id.trim_ascii().is_empty() {
            return Err(DataError::InvalidKeyId);
        }
        let (header, _) = self
            .message
            .split_at_checked(FIXED_BYTES.saturating_add(id_length))
            .ok_or(DataError::Truncated)?;
        Ok(Body { header, key_id, sealed })
    }
}
