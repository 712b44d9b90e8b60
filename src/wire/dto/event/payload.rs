//! Which events there are, and how their data are told apart.

use serde::Deserialize;
use serde_json::Value as Json;

use super::ContextUser;
use super::ContextUserStatusChanged;
use super::Custom;
use super::EventError;
use super::RecordingStarted;
use super::RecordingStopped;
use super::RemoteStreamsChanged;
use super::RoomUser;
use super::StreamJoined;
use super::StreamLeft;
use super::StreamRoomDeleted;
use super::StreamRoomReoffer;
use super::StreamUnpublished;
use super::StreamUpdated;
use super::StreamsDiffered;
use super::StreamsUpdated;
use super::Subscribed;
use crate::wire::dto::stream::PublishedData;
use crate::wire::dto::stream_room::ROOM_TYPE;
use crate::wire::dto::stream_room::StreamRoom;

macro_rules! payloads {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $name:literal;)*) => {
        /// What happened, by event type. `streamUpdated` exists in two shapes.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Payload { $($(#[$doc])* $variant($data),)* }

        impl Payload {
            /// The event type.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The data as JSON.
            #[must_use]
            pub fn data(&self) -> Json {
                match self {
                    $(Self::$variant(data) => serde_json::to_value(data),)*
                }
                .expect("events have text keys and no failing serializer")
            }
        }
    };
}

payloads! {
    /// A user was added to a context.
    ContextUserAdded(ContextUser) = "contextUserAdded";
    /// A user was removed from a context.
    ContextUserRemoved(ContextUser) = "contextUserRemoved";
    /// Users of a context came or went.
    ContextUserStatusChanged(ContextUserStatusChanged) = "contextUserStatusChanged";
    /// A message between users.
    Custom(Custom) = "custom";
    /// A room was created.
    StreamRoomCreated(Box<StreamRoom>) = "streamRoomCreated";
    /// A room was updated.
    StreamRoomUpdated(Box<StreamRoom>) = "streamRoomUpdated";
    /// A room was deleted.
    StreamRoomDeleted(StreamRoomDeleted) = "streamRoomDeleted";
    /// A stream can be subscribed to.
    StreamPublished(PublishedData) = "streamPublished";
    /// A stream ended.
    StreamUnpublished(StreamUnpublished) = "streamUnpublished";
    /// Streams of a room changed (generation A).
    StreamsDiffered(StreamsDiffered) = "streamUpdated";
    /// Tracks of a stream changed (generation B).
    StreamUpdated(StreamUpdated) = "streamUpdated";
    /// Streams of one who joined (generation A; no bridge sends it).
    StreamJoined(StreamJoined) = "streamJoined";
    /// A publisher left the media room (generation A).
    StreamLeft(StreamLeft) = "streamLeft";
    /// Others published or changed streams (generation A).
    RemoteStreamsChanged(RemoteStreamsChanged) = "remoteStreamsChanged";
    /// The SFU wants to renegotiate this session's subscriber connection (generation A).
    StreamsUpdated(StreamsUpdated) = "streamsUpdated";
    /// Somebody joined a room (generation B).
    StreamRoomJoined(RoomUser) = "streamRoomJoined";
    /// Somebody left a room (generation B).
    StreamRoomLeft(RoomUser) = "streamRoomLeft";
    /// Somebody subscribed to streams (generation B).
    StreamSubscribed(Subscribed) = "streamSubscribed";
    /// Somebody unsubscribed from streams (generation B).
    StreamUnsubscribed(Subscribed) = "streamUnsubscribed";
    /// The SFU wants to renegotiate this session's subscriber connection (generation B).
    StreamRoomReoffer(StreamRoomReoffer) = "streamRoomReoffer";
    /// A room is recorded (our own bridge).
    RecordingStarted(RecordingStarted) = "streamRoomRecordingStarted";
    /// A room is no longer recorded (our own bridge).
    RecordingStopped(RecordingStopped) = "streamRoomRecordingStopped";
}

impl Payload {
    /// Reads the data of an event of type `kind`.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the event is to be dropped.
    pub fn parse(kind: &str, data: Json) -> Result<Self, EventError> {
        // The two shapes of one name are told apart by a member that only one has.
        let whole_room = data.get("streamsAdded").is_some();
        let payload = match kind {
            "contextUserAdded" => Deserialize::deserialize(data).map(Self::ContextUserAdded),
            "contextUserRemoved" => Deserialize::deserialize(data).map(Self::ContextUserRemoved),
            "contextUserStatusChanged" => {
                Deserialize::deserialize(data).map(Self::ContextUserStatusChanged)
            }
            "custom" => Deserialize::deserialize(data).map(Self::Custom),
            "streamRoomCreated" => Deserialize::deserialize(data).map(Self::StreamRoomCreated),
            "streamRoomUpdated" => Deserialize::deserialize(data).map(Self::StreamRoomUpdated),
            "streamRoomDeleted" => Deserialize::deserialize(data).map(Self::StreamRoomDeleted),
            "streamPublished" => Deserialize::deserialize(data).map(Self::StreamPublished),
            "streamUnpublished" => Deserialize::deserialize(data).map(Self::StreamUnpublished),
            "streamUpdated" if whole_room => {
                Deserialize::deserialize(data).map(Self::StreamsDiffered)
            }
            "streamUpdated" => Deserialize::deserialize(data).map(Self::StreamUpdated),
            "streamJoined" => Deserialize::deserialize(data).map(Self::StreamJoined),
            "streamLeft" => Deserialize::deserialize(data).map(Self::StreamLeft),
            "remoteStreamsChanged" => {
                Deserialize::deserialize(data).map(Self::RemoteStreamsChanged)
            }
            "streamsUpdated" => Deserialize::deserialize(data).map(Self::StreamsUpdated),
            "streamRoomJoined" => Deserialize::deserialize(data).map(Self::StreamRoomJoined),
            "streamRoomLeft" => Deserialize::deserialize(data).map(Self::StreamRoomLeft),
            "streamSubscribed" => Deserialize::deserialize(data).map(Self::StreamSubscribed),
            "streamUnsubscribed" => Deserialize::deserialize(data).map(Self::StreamUnsubscribed),
            "streamRoomReoffer" => Deserialize::deserialize(data).map(Self::StreamRoomReoffer),
            "streamRoomRecordingStarted" => {
                Deserialize::deserialize(data).map(Self::RecordingStarted)
            }
            "streamRoomRecordingStopped" => {
                Deserialize::deserialize(data).map(Self::RecordingStopped)
            }
            unknown => return Err(EventError::UnknownType(unknown.to_owned())),
        };
        let payload =
            payload.map_err(|source| EventError::Data { kind: kind.to_owned(), source })?;
        if payload.room_type().is_none_or(|room_type| room_type == ROOM_TYPE) {
            Ok(payload)
        } else {
            Err(EventError::ForeignContainer)
        }
    }

    fn room_type(&self) -> Option<&str> {
        match self {
            Self::StreamRoomCreated(room) | Self::StreamRoomUpdated(room) => {
                room.room_type.as_deref()
            }
            Self::StreamRoomDeleted(deleted) => deleted.room_type.as_deref(),
            _ => None,
        }
    }
}
