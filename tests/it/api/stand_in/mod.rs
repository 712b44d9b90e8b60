//! A stand-in for an official bridge of either generation, as far as our client can tell: the
//! protocol is the real one, the media are those of our SFU, and the events, channels and
//! habits are those that streams.md §8 and §14.1 describe for 2.42 and for 3.0.
//!
//! What real servers were recorded to answer can be put in place of its own answers, and calls
//! can be made to fail.

mod service;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Extract;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use conclave::api::ConnectOptions;
use conclave::api::Connection;
use conclave::api::Endpoint;
use conclave::bridge::sfu::Sfu;
use conclave::bridge::sfu::SfuConfig;
use conclave::bridge::sfu::SfuHandle;
use conclave::bridge::sfu::Tap;
use conclave::crypto::key::PrivateKey;
use conclave::crypto::key::PublicKey;
use conclave::model::SolutionId;
use conclave::model::TrackKind;
use conclave::model::UserWithPubKey;
use conclave::net::session::now;
use conclave::wire::handshake::MasterSecret;
use conclave::wire::handshake::server::LoginFacts;
use conclave::wire::handshake::server::ServerExchange;
use conclave::wire::handshake::server::ServerIdentity;
use conclave::wire::handshake::server::Step;
use conclave::wire::mux;
use conclave::wire::mux::ClientMessage;
use conclave::wire::notification::NotificationKey;
use conclave::wire::subscription::Matching;
use conclave::wire::subscription::Query;
use conclave::wire::subscription::Target;
use futures_util::SinkExt;
use futures_util::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::world::soon;

/// Messages to one socket; more than a test causes before the client reads them.
const OUTBOX: usize = 1024;

/// Which official bridge it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// 2.42.
    A,
    /// 3.0.
    B,
}

/// What went through the SFU, and on what kind of track.
type Payload = (TrackKind, Vec<u8>);

/// A call that a client made.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) user: String,
    pub(super) method: String,
    pub(super) params: Value,
}

/// A WebSocket and what its session holds.
struct Socket {
    user: String,
    channel: u32,
    key: Option<NotificationKey>,
    outbox: mpsc::Sender<Message>,
    subscriptions: Vec<(String, Query)>,
    joined: BTreeSet<String>,
    /// Media sessions and their rooms.
    publishers: BTreeMap<i64, String>,
    subscribers: BTreeMap<i64, String>,
}

#[derive(Default)]
struct State {
    users: Vec<(String, PublicKey)>,
    logins: HashMap<Vec<u8>, (String, MasterSecret)>,
    rooms: BTreeMap<String, Value>,
    sockets: BTreeMap<u64, Socket>,
    /// Tracks of each published stream, as told last.
    tracks: BTreeMap<i64, Vec<Value>>,
    next: u64,
    calls: Vec<Called>,
    faults: Vec<(String, i64)>,
    answers: HashMap<String, VecDeque<Value>>,
}

struct Shared {
    generation: Generation,
    identity: ServerIdentity,
    sfu: SfuHandle,
    state: Mutex<State>,
    changed: Notify,
}

/// The stand-in.
pub(super) struct StandIn {
    shared: Arc<Shared>,
    address: SocketAddr,
    keys: BTreeMap<String, Arc<PrivateKey>>,
    /// Every payload that went through the SFU.
    pub(super) payloads: Arc<Mutex<Vec<Payload>>>,
    tasks: JoinSet<()>,
}

/// The only Context.
pub(super) const CONTEXT: &str = "context";

impl StandIn {
    /// A bridge of this generation with these users.
    pub(super) async fn with_users(generation: Generation, names: &[&str]) -> Self {
        let mut rng = StdRng::seed_from_u64(23);
        let keys = names.iter().map(|name| ((*name).to_owned(), PrivateKey::generate(&mut rng)));
        Self::with_keys(generation, keys.collect()).await
    }

