//! Events as they travel in notifications, of both server generations (streams.md 8).
//!
//! Generation A is bridge 2.42, generation B bridge 3.0. Room and custom events carry sealed
//! content and become facts of the model only after the caller has opened them; the others
//! convert by [`Payload::facts`].

use serde::Deserialize;
use serde::Serialize;
use serde_json::Error as JsonError;
use serde_json::Value as Json;
use serde_json::json;

use super::context::StatusAction;
use super::signal::SessionDescription;
use super::stream::PublishedData;
use super::stream::StreamInfo;
use super::stream::StreamSubscription;
use super::stream::StreamTrackInfo;
use super::stream_room::ROOM_TYPE;
use super::stream_room::StreamRoom;
use crate::model::EventKind;
use crate::model::StreamId;
use crate::model::SubscriptionId;
use crate::model::Timestamp;
use crate::model::UserWithPubKey;

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
}

/// Data of `contextUserAdded` and `contextUserRemoved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextUser {
    /// The context.
    pub context_id: String,
    /// Who.
    pub user_id: String,
    /// Their key.
    pub pub_key: String,
}

/// Data of `contextUserStatusChanged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextUserStatusChanged {
    /// The context.
    pub context_id: String,
    /// Who came or went.
    pub users: Vec<UserStatus>,
}

/// Who came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// Who.
    pub user_id: String,
    /// Their key.
    pub pub_key: String,
    /// Came or went.
    pub action: StatusAction,
}

/// Data of `custom`, sent to a context or to a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Custom {
    /// The context or the room.
    pub id: String,
    /// Who sent it, by the bridge's word.
    pub author: Author,
    /// The key of the payload wrapped for the receiver (contexts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The room key of the payload (rooms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The payload.
    pub event_data: Json,
}

/// Who sent a custom event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// User id.
    pub id: String,
    /// Public key.
    #[serde(rename = "pub")]
    pub pub_key: String,
}

/// Data of `streamRoomDeleted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRoomDeleted {
    /// The room.
    pub stream_room_id: String,
    /// Its container type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub room_type: Option<String>,
}

/// Data of `streamUnpublished`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamUnpublished {
    /// The room.
    pub stream_room_id: String,
    /// The stream.
    pub stream_id: i64,
    /// Who published it (generation B).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// Data of `streamUpdated` in generation A: the whole room's difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamsDiffered {
    /// The room.
    pub stream_room_id: String,
    /// Streams that came.
    pub streams_added: Vec<StreamInfo>,
    /// Streams that went.
    pub streams_removed: Vec<StreamInfo>,
    /// Streams whose tracks changed.
    pub streams_modified: Vec<StreamModified>,
}

/// A stream whose tracks changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamModified {
    /// The stream.
    pub stream_id: i64,
    /// Its tracks, before and after.
    pub tracks: Vec<TrackModified>,
}

/// A track before and after; without one of them it was added or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackModified {
    /// As it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<StreamTrackInfo>,
    /// As it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<StreamTrackInfo>,
}

/// Data of `streamUpdated` in generation B: one stream's difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamUpdated {
    /// The room.
    pub stream_room_id: String,
    /// The stream.
    pub stream_id: i64,
    /// Who publishes it.
    pub user_id: String,
    /// Tracks that came.
    pub tracks_added: Vec<StreamTrackInfo>,
    /// Tracks that went.
    pub tracks_removed: Vec<StreamTrackInfo>,
    /// Tracks that changed.
    pub tracks_modified: Vec<TrackModified>,
}

/// Data of `streamJoined`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamJoined {
    /// The room.
    pub stream_room_id: String,
    /// The streams of the one who joined.
    pub stream_ids: Vec<i64>,
    /// Who.
    pub user_id: String,
}

/// Data of `streamLeft`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamLeft {
    /// The room.
    pub stream_room_id: String,
    /// The stream that ended.
    pub stream_id: i64,
    /// Who.
    pub user_id: String,
}

/// Data of `remoteStreamsChanged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteStreamsChanged {
    /// The room.
    pub room: String,
    /// New or changed streams.
    pub streams: Vec<StreamInfo>,
}

/// Data of `streamsUpdated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamsUpdated {
    /// `updated`, as the SFU calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub videoroom: Option<String>,
    /// The room.
    pub room: String,
    /// The subscriber's media session.
    #[serde(rename = "sessionId")]
    pub session_id: i64,
    /// The m-lines of the subscriber connection.
    pub streams: Vec<UpdatedStream>,
    /// The offer to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jsep: Option<SessionDescription>,
}

/// An m-line of a subscriber connection, in the SFU's own names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatedStream {
    /// `audio`, `video` or `data`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In use.
    pub active: bool,
    /// Index of the m-line.
    pub mindex: i64,
    /// Id of the m-line.
    pub mid: String,
    /// Negotiated.
    pub ready: bool,
    /// Being sent.
    pub send: bool,
    /// Its codec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// The stream that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_id: Option<i64>,
    /// The track that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_mid: Option<String>,
    /// Who publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_display: Option<String>,
}

/// Data of `streamRoomJoined` and `streamRoomLeft`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomUser {
    /// The room.
    pub stream_room_id: String,
    /// Who.
    pub user_id: String,
}

