//! A session with a bridge over both carriers, kept alive until it is shut down.
//!
//! [`Session`] is the handle; calls over HTTP run in the caller's task, everything about
//! the WebSocket in one [`SessionDriver`]. The protocol itself is in `wire`; here are
//! sockets, clocks and patience. When the bridge knows the session no more
//! (`Invalid ticket`), it is logged in again and the call is repeated once.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::crypto::key::PrivateKey;
use crate::crypto::key::PublicKey;
use crate::model::SolutionId;
use crate::model::SubscriptionId;
use crate::model::Timestamp;
use crate::wire::dto::event::Event;
use crate::wire::handshake::client::ClientExchange;
use crate::wire::handshake::client::ClientSession;
use crate::wire::rpc::Request;
use crate::wire::url::BridgeUrl;

use super::driver::Command;
use super::driver::SessionDriver;
use super::error::NetError;
use super::exchange;
use super::http::Http;

/// How long a call may take, waiting for a reconnection included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the bridge says when it does not know the session of a ticket.
const INVALID_TICKET: &str = "Invalid ticket";

/// Commands from all callers to the driver; when full, callers wait (up to their timeout).
const COMMANDS: usize = 64;

/// Events from the driver to its one reader; when full, the socket is closed and opened
/// anew, after which the reader reads all state again anyway.
const EVENTS: usize = 1024;

/// How to log in.
#[derive(Clone)]
pub struct SessionConfig {
    /// Base URL of the bridge as the user gave it.
    pub url: String,
    /// Solution to log in to.
    pub solution: SolutionId,
    /// Who logs in.
    pub key: Arc<PrivateKey>,
    /// The bridge's identity, if it is known; without it the bridge is not checked.
    pub bridge_key: Option<PublicKey>,
}

impl fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionConfig")
            .field("url", &self.url)
            .field("solution", &self.solution)
            .finish_non_exhaustive()
    }
}

/// Whether the session can be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Both carriers work.
    Connected,
    /// The socket is lost; it is being reopened. Calls wait.
    Reconnecting {
        /// Why it was lost, or why the last attempt failed.
        reason: String,
    },
    /// It was shut down.
    Closed,
}

/// What the driver has to tell.
#[derive(Debug)]
pub enum SessionEvent {
    /// The socket is open again, and all subscriptions are in force.
    Reconnected,
    /// The socket is lost.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// An event of the bridge.
    Notification(Box<Notification>),
}

/// An event of the bridge, with our ids of the subscriptions that matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The event; its subscriptions are ids as [`Session::subscribe`] returned them.
    pub event: Event,
    /// The channels that matched, as they were subscribed to.
    pub channels: Vec<String>,
}

pub(super) struct Shared {
    pub(super) config: SessionConfig,
    pub(super) urls: Urls,
    pub(super) http: Http,
    pub(super) stop: CancellationToken,
    pub(super) state: watch::Sender<SessionState>,
    tickets: Mutex<Tickets>,
    /// One login at a time; holding it is not holding a lock on anything.
    login: Semaphore,
}

/// Where the two carriers are.
#[derive(Clone, Debug)]
pub(super) struct Urls {
    pub(super) http: String,
    pub(super) ws: String,
}

impl Urls {
    fn of(url: &str) -> Result<Self, NetError> {
        let parsed = BridgeUrl::parse(url)
            .map_err(|error| NetError::Url { url: url.to_owned(), reason: error.to_string() })?;
        Ok(Self { http: parsed.http(), ws: parsed.web_socket() })
    }
}

/// The session as the protocol sees it, and how often it was logged in.
struct Tickets {
    wire: ClientSession,
    generation: u64,
}

/// A call that has been sealed, and by which login.
pub(super) struct Sealed {
    pub(super) body: Vec<u8>,
    pub(super) exchange: ClientExchange,
    pub(super) generation: u64,
}

/// What came of one attempt at a call.
pub(super) enum Attempt {
    /// It was answered.
    Done(Result<Value, NetError>),
    /// The bridge does not know the session of this login any more.
    SessionLost {
        /// Which login.
        generation: u64,
    },
}

