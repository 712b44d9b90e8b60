//! Calls about streams: listing, publishing, subscribing, TURN (streams.md 5.3 to 5.5).

use serde::Deserialize;
use serde::Serialize;

use super::Call;
use super::Done;
use super::Invalid;
use super::call::present;
use super::limit;
use super::signal::SessionDescription;
use crate::model;
use crate::model::StreamId;
use crate::model::Timestamp;
use crate::model::TrackId;
use crate::model::TrackKind;

/// `stream.streamList`: the streams published in a room, the caller's own included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamList {
    /// The room.
    pub stream_room_id: String,
}

/// The answer to [`StreamList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// Those with a live publication.
    pub list: Vec<StreamInfo>,
}

/// A published stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamInfo {
    /// Its id.
    pub id: i64,
    /// Who publishes it.
    pub user_id: String,
    /// What it consists of.
    pub tracks: Vec<StreamTrackInfo>,
    /// A publisher without media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dummy: Option<bool>,
    /// The SFU hears speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talking: Option<bool>,
}

/// A track of a published stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamTrackInfo {
    /// `audio`, `video` or `data`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Index of the m-line.
    pub mindex: i64,
    /// Id of the m-line.
    pub mid: String,
    /// Nothing is sent on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Its codec; data has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// A label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Muted by a moderator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderated: Option<bool>,
    /// Sent in several qualities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulcast: Option<bool>,
    /// Sent in layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub svc: Option<bool>,
    /// The SFU hears speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talking: Option<bool>,
}

/// `stream.streamGetTurnCredentials`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamGetTurnCredentials {}

/// The answer to [`StreamGetTurnCredentials`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnCredentialsAnswer {
    /// One per server.
    pub credentials: Vec<TurnCredentials>,
}

/// A TURN server and the credentials for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnCredentials {
    /// `turn:` or `turns:` URL.
    pub url: String,
    /// User name.
    pub username: String,
    /// Its password.
    pub password: String,
    /// When the pair ends, in seconds since the epoch.
    pub expiration_time: i64,
}

macro_rules! offer_call {
    ($($(#[$doc:meta])* $name:ident = $method:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// The room.
            pub stream_room_id: String,
            /// The publisher's offer.
            pub offer: SessionDescription,
        }

        impl Call for $name {
            const METHOD: &'static str = $method;
            type Answer = Published;

            fn validate(&self) -> Result<(), Invalid> {
                limit::id("streamRoomId", &self.stream_room_id)?;
                self.offer.validate_offer("offer")
            }
        }
    )*};
}

offer_call! {
    /// `stream.streamPublish`; WebSocket only.
    StreamPublish = "stream.streamPublish";
    /// `stream.streamUpdate`; WebSocket only.
    StreamUpdate = "stream.streamUpdate";
}

/// The answer to [`StreamPublish`] and [`StreamUpdate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The publisher's media session.
    pub session_id: i64,
    /// The SFU's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<SessionDescription>,
    /// What others will see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_data: Option<PublishedData>,
}

/// A stream as announced to the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedData {
    /// The room.
    pub stream_room_id: String,
    /// The stream.
    pub stream: StreamInfo,
    /// Who published it.
    pub user_id: String,
}

/// `stream.streamUnpublish`; WebSocket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamUnpublish {
    /// The publisher's media session.
    pub session_id: i64,
}

/// `stream.streamsSubscribeToRemote`; WebSocket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamsSubscribeToRemote {
    /// The room.
    pub stream_room_id: String,
    /// What to receive.
    pub subscriptions_to_add: Vec<StreamSubscription>,
}

/// `stream.streamsModifyRemoteSubscriptions`; WebSocket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamsModifyRemoteSubscriptions {
    /// The room.
    pub stream_room_id: String,
    /// What to receive from now on.
    pub subscriptions_to_add: Vec<StreamSubscription>,
    /// What to receive no longer.
    pub subscriptions_to_remove: Vec<StreamSubscription>,
}

/// `stream.streamsUnsubscribeFromRemote`; WebSocket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamsUnsubscribeFromRemote {
    /// The room.
    pub stream_room_id: String,
    /// What to receive no longer.
    pub subscriptions_to_remove: Vec<StreamSubscription>,
}

/// A stream, or one track of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamSubscription {
    /// The stream, at least 1.
    pub stream_id: i64,
    /// One of its tracks; all of them if nothing is said.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub stream_track_id: Option<String>,
}

/// The answer to the calls that change subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeAnswer {
    /// The subscriber's media session.
    pub session_id: i64,
    /// The SFU's offer; absent when there is nothing to negotiate now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<SessionDescription>,
}

impl std::fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnCredentials")
            .field("url", &self.url)
            .field("username", &self.username)
            .field("password", &"[secret]")
            .field("expiration_time", &self.expiration_time)
            .finish()
    }
}

fn validate_subscriptions(
    key: &'static str,
    subscriptions: &[StreamSubscription],
) -> Result<(), Invalid> {
    limit::count(key, subscriptions.len())?;
    subscriptions.iter().try_for_each(|one| {
        limit::number(key, one.stream_id, 1, "streamId must be at least 1")?;
        let track = one.stream_track_id.as_deref().unwrap_or_default();
        limit::text_range(key, track, 0, 128, "streamTrackId must have at most 128 characters")
    })
}

