//! Sockets, the sessions on them, their subscriptions, and who gets which event.
//!
//! Who gets an event is decided under a lock; the copies are sealed after it is given back, so
//! that a large audience costs nobody else their turn. They are put into the outbox of each
//! socket without waiting. A socket whose outbox is full has a reader that does not keep up: it
//! is disconnected, because an event stream with holes is worth less to a client than a clean
//! reconnect.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rand::CryptoRng;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::budget::Share;
use super::config::EventProfile;
use super::metrics::Metrics;
use super::rpc::Peer;
use super::service::Caller;
use super::service::Notice;
use super::service::Profile;
use super::service::Recipients;
use super::service::ServiceError;
use super::session::LoginId;
use super::sfu::ClientId;
use crate::model::Timestamp;
use crate::wire::notification::Announcement;
use crate::wire::notification::NotificationKey;
use crate::wire::record::Encoding;
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
/// Events from everybody to each management socket. Full: the socket is disconnected.
const OPERATOR_EVENTS: usize = 256;
/// Subscriptions of one session.
const SUBSCRIPTIONS: usize = 128;
/// The kind of events that users make up.
const CUSTOM: &str = "custom";
/// Channel ids are random below this.
const CHANNEL_END: u32 = 1 << 31;

/// Which call made a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `subscribeToChannels`.
    Current,
    /// `subscribeToChannel`: its events have another version and name their channel.
    Legacy,
}

/// What a session asked for.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// What it matches.
    pub query: Query,
    /// How it was made.
    pub style: Style,
}

/// Names one WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// The sending side of a WebSocket.
#[derive(Debug)]
pub struct Socket {
    /// Its name.
    pub id: SocketId,
    outbox: mpsc::Sender<Bytes>,
    waiting: Arc<Waiting>,
    metrics: Arc<Metrics>,
    /// Cancelled when the socket must close.
    pub ended: CancellationToken,
}

/// The receiving end of an outbox, for the writer of the socket.
#[derive(Debug)]
pub struct Outbox {
    queue: mpsc::Receiver<Bytes>,
    waiting: Arc<Waiting>,
}

/// What waits in an outbox.
#[derive(Debug)]
struct Waiting {
    bytes: AtomicUsize,
    /// The same bytes, out of those that all connections may hold.
    share: Mutex<Share>,
}

impl Waiting {
    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; `false` if there is no room. One message may be larger than the bound
    /// of the outbox; one behind it may not.
    fn add(&self, size: usize) -> bool {
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        if before <= OUTBOX_BYTES && self.share().grow(size) {
            return true;
        }
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        false
    }

    fn remove(&self, size: usize) {
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        self.share().shrink(size);
    }
}

impl Socket {
    /// A socket and the outbox to be written to it; what waits there counts towards `share`.
    #[must_use]
    pub fn new(
        id: SocketId,
        ended: CancellationToken,
        share: Share,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, Outbox) {
        let (outbox, queue) = mpsc::channel(OUTBOX);
        let waiting = Arc::new(Waiting { bytes: AtomicUsize::new(0), share: Mutex::new(share) });
        let socket = Self { id, outbox, waiting: Arc::clone(&waiting), metrics, ended };
        (Arc::new(socket), Outbox { queue, waiting })
    }

    /// Queues a message; a socket that can't take it is told to close.
    pub fn send(&self, message: Bytes) {
        let size = message.len();
        if self.waiting.add(size) {
            if self.outbox.try_send(message).is_ok() {
                return;
            }
            self.waiting.remove(size);
        }
        if !self.ended.is_cancelled() {
            self.metrics.slow_readers.count();
            self.ended.cancel();
        }
    }

    /// Whether so much waits that what is not needed had better not be added.
    fn is_half_full(&self) -> bool {
        self.waiting.bytes.load(Ordering::Relaxed) > OUTBOX_BYTES / 2
            || self.outbox.capacity() < OUTBOX / 2
    }
}

impl Outbox {
    /// The next message.
    pub async fn next(&mut self) -> Option<Bytes> {
        let message = self.queue.recv().await?;
        self.waiting.remove(message.len());
        Some(message)
    }
}

