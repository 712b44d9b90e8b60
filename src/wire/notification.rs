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
use crate::model::Timestamp;
use crate::wire::dto::event::EventError;
use crate::wire::msgpack;
use crate::wire::mux;
use crate::wire::pson;
use crate::wire::pson::Dictionary;
use crate::wire::pson::PsonError;

pub use crate::wire::dto::event::RawEvent;

/// The version of events.
const VERSION: i64 = 2;
/// The version of those for subscriptions of the old style.
const LEGACY_VERSION: i64 = 1;

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
        self.seal_encoded(channel_id, &pson::encode_json(event, Dictionary::Empty), rng)
    }

    /// The same for an event that is encoded already, as [`Announcement`] does it.
    #[must_use]
    pub fn seal_encoded(
        &self,
        channel_id: Option<u32>,
        event: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let sealed = cipher::ae_seal(self.0.expose(), event, rng);
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

/// An event that goes to several sessions: what its copies have in common is encoded once.
pub struct Announcement {
    /// The members `type`, `data` and `timestamp`.
    common: Vec<u8>,
    /// The same, to be encoded for sessions that want something else.
    members: [(&'static str, pson::Value); 3],
}

impl Announcement {
    /// An event of this type.
    #[must_use]
    pub fn new(kind: &str, data: &Json, timestamp: Timestamp) -> Self {
        let members = [
            ("type", pson::Value::text(kind)),
            ("data", pson::Value::from(data)),
            ("timestamp", pson::Value::Int(timestamp.0)),
        ];
        let common = members
            .iter()
            .flat_map(|(key, value)| pson::encode_member(key, value, Dictionary::Empty))
            .collect();
        Self { common, members }
    }

    /// The copy of a session that these subscriptions matched. Copies for subscriptions of the
    /// old style name their channel, and have another version.
    #[must_use]
    pub fn for_session(&self, subscriptions: &[String], channel: Option<&str>) -> Vec<u8> {
        let ids = subscriptions.iter().map(pson::Value::text).collect();
        let ids = pson::encode_member("subscriptions", &pson::Value::Array(ids), Dictionary::Empty);
        let version = if channel.is_some() { LEGACY_VERSION } else { VERSION };
        let version = pson::encode_member("version", &pson::Value::Int(version), Dictionary::Empty);
        let channel = channel.map_or_else(Vec::new, |channel| {
            pson::encode_member("channel", &pson::Value::text(channel), Dictionary::Empty)
        });
        let count = if channel.is_empty() { 5 } else { 6 };
        pson::object_of(count, &[&self.common, &ids, &version, &channel])
    }

    /// The same in MessagePack, in which events come in lists.
    #[must_use]
    pub fn in_message_pack(&self, subscriptions: &[String], channel: Option<&str>) -> Vec<u8> {
        let ids = subscriptions.iter().map(pson::Value::text).collect();
        let version = if channel.is_some() { LEGACY_VERSION } else { VERSION };
        let mut members = self.members.to_vec();
        members.push(("subscriptions", pson::Value::Array(ids)));
        members.push(("version", pson::Value::Int(version)));
        members.extend(channel.map(|channel| ("channel", pson::Value::text(channel))));
        msgpack::encode(&pson::Value::Array(vec![pson::Value::object(members)]))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn copies_are_the_event_that_they_are_copies_of() {
        let data = json!({"streamRoomId": "r", "streamId": 7});
        let event = Announcement::new("streamUnpublished", &data, Timestamp(5));
        let open =
            |bytes: &[u8]| pson::decode(bytes, Dictionary::Empty).unwrap().to_json().unwrap();
        let expected = json!({
            "type": "streamUnpublished", "data": data, "timestamp": 5,
            "subscriptions": ["a", "b"], "version": 2,
        });
        assert_eq!(open(&event.for_session(&["a".into(), "b".into()], None)), expected);
        let expected = json!({
            "type": "streamUnpublished", "data": data, "timestamp": 5,
            "subscriptions": ["a"], "version": 1, "channel": "streamroom/streams/unpublish",
        });
        let legacy = event.for_session(&["a".into()], Some("streamroom/streams/unpublish"));
        assert_eq!(open(&legacy), expected);
    }
}
