//! Everything the tasks of a bridge share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::authority::Authority;
use super::budget::Budget;
use super::config::BridgeConfig;
use super::limit::FailureLimit;
use super::limit::Rates;
use super::media::Media;
use super::metrics::Metrics;
use super::notify::Notifier;
use super::notify::SocketId;
use super::presence::PresenceBook;
use super::rpc::Answer;
use super::service::Notice;
use super::service::Outcome;
use super::service::ServiceError;
use super::service::media_event;
use super::service::stream;
use super::service::stream::Audience;
use super::session::LoginId;
use super::session::Sessions;
use super::sfu::ClientId;
use super::sfu::Departure;
use super::store::Store;
use super::turn;
use crate::crypto::key::PrivateKey;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::wire::handshake::server::ServerIdentity;

/// The shared state of one bridge.
#[derive(Debug)]
pub struct Core {
    /// Settings.
    pub config: BridgeConfig,
    /// What must not be forgotten.
    pub store: Store,
    /// Signs login challenges.
    pub identity: ServerIdentity,
    /// Socket sessions and their subscriptions.
    pub notifier: Notifier,
    /// Who is online.
    pub presence: PresenceBook,
    /// Who is in which room.
    pub media: Media,
    /// Tokens of the management API.
    pub authority: Authority,
    /// Bytes held for connections.
    pub budget: Arc<Budget>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the bridge ends.
    pub ended: CancellationToken,
    sockets: AtomicU64,
    sessions: Mutex<Sessions>,
    failures: Mutex<FailureLimit>,
    rates: Mutex<Rates>,
}

impl Core {
    /// Puts the parts together.
    #[must_use]
    pub fn new(config: BridgeConfig, store: Store, identity: PrivateKey, media: Media) -> Self {
        let identity = ServerIdentity {
            key: identity,
            host: config.host.clone(),
            version: config.server_version.clone(),
        };
        let failures = FailureLimit::new(config.limits.failures_per_minute);
        let rates = Rates::new(&config.limits);
        let metrics = Arc::<Metrics>::default();
        Self {
            notifier: Notifier::new(config.limits.sessions_per_key, Arc::clone(&metrics)),
            budget: Budget::new(config.limits.held_bytes),
            metrics,
            config,
            store,
            identity,
            presence: PresenceBook::default(),
            media,
            authority: Authority::default(),
            ended: CancellationToken::new(),
            sockets: AtomicU64::new(0),
            sessions: Mutex::new(Sessions::new(rand::random())),
            failures: Mutex::new(failures),
            rates: Mutex::new(rates),
        }
    }

    /// The time by this machine's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    /// A name for a new WebSocket.
    #[must_use]
    pub fn next_socket(&self) -> SocketId {
        SocketId(self.sockets.fetch_add(1, Ordering::Relaxed))
    }

    /// Login sessions; not to be held across an await.
    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, FailureLimit> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rates of addresses and keys; not to be held across an await.
    pub fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request of an address, whatever is in it.
    ///
    /// # Errors
    ///
    /// How long it has to wait; it was not counted then.
    pub fn admit_request(&self, address: IpAddr) -> Result<(), Duration> {
        let admitted = self.rates().request(address, self.now());
        if admitted.is_err() {
            self.metrics.throttled.count();
        }
        admitted
    }

    /// Whether an address may try to authorise or redeem.
    #[must_use]
    pub fn may_try(&self, address: IpAddr) -> bool {
        self.failures().allows(address, self.now())
    }

    /// Counts a failure of an address.
    pub fn failed(&self, address: IpAddr) {
        self.failures().failed(address, self.now());
    }

    /// A new id in the form of the official server: 24 hex digits, the first eight the time.
    #[must_use]
    pub fn new_id(&self) -> String {
        let seconds = u32::try_from(self.now().0 / 1000).unwrap_or(u32::MAX);
        format!("{seconds:08x}{}", hex::encode(rand::random::<[u8; 8]>()))
    }

    /// A new room id.
    #[must_use]
    pub fn new_room_id(&self) -> StreamRoomId {
        StreamRoomId(self.new_id())
    }

    /// Credentials for the configured TURN servers.
    #[must_use]
    pub fn turn_credentials(&self, pub_key: &str) -> Vec<Value> {
        let now = self.now();
        let (servers, ttl) = (&self.config.turn, self.config.turn_ttl);
        servers.iter().map(|server| turn::credentials(server, ttl, pub_key, now)).collect()
    }

    /// Members of a room and how to tell them something.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Internal`] if the store fails.
    pub async fn audience(&self, room: &StreamRoomId) -> Result<Option<Audience>, ServiceError> {
        let room = room.clone();
        self.store.read(move |tx| stream::audience(tx, &room)).await
    }

    /// Carries out what a committed outcome asks of the media plane.
    pub async fn settle(&self, outcome: Outcome) -> Answer {
        let mut notices = outcome.notify;
        for command in &outcome.media {
            for (_, departure) in self.media.carry_out(command).await {
                notices.extend(self.departed(&departure).await);
            }
        }
        Answer { reply: outcome.reply, notices, turn: None }
    }

    /// What members are told when somebody is gone.
    pub async fn departed(&self, departure: &Departure) -> Vec<Notice> {
        match self.audience(&departure.room).await {
            Ok(Some(audience)) => media_event::left(&audience, departure),
            // A deleted room has nobody left to tell.
            _ => Vec::new(),
        }
    }

    /// Ends a socket session: subscriptions, presence and media go with it.
    pub async fn end_client(&self, client: ClientId) {
        if let Some(caller) = self.notifier.remove(client) {
            self.presence.went(&caller.pub_key, self.now());
        }
        for departure in self.media.leave_all(client).await {
            let notices = self.departed(&departure).await;
            self.notifier.fan_out(&notices, self.now());
        }
    }

    /// Ends a login session with all its tickets and socket sessions.
    pub async fn logout(&self, login: LoginId) {
        self.sessions().close(login);
        for client in self.notifier.of_login(login) {
            self.end_client(client).await;
        }
    }
}
