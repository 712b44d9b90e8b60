//! How requests, answers and notifications share one WebSocket (transport.md 1.2).
//!
//! Every binary message starts with an int32: the number of a request, echoed by its answer,
//! or zero for a notification.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// The largest request id: ids are int32 on the other side, counted from 1.
pub const MAX_ID: u32 = i32::MAX as u32;

/// What stands where an id would in notifications.
const NOTIFICATION: u32 = 0;
const PING: &[u8] = b"ping";
const PONG: &[u8] = b"pong";

/// A message of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// Frames to process.
    Request {
        /// To be echoed.
        id: u32,
        /// The frames.
        body: &'a [u8],
    },
    /// A question for a sign of life.
    Ping {
        /// To be echoed.
        id: u32,
    },
}

/// A message of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// The answer to a request: frames, or `pong` if the request was a ping.
    Answer {
        /// Which request.
        id: u32,
        /// The answer.
        body: &'a [u8],
    },
    /// A notification, without the zero in front (see [`super::notification`]).
    Notification(&'a [u8]),
}

/// A message that cannot be told apart from noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MuxError {
    /// Shorter than an id.
    #[error("the message is shorter than an id")]
    Truncated,
    /// A request with the id of notifications.
    #[error("the request has the reserved id 0")]
    ReservedId,
}

/// A request as a client sends it.
#[must_use]
pub fn request(id: u32, body: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes(), body].concat()
}

/// An answer as a server sends it.
#[must_use]
pub fn answer(id: u32, body: &[u8]) -> Vec<u8> {
    request(id, body)
}

/// A ping as a client sends it.
#[must_use]
pub fn ping(id: u32) -> Vec<u8> {
    request(id, PING)
}

/// The answer to a ping.
#[must_use]
pub fn pong(id: u32) -> Vec<u8> {
    request(id, PONG)
}

/// A notification as a server sends it.
pub(super) fn notification(content: &[u8]) -> Vec<u8> {
    request(NOTIFICATION, content)
}

impl<'a> ClientMessage<'a> {
    /// Reads a message of a client.
    ///
    /// # Errors
    ///
    /// [`MuxError`] if there is no usable id.
    pub fn parse(message: &'a [u8]) -> Result<Self, MuxError> {
        match split(message)? {
            (NOTIFICATION, _) => Err(MuxError::ReservedId),
            (id, PING) => Ok(Self::Ping { id }),
            (id, body) => Ok(Self::Request { id, body }),
        }
    }
}

impl<'a> ServerMessage<'a> {
    /// Reads a message of a server.
    ///
    /// # Errors
    ///
    /// [`MuxError::Truncated`].
    pub fn parse(message: &'a [u8]) -> Result<Self, MuxError> {
        match split(message)? {
            (NOTIFICATION, content) => Ok(Self::Notification(content)),
            (id, body) => Ok(Self::Answer { id, body }),
        }
    }

    /// Whether this answers a ping.
    #[must_use]
    pub fn is_pong(&self) -> bool {
        matches!(self, Self::Answer { body, .. } if *body == PONG)
    }
}

fn split(message: &[u8]) -> Result<(u32, &[u8]), MuxError> {
    let (id, rest) = message.split_first_chunk().ok_or(MuxError::Truncated)?;
    Ok((u32::from_be_bytes(*id), rest))
}
