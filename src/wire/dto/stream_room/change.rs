//! Calls that make, change and delete rooms.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::PolicyParams;
use crate::wire::dto::Call;
use crate::wire::dto::Done;
use crate::wire::dto::Invalid;
use crate::wire::dto::call::present;
use crate::wire::dto::limit;

/// `stream.streamRoomCreate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamRoomCreate {
    /// Where.
    pub context_id: String,
    /// UUID chosen by the creator.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// [`ROOM_TYPE`](super::ROOM_TYPE).
    #[serde(
        default,
        rename = "type",
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub room_type: Option<String>,
    /// Members that may take part.
    pub users: Vec<String>,
    /// Members that may change the room.
    pub managers: Vec<String>,
    /// Sealed metadata.
    pub data: Json,
    /// The key of `data`.
    pub key_id: String,
    /// That key, wrapped for everybody.
    pub keys: Vec<KeyEntry>,
    /// Who may do what.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyParams>,
}

/// `stream.streamRoomUpdate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamRoomUpdate {
    /// The room.
    pub id: String,
    /// Its UUID; must be the stored one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Members that may take part.
    pub users: Vec<String>,
    /// Members that may change the room.
    pub managers: Vec<String>,
    /// Sealed metadata.
    pub data: Json,
    /// The key of `data`.
    pub key_id: String,
    /// Keys wrapped for those who lack them.
    pub keys: Vec<KeyEntry>,
    /// The version that this replaces.
    pub version: i64,
    /// Replace whatever version there is.
    pub force: bool,
    /// Who may do what.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyParams>,
}

/// A key of a room, wrapped for one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyEntry {
    /// For whom.
    pub user: String,
    /// Which key.
    pub key_id: String,
    /// The wrapped key; the server does not look inside.
    pub data: Json,
}

/// `stream.streamRoomDelete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRoomDelete {
    /// The room.
    pub id: String,
}

/// `stream.streamRoomDeleteMany`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRoomDeleteMany {
    /// The rooms, all of one context.
    pub ids: Vec<String>,
}

/// The answer to [`StreamRoomDeleteMany`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRoomsDeleted {
    /// What became of each room.
    pub results: Vec<DeleteResult>,
}

/// What became of one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteResult {
    /// The room.
    pub id: String,
    /// `OK`, `STREAM_ROOM_DOES_NOT_EXIST` or `ACCESS_DENIED`.
    pub status: String,
}

/// The answer to [`StreamRoomCreate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRoomCreated {
    /// The new room.
    pub stream_room_id: String,
}

fn validate_keys(keys: &[KeyEntry]) -> Result<(), Invalid> {
    limit::count("keys", keys.len())?;
    keys.iter().try_for_each(|entry| {
        limit::id("keys", &entry.user)?;
        limit::id("keys", &entry.key_id)?;
        limit::container_data("keys", &entry.data)
    })
}

impl Call for StreamRoomCreate {
    const METHOD: &'static str = "stream.streamRoomCreate";
    type Answer = StreamRoomCreated;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::resource_id(self.resource_id.as_deref())?;
        limit::optional_id("type", self.room_type.as_deref())?;
        limit::ids("users", &self.users)?;
        limit::ids("managers", &self.managers)?;
        limit::container_data("data", &self.data)?;
        limit::id("keyId", &self.key_id)?;
        validate_keys(&self.keys)?;
        self.policy.as_ref().map_or(Ok(()), PolicyParams::validate)
    }
}

impl Call for StreamRoomUpdate {
    const METHOD: &'static str = "stream.streamRoomUpdate";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)?;
        limit::resource_id(self.resource_id.as_deref())?;
        limit::ids("users", &self.users)?;
        limit::ids("managers", &self.managers)?;
        limit::container_data("data", &self.data)?;
        limit::id("keyId", &self.key_id)?;
        validate_keys(&self.keys)?;
        limit::number("version", self.version, 0, "must not be negative")?;
        self.policy.as_ref().map_or(Ok(()), PolicyParams::validate)
    }
}

impl Call for StreamRoomDelete {
    const METHOD: &'static str = "stream.streamRoomDelete";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)
    }
}

impl Call for StreamRoomDeleteMany {
    const METHOD: &'static str = "stream.streamRoomDeleteMany";
    type Answer = StreamRoomsDeleted;

    fn validate(&self) -> Result<(), Invalid> {
        limit::at_most("ids", self.ids.len(), limit::DELETE_MAX, "must have at most 128 entries")?;
        limit::ids("ids", &self.ids)
    }
}
