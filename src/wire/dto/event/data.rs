//! The data of each type of event.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use crate::wire::dto::context::StatusAction;
use crate::wire::dto::signal::SessionDescription;
use crate::wire::dto::stream::StreamInfo;
use crate::wire::dto::stream::StreamSubscription;
use crate::wire::dto::stream::StreamTrackInfo;

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

/// Data of `streamRoomRecordingStarted`; only our own bridge sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingStarted {
    /// The room.
    pub stream_room_id: String,
    /// The recording.
    pub recording_id: String,
    /// Who started it.
    pub user_id: String,
}

/// Data of `streamRoomRecordingStopped`; only our own bridge sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingStopped {
    /// The room.
    pub stream_room_id: String,
    /// The recording.
    pub recording_id: String,
    /// Why it ended.
    pub reason: String,
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