impl Call for StreamList {
    const METHOD: &'static str = "stream.streamList";
    type Answer = Streams;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("streamRoomId", &self.stream_room_id)
    }
}

impl Call for StreamGetTurnCredentials {
    const METHOD: &'static str = "stream.streamGetTurnCredentials";
    type Answer = TurnCredentialsAnswer;
}

impl Call for StreamUnpublish {
    const METHOD: &'static str = "stream.streamUnpublish";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::session_id(self.session_id)
    }
}

impl Call for StreamsSubscribeToRemote {
    const METHOD: &'static str = "stream.streamsSubscribeToRemote";
    type Answer = SubscribeAnswer;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("streamRoomId", &self.stream_room_id)?;
        validate_subscriptions("subscriptionsToAdd", &self.subscriptions_to_add)
    }
}

impl Call for StreamsModifyRemoteSubscriptions {
    const METHOD: &'static str = "stream.streamsModifyRemoteSubscriptions";
    type Answer = SubscribeAnswer;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("streamRoomId", &self.stream_room_id)?;
        validate_subscriptions("subscriptionsToAdd", &self.subscriptions_to_add)?;
        validate_subscriptions("subscriptionsToRemove", &self.subscriptions_to_remove)
    }
}

impl Call for StreamsUnsubscribeFromRemote {
    const METHOD: &'static str = "stream.streamsUnsubscribeFromRemote";
    type Answer = SubscribeAnswer;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("streamRoomId", &self.stream_room_id)?;
        validate_subscriptions("subscriptionsToRemove", &self.subscriptions_to_remove)
    }
}

impl From<StreamInfo> for model::StreamInfo {
    /// Tracks of kinds that the model does not know are left out.
    fn from(stream: StreamInfo) -> Self {
        let tracks = stream.tracks.into_iter().filter_map(StreamTrackInfo::into_model).collect();
        let (dummy, talking) = (stream.dummy.unwrap_or(false), stream.talking);
        Self { id: StreamId(stream.id), user_id: stream.user_id.into(), tracks, dummy, talking }
    }
}

impl From<&model::StreamInfo> for StreamInfo {
    fn from(stream: &model::StreamInfo) -> Self {
        Self {
            id: stream.id.0,
            user_id: stream.user_id.0.clone(),
            tracks: stream.tracks.iter().map(StreamTrackInfo::from).collect(),
            dummy: stream.dummy.then_some(true),
            talking: stream.talking,
        }
    }
}

impl StreamTrackInfo {
    /// The track in the words of the model; nothing if its kind is not among them.
    #[must_use]
    pub fn into_model(self) -> Option<model::StreamTrackInfo> {
        let kind = match self.kind.as_str() {
            "audio" => TrackKind::Audio,
            "video" => TrackKind::Video,
            "data" => TrackKind::Data,
            _ => return None,
        };
        let is = |flag: Option<bool>| flag.unwrap_or(false);
        Some(model::StreamTrackInfo {
            disabled: is(self.disabled),
            codec: self.codec,
            description: self.description,
            moderated: is(self.moderated),
            simulcast: is(self.simulcast),
            svc: is(self.svc),
            talking: self.talking,
            ..model::StreamTrackInfo::new(kind, self.mindex, TrackId(self.mid))
        })
    }
}

impl From<&model::StreamTrackInfo> for StreamTrackInfo {
    fn from(track: &model::StreamTrackInfo) -> Self {
        let kind = match track.kind {
            TrackKind::Audio => "audio",
            TrackKind::Video => "video",
            TrackKind::Data => "data",
        };
        Self {
            kind: kind.to_owned(),
            mindex: track.mindex,
            mid: track.mid.0.clone(),
            disabled: track.disabled.then_some(true),
            codec: track.codec.clone(),
            description: track.description.clone(),
            moderated: track.moderated.then_some(true),
            simulcast: track.simulcast.then_some(true),
            svc: track.svc.then_some(true),
            talking: track.talking,
        }
    }
}

impl From<PublishedData> for model::PublishedStreamData {
    fn from(data: PublishedData) -> Self {
        Self {
            stream_room_id: data.stream_room_id.into(),
            stream: data.stream.into(),
            user_id: data.user_id.into(),
        }
    }
}

impl From<&model::PublishedStreamData> for PublishedData {
    fn from(data: &model::PublishedStreamData) -> Self {
        Self {
            stream_room_id: data.stream_room_id.0.clone(),
            stream: StreamInfo::from(&data.stream),
            user_id: data.user_id.0.clone(),
        }
    }
}

impl From<TurnCredentials> for model::TurnCredentials {
    fn from(turn: TurnCredentials) -> Self {
        Self {
            url: turn.url,
            username: turn.username,
            password: turn.password,
            expiration_time: Timestamp(turn.expiration_time.saturating_mul(1000)),
        }
    }
}

impl From<&model::StreamSubscription> for StreamSubscription {
    fn from(subscription: &model::StreamSubscription) -> Self {
        Self {
            stream_id: subscription.stream_id.0,
            stream_track_id: subscription.stream_track_id.as_ref().map(|track| track.0.clone()),
        }
    }
}

impl From<StreamSubscription> for model::StreamSubscription {
    fn from(subscription: StreamSubscription) -> Self {
        Self {
            stream_id: StreamId(subscription.stream_id),
            stream_track_id: subscription.stream_track_id.map(TrackId),
        }
    }
}
