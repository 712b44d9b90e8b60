//! Why an exchange failed, as the client sees it.

use crate::wire::pson::PsonError;
use crate::wire::record::RecordError;
use crate::wire::rpc::EndpointCode;
use crate::wire::rpc::EnvelopeError;

/// Why the answer of a server is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The server ended the exchange with this text.
    #[error("the bridge answered: {0}")]
    Alert(String),
    /// The frames cannot be read.
    #[error("the answer cannot be read: {0}")]
    Record(#[from] RecordError),
    /// A packet is not PSON.
    #[error("the answer cannot be read: {0}")]
    Pson(#[from] PsonError),
    /// The answer to a call cannot be read.
    #[error("the answer cannot be read: {0}")]
    Envelope(#[from] EnvelopeError),
    /// A packet lacks this field, or it has the wrong type.
    #[error("the answer lacks {0}")]
    Field(&'static str),
    /// A frame that has no place in this exchange, or came in plaintext.
    #[error("the answer contains an unexpected frame")]
    Unexpected,
    /// The answer ends before what was asked for.
    #[error("the answer is incomplete")]
    Incomplete,
    /// The bridge did not prove that it holds the expected key.
    #[error("the bridge did not prove its identity")]
    BridgeIdentity,
    /// The bridge's clock is more than 150 s away from ours.
    #[error("the clock of the bridge differs too much from ours")]
    BridgeClock,
    /// The bridge announces a version that is not dotted integers.
    #[error("the bridge announces an unreadable version")]
    VersionFormat,
    /// The bridge is older than 2.36.2.
    #[error("the bridge is too old (version {0})")]
    VersionTooOld(String),
}

impl HandshakeError {
    /// Whether the session is lost and a new login is needed.
    #[must_use]
    pub fn is_session_lost(&self) -> bool {
        matches!(self, Self::Alert(text) if matches!(text.as_str(),
            "Invalid ticket" | "INVALID_PROXY_SESSION"))
    }

    /// What an application of the endpoint library would see.
    #[must_use]
    pub fn endpoint_code(&self) -> EndpointCode {
        match self {
            Self::Alert(text) => EndpointCode::of_alert(text),
            Self::VersionFormat => EndpointCode::VERSION_FORMAT,
            Self::VersionTooOld(_) => EndpointCode::SERVER_VERSION_MISMATCH,
            _ => EndpointCode::ANSWER_FORMAT,
        }
    }
}