/// A logged-in user of a bridge. Cheap to clone; all clones are the same session.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    driver: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in, opens and authorises the socket, and starts to keep both alive.
    ///
    /// # Errors
    ///
    /// Any [`NetError`] of the first attempt; later ones are retried.
    pub async fn connect(
        config: SessionConfig,
    ) -> Result<(Self, mpsc::Receiver<SessionEvent>), NetError> {
        let urls = Urls::of(&config.url)?;
        let http = Http::new()?;
        let wire = exchange::login(&http, &urls.http, &config).await?;
        let (state, _) = watch::channel(SessionState::Connected);
        let shared = Arc::new(Shared {
            config,
            urls,
            http,
            stop: CancellationToken::new(),
            state,
            tickets: Mutex::new(Tickets { wire, generation: 0 }),
            login: Semaphore::new(1),
        });
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (events, event_queue) = mpsc::channel(EVENTS);
        let driver = SessionDriver::open(Arc::clone(&shared), command_queue, events).await?;
        let task = tokio::spawn(driver.run());
        let session = Self { shared, commands, driver: Arc::new(Mutex::new(Some(task))) };
        Ok((session, event_queue))
    }

    /// Calls `method`, over the carrier that it belongs on, and returns its result.
    ///
    /// # Errors
    ///
    /// [`NetError::Rpc`] if the bridge refused, another variant if the outcome is unknown.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, NetError> {
        if self.shared.stop.is_cancelled() {
            return Err(NetError::Closed);
        }
        let attempts = async {
            for _ in 0..2 {
                let attempt = if is_for_http(method) {
                    self.shared.call_over_http(method, &params).await?
                } else {
                    self.call_over_socket(method, &params).await?
                };
                match attempt {
                    Attempt::Done(result) => return result,
                    Attempt::SessionLost { generation } => self.log_in_again(generation).await?,
                }
            }
            Err(NetError::Alert { text: INVALID_TICKET.to_owned() })
        };
        timeout(CALL_TIMEOUT, attempts).await.unwrap_or(Err(NetError::Timeout(CALL_TIMEOUT)))
    }

    async fn call_over_socket(&self, method: &str, params: &Value) -> Result<Attempt, NetError> {
        let (reply, answer) = oneshot::channel();
        let (method, params) = (method.to_owned(), params.clone());
        self.send(Command::Call { method, params, reply }).await?;
        answer.await.map_err(|_| NetError::Closed)?
    }

    async fn send(&self, command: Command) -> Result<(), NetError> {
        self.commands.send(command).await.map_err(|_| NetError::Closed)
    }

    async fn log_in_again(&self, generation: u64) -> Result<(), NetError> {
        if self.shared.log_in_again(generation).await? {
            // The socket belongs to the lost session.
            self.send(Command::Reopen).await?;
        }
        Ok(())
    }

    /// Subscribes to event channels; the ids stay valid across reconnections.
    ///
    /// # Errors
    ///
    /// As [`Session::call`].
    pub async fn subscribe(&self, channels: Vec<String>) -> Result<Vec<SubscriptionId>, NetError> {
        if channels.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        let attempt = async {
            self.send(Command::Subscribe { channels, reply }).await?;
            answer.await.map_err(|_| NetError::Closed)?
        };
        timeout(CALL_TIMEOUT, attempt).await.unwrap_or(Err(NetError::Timeout(CALL_TIMEOUT)))
    }

    /// Ends subscriptions; ids that are not in force are ignored.
    ///
    /// # Errors
    ///
    /// As [`Session::call`].
    pub async fn unsubscribe(&self, ids: Vec<SubscriptionId>) -> Result<(), NetError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        let attempt = async {
            self.send(Command::Unsubscribe { ids, reply }).await?;
            answer.await.map_err(|_| NetError::Closed)?
        };
        timeout(CALL_TIMEOUT, attempt).await.unwrap_or(Err(NetError::Timeout(CALL_TIMEOUT)))
    }

    /// Whether the session can be used, now and from now on.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.shared.state.subscribe()
    }

    /// The full URL of the frame interface, which signed objects name.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.shared.urls.http
    }

    /// Says goodbye in the background. Calls fail from now on.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Says goodbye and waits for the driver to end. Calls fail from now on.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        let task = self.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The driver ends by itself within the patience of its goodbye.
            let _ = task.await;
        }
    }
}

impl Shared {
    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        // The protocol core does not panic; even so the session stays usable.
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the session was logged in anew.
    pub(super) fn generation(&self) -> u64 {
        self.tickets().generation
    }

