//! Logging in over HTTP, and the errors of the protocol core in the words of this layer.

use crate::net::session::now;
use crate::wire::handshake::HandshakeError;
use crate::wire::handshake::client::ClientSession;
use crate::wire::handshake::client::Login;

use super::error::NetError;
use super::http::Http;
use super::session::SessionConfig;

/// The oldest bridge that can be talked to.
const OLDEST_BRIDGE: &str = "2.36.2";

/// Logs in; the session has tickets for a while.
pub(super) async fn login(
    http: &Http,
    url: &str,
    config: &SessionConfig,
) -> Result<ClientSession, NetError> {
    let (login, body) = {
        let (solution, bridge_key) = (config.solution.as_str(), config.bridge_key.as_ref());
        Login::of_user(&config.key, solution, bridge_key, now(), &mut rand::rng())
    };
    let answer = http.post_frames(url, body).await?;
    login.finish(&config.key, &answer, now()).map_err(|error| explain(error, url))
}

/// Says what a failed exchange means.
pub(super) fn explain(error: HandshakeError, url: &str) -> NetError {
    match error {
        HandshakeError::Alert(text) => NetError::Alert { text },
        HandshakeError::BridgeIdentity | HandshakeError::BridgeClock => {
            NetError::BridgeIdentity { reason: error.to_string() }
        }
        HandshakeError::VersionTooOld(found) => {
            NetError::ServerVersion { found, wanted: OLDEST_BRIDGE }
        }
        HandshakeError::VersionFormat
        | HandshakeError::Record(_)
        | HandshakeError::Unexpected
        | HandshakeError::Incomplete => {
            NetError::NotABridge { url: url.to_owned(), reason: error.to_string() }
        }
        other => NetError::Protocol(other.to_string()),
    }
}
