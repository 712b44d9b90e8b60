//! Sealed events on a WebSocket (transport.md 11.1).
//!
//! Each session on a socket gave the server a key of its own and got a channel id in return;
//! a notification names the channel and is sealed with that key.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::CryptoRng;
use serde_json::Value as Json;

use crate::crypto::CryptoError;
use crate::crypto::cipher;
use crate::model::Secret;
use crate::wire::dto::event::EventError;
use crate::wire::mux;
use crate::wire::pson;
use crate::wire::pson::Dictionary;
use crate::wire::pson::PsonError;

pub use crate::wire::dto::event::RawEvent;

/// The key that notifications of one session on one socket are sealed with.
pub struct NotificationKey(Secret<[u8; 32]>);

/// Why a notification is dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// Shorter than a channel id.
    #[error("the notification is cut short")]
    Truncated,
    /// Sealed with another key, or changed.
    #[error(transparent)]
    Sealed(#[from] CryptoError),
    /// What was sealed is not PSON.
    #[error(transparent)]
    Pson(#[from] PsonError),
    /// What was sealed is not an event.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl NotificationKey {
    /// A new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self(Secret::new(key))
    }

    /// The key that a client named in `authorizeWebSocket`; nothing unless it has 32 bytes.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text).ok()?;
        bytes.try_into().ok().map(|key| Self(Secret::new(key)))
    }

    /// The text for `authorizeWebSocket`.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.0.expose())
    }

    /// Seals `event` into a whole WebSocket message; `channel_id` is left out for sessions
    /// that did not ask for one.
    #[must_use]
    pub fn seal(&self, channel_id: Option<u32>, event: &Json, rng: &mut impl CryptoRng) -> Vec<u8> {
        let plain = pson::encode_json(event, Dictionary::Empty);
        let sealed = cipher::ae_seal(self.0.expose(), &plain, rng);
        match channel_id {
            Some(id) => mux::notification(&[&id.to_be_bytes(), sealed.as_slice()].concat()),
            None => mux::notification(&sealed),
        }
    }

    /// Opens what [`split`] left of a notification.
    ///
    /// # Errors
    ///
    /// [`NotificationError`] if it is to be dropped.
    pub fn open(&self, sealed: &[u8]) -> Result<RawEvent, NotificationError> {
        let plain = cipher::ae_open(self.0.expose(), sealed)?;
        let json = pson::decode(&plain, Dictionary::Empty)?.to_json()?;
        Ok(RawEvent::parse(json)?)
    }
}

impl std::fmt::Debug for NotificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// Splits the content of a [`mux::ServerMessage::Notification`] into the channel id and what
/// the key of that channel opens.
///
/// # Errors
///
/// [`NotificationError::Truncated`].
pub fn split(content: &[u8]) -> Result<(u32, &[u8]), NotificationError> {
    let (id, sealed) = content.split_first_chunk().ok_or(NotificationError::Truncated)?;
    Ok((u32::from_be_bytes(*id), sealed))
}