    /// Seals a call with a ticket of the current login; the other generation if there is none.
    pub(super) fn seal(&self, method: &str, params: &Value) -> Result<Sealed, u64> {
        let mut tickets = self.tickets();
        let generation = tickets.generation;
        let request = Request::new(method, params.clone());
        match tickets.wire.seal(&request, now(), &mut rand::rng()) {
            Some((body, exchange)) => Ok(Sealed { body, exchange, generation }),
            None => Err(generation),
        }
    }

    /// Opens the answer to a call, and keeps the tickets that came with it.
    pub(super) fn open(&self, sealed: Sealed, method: &str, answer: &[u8]) -> Attempt {
        let Sealed { exchange, generation, .. } = sealed;
        let mut tickets = self.tickets();
        // Tickets of an earlier login are worth nothing any more.
        let keep = tickets.generation == generation;
        match exchange.open(answer, now()) {
            Ok(opened) => {
                if keep {
                    tickets.wire.add_tickets(opened.tickets);
                }
                // Without a call there is no response, and nobody asks for it.
                let result = opened.response.map_or(Ok(Value::Null), |response| response.result);
                Attempt::Done(result.map_err(|error| NetError::Rpc {
                    method: method.to_owned(),
                    code: error.code,
                    message: error.message,
                    data: error.data,
                }))
            }
            Err(error) if error.is_session_lost() => Attempt::SessionLost { generation },
            Err(error) => Attempt::Done(Err(exchange::explain(error, &self.urls.http))),
        }
    }

    pub(super) async fn call_over_http(
        &self,
        method: &str,
        params: &Value,
    ) -> Result<Attempt, NetError> {
        let mut sealed = match self.seal(method, params) {
            Ok(sealed) => sealed,
            Err(generation) => return Ok(Attempt::SessionLost { generation }),
        };
        let body = std::mem::take(&mut sealed.body);
        let answer = self.http.post_frames(&self.urls.http, body).await?;
        Ok(self.open(sealed, method, &answer))
    }

    /// Logs in again unless somebody did so after login `generation`; tells whether it did.
    pub(super) async fn log_in_again(&self, generation: u64) -> Result<bool, NetError> {
        let _permit = self.login.acquire().await.map_err(|_| NetError::Closed)?;
        if self.tickets().generation != generation {
            return Ok(false);
        }
        let wire = exchange::login(&self.http, &self.urls.http, &self.config).await?;
        let mut tickets = self.tickets();
        *tickets = Tickets { wire, generation: generation.saturating_add(1) };
        Ok(true)
    }

    /// A request for tickets, if some are needed; the login if there is none to ask with.
    fn seal_refill(&self) -> Option<Result<Sealed, u64>> {
        let mut tickets = self.tickets();
        let time = now();
        if !tickets.wire.needs_tickets(time) {
            return None;
        }
        let generation = tickets.generation;
        let sealed = tickets.wire.seal_refill(time, &mut rand::rng());
        let sealed = sealed.map(|(body, exchange)| Sealed { body, exchange, generation });
        Some(sealed.ok_or(generation))
    }

    /// Fetches tickets if few are left or they end soon.
    pub(super) async fn refill(&self) -> Result<(), NetError> {
        let mut sealed = match self.seal_refill() {
            None => return Ok(()),
            Some(Ok(sealed)) => sealed,
            Some(Err(generation)) => return self.log_in_again(generation).await.map(drop),
        };
        let body = std::mem::take(&mut sealed.body);
        let answer = self.http.post_frames(&self.urls.http, body).await?;
        match self.open(sealed, "ticket_request", &answer) {
            Attempt::SessionLost { generation } => self.log_in_again(generation).await.map(drop),
            Attempt::Done(result) => result.map(drop),
        }
    }
}

/// Methods that go over HTTP (transport.md §1.3); all others need the socket.
fn is_for_http(method: &str) -> bool {
    const ROOMS: [&str; 5] = [
        "stream.streamRoomCreate",
        "stream.streamRoomUpdate",
        "stream.streamRoomGet",
        "stream.streamRoomList",
        "stream.streamRoomDelete",
    ];
    method.starts_with("context.") || ROOMS.contains(&method) || method == "ping"
}

/// Milliseconds since the Unix epoch by this machine's clock.
#[must_use]
pub fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}
