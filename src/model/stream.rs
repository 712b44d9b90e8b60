//! Streams, tracks and subscriptions to them.

use super::id::StreamId;
use super::id::StreamRoomId;
use super::id::TrackId;
use super::id::UserId;
use super::unit::Timestamp;

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Opus.
    Audio,
    /// VP8.
    Video,
    /// Messages on a data channel.
    Data,
}

/// What a video track shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VideoContent {
    /// A camera, or what stands in for one.
    #[default]
    Camera,
    /// A screen, a window or a terminal: mostly text, which must stay sharp.
    Screen,
    /// A shared terminal, drawn for those who do not get its cells.
    Terminal,
}

impl VideoContent {
    /// The word for it in session descriptions and in descriptions of tracks.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Screen => "screen",
            Self::Terminal => "terminal",
        }
    }

    /// What a label says, be it that word or one that begins with it.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        let word = label.split('-').next()?;
        [Self::Camera, Self::Screen, Self::Terminal]
            .into_iter()
            .find(|content| content.label() == word)
    }
}

/// A stream that somebody publishes in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its id.
    pub id: StreamId,
    /// Who publishes it.
    pub user_id: UserId,
    /// What it consists of.
    pub tracks: Vec<StreamTrackInfo>,
    /// A placeholder without media of its own.
    pub dummy: bool,
    /// The SFU hears speech; `None` where it does not listen, which is usual.
    pub talking: Option<bool>,
}

/// One track of a published stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTrackInfo {
    /// Audio, video or data.
    pub kind: TrackKind,
    /// Index of the m-line in the publisher's session description.
    pub mindex: i64,
    /// Id of the m-line: the track id.
    pub mid: TrackId,
    /// The m-line exists, but nothing is sent on it.
    pub disabled: bool,
    /// `opus`, `vp8`, or nothing for data.
    pub codec: Option<String>,
    /// A label that the publisher gave it. Official clients give none.
    pub description: Option<String>,
    /// Muted by a moderator.
    pub moderated: bool,
    /// Sent in several qualities.
    pub simulcast: bool,
    /// Sent in layers.
    pub svc: bool,
    /// The SFU hears speech; `None` where it does not listen, which is usual.
    pub talking: Option<bool>,
}

impl StreamTrackInfo {
    /// A track that is being sent, with nothing else known about it.
    #[must_use]
    pub const fn new(kind: TrackKind, mindex: i64, mid: TrackId) -> Self {
        Self {
            kind,
            mindex,
            mid,
            disabled: false,
            codec: None,
            description: None,
            moderated: false,
            simulcast: false,
            svc: false,
            talking: None,
        }
    }
}

impl StreamInfo {
    /// A stream with these tracks.
    #[must_use]
    pub const fn new(id: StreamId, user_id: UserId, tracks: Vec<StreamTrackInfo>) -> Self {
        Self { id, user_id, tracks, dummy: false, talking: None }
    }
}

/// Something to receive: a whole stream as it is now, or one track of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamSubscription {
    /// The stream.
    pub stream_id: StreamId,
    /// One of its tracks; `None` is every track that it has at that moment.
    pub stream_track_id: Option<TrackId>,
}

/// What publishing or updating a stream came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPublishResult {
    /// The bridge confirmed the publication.
    pub published: bool,
    /// What others now see.
    pub data: Option<PublishedStreamData>,
}

/// A stream as announced to the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedStreamData {
    /// The room it is published in.
    pub stream_room_id: StreamRoomId,
    /// The stream.
    pub stream: StreamInfo,
    /// Who published it.
    pub user_id: UserId,
}

/// A TURN server and the credentials for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnCredentials {
    /// `turn:` or `turns:` URL.
    pub url: String,
    /// User name, valid until `expiration_time`.
    pub username: String,
    /// Its password.
    pub password: String,
    /// When the pair ends.
    pub expiration_time: Timestamp,
}
