//! What can go wrong with a peer connection.

use std::io;

use super::signal::SdpError;

/// Why a [`Publisher`](super::Publisher) or [`Subscriber`](super::Subscriber) call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RtcError {
    /// The peer's session description is not one that we accept.
    #[error("session description refused: {0}")]
    Sdp(#[from] SdpError),
    /// No local address could be bound, so there is nothing to receive media on.
    #[error("no local address to receive media on")]
    NoAddress,
    /// Only relayed paths are allowed, and there is no relay.
    #[error(
        "only relayed connections are allowed, but the bridge names no TURN server; \
         allow direct ones or ask whoever runs the bridge for a TURN server"
    )]
    NoRelay,
    /// The operating system refused a socket.
    #[error("UDP socket: {0}")]
    Socket(#[from] io::Error),
    /// The WebRTC engine refused an operation.
    #[error("{operation}: {source}")]
    Engine {
        /// What was attempted.
        operation: &'static str,
        /// What the engine said.
        source: rtc::shared::error::Error,
    },
    /// The connection was closed, by this side or because its task ended.
    #[error("the peer connection is closed")]
    Closed,
    /// The sink is behind by a whole queue; the frame or message was not taken.
    #[error("the send queue is full")]
    QueueFull,
    /// A data message is longer than every SFU is known to carry.
    #[error("a message of {size} bytes is longer than the {max} that fit")]
    MessageTooLarge {
        /// Length of the message.
        size: usize,
        /// Longest message that is sent.
        max: usize,
    },
    /// The track was removed, or belongs to another publisher.
    #[error("no such track")]
    UnknownTrack,
    /// A connection carries a bounded number of tracks.
    #[error("a connection carries at most {max} tracks")]
    TooManyTracks {
        /// The bound.
        max: usize,
    },
    /// An answer arrived although no offer was made, or an offer while one is being answered.
    #[error("out of turn: {0}")]
    OutOfTurn(&'static str),
}

impl RtcError {
    pub(super) fn engine(
        operation: &'static str,
    ) -> impl FnOnce(rtc::shared::error::Error) -> Self {
        move |source| Self::Engine { operation, source }
    }
}
