//! Calls about Stream Rooms as containers (streams.md 5.2, 5.3, 5.5; transport.md 12).

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::Call;
use super::Done;
use super::Invalid;
use super::ListParams;
use super::Scope;
use super::SortBy;
use super::call::present;
use super::limit;
use super::list::list_call;
use crate::model;
use crate::model::ContainerPolicy;
use crate::model::Timestamp;

/// The container type of rooms; official clients ignore rooms of any other.
pub const ROOM_TYPE: &str = "stream";
/// Most rooms of one [`StreamRoomDeleteMany`].
const DELETE_MAX: usize = 128;

/// `stream.streamRoomCreate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamRoomCreate {
    /// Where.
    pub context_id: String,
    /// UUID chosen by the creator.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// [`ROOM_TYPE`].
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

/// Policies that a client sets. Entries that only a context may have are known here so that
/// a service can refuse them by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PolicyParams {
    /// Read the room and take part in it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub get: Option<String>,
    /// List one's own rooms; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub list_my: Option<String>,
    /// List all rooms; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub list_all: Option<String>,
    /// Create rooms; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// Change the room.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Delete the room.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// Change the policy.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub update_policy: Option<String>,
    /// Whether a creator must be a manager; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub creator_has_to_be_manager: Option<String>,
    /// Whether updaters may remove themselves from the managers.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub updater_can_be_removed_from_managers: Option<String>,
    /// Whether the creator may be removed from the managers.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub owner_can_be_removed_from_managers: Option<String>,
    /// Whether rooms may have policies of their own; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub can_overwrite_context_policy: Option<String>,
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

/// `stream.streamRoomGet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRoomGet {
    /// The room.
    pub id: String,
    /// The type that it must have.
    #[serde(
        default,
        rename = "type",
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub room_type: Option<String>,
}

/// The answer to [`StreamRoomGet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRoomAnswer {
    /// The room.
    pub stream_room: StreamRoom,
}

list_call! {
    /// `stream.streamRoomList`: the caller's rooms of a context.
    StreamRoomList = "stream.streamRoomList" -> StreamRooms, sort by SortBy;
    {
        /// The context.
        context_id: String,
        /// The type that they must have.
        #[serde(
            default,
            rename = "type",
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        room_type: Option<String>,
        /// Whose rooms; [`Scope::Member`] if nothing is said.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        scope: Option<Scope>,
    }
    check |call| {
        limit::id("contextId", &call.context_id)?;
        limit::optional_id("type", call.room_type.as_deref())
    }
}

list_call! {
    /// `stream.streamRoomListAll`: every room of a context.
    StreamRoomListAll = "stream.streamRoomListAll" -> StreamRooms, sort by SortBy;
    {
        /// The context.
        context_id: String,
        /// The type that they must have.
        #[serde(
            default,
            rename = "type",
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        room_type: Option<String>,
    }
    check |call| {
        limit::id("contextId", &call.context_id)?;
        limit::optional_id("type", call.room_type.as_deref())
    }
}

/// The answer to [`StreamRoomList`] and [`StreamRoomListAll`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamRooms {
    /// A page of rooms.
    pub list: Vec<StreamRoom>,
    /// How many there are in all pages.
    pub count: i64,
}

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

/// Policies of a room as the server returns them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// Read the room and take part in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub get: Option<String>,
    /// Change the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Delete the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// Change the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_policy: Option<String>,
    /// Whether updaters may remove themselves from the managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updater_can_be_removed_from_managers: Option<String>,
    /// Whether the creator may be removed from the managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_can_be_removed_from_managers: Option<String>,
}

macro_rules! room_call {
    ($($(#[$doc:meta])* $name:ident = $method:literal -> $answer:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// The room.
            pub stream_room_id: String,
        }

        impl Call for $name {
            const METHOD: &'static str = $method;
            type Answer = $answer;

            fn validate(&self) -> Result<(), Invalid> {
                limit::id("streamRoomId", &self.stream_room_id)
            }
        }
    )*};
}

room_call! {
    /// `stream.streamRoomClose`: nobody can join any more.
    StreamRoomClose = "stream.streamRoomClose" -> Done;
    /// `stream.streamRoomJoin`; WebSocket only.
    StreamRoomJoin = "stream.streamRoomJoin" -> Done;
    /// `stream.streamRoomLeave`; WebSocket only.
    StreamRoomLeave = "stream.streamRoomLeave" -> Done;
    /// `stream.streamRoomEnableRecording`; WebSocket only.
    StreamRoomEnableRecording = "stream.streamRoomEnableRecording" -> Done;
}

