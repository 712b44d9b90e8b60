//! Calls that read rooms, enter and leave them, and send messages to their members.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::ROOM_TYPE;
use super::StreamRoom;
use crate::wire::dto::Call;
use crate::wire::dto::Done;
use crate::wire::dto::Invalid;
use crate::wire::dto::ListParams;
use crate::wire::dto::Scope;
use crate::wire::dto::call::present;
use crate::wire::dto::limit;
use crate::wire::dto::list::list_call;

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
    StreamRoomList = "stream.streamRoomList" -> StreamRooms;
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
    StreamRoomListAll = "stream.streamRoomListAll" -> StreamRooms;
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

impl StreamRoomList {
    /// The page of rooms of type [`ROOM_TYPE`] that `params` ask for.
    pub fn new(context_id: impl Into<String>, params: ListParams) -> Self {
        let ListParams { skip, limit, sort_order, last_id, sort_by, query } = params;
        let room_type = Some(ROOM_TYPE.to_owned());
        let context_id = context_id.into();
        let scope = None;
        Self { context_id, room_type, scope, skip, limit, sort_order, last_id, sort_by, query }
    }

    /// The same of the rooms in which the caller has this part.
    #[must_use]
    pub const fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }
}

impl StreamRoomListAll {
    /// The page of rooms of type [`ROOM_TYPE`] that `params` ask for.
    pub fn new(context_id: impl Into<String>, params: ListParams) -> Self {
        let ListParams { skip, limit, sort_order, last_id, sort_by, query } = params;
        let room_type = Some(ROOM_TYPE.to_owned());
        let context_id = context_id.into();
        Self { context_id, room_type, skip, limit, sort_order, last_id, sort_by, query }
    }
}

impl StreamRoomGet {
    /// The room `id`, which must be of type [`ROOM_TYPE`].
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), room_type: Some(ROOM_TYPE.to_owned()) }
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