#[derive(Debug)]
struct Session {
    socket: Arc<Socket>,
    login: LoginId,
    identity: Option<Caller>,
    key: Arc<NotificationKey>,
    encoding: Encoding,
    /// Chosen by the client: several sessions share the socket and tell each other apart.
    shares: bool,
    channel: u32,
    subscriptions: Vec<Subscription>,
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
    fn profile(&self, setting: EventProfile) -> Profile {
        let holds = |path: &str| self.subscriptions.iter().any(|one| one.query.path() == path);
        match setting {
            EventProfile::A => Profile::A,
            EventProfile::B => Profile::B,
            EventProfile::BySession
                if holds("streamroom/internal") && !holds("streamroom/internal/reoffer") =>
            {
                Profile::A
            }
            EventProfile::BySession => Profile::B,
        }
    }

    fn sees(&self, notice: &Notice, setting: EventProfile) -> bool {
        let Some(caller) = &self.identity else { return false };
        let profile = notice.profile;
        (profile == Profile::Both || profile == self.profile(setting))
            && caller.solution.as_ref().is_none_or(|solution| notice.solutions.contains(solution))
    }

    fn hears(&self, notice: &Notice, target: &Target, setting: EventProfile) -> bool {
        self.sees(notice, setting) && self.matched(target).is_some()
    }

    /// The subscriptions that an event matches: ids, and how they were made.
    fn matched(&self, target: &Target) -> Option<(Vec<String>, Style)> {
        let matched = self.subscriptions.iter();
        let matched: Vec<&Subscription> =
            matched.filter(|one| one.query.matches(target, Matching::Segments)).collect();
        let current = matched.iter().any(|one| one.style == Style::Current);
        let style = if current { Style::Current } else { Style::Legacy };
        let ids: Vec<String> = matched.into_iter().map(|one| one.id.clone()).collect();
        if ids.is_empty() { None } else { Some((ids, style)) }
    }
}

/// One copy of an event on its way to one session.
struct Delivery {
    socket: Arc<Socket>,
    key: Arc<NotificationKey>,
    encoding: Encoding,
    channel: Option<u32>,
    subscriptions: Vec<String>,
    style: Style,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    sessions: HashMap<ClientId, Session>,
    by_key: HashMap<String, Vec<ClientId>>,
    /// In the order they were authorised.
    by_socket: HashMap<SocketId, Vec<ClientId>>,
}

/// How much is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounts {
    /// WebSockets with a session.
    pub sockets: usize,
    /// Sessions on them.
    pub sessions: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Keys with a session.
    pub keys: usize,
}

/// An event for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What happened.
    pub notice: Notice,
    /// When.
    pub time: Timestamp,
}

/// All sockets' sessions.
#[derive(Debug)]
pub struct Notifier {
    setting: EventProfile,
    state: Mutex<State>,
    operators: broadcast::Sender<Arc<Told>>,
    sessions_per_key: usize,
    metrics: Arc<Metrics>,
}

impl Notifier {
    /// Nobody is connected yet; `setting` says how to tell the generations of clients apart, and
    /// one key may have so many sessions.
    #[must_use]
    pub fn new(setting: EventProfile, sessions_per_key: usize, metrics: Arc<Metrics>) -> Self {
        let operators = broadcast::Sender::new(OPERATOR_EVENTS);
        Self { setting, state: Mutex::default(), operators, sessions_per_key, metrics }
    }