/// `stream.streamRoomSendCustomEvent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamRoomSendCustomEvent {
    /// The room.
    pub stream_room_id: String,
    /// Last part of the channel that it is delivered on.
    pub channel: String,
    /// The room key that `data` is sealed with.
    pub key_id: String,
    /// The payload.
    pub data: Json,
    /// Who receives it; everybody if nothing is said.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
}

/// The answer to [`StreamRoomCreate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRoomCreated {
    /// The new room.
    pub stream_room_id: String,
}

impl StreamRoomList {
    /// The page of rooms of type [`ROOM_TYPE`] that `params` ask for.
    pub fn new(context_id: impl Into<String>, params: ListParams) -> Self {
        let ListParams { skip, limit, sort_order, last_id, sort_by: _, query } = params;
        let room_type = Some(ROOM_TYPE.to_owned());
        let context_id = context_id.into();
        let (scope, sort_by) = (None, None);
        Self { context_id, room_type, scope, skip, limit, sort_order, last_id, sort_by, query }
    }
}

impl StreamRoomGet {
    /// The room `id`, which must be of type [`ROOM_TYPE`].
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), room_type: Some(ROOM_TYPE.to_owned()) }
    }
}

impl PolicyParams {
    fn validate(&self) -> Result<(), Invalid> {
        let entries = [
            &self.get,
            &self.list_my,
            &self.list_all,
            &self.create,
            &self.update,
            &self.delete,
            &self.update_policy,
            &self.creator_has_to_be_manager,
            &self.updater_can_be_removed_from_managers,
            &self.owner_can_be_removed_from_managers,
            &self.can_overwrite_context_policy,
        ];
        entries.iter().try_for_each(|entry| limit::policy_entry("policy", entry.as_deref()))
    }

    /// The first entry that only a context may have, if one is set (streams.md 6.2).
    #[must_use]
    pub fn context_only(&self) -> Option<&'static str> {
        let entries = [
            ("listMy", &self.list_my),
            ("listAll", &self.list_all),
            ("create", &self.create),
            ("creatorHasToBeManager", &self.creator_has_to_be_manager),
            ("canOverwriteContextPolicy", &self.can_overwrite_context_policy),
        ];
        entries.into_iter().find(|(_, entry)| entry.is_some()).map(|(name, _)| name)
    }

    /// Nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
        limit::at_most("ids", self.ids.len(), DELETE_MAX, "must have at most 128 entries")?;
        limit::ids("ids", &self.ids)
    }
}

impl Call for StreamRoomGet {
    const METHOD: &'static str = "stream.streamRoomGet";
    type Answer = StreamRoomAnswer;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)?;
        limit::optional_id("type", self.room_type.as_deref())
    }
}

impl Call for StreamRoomSendCustomEvent {
    const METHOD: &'static str = "stream.streamRoomSendCustomEvent";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("streamRoomId", &self.stream_room_id)?;
        limit::channel("channel", &self.channel)?;
        limit::id("keyId", &self.key_id)?;
        limit::custom_data("data", &self.data)?;
        self.users.as_ref().map_or(Ok(()), |users| limit::ids("users", users))
    }
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

impl From<Policy> for ContainerPolicy {
    fn from(policy: Policy) -> Self {
        Self {
            get: policy.get,
            update: policy.update,
            delete: policy.delete,
            update_policy: policy.update_policy,
            updater_can_be_removed_from_managers: policy.updater_can_be_removed_from_managers,
            owner_can_be_removed_from_managers: policy.owner_can_be_removed_from_managers,
        }
    }
}

impl From<ContainerPolicy> for PolicyParams {
    fn from(policy: ContainerPolicy) -> Self {
        Self {
            get: policy.get,
            update: policy.update,
            delete: policy.delete,
            update_policy: policy.update_policy,
            updater_can_be_removed_from_managers: policy.updater_can_be_removed_from_managers,
            owner_can_be_removed_from_managers: policy.owner_can_be_removed_from_managers,
            ..Self::default()
        }
    }
}

impl From<PolicyParams> for Policy {
    /// Entries that only a context may have are left out.
    fn from(policy: PolicyParams) -> Self {
        Self {
            get: policy.get,
            update: policy.update,
            delete: policy.delete,
            update_policy: policy.update_policy,
            updater_can_be_removed_from_managers: policy.updater_can_be_removed_from_managers,
            owner_can_be_removed_from_managers: policy.owner_can_be_removed_from_managers,
        }
    }
}

const fn closed_if_absent() -> bool {
    true
}
