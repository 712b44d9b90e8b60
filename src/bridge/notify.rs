//! Sockets, the sessions on them, their subscriptions, and who gets which event.
//!
//! Events are sealed and put into the outbox of each socket without waiting. A socket whose
//! outbox is full has a reader that does not keep up: it is disconnected, because an event
//! stream with holes is worth less to a client than a clean reconnect.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rand::CryptoRng;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::rpc::Peer;
use super::service::Caller;
use super::service::Notice;
use super::service::Profile;
use super::service::Recipients;
use super::service::ServiceError;
use super::session::LoginId;
use super::sfu::ClientId;
use crate::model::Timestamp;
use crate::wire::notification::NotificationKey;
use crate::wire::subscription::Matching;
use crate::wire::subscription::Query;
use crate::wire::subscription::Target;

/// Messages from everybody to the writer of one socket. Full: the socket is disconnected.
const OUTBOX: usize = 1024;
/// Bytes that may wait in one outbox. Beyond: the socket is disconnected.
const OUTBOX_BYTES: usize = 16 * 1024 * 1024;
/// Sessions on one socket.
const SESSIONS_PER_SOCKET: usize = 1024;
/// Anonymous sessions on one socket: they can do nothing there.
const ANONYMOUS_PER_SOCKET: usize = 4;
/// Subscriptions of one session.
const SUBSCRIPTIONS: usize = 128;
/// The kind of events that users make up.
const CUSTOM: &str = "custom";
/// Channel ids are random below this.
const CHANNEL_END: u32 = 1 << 31;

/// Names one WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// The sending side of a WebSocket.
#[derive(Debug)]
pub struct Socket {
    /// Its name.
    pub id: SocketId,
    outbox: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    /// Cancelled when the socket must close.
    pub ended: CancellationToken,
}

/// The receiving end of an outbox, for the writer of the socket.
#[derive(Debug)]
pub struct Outbox {
    queue: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

impl Socket {
    /// A socket and the outbox to be written to it.
    #[must_use]
    pub fn new(id: SocketId, ended: CancellationToken) -> (Arc<Self>, Outbox) {
        let (outbox, queue) = mpsc::channel(OUTBOX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let socket = Self { id, outbox, waiting: Arc::clone(&waiting), ended };
        (Arc::new(socket), Outbox { queue, waiting })
    }

    /// Queues a message; a socket that can't take it is told to close.
    pub fn send(&self, message: Bytes) {
        let size = message.len();
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed);
        // A single message may be larger than the bound; one behind it may not.
        if waiting > OUTBOX_BYTES || self.outbox.try_send(message).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            self.ended.cancel();
        }
    }
}

impl Socket {
    /// Whether so much waits that what is not needed had better not be added.
    fn is_half_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > OUTBOX_BYTES / 2
            || self.outbox.capacity() < OUTBOX / 2
    }
}

impl Outbox {
    /// The next message.
    pub async fn next(&mut self) -> Option<Bytes> {
        let message = self.queue.recv().await?;
        self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        Some(message)
    }
}

#[derive(Debug)]
struct Session {
    socket: Arc<Socket>,
    login: LoginId,
    identity: Option<Caller>,
    key: NotificationKey,
    /// Chosen by the client: several sessions share the socket and tell each other apart.
    shares: bool,
    channel: u32,
    subscriptions: Vec<(String, Query)>,
}

impl Session {
    fn belongs_to(&self, peer: &Peer) -> bool {
        match (&self.identity, &peer.identity) {
            (Some(own), Some(other)) => own.pub_key == other.pub_key,
            (None, None) => self.login == peer.login,
            _ => false,
        }
    }

    /// Only clients of 2.42 hold the bare internal path and not the one for re-offers.
    fn profile(&self) -> Profile {
        let holds = |path: &str| self.subscriptions.iter().any(|(_, query)| query.path() == path);
        if holds("streamroom/internal") && !holds("streamroom/internal/reoffer") {
            Profile::A
        } else {
            Profile::B
        }
    }

