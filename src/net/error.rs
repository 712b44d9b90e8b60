//! What can go wrong between this process and a bridge, told apart by what helps.

use std::time::Duration;

use serde_json::Value;

/// Why a transport, a login or a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The text that was given as the address of a bridge is none.
    #[error("{url:?} is not the address of a bridge: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there: wrong host or port, no route, or the bridge is down.
    #[error("cannot reach the bridge at {url}: {reason}")]
    Unreachable {
        /// Where it was tried.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// Somebody answers, but the certificate or the TLS handshake is not acceptable.
    #[error("no secure connection to {url}: {reason}")]
    Tls {
        /// Where it was tried.
        url: String,
        /// What the TLS library said.
        reason: String,
    },
    /// Something answers, but it doesn't speak the protocol.
    #[error("{url} is not a PrivMX bridge: {reason}")]
    NotABridge {
        /// Where it was tried.
        url: String,
        /// What came back.
        reason: String,
    },
    /// The bridge is of a generation that this client can't talk to.
    #[error("the bridge is version {found}; at least {wanted} is needed")]
    ServerVersion {
        /// What it says it is.
        found: String,
        /// The oldest supported.
        wanted: &'static str,
    },
    /// The bridge could not prove that it holds the key it was pinned to.
    #[error("the bridge did not prove its identity: {reason}")]
    BridgeIdentity {
        /// What was wrong with the proof.
        reason: String,
    },
    /// The bridge refused the login or the message as a whole.
    #[error("the bridge refused: {text}")]
    Alert {
        /// Its own words.
        text: String,
    },
    /// The bridge answered the call with an error.
    #[error("the bridge refused {method}: {message} (code {code:#06x})")]
    Rpc {
        /// The method that was called.
        method: String,
        /// The code of transport.md §7.1.
        code: i64,
        /// Text for a person.
        message: String,
        /// Whatever came with it.
        data: Value,
    },
    /// No answer came in time; a call may or may not have taken effect.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection broke while the call was under way; it may or may not have taken effect.
    #[error("the connection to the bridge was lost")]
    ConnectionLost,
    /// The session was shut down by this process.
    #[error("the connection is closed")]
    Closed,
    /// The peer broke the protocol: what it sent does not authenticate or parse.
    #[error("the bridge sent something unreadable: {0}")]
    Protocol(String),
}

impl NetError {
    /// The bridge's error code, where it answered with one.
    #[must_use]
    pub const fn code(&self) -> Option<i64> {
        match self {
            Self::Rpc { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The same attempt may succeed later without anybody doing anything.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout(_) | Self::ConnectionLost)
    }
}