/// Data of `streamSubscribed` and `streamUnsubscribed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribed {
    /// The room.
    pub stream_room_id: String,
    /// Who.
    pub user_id: String,
    /// What they subscribed to or unsubscribed from.
    pub subscriptions: Vec<StreamSubscription>,
}

/// Data of `streamRoomReoffer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRoomReoffer {
    /// The room.
    pub stream_room_id: String,
    /// The subscriber's media session; official bridges leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<i64>,
    /// The offer to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jsep: Option<SessionDescription>,
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

    /// The facts in this event that need no key. Rooms and custom events have to be opened
    /// first and offers to renegotiate are for the media session, so those give none.
    #[must_use]
    pub fn facts(self) -> Vec<EventKind> {
        match self {
            Self::ContextUserAdded(data) => vec![EventKind::ContextUserAdded {
                context: data.context_id.into(),
                user: user(data.user_id, data.pub_key),
            }],
            Self::ContextUserRemoved(data) => vec![EventKind::ContextUserRemoved {
                context: data.context_id.into(),
                user: user(data.user_id, data.pub_key),
            }],
            Self::ContextUserStatusChanged(data) => data.facts(),
            Self::StreamRoomDeleted(data) => {
                vec![EventKind::StreamRoomDeleted(data.stream_room_id.into())]
            }
            Self::StreamPublished(data) => vec![EventKind::StreamPublished(data.into())],
            Self::StreamUnpublished(data) => vec![EventKind::StreamUnpublished {
                room: data.stream_room_id.into(),
                stream: StreamId(data.stream_id),
            }],
            Self::StreamsDiffered(data) => data.facts(),
            Self::StreamUpdated(data) => vec![data.fact()],
            Self::StreamJoined(StreamJoined { stream_room_id, user_id, .. })
            | Self::StreamRoomJoined(RoomUser { stream_room_id, user_id }) => {
                vec![EventKind::StreamRoomJoined {
                    room: stream_room_id.into(),
                    user: user_id.into(),
                }]
            }
            Self::StreamLeft(data) => data.facts(),
            Self::StreamRoomLeft(data) => vec![EventKind::StreamRoomLeft {
                room: data.stream_room_id.into(),
                user: data.user_id.into(),
            }],
            Self::RemoteStreamsChanged(data) => vec![EventKind::RemoteStreamsChanged {
                room: data.room.into(),
                streams: data.streams.into_iter().map(Into::into).collect(),
            }],
            Self::StreamSubscribed(data) | Self::StreamUnsubscribed(data) => {
                vec![EventKind::StreamSubscriptionsChanged {
                    room: data.stream_room_id.into(),
                    user: data.user_id.into(),
                }]
            }
            Self::Custom(_)
            | Self::StreamRoomCreated(_)
            | Self::StreamRoomUpdated(_)
            | Self::StreamsUpdated(_)
            | Self::StreamRoomReoffer(_) => Vec::new(),
        }
    }
}

impl ContextUserStatusChanged {
    fn facts(self) -> Vec<EventKind> {
        let context = self.context_id;
        let fact = |status: UserStatus| EventKind::ContextUserStatusChanged {
            context: context.as_str().into(),
            user: user(status.user_id, status.pub_key),
            active: status.action == StatusAction::Login,
        };
        self.users.into_iter().map(fact).collect()
    }
}

impl StreamsDiffered {
    fn facts(self) -> Vec<EventKind> {
        let room = self.stream_room_id.as_str();
        let mut facts = Vec::new();
        if !self.streams_added.is_empty() {
            let streams = self.streams_added.into_iter().map(Into::into).collect();
            facts.push(EventKind::RemoteStreamsChanged { room: room.into(), streams });
        }
        facts.extend(self.streams_removed.into_iter().map(|stream| EventKind::StreamUnpublished {
            room: room.into(),
            stream: StreamId(stream.id),
        }));
        facts.extend(self.streams_modified.into_iter().map(|stream| EventKind::StreamUpdated {
            room: room.into(),
            stream: StreamId(stream.stream_id),
            tracks: after(stream.tracks).filter_map(StreamTrackInfo::into_model).collect(),
        }));
        facts
    }
}

impl StreamUpdated {
    fn fact(self) -> EventKind {
        let tracks = self.tracks_added.into_iter().chain(after(self.tracks_modified));
        EventKind::StreamUpdated {
            room: self.stream_room_id.into(),
            stream: StreamId(self.stream_id),
            tracks: tracks.filter_map(StreamTrackInfo::into_model).collect(),
        }
    }
}

impl StreamLeft {
    /// Leaving the media room ends the stream, and is the only sign of leaving the room that
    /// generation A gives.
    fn facts(self) -> Vec<EventKind> {
        let room = self.stream_room_id;
        let stream = StreamId(self.stream_id);
        vec![
            EventKind::StreamUnpublished { room: room.as_str().into(), stream },
            EventKind::StreamRoomLeft { room: room.into(), user: self.user_id.into() },
        ]
    }
}

fn after(tracks: Vec<TrackModified>) -> impl Iterator<Item = StreamTrackInfo> {
    tracks.into_iter().filter_map(|track| track.after)
}

fn user(id: String, pub_key: String) -> UserWithPubKey {
    UserWithPubKey { user_id: id.into(), pub_key }
}