    fn sees(&self, notice: &Notice) -> bool {
        let Some(caller) = &self.identity else { return false };
        (notice.profile == Profile::Both || notice.profile == self.profile())
            && caller.solution.as_ref().is_none_or(|solution| *solution == notice.solution)
    }
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    sessions: HashMap<ClientId, Session>,
    by_key: HashMap<String, Vec<ClientId>>,
    /// In the order they were authorised.
    by_socket: HashMap<SocketId, Vec<ClientId>>,
}

/// All sockets' sessions.
#[derive(Debug, Default)]
pub struct Notifier {
    state: Mutex<State>,
}

impl Notifier {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a session on a socket and answers its channel id.
    ///
    /// # Errors
    ///
    /// The four refusals of transport.md 1.4.
    pub fn authorize(
        &self,
        socket: &Arc<Socket>,
        peer: &Peer,
        key: NotificationKey,
        shares: bool,
        random: u32,
    ) -> Result<u32, ServiceError> {
        let mut state = self.state();
        let state = &mut *state;
        let present = state.by_socket.get(&socket.id).map_or(&[][..], Vec::as_slice);
        let sessions: Vec<&Session> =
            present.iter().filter_map(|id| state.sessions.get(id)).collect();
        if sessions.iter().any(|session| session.belongs_to(peer)) {
            return Err(ServiceError::WebSocketAlreadyAuthorized);
        }
        let strangers = sessions.iter().filter(|session| session.identity.is_none()).count();
        if sessions.len() >= SESSIONS_PER_SOCKET
            || (peer.identity.is_none() && strangers >= ANONYMOUS_PER_SOCKET)
        {
            return Err(ServiceError::TooManyWsChannels);
        }
        if let Some(first) = sessions.first() {
            if !shares {
                return Err(ServiceError::WsChannelIdRequired);
            }
            if !first.shares {
                return Err(ServiceError::SingleChannelWebSocket);
            }
        }
        let mut channel = random % CHANNEL_END;
        while channel == 0 || sessions.iter().any(|session| session.channel == channel) {
            channel = channel.wrapping_add(1) % CHANNEL_END;
        }
        state.next += 1;
        let client = ClientId(state.next);
        if let Some(caller) = &peer.identity {
            state.by_key.entry(caller.pub_key.clone()).or_default().push(client);
        }
        state.by_socket.entry(socket.id).or_default().push(client);
        let session = Session {
            socket: Arc::clone(socket),
            login: peer.login,
            identity: peer.identity.clone(),
            key,
            shares,
            channel,
            subscriptions: Vec::new(),
        };
        state.sessions.insert(client, session);
        Ok(channel)
    }

    /// The session of this caller on this socket.
    #[must_use]
    pub fn client_of(&self, socket: SocketId, peer: &Peer) -> Option<ClientId> {
        let state = self.state();
        let present = state.by_socket.get(&socket)?;
        present
            .iter()
            .copied()
            .find(|id| state.sessions.get(id).is_some_and(|session| session.belongs_to(peer)))
    }

    /// Whether the session still exists.
    #[must_use]
    pub fn is_live(&self, client: ClientId) -> bool {
        self.state().sessions.contains_key(&client)
    }

    /// Sessions on a socket.
    #[must_use]
    pub fn on_socket(&self, socket: SocketId) -> Vec<ClientId> {
        self.state().by_socket.get(&socket).cloned().unwrap_or_default()
    }

    /// Socket sessions of a login session.
    #[must_use]
    pub fn of_login(&self, login: LoginId) -> Vec<ClientId> {
        let state = self.state();
        let sessions = state.sessions.iter();
        sessions.filter(|(_, session)| session.login == login).map(|(id, _)| *id).collect()
    }

    /// Removes a session; answers whose it was, if it existed and had an owner.
    pub fn remove(&self, client: ClientId) -> Option<Caller> {
        let mut state = self.state();
        let session = state.sessions.remove(&client)?;
        if let Some(present) = state.by_socket.get_mut(&session.socket.id) {
            present.retain(|id| *id != client);
            if present.is_empty() {
                state.by_socket.remove(&session.socket.id);
            }
        }
        let caller = session.identity.clone()?;
        if let Some(clients) = state.by_key.get_mut(&caller.pub_key) {
            clients.retain(|id| *id != client);
            if clients.is_empty() {
                state.by_key.remove(&caller.pub_key);
            }
        }
        Some(caller)
    }

