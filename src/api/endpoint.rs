//! Where everything starts: connecting to a bridge.

use std::fmt;
use std::sync::Arc;

use crate::crypto::dio::BridgeIdentity;
use crate::crypto::key::PrivateKey;
use crate::crypto::key::PublicKey;
use crate::model::SolutionId;
use crate::net::session::Session;
use crate::net::session::SessionConfig;

use super::anchors::Anchors;
use super::anchors::RoomVerifier;
use super::connection::Connection;
use super::error::ApiError;
use super::users::UserDirectory;
use super::users::UserVerifier;

/// How to connect. Made by [`ConnectOptions::new`]; the rest is optional.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Base URL of the bridge, such as `https://bridge.example.com` or
    /// `http://127.0.0.1:9111`. Without TLS the protocol still encrypts and authenticates.
    pub url: String,
    /// The solution that the Contexts belong to.
    pub solution: SolutionId,
    /// Who connects.
    pub key: Arc<PrivateKey>,
    /// The bridge's identity key. Given it, the bridge must prove at every login that it
    /// holds it; without it, anybody who controls the network can pose as the bridge.
    pub bridge_key: Option<PublicKey>,
    /// Free text that names the bridge in everything that is signed.
    pub instance_id: Option<String>,
    /// The application's opinion about who holds which key.
    pub verifier: Option<Arc<dyn UserVerifier>>,
    /// The application's memory of rooms.
    pub rooms: Option<Arc<dyn RoomVerifier>>,
    /// Send and receive media through the bridge's TURN servers only.
    pub relay_only: bool,
}

impl ConnectOptions {
    /// The needed ones; no bridge key, no verifier.
    pub fn new(url: &str, solution: SolutionId, key: Arc<PrivateKey>) -> Self {
        Self {
            url: url.to_owned(),
            solution,
            key,
            bridge_key: None,
            instance_id: None,
            verifier: None,
            rooms: None,
            relay_only: false,
        }
    }

    /// Pins the bridge's identity.
    #[must_use]
    pub fn with_bridge_key(mut self, key: PublicKey) -> Self {
        self.bridge_key = Some(key);
        self
    }

    /// Asks the application about the author of everything that is opened.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Arc<dyn UserVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Asks the application whether each room is the one that it knows.
    #[must_use]
    pub fn with_rooms(mut self, rooms: Arc<dyn RoomVerifier>) -> Self {
        self.rooms = Some(rooms);
        self
    }

    /// Lets media take relayed paths only, so that the SFU never learns an address of ours.
    /// Without a TURN server at the bridge there is no media then.
    #[must_use]
    pub const fn with_relay_only(mut self, relay_only: bool) -> Self {
        self.relay_only = relay_only;
        self
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("url", &self.url)
            .field("solution", &self.solution)
            .field("key", self.key.public_key())
            .field("bridge_key", &self.bridge_key)
            .finish_non_exhaustive()
    }
}

/// The start of everything.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint;

impl Endpoint {
    /// Logs in to a bridge and opens its event channel.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] with a [`NetError`](crate::net::NetError) that tells an address
    /// nobody answers at from one that is no bridge, from a bridge that is not the pinned
    /// one, from a bridge that does not know the key.
    ///
    /// # Cancel safety
    ///
    /// Safe: a connection that was half made is closed.
    pub async fn connect(options: ConnectOptions) -> Result<Connection, ApiError> {
        let ConnectOptions {
            url,
            solution,
            key,
            bridge_key,
            instance_id,
            verifier,
            rooms,
            relay_only,
        } = options;
        let pub_key = bridge_key.as_ref().map(PublicKey::to_base58);
        let config = SessionConfig { url, solution, key: Arc::clone(&key), bridge_key };
        let (session, events) = Session::connect(config).await?;
        let url = session.api_url().to_owned();
        let loopback = is_loopback(&url);
        let bridge = BridgeIdentity { instance_id, pub_key, url };
        let known = (UserDirectory::new(verifier), Anchors::new(rooms));
        Ok(Connection::start(session, events, key, bridge, known, loopback, relay_only))
    }
}

/// Whether a URL names this machine, so that media may take its loopback interface.
fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised() {
        let cases = [
            ("http://127.0.0.1:9111/api/v2.0", true),
            ("http://localhost/api/v2.0", true),
            ("http://[::1]:9111/api/v2.0", true),
            ("https://example.com/api/v2.0", false),
            ("http://192.168.1.2:9111/", false),
        ];
        for (url, loopback) in cases {
            assert_eq!(is_loopback(url), loopback, "{url}");
        }
    }
}
