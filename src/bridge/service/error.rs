//! Why a call was refused, with the numbers that clients know (transport.md 7.1).

use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use crate::bridge::store::StoreError;
use crate::wire::rpc::RpcError;
use crate::wire::rpc::code;

/// A refusal. The text is for people; clients act on [`ServiceError::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The parameters break a rule; the text names it.
    #[error("Invalid params: {0}")]
    InvalidParams(String),
    /// There is no such method.
    #[error("Method not found")]
    MethodNotFound,
    /// Our fault; the log knows more.
    #[error("Internal error")]
    Internal,
    /// A user that is named is not in the Context.
    #[error("User doesn't exist")]
    UserDoesNotExist,
    /// No such media session on this connection.
    #[error("Unknown session")]
    UnknownSession,
    /// The API token is not valid.
    #[error("Invalid token")]
    InvalidToken,
    /// Not allowed, or not there: the same answer for both.
    #[error("Access denied")]
    AccessDenied,
    /// Not allowed, with the detail that clients show.
    #[error("Access denied: {0}")]
    AccessDeniedBecause(&'static str),
    /// The key is a user of the Context already.
    #[error("Public key already in use")]
    PubKeyInUse,
    /// The method needs a WebSocket.
    #[error("WebSocket required")]
    WebSocketRequired,
    /// The key is authorised on this socket already.
    #[error("WebSocket already authorized")]
    WebSocketAlreadyAuthorized,
    /// Too many sessions on this socket.
    #[error("Exceeded limit of WebSocket channels")]
    TooManyWsChannels,
    /// A further session on a socket must ask for a channel id.
    #[error("addWsChannelId is required on a multi-channel WebSocket")]
    WsChannelIdRequired,
    /// The first session of the socket wants to be alone.
    #[error("Cannot add a channel to a single-channel WebSocket")]
    SingleChannelWebSocket,
    /// A key id that is neither current nor in the history.
    #[error("Invalid key id")]
    InvalidKeyId,
    /// No such Context (management).
    #[error("Context does not exist")]
    ContextDoesNotExist,
    /// No such room.
    #[error("Stream room does not exist")]
    RoomDoesNotExist,
    /// The id to continue a list from is not in it.
    #[error("No match for last id")]
    NoMatchForLastId,
    /// Rooms of several Contexts in one call.
    #[error("Resources have different contexts")]
    DifferentContexts,
    /// The API key is unknown.
    #[error("API key does not exist")]
    ApiKeyDoesNotExist,
    /// The API key or its secret is wrong.
    #[error("Invalid credentials")]
    InvalidCredentials,
    /// No more API keys.
    #[error("API keys limit exceeded")]
    ApiKeysLimit,
    /// The API key may not do this.
    #[error("Insufficient scope")]
    InsufficientScope,
    /// No valid authorisation.
    #[error("Unauthorized")]
    Unauthorized,
    /// No such Solution.
    #[error("Solution does not exist")]
    SolutionDoesNotExist,
    /// The Solution can't be deleted yet.
    #[error("Solution has contexts")]
    SolutionHasContexts,
    /// Other Solutions use the Context, or it is private and none may.
    #[error("Cannot switch a connected context to private")]
    ContextIsConnected,
    /// The ACL text is not valid.
    #[error("Invalid ACL: {0}")]
    InvalidAcl(String),
    /// The method needs an authorised WebSocket session.
    #[error("Method callable with WebSocket only")]
    WebSocketOnly,
    /// A receiver is not a user of the room.
    #[error("User does not have access to container")]
    NoAccessToContainer,
    /// The resource id is taken.
    #[error("Duplicate resource id")]
    DuplicateResourceId,
    /// The session holds as many subscriptions as it may.
    #[error("Too many channels in session")]
    TooManyChannels,
    /// The resource id may not change.
    #[error("Resource id mismatch")]
    ResourceIdMismatch,
    /// The first API key was made already.
    #[error("First API key already exists")]
    FirstApiKeyExists,
    /// The initialization token is wrong or none is configured.
    #[error("Initialization token mismatch")]
    InitializationToken,
    /// The caller has not joined.
    #[error("Not connected to the room")]
    NotConnectedToRoom,
    /// Nothing subscribed yet.
    #[error("No subscriptions to modify")]
    NoSubscriptions,
    /// The media plane can't be reached.
    #[error("Cannot connect to media server")]
    NoMediaServer,
    /// The caller has no publisher session.
    #[error("Main media session for user missing")]
    NoMainSession,
    /// The room is closed.
    #[error("Stream room closed")]
    RoomClosed,
    /// A refusal of the media plane, with its code.
    #[error("{message}")]
    Media {
        /// Code of streams.md 7.1.
        code: i64,
        /// What went wrong.
        message: String,
    },
    /// An invitation was refused; the text says why.
    #[error("{0}")]
    Invite(InviteRefusal),
    /// Something about recordings was refused; the text says why.
    #[error("{0}")]
    Recording(RecordingRefusal),
    /// Too many failures from this address.
    #[error("Too many attempts, try again later")]
    TooManyAttempts,
    /// More calls or events of this key than the bridge takes in this time.
    #[error("Too many calls, slow down")]
    TooManyCalls,
    /// The Context holds as many rooms as it may.
    #[error("Too many rooms in this context, delete some")]
    TooManyRooms,
}

