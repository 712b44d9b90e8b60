//! What surrounds an event, and why an event may be dropped.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Error as JsonError;
use serde_json::Value as Json;
use serde_json::json;

use super::Payload;
use crate::model::SubscriptionId;
use crate::model::Timestamp;

/// The version that events are written in.
const VERSION: i64 = 2;

/// An event with what surrounds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened, by the bridge's clock.
    pub timestamp: Timestamp,
    /// The receiver's subscriptions that matched.
    pub subscriptions: Vec<SubscriptionId>,
    /// What happened.
    pub payload: Payload,
}

/// Why an event is dropped. The client counts these and goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The envelope lacks a field.
    #[error("the event has no usable envelope")]
    Envelope(#[source] JsonError),
    /// A type that this program does not know or need.
    #[error("unknown event type {0}")]
    UnknownType(String),
    /// The data are not those of the type.
    #[error("the data of {kind} cannot be read")]
    Data {
        /// Type of the event.
        kind: String,
        /// What is wrong.
        source: JsonError,
    },
    /// About a container that is not a Stream Room.
    #[error("the event is about a container of another type")]
    ForeignContainer,
}

/// An event whose data were not looked at yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawEvent {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The data.
    pub data: Json,
    /// When it happened, in ms by the bridge's clock.
    pub timestamp: i64,
    /// The receiver's subscriptions that matched.
    pub subscriptions: Vec<String>,
    /// 2; 1 on older bridges.
    pub version: i64,
}

impl RawEvent {
    /// Reads an event out of a notification and leaves its data for later.
    ///
    /// # Errors
    ///
    /// [`EventError::Envelope`] if a field around the data is missing.
    pub fn parse(json: Json) -> Result<Self, EventError> {
        Self::deserialize(json).map_err(EventError::Envelope)
    }
}

impl Event {
    /// Reads an event out of a notification.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the event is to be dropped.
    pub fn parse(json: Json) -> Result<Self, EventError> {
        Self::from_raw(RawEvent::parse(json)?)
    }

    /// Reads the data of an event.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the event is to be dropped.
    pub fn from_raw(raw: RawEvent) -> Result<Self, EventError> {
        Ok(Self {
            timestamp: Timestamp(raw.timestamp),
            subscriptions: raw.subscriptions.into_iter().map(SubscriptionId).collect(),
            payload: Payload::parse(&raw.kind, raw.data)?,
        })
    }

    /// The event as a server sends it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let subscriptions: Vec<_> = self.subscriptions.iter().map(SubscriptionId::as_str).collect();
        json!({
            "type": self.payload.type_name(),
            "data": self.payload.data(),
            "timestamp": self.timestamp.0,
            "subscriptions": subscriptions,
            "version": VERSION,
        })
    }
}
