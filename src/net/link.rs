//! One open and authorised socket: request ids, pings, and events as they come.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::timeout;

use crate::wire::mux;
use crate::wire::mux::ServerMessage;
use crate::wire::notification;
use crate::wire::notification::NotificationKey;
use crate::wire::notification::RawEvent;

use super::error::NetError;
use super::session::Attempt;
use super::session::Shared;
use super::ws::Incoming;
use super::ws::WebSocket;

/// How many events may come between authorising and being served; more are a broken peer.
const EARLY_EVENTS: usize = 256;

/// Between two attempts to open a socket that run at the same time.
const HEDGE_EVERY: Duration = Duration::from_secs(1);

/// How many attempts may run at the same time. Each ends by itself after some seconds.
const HEDGES: usize = 5;

/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What came in.
pub(super) enum Received {
    /// The answer to a request.
    Answer { id: u32, body: Vec<u8> },
    /// An event for this session.
    Event(RawEvent),
    /// A sign of life.
    Nothing,
    /// The socket is closed.
    Closed(String),
}

/// A socket that is authorised for one session.
pub(super) struct Link {
    socket: WebSocket,
    next_id: u32,
    key: NotificationKey,
    channel_id: Option<u32>,
    /// The login that the last call of the link itself was made with.
    generation: u64,
    early: VecDeque<Received>,
}

impl Link {
    /// Opens a socket and authorises it, logging in again if the session is lost.
    pub(super) async fn open(shared: &Shared) -> Result<Self, NetError> {
        let socket = connect(&shared.urls.ws).await?;
        let key = NotificationKey::generate(&mut rand::rng());
        let params = json!({ "key": key.to_base64(), "addWsChannelId": true });
        let mut link = Self {
            socket,
            next_id: 1,
            key,
            channel_id: None,
            generation: 0,
            early: VecDeque::new(),
        };
        let answer = link.call(shared, "authorizeWebSocket", &params).await?;
        let channel_id = answer.get("wsChannelId").and_then(Value::as_u64);
        let channel_id = channel_id.and_then(|id| u32::try_from(id).ok());
        link.channel_id = Some(channel_id.ok_or_else(|| {
            NetError::Protocol("an authorisation without a channel id".to_owned())
        })?);
        Ok(link)
    }

    /// Makes one call and waits for it; what else comes meanwhile is kept for later.
    pub(super) async fn call(
        &mut self,
        shared: &Shared,
        method: &str,
        params: &Value,
    ) -> Result<Value, NetError> {
        for _ in 0..2 {
            let mut sealed = match shared.seal(method, params) {
                Ok(sealed) => sealed,
                Err(generation) => {
                    shared.log_in_again(generation).await?;
                    continue;
                }
            };
            self.generation = sealed.generation;
            let id = self.send(std::mem::take(&mut sealed.body)).await?;
            let body = self.answer_to(id).await?;
            match shared.open(sealed, method, &body) {
                Attempt::Done(result) => return result,
                Attempt::SessionLost { generation } => {
                    shared.log_in_again(generation).await?;
                }
            }
        }
        Err(NetError::ConnectionLost)
    }

    async fn answer_to(&mut self, wanted: u32) -> Result<Vec<u8>, NetError> {
        loop {
            match self.receive().await {
                Received::Answer { id, body } if id == wanted => return Ok(body),
                Received::Closed(reason) => {
                    return Err(NetError::Unreachable { url: String::new(), reason });
                }
                Received::Event(_) if self.early.len() >= EARLY_EVENTS => {
                    return Err(NetError::Protocol("a flood of events".to_owned()));
                }
                event @ Received::Event(_) => self.early.push_back(event),
                Received::Answer { .. } | Received::Nothing => {}
            }
        }
    }

    /// The login that the socket belongs to.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// What came while a call of the link itself was under way.
    pub(super) fn take_early(&mut self) -> Option<Received> {
        self.early.pop_front()
    }

    /// Sends one request and returns its id.
    pub(super) async fn send(&mut self, body: Vec<u8>) -> Result<u32, NetError> {
        let id = self.next_id;
        // 0 is reserved for events; the counter is an int32 at the other side.
        self.next_id = if id >= mux::MAX_ID { 1 } else { id.saturating_add(1) };
        self.socket.send(mux::request(id, &body)).await?;
        Ok(id)
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), NetError> {
        let id = self.next_id;
        self.next_id = if id >= mux::MAX_ID { 1 } else { id.saturating_add(1) };
        self.socket.send(mux::ping(id)).await
    }

    /// Waits for what comes next. Cancel safe.
    pub(super) async fn receive(&mut self) -> Received {
        match self.socket.next().await {
            Incoming::Message(bytes) => self.read(&bytes),
            Incoming::Alive => Received::Nothing,
            Incoming::Closed(reason) => Received::Closed(reason),
        }
    }

    fn read(&self, message: &[u8]) -> Received {
        match ServerMessage::parse(message) {
            Ok(message) if message.is_pong() => Received::Nothing,
            Ok(ServerMessage::Answer { id, body }) => Received::Answer { id, body: body.to_vec() },
            Ok(ServerMessage::Notification(content)) => self.event(content),
            Err(error) => Received::Closed(error.to_string()),
        }
    }

    /// An event of this session; one that can't be read must not stop the others.
    fn event(&self, content: &[u8]) -> Received {
        let opened = notification::split(content).and_then(|(channel, sealed)| {
            let ours = self.channel_id.is_none_or(|id| id == channel);
            if ours { self.key.open(sealed).map(Some) } else { Ok(None) }
        });
        match opened {
            Ok(Some(event)) => Received::Event(event),
            Ok(None) => Received::Nothing,
            Err(error) => {
                tracing::debug!(%error, "an event is left out");
                Received::Nothing
            }
        }
    }

    /// Ends the session's presence on the socket and closes it, without waiting for long.
    pub(super) async fn goodbye(mut self, shared: &Shared) {
        let params = json!({});
        let said = self.call(shared, "unauthorizeWebSocket", &params);
        // The bridge notices a closed socket as well; this is only quicker.
        let _ = timeout(GOODBYE, said).await;
        self.socket.close().await;
    }
}

/// Opens a socket as soon as that is possible: an attempt that was begun while the network was
/// away may hear nothing for seconds after it is back, so further ones are begun beside it.
async fn connect(url: &str) -> Result<WebSocket, NetError> {
    let mut attempts = FuturesUnordered::new();
    attempts.push(WebSocket::connect(url));
    let mut another = interval(HEDGE_EVERY);
    another.set_missed_tick_behavior(MissedTickBehavior::Delay);
    another.reset();
    loop {
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Err(_) if !attempts.is_empty() => {}
                done => return done,
            },
            _ = another.tick(), if attempts.len() < HEDGES => {
                attempts.push(WebSocket::connect(url));
            }
        }
    }
}