    /// Adds subscriptions, all or none, and answers their ids.
    ///
    /// # Errors
    ///
    /// [`ServiceError::InvalidParams`] for a query that is none,
    /// [`ServiceError::TooManyChannels`], or [`ServiceError::WebSocketRequired`] if the caller
    /// is not authorised on this socket.
    pub fn subscribe(
        &self,
        socket: SocketId,
        peer: &Peer,
        channels: &[String],
        mut new_id: impl FnMut() -> String,
    ) -> Result<Vec<String>, ServiceError> {
        let queries: Vec<Query> = channels
            .iter()
            .map(|text| text.parse().map_err(|_| ServiceError::params("channels")))
            .collect::<Result<_, _>>()?;
        let client = self.client_of(socket, peer).ok_or(ServiceError::WebSocketRequired)?;
        let mut state = self.state();
        let session = state.sessions.get_mut(&client).ok_or(ServiceError::WebSocketRequired)?;
        if session.subscriptions.len() + queries.len() > SUBSCRIPTIONS {
            return Err(ServiceError::TooManyChannels);
        }
        let ids: Vec<String> = queries.iter().map(|_| new_id()).collect();
        // No event is for strangers, so there is nothing to remember.
        if session.identity.is_some() {
            session.subscriptions.extend(ids.iter().cloned().zip(queries));
        }
        Ok(ids)
    }

    /// Ends subscriptions; unknown ones are ignored.
    ///
    /// # Errors
    ///
    /// [`ServiceError::WebSocketRequired`] if the caller is not authorised on this socket.
    pub fn unsubscribe(
        &self,
        socket: SocketId,
        peer: &Peer,
        ids: &[String],
    ) -> Result<(), ServiceError> {
        let client = self.client_of(socket, peer).ok_or(ServiceError::WebSocketRequired)?;
        if let Some(session) = self.state().sessions.get_mut(&client) {
            session.subscriptions.retain(|(id, _)| !ids.contains(id));
        }
        Ok(())
    }

    /// Sends each notice to every session that may see it and has subscribed, once.
    pub fn fan_out(&self, notices: &[Notice], now: Timestamp) {
        self.fan_out_with(notices, now, &mut rand::rng());
    }

    fn fan_out_with(&self, notices: &[Notice], now: Timestamp, rng: &mut impl CryptoRng) {
        if notices.is_empty() {
            return;
        }
        let state = self.state();
        for notice in notices {
            let clients: HashSet<ClientId> = match &notice.to {
                Recipients::Clients(clients) => clients.iter().copied().collect(),
                Recipients::Keys(keys) => {
                    keys.iter().filter_map(|key| state.by_key.get(key)).flatten().copied().collect()
                }
            };
            // Sorted, so that runs with the same input look the same.
            let clients: BTreeMap<ClientId, &Session> = clients
                .into_iter()
                .filter_map(|id| state.sessions.get(&id).map(|session| (id, session)))
                .filter(|(_, session)| session.sees(notice))
                .collect();
            for session in clients.values() {
                deliver(session, notice, now, rng);
            }
        }
    }
}

fn deliver(session: &Session, notice: &Notice, now: Timestamp, rng: &mut impl CryptoRng) {
    // Anybody may send these to anybody in the Context; they must not cost others their socket.
    if notice.kind == CUSTOM && session.socket.is_half_full() {
        tracing::debug!("custom event dropped: its receiver does not keep up");
        return;
    }
    let target = Target {
        channel: notice.target.channel.clone(),
        context_id: notice.target.context.0.clone(),
        container_id: notice.target.container.as_ref().map(|id| id.0.clone()),
        item_id: None,
        container_type: notice.target.container_type.clone(),
    };
    let matched: Vec<&str> = session
        .subscriptions
        .iter()
        .filter(|(_, query)| query.matches(&target, Matching::Segments))
        .map(|(id, _)| id.as_str())
        .collect();
    if matched.is_empty() {
        return;
    }
    let event = json!({
        "type": notice.kind,
        "data": notice.data,
        "timestamp": now.0,
        "subscriptions": matched,
        "version": 2,
    });
    let channel = session.shares.then_some(session.channel);
    session.socket.send(session.key.seal(channel, &event, rng).into());
}