/// Why an invitation was refused. Codes are our own, next to those of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteRefusal {
    /// No such invitation.
    #[error("this invitation is not known here")]
    Unknown,
    /// The token is not the one that was given out.
    #[error("this invitation's token is wrong")]
    WrongToken,
    /// It was withdrawn.
    #[error("this invitation was revoked")]
    Revoked,
    /// Its time is over.
    #[error("this invitation has expired")]
    Expired,
    /// The proof was made too long ago, or by a clock that is wrong.
    #[error("this proof is not from now; check the clock")]
    Stale,
    /// As many keys as it was for have redeemed it.
    #[error("this invitation is used up")]
    UsedUp,
}

/// Why something about recordings was refused. Codes are our own, next to those of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingRefusal {
    /// There is nothing to stop.
    #[error("the room is not being recorded")]
    NotRunning,
    /// No such recording, or no such track.
    #[error("there is no such recording")]
    Unknown,
    /// It can't be removed yet.
    #[error("the recording is still running; stop it first")]
    StillRunning,
    /// No space.
    #[error("the bridge has no space left for recordings")]
    DiskFull,
    /// As many as may be.
    #[error(
        "there are as many recordings as this bridge allows; delete some, or stop another room's"
    )]
    TooMany,
    /// This bridge does not record.
    #[error("this bridge keeps nothing on disk, so it can't record")]
    Unavailable,
}

impl ServiceError {
    /// Shorthand for a broken rule about parameters.
    pub fn params(text: impl Into<String>) -> Self {
        Self::InvalidParams(text.into())
    }