    /// How much is going on.
    #[must_use]
    pub fn counts(&self) -> SocketCounts {
        let state = self.state();
        SocketCounts {
            sockets: state.by_socket.len(),
            sessions: state.sessions.len(),
            subscriptions: state.sessions.values().map(|own| own.subscriptions.len()).sum(),
            keys: state.by_key.len(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events for operators, from now on.
    #[must_use]
    pub fn operators(&self) -> broadcast::Receiver<Arc<Told>> {
        self.operators.subscribe()
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
        let key_of = peer.identity.as_ref().map(|caller| &caller.pub_key);
        let of_key = key_of.and_then(|key| state.by_key.get(key)).map_or(0, Vec::len);
        if sessions.len() >= SESSIONS_PER_SOCKET
            || of_key >= self.sessions_per_key
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
            key: Arc::new(key),
            encoding: peer.encoding,
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
        style: Style,
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
            let subscriptions = ids.iter().cloned().zip(queries);
            session.subscriptions.extend(subscriptions.map(|(id, query)| Subscription {
                id,
                query,
                style,
            }));
        }
        Ok(ids)
    }

    /// Ends the subscriptions that `ends` names.
    ///
    /// # Errors
    ///
    /// [`ServiceError::WebSocketRequired`] if the caller is not authorised on this socket.
    pub fn unsubscribe(
        &self,
        socket: SocketId,
        peer: &Peer,
        ends: impl Fn(&Subscription) -> bool,
    ) -> Result<(), ServiceError> {
        let client = self.client_of(socket, peer).ok_or(ServiceError::WebSocketRequired)?;
        if let Some(session) = self.state().sessions.get_mut(&client) {
            session.subscriptions.retain(|subscription| !ends(subscription));
        }
        Ok(())
    }

    /// Sends each notice to every session that may see it and has subscribed, once.
    pub fn fan_out(&self, notices: &[Notice], now: Timestamp) {
        self.fan_out_with(notices, now, &mut rand::rng());
    }

    fn fan_out_with(&self, notices: &[Notice], now: Timestamp, rng: &mut impl CryptoRng) {
        for notice in notices {
            if notice.to == Recipients::Operators {
                // Nobody may be listening.
                drop(self.operators.send(Arc::new(Told { notice: notice.clone(), time: now })));
                continue;
            }
            let deliveries = self.deliveries(notice);
            if deliveries.is_empty() {
                continue;
            }
            // What all copies have in common is encoded once.
            let announcement = Announcement::new(notice.kind, &notice.data, now);
            for delivery in deliveries {
                if delivery.send(notice, &announcement, rng) {
                    self.metrics.events.count();
                } else {
                    self.metrics.events_dropped.count();
                }
            }
        }
    }

    /// Who gets a notice, in the order in which they were authorised.
    fn deliveries(&self, notice: &Notice) -> Vec<Delivery> {
        let target = Target::from(&notice.target);
        let state = self.state();
        let clients: BTreeSet<ClientId> = match &notice.to {
            Recipients::Operators => BTreeSet::new(),
            Recipients::Clients(clients) => clients.iter().copied().collect(),
            Recipients::Keys(keys) => {
                keys.iter().filter_map(|key| state.by_key.get(key)).flatten().copied().collect()
            }
        };
        clients
            .into_iter()
            .filter_map(|id| state.sessions.get(&id))
            .filter(|session| session.sees(notice, self.setting))
            .filter_map(|session| {
                let (subscriptions, style) = session.matched(&target)?;
                Some(Delivery {
                    socket: Arc::clone(&session.socket),
                    key: Arc::clone(&session.key),
                    encoding: session.encoding,
                    channel: session.shares.then_some(session.channel),
                    subscriptions,
                    style,
                })
            })
            .collect()
    }

    /// Whether at least one session of this key would get the notice now.
    #[must_use]
    pub fn hears(&self, pub_key: &str, notice: &Notice) -> bool {
        let target = Target::from(&notice.target);
        let state = self.state();
        let clients = state.by_key.get(pub_key);
        let mut sessions = clients.into_iter().flatten().filter_map(|id| state.sessions.get(id));
        sessions.any(|session| session.hears(notice, &target, self.setting))
    }

    /// Whether this session would get the notice if it were meant for it.
    #[must_use]
    pub fn client_hears(&self, client: ClientId, notice: &Notice) -> bool {
        let target = Target::from(&notice.target);
        let state = self.state();
        let session = state.sessions.get(&client);
        session.is_some_and(|session| session.hears(notice, &target, self.setting))
    }
}

impl From<&super::service::Target> for Target {
    fn from(target: &super::service::Target) -> Self {
        Self {
            channel: target.channel.clone(),
            context_id: target.context.0.clone(),
            container_id: target.container.as_ref().map(|id| id.0.clone()),
            item_id: None,
            container_type: target.container_type.clone(),
        }
    }
}

impl Delivery {
    /// Seals the event and queues it; `false` if it was dropped.
    fn send(&self, notice: &Notice, announcement: &Announcement, rng: &mut impl CryptoRng) -> bool {
        // Anybody may send these to anybody in the Context; they must not cost others their
        // socket.
        if notice.kind == CUSTOM && self.socket.is_half_full() {
            tracing::debug!("custom event dropped: its receiver does not keep up");
            return false;
        }
        let channel = match self.style {
            Style::Current => None,
            Style::Legacy => Some(notice.target.legacy_channel()),
        };
        let channel = channel.as_deref();
        let event = match self.encoding {
            Encoding::Pson => announcement.for_session(&self.subscriptions, channel),
            Encoding::MessagePack => announcement.in_message_pack(&self.subscriptions, channel),
        };
        self.socket.send(self.key.seal_encoded(self.channel, &event, rng).into());
        true
    }
}
