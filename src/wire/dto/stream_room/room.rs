//! A room as one of its members sees it.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::Policy;
use crate::model;
use crate::model::ContainerPolicy;
use crate::model::Timestamp;

/// The container type of rooms; official clients ignore rooms of any other.
pub const ROOM_TYPE: &str = "stream";

/// A room as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRoom {
    /// Its id.
    pub id: String,
    /// UUID chosen by the creator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Where.
    pub context_id: String,
    /// When it was created, in ms.
    pub create_date: i64,
    /// Who created it.
    pub creator: String,
    /// When it was last updated, in ms.
    pub last_modification_date: i64,
    /// Who last updated it.
    pub last_modifier: String,
    /// Every version of the metadata, oldest first.
    pub data: Vec<RoomData>,
    /// The key of the last version.
    pub key_id: String,
    /// Members that may take part.
    pub users: Vec<String>,
    /// Members that may change the room.
    pub managers: Vec<String>,
    /// The reader's keys.
    pub keys: Vec<RoomKey>,
    /// How many versions there are.
    pub version: i64,
    /// [`ROOM_TYPE`], if set.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub room_type: Option<String>,
    /// Who may do what.
    #[serde(default)]
    pub policy: Policy,
    /// Nobody can join any more. The official client takes absence for closed, and so do we.
    #[serde(default = "closed_if_absent")]
    pub closed: bool,
}

/// One version of a room's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomData {
    /// The key it is sealed with.
    pub key_id: String,
    /// The sealed metadata.
    pub data: Json,
}

/// A key of a room, wrapped for the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomKey {
    /// Which key.
    pub key_id: String,
    /// The wrapped key.
    pub data: Json,
}

impl StreamRoom {
    /// The room in the words of the model, with metadata as the caller opened it.
    /// `status_code` is 0 or why it could not; then both `meta` should be empty.
    #[must_use]
    pub fn to_model(
        &self,
        public_meta: Vec<u8>,
        private_meta: Vec<u8>,
        status_code: i64,
    ) -> model::StreamRoom {
        model::StreamRoom {
            context_id: self.context_id.as_str().into(),
            stream_room_id: self.id.as_str().into(),
            create_date: Timestamp(self.create_date),
            creator: self.creator.as_str().into(),
            last_modification_date: Timestamp(self.last_modification_date),
            last_modifier: self.last_modifier.as_str().into(),
            users: self.users.iter().map(|user| user.as_str().into()).collect(),
            managers: self.managers.iter().map(|user| user.as_str().into()).collect(),
            version: self.version,
            public_meta,
            private_meta,
            policy: ContainerPolicy::from(self.policy.clone()),
            status_code,
            closed: self.closed,
        }
    }
}

const fn closed_if_absent() -> bool {
    true
}
