//! What an event means in the words of the model.

use super::ContextUserStatusChanged;
use super::Payload;
use super::RoomUser;
use super::StreamJoined;
use super::StreamLeft;
use super::StreamUpdated;
use super::StreamsDiffered;
use super::Subscribed;
use super::TrackModified;
use super::UserStatus;
use crate::model::EventKind;
use crate::model::StreamId;
use crate::model::UserId;
use crate::model::UserWithPubKey;
use crate::wire::dto::context::StatusAction;
use crate::wire::dto::stream::StreamTrackInfo;

impl Payload {
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
                user: data.user_id.map(Into::into),
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
            Self::StreamSubscribed(data) => vec![data.fact(true)],
            Self::StreamUnsubscribed(data) => vec![data.fact(false)],
            Self::RecordingStarted(data) => vec![EventKind::StreamRoomRecordingStarted {
                room: data.stream_room_id.into(),
                recording: data.recording_id.into(),
                user: data.user_id.into(),
            }],
            Self::RecordingStopped(data) => vec![EventKind::StreamRoomRecordingStopped {
                room: data.stream_room_id.into(),
                recording: data.recording_id.into(),
                reason: data.reason,
            }],
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

impl Subscribed {
    fn fact(self, subscribed: bool) -> EventKind {
        EventKind::StreamSubscriptionsChanged {
            room: self.stream_room_id.into(),
            user: self.user_id.into(),
            subscribed,
            subscriptions: self.subscriptions.into_iter().map(Into::into).collect(),
        }
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
            user: Some(stream.user_id.into()),
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
        let (stream, user) = (StreamId(self.stream_id), UserId(self.user_id));
        let publisher = Some(user.clone());
        vec![
            EventKind::StreamUnpublished { room: room.as_str().into(), stream, user: publisher },
            EventKind::StreamRoomLeft { room: room.into(), user },
        ]
    }
}

fn after(tracks: Vec<TrackModified>) -> impl Iterator<Item = StreamTrackInfo> {
    tracks.into_iter().filter_map(|track| track.after)
}

fn user(id: String, pub_key: String) -> UserWithPubKey {
    UserWithPubKey { user_id: id.into(), pub_key }
}
