//! What a bridge is started with.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::bridge::recording::RecordingLimits;
use crate::bridge::sfu::Tap;
use crate::model::Secret;

/// Version announced at login; clients want at least 2.36.2.
const SERVER_VERSION: &str = "3.0.0";

/// How long TURN credentials are good: a day, as at the official bridge.
const TURN_TTL: Duration = Duration::from_secs(86_400);

/// Settings of a bridge.
#[derive(Debug)]
pub struct BridgeConfig {
    /// Where HTTP and WebSocket are served; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Directory of the database; it is created if it does not exist.
    pub data_dir: PathBuf,
    /// Keep everything in memory and forget it at the end; `data_dir` is then unused.
    pub volatile: bool,
    /// UDP port for media; `None` takes the number of the TCP port.
    pub media_port: Option<u16>,
    /// Addresses under which clients reach the media port; empty lets the SFU find out.
    pub advertise: Vec<IpAddr>,
    /// Whoever knows it may make the first API key, once.
    pub initialization_token: Option<Secret<String>>,
    /// TURN servers that clients are told about.
    pub turn: Vec<TurnServer>,
    /// How long the credentials for them are good that clients are given.
    pub turn_ttl: Duration,
    /// Version announced at login.
    pub server_version: String,
    /// Host name announced at login and in `/privmx-configuration.json`.
    pub host: String,
    /// Lets web pages of any origin speak the client protocol; the management API never.
    pub cors: bool,
    /// Close a room for good when the last one leaves it, as the official server does.
    pub close_empty_rooms: bool,
    /// Where `/metrics` and `/health` are served to the operator; `None` serves them nowhere.
    pub metrics: Option<SocketAddr>,
    /// Whether there are rooms at all; without, calls about them are unknown.
    pub streams: bool,
    /// Which generation of events a session gets.
    pub event_profile: EventProfile,
    /// Bounds.
    pub limits: BridgeLimits,
    /// Bounds on recordings, which are kept in `data_dir`; a volatile bridge does not record.
    pub recording: RecordingLimits,
    /// Sees every media payload; for tests that prove what the server can know.
    pub tap: Option<Tap>,
}

/// How to tell which generation of events a session understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventProfile {
    /// By what it subscribes to.
    #[default]
    BySession,
    /// All are clients of 2.42.
    A,
    /// All are clients of 3.0.
    B,
}

/// A TURN server with the secret it shares with us.
#[derive(Debug)]
pub struct TurnServer {
    /// `turn:` or `turns:` URL.
    pub url: String,
    /// The shared secret.
    pub secret: Secret<String>,
}

/// Bounds on what clients can make the bridge hold.
#[derive(Clone, Debug)]
pub struct BridgeLimits {
    /// TCP connections of everybody together.
    pub connections: usize,
    /// TCP connections of one address.
    pub connections_per_address: usize,
    /// Sessions of one key on all WebSockets together.
    pub sessions_per_key: usize,
    /// Participants of one room.
    pub participants_per_room: usize,
    /// Rooms of one Context, closed ones included.
    pub rooms_per_context: u64,
    /// Bytes of requests and of what waits to be sent, over all connections; one address may
    /// hold a quarter of it.
    pub held_bytes: usize,
    /// HTTP requests and WebSocket messages of one address in a second; 0 is without a limit.
    pub requests_per_second: u32,
    /// Calls of one key in a second; 0 is without a limit.
    pub calls_per_second: u32,
    /// Custom events of one key in a second; 0 is without a limit.
    pub events_per_second: u32,
    /// Failed redemptions of invitations and authorisations of one address in a minute. Logins
    /// are not counted: a signature can't be guessed, and people share addresses.
    pub failures_per_minute: u32,
    /// Time between WebSocket pings; a socket that missed one is dead.
    pub ping_interval: Duration,
    /// Time a client has to send a request's head.
    pub head_timeout: Duration,
    /// Time a client has to send a request's body, and to take one message off its socket.
    pub transfer_timeout: Duration,
}

impl BridgeConfig {
    /// A bridge on `listen` that keeps its state in `data_dir`, with defaults for the rest.
    #[must_use]
    pub fn new(listen: SocketAddr, data_dir: PathBuf) -> Self {
        Self {
            listen,
            data_dir,
            volatile: false,
            media_port: None,
            advertise: Vec::new(),
            initialization_token: None,
            turn: Vec::new(),
            turn_ttl: TURN_TTL,
            server_version: SERVER_VERSION.to_owned(),
            host: listen.ip().to_string(),
            cors: false,
            close_empty_rooms: false,
            metrics: None,
            streams: true,
            event_profile: EventProfile::default(),
            limits: BridgeLimits::default(),
            recording: RecordingLimits::default(),
            tap: None,
        }
    }
}

impl BridgeConfig {
    /// A bridge on `listen` that forgets everything when it ends.
    #[must_use]
    pub fn in_memory(listen: SocketAddr) -> Self {
        Self { volatile: true, ..Self::new(listen, PathBuf::new()) }
    }
}

impl Default for BridgeLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            sessions_per_key: 64,
            participants_per_room: 50,
            rooms_per_context: 10_000,
            held_bytes: 256 * 1024 * 1024,
            requests_per_second: 500,
            calls_per_second: 100,
            events_per_second: 20,
            failures_per_minute: 60,
            ping_interval: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            transfer_timeout: Duration::from_secs(20),
        }
    }
}
