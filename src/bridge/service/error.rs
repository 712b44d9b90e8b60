//! Why a call was refused, with the numbers that clients know (transport.md 7.1).

use serde_json::Value;

use crate::bridge::store::StoreError;

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
    /// Too many failures from this address.
    #[error("Too many attempts, try again later")]
    TooManyAttempts,
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
    /// As many keys as it was for have redeemed it.
    #[error("this invitation is used up")]
    UsedUp,
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
            Self::MethodNotFound => -32601,
            Self::InvalidParams(_) => -32602,
            Self::Internal => -32603,
            Self::UserDoesNotExist => 0x0009,
            Self::UnknownSession => 0x000c,
            Self::InvalidToken => 0x0015,
            Self::AccessDenied | Self::AccessDeniedBecause(_) => 0x0030,
            Self::PubKeyInUse => 0x0065,
            Self::WebSocketRequired => 0x0072,
            Self::WebSocketAlreadyAuthorized => 0x0073,
            Self::TooManyWsChannels => 0x0085,
            Self::WsChannelIdRequired => 0x0086,
            Self::SingleChannelWebSocket => 0x0087,
            Self::InvalidKeyId => 0x6015,
            Self::ContextDoesNotExist => 0x6116,
            Self::RoomDoesNotExist => 0x6122,
            Self::NoMatchForLastId => 0x6123,
            Self::DifferentContexts => 0x6124,
            Self::ApiKeyDoesNotExist => 0x612b,
            Self::InvalidCredentials => 0x612c,
            Self::ApiKeysLimit => 0x612d,
            Self::InsufficientScope => 0x612e,
            Self::Unauthorized => 0x612f,
            Self::SolutionDoesNotExist => 0x6130,
            Self::InvalidAcl(_) => 0x6131,
            Self::WebSocketOnly => 0x6136,
            Self::NoAccessToContainer => 0x6137,
            Self::DuplicateResourceId => 0x6138,
            Self::TooManyChannels => 0x6139,
            Self::ResourceIdMismatch => 0x613b,
            Self::FirstApiKeyExists => 0x613e,
            Self::InitializationToken => 0x613f,
            Self::NotConnectedToRoom => 0x6202,
            Self::NoSubscriptions => 0x6203,
            Self::NoMediaServer => 0x6205,
            Self::NoMainSession => 0x6207,
            Self::RoomClosed => 0x6208,
            Self::Media { code, .. } => *code,
            Self::Invite(refusal) => match refusal {
                InviteRefusal::Unknown => 0x6f01,
                InviteRefusal::WrongToken => 0x6f02,
                InviteRefusal::Revoked => 0x6f03,
                InviteRefusal::Expired => 0x6f04,
                InviteRefusal::UsedUp => 0x6f05,
            },
            Self::TooManyAttempts => 0x6f06,
        }
    }

    /// What goes beside the code; null for most.
    #[must_use]
    pub fn data(&self) -> Value {
        match self {
            Self::InvalidParams(text) | Self::InvalidAcl(text) => Value::from(text.as_str()),
            Self::AccessDeniedBecause(text) => Value::from(*text),
            _ => Value::Null,
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "store");
        Self::Internal
    }
}