    /// The number that goes over the wire.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::MethodNotFound => code::METHOD_NOT_FOUND,
            Self::InvalidParams(_) => code::INVALID_PARAMS,
            Self::Internal => code::INTERNAL_ERROR,
            Self::UserDoesNotExist => code::USER_DOESNT_EXIST,
            Self::UnknownSession => code::UNKNOWN_SESSION,
            Self::InvalidToken => code::INVALID_TOKEN,
            Self::AccessDenied | Self::AccessDeniedBecause(_) => code::ACCESS_DENIED,
            Self::PubKeyInUse => code::PUB_KEY_ALREADY_IN_USE,
            Self::WebSocketRequired => code::WEBSOCKET_REQUIRED,
            Self::WebSocketAlreadyAuthorized => code::WEBSOCKET_ALREADY_AUTHORIZED,
            Self::TooManyWsChannels => code::EXCEEDED_LIMIT_OF_WEBSOCKET_CHANNELS,
            Self::WsChannelIdRequired => code::ADD_WS_CHANNEL_ID_REQUIRED,
            Self::SingleChannelWebSocket => code::CANNOT_ADD_CHANNEL_TO_SINGLE,
            Self::InvalidKeyId => code::INVALID_KEY_ID,
            Self::ContextDoesNotExist => code::CONTEXT_DOES_NOT_EXIST,
            Self::RoomDoesNotExist => code::STREAM_ROOM_DOES_NOT_EXIST,
            Self::NoMatchForLastId => code::NO_MATCH_FOR_LAST_ID,
            Self::DifferentContexts => code::RESOURCES_HAVE_DIFFERENT_CONTEXTS,
            Self::ApiKeyDoesNotExist => code::API_KEY_DOES_NOT_EXIST,
            Self::InvalidCredentials => code::INVALID_CREDENTIALS,
            Self::ApiKeysLimit => code::API_KEYS_LIMIT_EXCEEDED,
            Self::InsufficientScope => code::INSUFFICIENT_SCOPE,
            Self::Unauthorized => code::UNAUTHORIZED,
            Self::SolutionDoesNotExist => code::SOLUTION_DOES_NOT_EXIST,
            Self::SolutionHasContexts => code::SOLUTION_HAS_CONTEXTS,
            Self::ContextIsConnected => code::CANNOT_SWITCH_CONNECTED_CONTEXT_TO_PRIVATE,
            Self::InvalidAcl(_) => code::INVALID_ACL,
            Self::WebSocketOnly => code::METHOD_CALLABLE_WITH_WEBSOCKET_ONLY,
            Self::NoAccessToContainer => code::USER_DOES_NOT_HAVE_ACCESS_TO_CONTAINER,
            Self::DuplicateResourceId => code::DUPLICATE_RESOURCE_ID,
            Self::TooManyChannels => code::TOO_MANY_CHANNELS_IN_SESSION,
            Self::ResourceIdMismatch => code::RESOURCE_ID_MISSMATCH,
            Self::FirstApiKeyExists => code::FIRST_API_KEY_ALREADY_EXISTS,
            Self::InitializationToken => code::INITIALIZATION_TOKEN_MISSMATCH,
            Self::NotConnectedToRoom => code::NOT_CONNECTED_TO_THE_ROOM,
            Self::NoSubscriptions => code::NO_SUBSCRIPTIONS_TO_MODIFY,
            Self::NoMediaServer => code::CANNOT_CONNECT_TO_MEDIA_SERVER,
            Self::NoMainSession => code::MAIN_MEDIA_SESSION_FOR_USER_MISSING,
            Self::RoomClosed => code::STREAM_ROOM_CLOSED,
            Self::Media { code, .. } => *code,
            Self::Invite(refusal) => match refusal {
                InviteRefusal::Unknown => 0x6f01,
                InviteRefusal::WrongToken => 0x6f02,
                InviteRefusal::Revoked => 0x6f03,
                InviteRefusal::Expired => 0x6f04,
                InviteRefusal::UsedUp => 0x6f05,
                InviteRefusal::Stale => 0x6f07,
            },
            Self::TooManyAttempts | Self::TooManyCalls => 0x6f06,
            Self::TooManyRooms => 0x6f08,
            Self::Recording(refusal) => match refusal {
                RecordingRefusal::NotRunning => 0x6f11,
                RecordingRefusal::Unknown => 0x6f12,
                RecordingRefusal::StillRunning => 0x6f13,
                RecordingRefusal::DiskFull => 0x6f14,
                RecordingRefusal::TooMany => 0x6f15,
                RecordingRefusal::Unavailable => 0x6f16,
            },
        }
    }

    /// What goes beside the code; null for most.
    #[must_use]
    pub fn data(&self) -> Value {
        match self {
            Self::InvalidParams(text) | Self::InvalidAcl(text) => Value::from(text.as_str()),
            Self::AccessDeniedBecause(text) => Value::from(*text),
            // Whoever asks why can be answered from the log.
            Self::Media { code, message } => {
                let reference = Uuid::new_v4().to_string();
                tracing::debug!(reference, code, message, "media");
                json!({"referenceId": reference})
            }
            _ => Value::Null,
        }
    }

    /// The text that goes over the wire: what is special about this case is in the data.
    fn message(&self) -> String {
        match self {
            Self::InvalidParams(_) | Self::InvalidAcl(_) | Self::AccessDeniedBecause(_) => {
                code::text(self.code()).to_owned()
            }
            _ => self.to_string(),
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "store");
        Self::Internal
    }
}

impl From<&ServiceError> for RpcError {
    fn from(error: &ServiceError) -> Self {
        Self::with_message(error.code(), error.message()).with_data(error.data())
    }
}
