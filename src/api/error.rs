//! Why a call of the public library failed.

use crate::model::StreamHandle;
use crate::model::StreamRoomId;
use crate::net::NetError;

/// Why a call of `Connection`, `StreamApi` or
/// `Call` failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// `join_stream_room` has not been called, or the room was left meanwhile.
    #[error("not in stream room {0}")]
    NotJoined(StreamRoomId),
    /// This API object is in the room already.
    #[error("already in stream room {0}")]
    AlreadyJoined(StreamRoomId),
    /// The handle was not made by this API object, or its stream was unpublished.
    #[error("there is no local stream {0}")]
    UnknownHandle(StreamHandle),
    /// A room holds one local stream, and there is one already.
    #[error("stream room {0} already has a local stream")]
    StreamExists(StreamRoomId),
    /// The stream is published already; stage changes and update it.
    #[error("local stream {0} is already published")]
    AlreadyPublished(StreamHandle),
    /// The stream has not been published.
    #[error("local stream {0} is not published")]
    NotPublished(StreamHandle),
    /// A stream has at most one data track.
    #[error("local stream {0} already has a data track")]
    DataTrackExists(StreamHandle),
    /// The stream has no data track to send on.
    #[error("local stream {0} has no data track")]
    NoDataTrack(StreamHandle),
    /// The stream has no such track.
    #[error("local stream {0} has no such track")]
    UnknownTrack(StreamHandle),
    /// Nothing has been subscribed to in this room yet.
    #[error("nothing is subscribed to in stream room {0}")]
    NotSubscribed(StreamRoomId),
    /// The room was closed for good; create a new one.
    #[error("stream room {0} is closed for good; create a new one")]
    RoomClosed(StreamRoomId),
    /// The room could not be verified or decrypted, so nothing can be sent to it safely.
    #[error("stream room {room} cannot be verified (status {status:#010x})")]
    Untrusted {
        /// The room.
        room: StreamRoomId,
        /// The status code of streams.md §3.4.
        status: i64,
    },
    /// An argument is not acceptable.
    #[error("{what} is not acceptable: {reason}")]
    Invalid {
        /// Which argument.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// The transport failed, or the bridge refused; [`ApiError::code`] tells its code.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The bridge answered a call with something of another shape.
    #[error("the bridge answered {method} with something unexpected: {reason}")]
    UnexpectedAnswer {
        /// The method that was called.
        method: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// Sealing or opening failed.
    #[error("cryptography failed: {0}")]
    Crypto(String),
    /// The peer connection failed.
    #[error("the media connection failed: {0}")]
    Media(String),
    /// A microphone or speaker failed.
    #[error("the sound device failed: {0}")]
    Device(String),
    /// The bridge names a TURN server by something that is no `turn:` or `turns:` URL.
    #[error("the bridge names a TURN server by {0:?}, which is no turn: or turns: URL")]
    TurnServerUrl(String),
    /// A message is longer than a data channel carries.
    #[error("a message of {size} bytes is more than the {limit} that can be sent")]
    MessageTooLong {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The object was closed, or the process shuts down.
    #[error("closed")]
    Closed,
}

impl ApiError {
    /// The bridge's error code (transport.md §7.1), where it answered with one.
    #[must_use]
    pub const fn code(&self) -> Option<i64> {
        match self {
            Self::Net(error) => error.code(),
            _ => None,
        }
    }
}