    /// The same with keys that users have already.
    pub(super) async fn with_keys(generation: Generation, keys: Vec<(String, PrivateKey)>) -> Self {
        let payloads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&payloads);
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let config = SfuConfig {
            bind: SocketAddr::new(loopback, 0),
            advertise: vec![loopback],
            tap: Some(Tap::new(move |tapped| {
                seen.lock().unwrap().push((tapped.kind, tapped.payload.to_vec()));
            })),
            ..SfuConfig::default()
        };
        let (sfu, sfu_events) = Sfu::start(config).await.unwrap();
        let version = if generation == Generation::A { "2.42.1" } else { "3.0.0" };
        let identity = ServerIdentity {
            key: PrivateKey::from_bytes(&[9; 32]).unwrap(),
            host: "localhost".to_owned(),
            version: version.to_owned(),
        };
        let users = keys.iter().map(|(name, key)| (name.clone(), key.public_key().clone()));
        let state = State { users: users.collect(), next: 1, ..State::default() };
        let (state, changed) = (Mutex::new(state), Notify::new());
        let shared = Arc::new(Shared { generation, identity, sfu, state, changed });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/api/v2.0", get(upgrade).post(post))
            .with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        tasks.spawn(service::follow(Arc::clone(&shared), sfu_events));
        let keys = keys.into_iter().map(|(name, key)| (name, Arc::new(key))).collect();
        Self { shared, address, keys, payloads, tasks }
    }

    pub(super) async fn connect(&self, name: &str) -> Connection {
        let url = format!("http://{}", self.address);
        let solution = SolutionId("solution".to_owned());
        let options = ConnectOptions::new(&url, solution, Arc::clone(&self.keys[name]));
        Endpoint::connect(options).await.unwrap()
    }

    pub(super) fn users(&self, names: &[&str]) -> Vec<UserWithPubKey> {
        let user = |name: &&str| UserWithPubKey {
            user_id: (*name).into(),
            pub_key: self.keys[*name].public_key().to_base58(),
        };
        names.iter().map(user).collect()
    }

    /// Lets the next call of this method fail with this code.
    pub(super) fn fail_next(&self, method: &str, code: i64) {
        self.shared.state().faults.push((method.to_owned(), code));
    }

    /// Answers calls of this method with these results, one after the other, and from then on
    /// with the last one.
    pub(super) fn answer(&self, method: &str, results: impl IntoIterator<Item = Value>) {
        let results = results.into_iter().collect();
        self.shared.state().answers.insert(method.to_owned(), results);
    }

    /// Calls of this method up to now.
    pub(super) fn calls(&self, method: &str) -> Vec<Called> {
        let state = self.shared.state();
        state.calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    /// Waits until this method was called so many times.
    pub(super) async fn called(&self, method: &str, times: usize) {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                if self.calls(method).len() >= times {
                    return;
                }
                changed.await;
            }
        };
        soon(&format!("call {times} of {method}"), waiting).await;
    }

    /// Sends an event to whoever subscribed to its channel.
    pub(super) fn emit(&self, kind: &str, path: &str, room: &str, data: &Value) {
        self.shared.emit(kind, path, room, |_, _| Some(data.clone()));
    }

    /// Sends exactly this, with the ids of all subscriptions of each session.
    pub(super) fn emit_raw(&self, event: &Value) {
        for socket in self.shared.state().sockets.values() {
            let mut event = event.clone();
            let ids: Vec<_> = socket.subscriptions.iter().map(|(id, _)| id.clone()).collect();
            event["subscriptions"] = json!(ids);
            socket.notify(&event);
        }
    }

    /// Cuts all WebSockets.
    pub(super) fn cut(&self) {
        self.shared.state().sockets.clear();
    }

    pub(super) fn sfu(&self) -> &SfuHandle {
        &self.shared.sfu
    }

    pub(super) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.shared.sfu.shutdown().await;
    }
}

