//! Why the SFU refused something, with the code that the bridge puts on the wire.

use std::io;

use crate::model::StreamId;

/// Why a call to the SFU failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SfuError {
    /// The client is not in the room.
    #[error("client has not joined the room")]
    NotJoined,
    /// The room has as many participants as it may have.
    #[error("the room is full")]
    RoomFull,
    /// The SFU has as many connections as it may have.
    #[error("the server carries as many connections as it may")]
    TooManyPeers,
    /// The client publishes in this room already.
    #[error("client publishes already")]
    AlreadyPublishing,
    /// The client doesn't publish in this room.
    #[error("client doesn't publish")]
    NotPublishing,
    /// No such stream or track, or its publisher isn't connected yet.
    #[error("no such stream or track: {0}")]
    FeedNotFound(StreamId),
    /// The session description can't be used.
    #[error("unusable session description: {0}")]
    InvalidSdp(&'static str),
    /// The client has no subscriber session in this room.
    #[error("client has no subscriptions")]
    NoSubscriptions,
    /// Neither something to add nor something to remove was given.
    #[error("nothing to add and nothing to remove")]
    NothingToModify,
    /// The subscription would need more m-lines than a connection may have.
    #[error("too many tracks on one connection")]
    TooManyTracks,
    /// The client has no such media session.
    #[error("no such media session")]
    UnknownSession,
    /// An answer came although no offer waits for one.
    #[error("no offer waits for an answer")]
    NoOfferPending,
    /// The UDP port could not be opened.
    #[error("could not open the media port")]
    Bind(#[source] io::Error),
    /// The SFU has been shut down.
    #[error("the media server is shut down")]
    Closed,
}

impl SfuError {
    /// The error code of streams.md §7.1.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::NotJoined => 0x6202,
            Self::RoomFull => 0x620B,
            Self::AlreadyPublishing => 0x620F,
            Self::NotPublishing => 0x6217,
            Self::FeedNotFound(_) => 0x6215,
            Self::InvalidSdp(_) => 0x6211,
            Self::NoSubscriptions => 0x6203,
            Self::UnknownSession => 0x000C,
            Self::TooManyPeers
            | Self::NothingToModify
            | Self::TooManyTracks
            | Self::NoOfferPending => 0x6210,
            Self::Bind(_) | Self::Closed => 0x6205,
        }
    }
}
