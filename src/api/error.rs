//! Why a call of the public library failed.

use crate::model::StreamHandle;
use crate::model::StreamRoomId;
use crate::net::NetError;
use crate::wire::rpc::EndpointCode;
use crate::wire::rpc::code;
use crate::wire::rpc::endpoint_code;

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
    /// Only our own bridge does this; official ones don't.
    #[error("this bridge does not {what}: it is an official one, or an older one of ours")]
    NotOffered {
        /// What it was asked to do.
        what: &'static str,
    },
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
    #[error("the device failed: {0}")]
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

    /// The code that official clients give this error (streams.md §3.4, transport.md §7.2);
    /// `None` for what only this client knows.
    #[must_use]
    pub fn endpoint_code(&self) -> Option<u32> {
        Some(match self {
            Self::NotJoined(_) => EndpointCode::ROOM_CONNECTION_NOT_INITIALIZED.0,
            Self::AlreadyJoined(_) => EndpointCode::ALREADY_JOINED.0,
            Self::UnknownHandle(_) => EndpointCode::INCORRECT_STREAM_HANDLE.0,
            Self::NotPublished(_) => EndpointCode::STREAM_HANDLE_NOT_INITIALIZED.0,
            Self::StreamExists(_) | Self::AlreadyPublished(_) => {
                EndpointCode::STREAM_ALREADY_PUBLISHED.0
            }
            Self::DataTrackExists(_) => EndpointCode::ONLY_ONE_DATA_TRACK.0,
            Self::NoDataTrack(_) => EndpointCode::DATA_TRACK_NOT_INITIALIZED.0,
            Self::UnknownTrack(_) => EndpointCode::INCORRECT_TRACK_ID.0,
            Self::NotSubscribed(_) => EndpointCode::NOT_SUBSCRIBED.0,
            Self::RoomClosed(_) => endpoint_code(code::STREAM_ROOM_CLOSED).0,
            Self::Untrusted { status, .. } => return u32::try_from(*status).ok(),
            Self::Invalid { .. } => EndpointCode::INVALID_PARAMS.0,
            Self::TurnServerUrl(_) => EndpointCode::INVALID_TURN_SERVER_URI.0,
            Self::UnexpectedAnswer { .. } => EndpointCode::ANSWER_FORMAT.0,
            Self::Crypto(_) => EndpointCode::ROOM_KEY_VALIDATION.0,
            Self::Media(_) => EndpointCode::WEBRTC.0,
            Self::Closed => EndpointCode::NOT_CONNECTED.0,
            Self::Net(NetError::Rpc { code, .. }) => endpoint_code(*code).0,
            Self::Net(NetError::Alert { text }) => EndpointCode::of_alert(text).0,
            Self::Net(NetError::ServerVersion { .. }) => EndpointCode::SERVER_VERSION_MISMATCH.0,
            Self::Net(
                NetError::Unreachable { .. }
                | NetError::Timeout(_)
                | NetError::ConnectionLost
                | NetError::Closed,
            ) => EndpointCode::NOT_CONNECTED.0,
            Self::Net(_)
            | Self::Device(_)
            | Self::MessageTooLong { .. }
            | Self::NotOffered { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_codes_of_official_clients() {
        let room = || StreamRoomId::from("r");
        let handle = StreamHandle(1);
        let refused = |code| {
            let (method, message) = ("m".to_owned(), String::new());
            ApiError::Net(NetError::Rpc { method, code, message, data: serde_json::Value::Null })
        };
        let text = String::new;
        let cases = [
            (ApiError::NotJoined(room()), 0x0008_0020),
            (ApiError::AlreadyJoined(room()), 0x0008_002D),
            (ApiError::UnknownHandle(handle), 0x0008_000A),
            (ApiError::NotPublished(handle), 0x0008_0021),
            (ApiError::StreamExists(room()), 0x0008_0022),
            (ApiError::AlreadyPublished(handle), 0x0008_0022),
            (ApiError::DataTrackExists(handle), 0x0008_0026),
            (ApiError::NoDataTrack(handle), 0x0008_0027),
            (ApiError::UnknownTrack(handle), 0x0008_000C),
            (ApiError::NotSubscribed(room()), 0x0008_000E),
            (ApiError::RoomClosed(room()), 0xF000_6208),
            (ApiError::Untrusted { room: room(), status: 0x0008_0018 }, 0x0008_0018),
            (ApiError::Invalid { what: "id", reason: text() }, 0x0001_0002),
            (ApiError::TurnServerUrl(text()), 0x0008_001D),
            (ApiError::UnexpectedAnswer { method: "m", reason: text() }, 0xE003_0008),
            (ApiError::Crypto(text()), 0x0008_0016),
            (ApiError::Media(text()), 0x0008_0009),
            (ApiError::Closed, 0x0002_000E),
            (refused(0x30), 0xF000_0030),
            (refused(-32602), 0xFFFF_80A6),
            (ApiError::Net(NetError::ConnectionLost), 0x0002_000E),
        ];
        for (error, code) in cases {
            assert_eq!(error.endpoint_code(), Some(code), "{error}");
        }
        assert_eq!(ApiError::Device(text()).endpoint_code(), None);
    }
}