impl Socket {
    fn notify(&self, event: &Value) {
        if let Some(key) = &self.key {
            let sealed = key.seal(Some(self.channel), event, &mut rand::rng());
            // A client that reads nothing gets nothing.
            let _ = self.outbox.try_send(Message::Binary(sealed.into()));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sends an event about a room to each session that subscribed to it and that `data_for`
    /// has something for.
    fn emit(
        &self,
        kind: &str,
        path: &str,
        room: &str,
        data_for: impl Fn(u64, &str) -> Option<Value>,
    ) {
        let target = Target {
            channel: path.to_owned(),
            context_id: CONTEXT.to_owned(),
            container_id: Some(room.to_owned()),
            item_id: None,
            container_type: Some("stream".to_owned()),
        };
        let matching = match self.generation {
            Generation::A => Matching::Prefix,
            Generation::B => Matching::Segments,
        };
        for (id, socket) in &self.state().sockets {
            let wanted = socket.subscriptions.iter();
            let ids: Vec<_> = wanted
                .filter(|(_, query)| query.matches(&target, matching))
                .map(|(id, _)| id.clone())
                .collect();
            if let Some(data) = data_for(*id, &socket.user).filter(|_| !ids.is_empty()) {
                socket.notify(&json!({
                    "type": kind, "data": data, "timestamp": now().0, "subscriptions": ids,
                    "version": 2,
                }));
            }
        }
    }
}

async fn post(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> impl IntoResponse {
    let answer = exchange(&shared, None, &body).await;
    ([(header::CONTENT_TYPE, "application/octet-stream")], answer)
}

async fn upgrade(
    Extract(shared): Extract<Arc<Shared>>,
    upgrade: WebSocketUpgrade,
) -> impl IntoResponse {
    upgrade.on_upgrade(move |socket| serve(shared, socket))
}

/// Serves one WebSocket until either side ends it.
async fn serve(shared: Arc<Shared>, socket: WebSocket) {
    let (outbox, mut messages) = mpsc::channel(OUTBOX);
    let id = {
        let mut state = shared.state();
        state.next += 1;
        let id = state.next;
        let socket = Socket {
            user: String::new(),
            channel: 1,
            key: None,
            outbox: outbox.clone(),
            subscriptions: Vec::new(),
            joined: BTreeSet::new(),
            publishers: BTreeMap::new(),
            subscribers: BTreeMap::new(),
        };
        state.sockets.insert(id, socket);
        id
    };
    // Only the registered socket keeps the outbox open, so that taking it away ends this.
    let weak = outbox.downgrade();
    drop(outbox);
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => if sink.send(message).await.is_err() { break },
                None => break,
            },
            message = stream.next() => {
                let Some(Ok(message)) = message else { break };
                let Message::Binary(message) = message else { continue };
                let answer = match ClientMessage::parse(&message).unwrap() {
                    ClientMessage::Ping { id } => mux::pong(id),
                    ClientMessage::Request { id: request, body } => {
                        let answer = exchange(&shared, Some(id), body).await;
                        mux::answer(request, &answer)
                    }
                };
                // What the call led to goes out in order with its answer.
                let Some(outbox) = weak.upgrade() else { break };
                let _ = outbox.try_send(Message::Binary(answer.into()));
            }
        }
    }
    service::end(&shared, id).await;
}

/// One message of the protocol, and its answer.
async fn exchange(shared: &Arc<Shared>, socket: Option<u64>, body: &[u8]) -> Vec<u8> {
    let mut exchange = ServerExchange::new(body.to_vec());
    let mut login: Option<(String, MasterSecret)> = None;
    loop {
        match exchange.step().unwrap() {
            Step::Done => return exchange.into_answer(),
            Step::Login(request) => {
                let users = shared.state().users.clone();
                let user = users.iter().find(|(_, key)| *key == request.key);
                let facts = LoginFacts {
                    solution_exists: true,
                    nonce_unused: true,
                    user_exists: user.is_some(),
                };
                let identity = &shared.identity;
                let master = exchange.answer_login(identity, facts, now(), &mut rand::rng());
                if let (Ok(master), Some((user, _))) = (master, user) {
                    login = Some((user.clone(), master));
                }
            }
            Step::Restore { ticket_id } => {
                let found = shared.state().logins.remove(&ticket_id);
                match &found {
                    Some((_, master)) => exchange.restore(master),
                    None => exchange.refuse_ticket(),
                }
                login = found;
            }
            Step::IssueTickets { count } => {
                let login = login.clone().unwrap();
                let ids: Vec<Vec<u8>> =
                    (0..count).map(|_| rand::random::<[u8; 16]>().to_vec()).collect();
                let held = ids.iter().map(|id| (id.clone(), login.clone()));
                shared.state().logins.extend(held);
                exchange.answer_tickets(&ids, 3600);
            }
            Step::Call(request) => {
                let user = login.as_ref().map(|(user, _)| user.clone()).unwrap_or_default();
                let result = service::call(shared, socket, &user, &request).await;
                exchange.answer_call(result);
            }
        }
    }
}
