//! Facts about rooms, streams and users, in the past tense.

use super::context::UserWithPubKey;
use super::id::ContextId;
use super::id::RecordingId;
use super::id::StreamId;
use super::id::StreamRoomId;
use super::id::SubscriptionId;
use super::id::UserId;
use super::room::StreamRoom;
use super::stream::PublishedStreamData;
use super::stream::StreamInfo;
use super::stream::StreamSubscription;
use super::stream::StreamTrackInfo;
use super::unit::Timestamp;

/// A fact, when it happened, and the subscriptions that brought it here.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened, by the bridge's clock; by ours for facts of this process.
    pub timestamp: Timestamp,
    /// The application's subscriptions that matched; empty for facts of this process.
    pub subscriptions: Vec<SubscriptionId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. Both server generations arrive as the same facts (streams.md §8).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The session is usable.
    Connected,
    /// The connection to the bridge broke; it will be tried again after the delay.
    Disconnected {
        /// Why, in words for a person.
        reason: String,
    },
    /// A room was created.
    StreamRoomCreated(StreamRoom),
    /// A room changed: members, metadata, keys or policy.
    StreamRoomUpdated(StreamRoom),
    /// A room is gone.
    StreamRoomDeleted(StreamRoomId),
    /// Somebody entered the room.
    StreamRoomJoined {
        /// The room.
        room: StreamRoomId,
        /// Who.
        user: UserId,
    },
    /// Somebody left the room.
    StreamRoomLeft {
        /// The room.
        room: StreamRoomId,
        /// Who.
        user: UserId,
    },
    /// A stream can be subscribed to.
    StreamPublished(PublishedStreamData),
    /// The tracks of a stream changed.
    StreamUpdated {
        /// The room.
        room: StreamRoomId,
        /// The stream.
        stream: StreamId,
        /// Tracks as they are now, where the bridge told them.
        tracks: Vec<StreamTrackInfo>,
    },
    /// A stream ended.
    StreamUnpublished {
        /// The room.
        room: StreamRoomId,
        /// The stream.
        stream: StreamId,
        /// Who published it; 2.42 bridges do not say.
        user: Option<UserId>,
    },
    /// Streams that others publish appeared or changed (2.42 bridges).
    RemoteStreamsChanged {
        /// The room.
        room: StreamRoomId,
        /// The new or changed ones only.
        streams: Vec<StreamInfo>,
    },
    /// Somebody subscribed to or unsubscribed from streams.
    StreamSubscriptionsChanged {
        /// The room.
        room: StreamRoomId,
        /// Who listens.
        user: UserId,
        /// They subscribed; otherwise they unsubscribed.
        subscribed: bool,
        /// To or from what.
        subscriptions: Vec<StreamSubscription>,
    },
    /// The bridge records the room from now on.
    StreamRoomRecordingStarted {
        /// The room.
        room: StreamRoomId,
        /// The recording.
        recording: RecordingId,
        /// Who wanted it.
        user: UserId,
    },
    /// The bridge no longer records the room.
    StreamRoomRecordingStopped {
        /// The room.
        room: StreamRoomId,
        /// The recording.
        recording: RecordingId,
        /// Why: `stopped` by somebody, `size`, `disk`, `empty` and so on.
        reason: String,
    },
    /// A user was added to a Context.
    ContextUserAdded {
        /// The Context.
        context: ContextId,
        /// Who.
        user: UserWithPubKey,
    },
    /// A user was removed from a Context.
    ContextUserRemoved {
        /// The Context.
        context: ContextId,
        /// Who.
        user: UserWithPubKey,
    },
    /// A user of a Context came online or went offline.
    ContextUserStatusChanged {
        /// The Context.
        context: ContextId,
        /// Who.
        user: UserWithPubKey,
        /// Online now.
        active: bool,
    },
    /// A message to the members of a room, decrypted with its key and verified.
    StreamRoomCustom {
        /// The room.
        room: StreamRoomId,
        /// Name of the channel it was sent on.
        channel: String,
        /// Who sent it: this key signed it.
        author: UserWithPubKey,
        /// The payload.
        data: Vec<u8>,
    },
    /// A message from one user of a Context to others, decrypted and verified.
    Custom {
        /// The Context.
        context: ContextId,
        /// Name of the channel it was sent on.
        channel: String,
        /// Who sent it: this key signed it.
        author: UserWithPubKey,
        /// The payload.
        data: Vec<u8>,
    },
}

impl EventKind {
    /// The room that the event is about.
    #[must_use]
    pub const fn room(&self) -> Option<&StreamRoomId> {
        match self {
            Self::StreamRoomCreated(room) | Self::StreamRoomUpdated(room) => {
                Some(&room.stream_room_id)
            }
            Self::StreamRoomDeleted(room)
            | Self::StreamRoomJoined { room, .. }
            | Self::StreamRoomLeft { room, .. }
            | Self::StreamUpdated { room, .. }
            | Self::StreamUnpublished { room, .. }
            | Self::RemoteStreamsChanged { room, .. }
            | Self::StreamSubscriptionsChanged { room, .. }
            | Self::StreamRoomCustom { room, .. }
            | Self::StreamRoomRecordingStarted { room, .. }
            | Self::StreamRoomRecordingStopped { room, .. } => Some(room),
            Self::StreamPublished(data) => Some(&data.stream_room_id),
            _ => None,
        }
    }
}
