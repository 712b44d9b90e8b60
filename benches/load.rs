//! What the bridge carries: logins, calls and events per second, and a room full of listeners.
//!
//! `make load` runs it. The bridge is a process of its own, `conclave bridge serve` on loopback
//! with its store on disk; the clients are in this process, on the same cores. Times are
//! measured at the clients, processor time is read from the system. `LOAD_SECONDS`,
//! `LOAD_SESSIONS`, `LOAD_CLIENTS` and `LOAD_SPEAKERS` change how much; a debug build, or
//! `--test`, does a little of everything once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a measurement prints its figures and ends at the first thing that is wrong"
)]

use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use conclave::api::ApiKey;
use conclave::api::ManagementClient;
use conclave::crypto::key::PrivateKey;
use conclave::model::Secret;
use conclave::model::Timestamp;
use conclave::net::http::Http;
use conclave::rtc::AudioSink;
use conclave::rtc::EncodedAudio;
use conclave::rtc::PeerConfig;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use conclave::wire::handshake::client::ClientSession;
use conclave::wire::handshake::client::Login;
use conclave::wire::mux;
use conclave::wire::mux::ServerMessage;
use conclave::wire::notification;
use conclave::wire::notification::NotificationKey;
use conclave::wire::rpc::Request;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Longer than any single answer takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients that log in or call at the same time.
const CALLERS: usize = 16;
/// Time between two packets of a speaker.
const PACE: Duration = Duration::from_millis(20);
/// Bytes of a packet: about what sealed speech has.
const PACKET: usize = 96;

struct Sizes {
    seconds: f64,
    sessions: usize,
    clients: usize,
    speakers: usize,
}

impl Sizes {
    fn read() -> Self {
        let little =
            cfg!(debug_assertions) || std::env::args().any(|argument| argument == "--test");
        let number = |name: &str, much: f64, few: f64| {
            let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
            given.unwrap_or(if little { few } else { much })
        };
        Self {
            seconds: number("LOAD_SECONDS", 10.0, 0.5),
            sessions: number("LOAD_SESSIONS", 200.0, 10.0) as usize,
            clients: number("LOAD_CLIENTS", 100.0, 4.0) as usize,
            speakers: number("LOAD_SPEAKERS", 5.0, 2.0) as usize,
        }
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap())
}

/// Microseconds since some moment that all tasks share.
fn clock_us() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap()
}

/// Times of single things, in microseconds.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<u64>>>);

impl Times {
    fn add(&self, us: u64) {
        self.0.lock().unwrap().push(us);
    }

    fn summary(&self) -> String {
        let mut times = self.0.lock().unwrap().clone();
        times.sort_unstable();
        let at = |part: f64| {
            let index = ((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |us| *us as f64 / 1000.0)
        };
        format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0))
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The bridge in its own process.
struct World {
    child: Child,
    _data: TempDir,
    url: String,
    management: ManagementClient,
    http: Http,
    solution: String,
    context: String,
    keys: Vec<PrivateKey>,
}

/// A logged-in client, with a WebSocket if it wants one.
struct Client {
    http: Http,
    frames: String,
    session: ClientSession,
    socket: Option<Socket>,
}

struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    key: NotificationKey,
    next: u32,
}

fn name(number: usize) -> String {
    format!("user-{number}")
}

impl World {
    async fn start(users: usize) -> Self {
        let data = tempfile::tempdir().unwrap();
        let settings = [
            "bridge.listen=127.0.0.1:0",
            "bridge.metrics=",
            "limits.connections=4096",
            "limits.connections_per_address=4096",
            "limits.participants_per_room=500",
            "limits.requests_per_second=0",
            "limits.calls_per_second=0",
            "limits.events_per_second=0",
            "limits.rooms_per_context=1000000",
            "limits.ping_interval=1h",
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
        command.args(["bridge", "serve", "--json", "--data"]).arg(data.path());
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        timeout(PATIENCE, lines.read_line(&mut line)).await.unwrap().unwrap();
        let serving: Value = serde_json::from_str(&line).unwrap();
        let url = serving["url"].as_str().unwrap().to_owned();
        let admin = std::fs::read_to_string(data.path().join("bridge/admin.toml")).unwrap();
        let admin: toml::Table = admin.parse().unwrap();
        let key = ApiKey {
            id: admin["api_key_id"].as_str().unwrap().to_owned(),
            secret: Secret::new(admin["api_key_secret"].as_str().unwrap().to_owned()),
        };
        let management = ManagementClient::new(&url, Some(key)).unwrap();
        let made = management.call("solution/createSolution", json!({"name": "s"})).await.unwrap();
        let solution = made["solutionId"].as_str().unwrap().to_owned();
        let params =
            json!({"solution": solution, "name": "c", "description": "", "scope": "private"});
        let made = management.call("context/createContext", params).await.unwrap();
        let context = made["contextId"].as_str().unwrap().to_owned();
        let mut keys = Vec::new();
        for number in 0..users {
            let key = PrivateKey::generate(&mut rand::rng());
            let params = json!({"contextId": context, "userId": name(number),
                "userPubKey": key.public_key().to_base58()});
            management.call("context/addUserToContext", params).await.unwrap();
            keys.push(key);
        }
        let http = Http::new().unwrap();
        Self { child, _data: data, url, management, http, solution, context, keys }
    }

    async fn login(&self, number: usize) -> Client {
        let frames = format!("{}/api/v2.0", self.url);
        let key = &self.keys[number];
        let (login, body) = Login::of_user(key, &self.solution, None, now(), &mut rand::rng());
        let answer = self.http.post_frames(&frames, body).await.unwrap();
        let session = login.finish(key, &answer, now()).unwrap();
        Client { http: self.http.clone(), frames, session, socket: None }
    }

    /// A client on a WebSocket.
    async fn connect(&self, number: usize) -> Client {
        let mut client = self.login(number).await;
        let url = format!("{}/api/v2.0", self.url.replace("http://", "ws://"));
        let (stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let key = NotificationKey::generate(&mut rand::rng());
        let params = json!({"key": key.to_base64(), "addWsChannelId": true});
        client.socket = Some(Socket { stream, key, next: 1 });
        client.ws("authorizeWebSocket", params).await;
        client
    }

    fn room(&self, users: &[String]) -> Value {
        let keys: Vec<Value> = users
            .iter()
            .map(|user| json!({"user": user, "keyId": "k1", "data": "x".repeat(120)}))
            .collect();
        json!({"contextId": self.context, "resourceId": uuid::Uuid::new_v4().to_string(),
            "type": "stream", "users": users, "managers": [users[0]],
            "data": {"sealed": "x".repeat(300)}, "keyId": "k1", "keys": keys})
    }

    /// Processor time that the bridge has used, in seconds.
    fn cpu(&self) -> f64 {
        let id = self.child.id().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
        // Hundredths of a second on every Linux we know of.
        (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
    }

    fn resident_mib(&self) -> u64 {
        let id = self.child.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")).map(str::trim);
        kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    }

    fn report(&self, what: &str, since: (Instant, f64), count: usize, times: &Times) {
        let elapsed = since.0.elapsed().as_secs_f64();
        println!(
            "{what}: {:.0}/s ({count} in {elapsed:.1} s), {}; bridge: {:.2} cores, {} MiB",
            count as f64 / elapsed,
            times.summary(),
            (self.cpu() - since.1) / elapsed,
            self.resident_mib(),
        );
    }

    fn mark(&self) -> (Instant, f64) {
        (Instant::now(), self.cpu())
    }
}

impl Client {
    fn seal(
        &mut self,
        method: &str,
        params: Value,
    ) -> (Vec<u8>, conclave::wire::handshake::client::ClientExchange) {
        let request = Request { id: json!(0), method: method.to_owned(), params };
        self.session.seal(&request, now(), &mut rand::rng()).unwrap()
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let (body, exchange) = self.seal(method, params);
        let answer = self.http.post_frames(&self.frames, body).await.unwrap();
        let opened = exchange.open(&answer, now()).unwrap();
        self.session.add_tickets(opened.tickets);
        opened.response.unwrap().result.unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    async fn try_ws(&mut self, method: &str, params: Value) -> Option<Value> {
        let (body, exchange) = self.seal(method, params);
        let socket = self.socket.as_mut().unwrap();
        let answer = socket.exchange(&body).await;
        let opened = exchange.open(&answer, now()).unwrap();
        self.session.add_tickets(opened.tickets);
        opened.response.unwrap().result.ok()
    }

    async fn ws(&mut self, method: &str, params: Value) -> Value {
        self.try_ws(method, params).await.unwrap_or_else(|| panic!("{method} was refused"))
    }
}

impl Socket {
    async fn exchange(&mut self, body: &[u8]) -> Vec<u8> {
        let id = self.next;
        self.next += 1;
        self.stream.send(Message::Binary(mux::request(id, body).into())).await.unwrap();
        loop {
            let message = timeout(PATIENCE, self.stream.next()).await.unwrap().unwrap().unwrap();
            let Message::Binary(message) = message else { continue };
            match ServerMessage::parse(&message).unwrap() {
                ServerMessage::Answer { id: of, body } if of == id => return body.to_vec(),
                _ => {}
            }
        }
    }

    /// The next event's data.
    async fn event(&mut self) -> Option<Value> {
        loop {
            let Message::Binary(message) = self.stream.next().await?.ok()? else { continue };
            if let Ok(ServerMessage::Notification(content)) = ServerMessage::parse(&message) {
                let (_, sealed) = notification::split(content).unwrap();
                return Some(self.key.open(sealed).unwrap().data);
            }
        }
    }
}

fn main() {
    let sizes = Sizes::read();
    clock_us();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let users = sizes.sessions.max(sizes.clients).max(CALLERS);
        let world = Arc::new(World::start(users).await);
        println!(
            "{} cores for the bridge (own process) and its clients together; store on disk, \
             loopback, {} build; {CALLERS} callers at a time, {} users",
            std::thread::available_parallelism().map_or(0, usize::from),
            if cfg!(debug_assertions) { "debug" } else { "release" },
            users,
        );
        logins(&world, &sizes).await;
        calls(&world, &sizes, "calls over HTTP (contextGet)", false, false).await;
        calls(&world, &sizes, "calls over WebSocket (contextGet)", true, false).await;
        calls(&world, &sizes, "writes over WebSocket (streamRoomCreate, on disk)", true, true)
            .await;
        events(&world, &sizes).await;
        room(&world, &sizes).await;
        let contexts = json!({"skip": 0, "limit": 1, "sortOrder": "asc"});
        assert!(world.management.call("context/listContexts", contexts).await.is_ok());
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

async fn logins(world: &Arc<World>, sizes: &Sizes) {
    let (times, since) = (Times::default(), world.mark());
    let end = since.0 + sizes.time();
    let mut tasks = JoinSet::new();
    for number in 0..CALLERS {
        let (world, times) = (Arc::clone(world), times.clone());
        tasks.spawn(async move {
            while Instant::now() < end {
                let begun = clock_us();
                world.login(number).await;
                times.add(clock_us() - begun);
            }
        });
    }
    tasks.join_all().await;
    world.report("logins", since, times.len(), &times);
}

async fn calls(world: &Arc<World>, sizes: &Sizes, what: &str, socket: bool, writes: bool) {
    let mut clients = Vec::new();
    for number in 0..CALLERS {
        clients.push(match socket {
            true => world.connect(number).await,
            false => world.login(number).await,
        });
    }
    let (times, since) = (Times::default(), world.mark());
    let end = since.0 + sizes.time();
    let mut tasks = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let (world, times) = (Arc::clone(world), times.clone());
        tasks.spawn(async move {
            while Instant::now() < end {
                let begun = clock_us();
                let (method, params) = match writes {
                    true => ("stream.streamRoomCreate", world.room(&[name(number)])),
                    false => ("context.contextGet", json!({"id": world.context})),
                };
                match socket {
                    true => client.ws(method, params).await,
                    false => client.call(method, params).await,
                };
                times.add(clock_us() - begun);
            }
        });
    }
    tasks.join_all().await;
    world.report(what, since, times.len(), &times);
}

/// One sender, and everybody gets every event: the time from before the call to each arrival.
async fn events(world: &Arc<World>, sizes: &Sizes) {
    let (times, received) = (Times::default(), Arc::new(AtomicU64::new(0)));
    let mut sender = world.connect(0).await;
    let mut tasks = JoinSet::new();
    for number in 0..sizes.sessions {
        let mut client = world.connect(number).await;
        let channels = json!({"channels": ["context/custom/load"]});
        client.ws("subscribeToChannels", channels).await;
        let (times, received) = (times.clone(), Arc::clone(&received));
        tasks.spawn(async move {
            let mut socket = client.socket.take().unwrap();
            while let Some(data) = socket.event().await {
                let sent = data["eventData"].as_u64().unwrap();
                times.add(clock_us().saturating_sub(sent));
                received.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let users: Vec<Value> = (0..sizes.sessions)
        .map(|number| json!({"id": name(number), "key": "x".repeat(120)}))
        .collect();
    let since = world.mark();
    let end = since.0 + sizes.time();
    let mut sent = 0_u64;
    while Instant::now() < end {
        let params = json!({"contextId": world.context, "channel": "load", "data": clock_us(),
            "users": users});
        sender.ws("context.contextSendCustomEvent", params).await;
        sent += 1;
    }
    let wanted = sent * sizes.sessions as u64;
    let arriving = async {
        while received.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let complete = timeout(PATIENCE, arriving).await.is_ok();
    let arrived = received.load(Ordering::Relaxed);
    let what = format!(
        "events to {} sessions ({sent} calls back to back, {} of {wanted} arrived)",
        sizes.sessions,
        if complete { wanted } else { arrived },
    );
    world.report(&what, since, times.len(), &times);
    tasks.shutdown().await;
}

/// Everybody in one room: some speak, everybody listens to all others.
async fn room(world: &Arc<World>, sizes: &Sizes) {
    let users: Vec<String> = (0..sizes.clients).map(name).collect();
    let peers = PeerConfig { loopback: true, ..PeerConfig::default() };
    let mut clients = Vec::new();
    for number in 0..sizes.clients {
        clients.push(world.connect(number).await);
    }
    let made = clients[0].ws("stream.streamRoomCreate", world.room(&users)).await;
    let room = made["streamRoomId"].as_str().unwrap().to_owned();
    let joining = Instant::now();
    for client in &mut clients {
        client.ws("stream.streamRoomJoin", json!({"streamRoomId": room})).await;
    }
    println!("{} joins in {:.2} s", clients.len(), joining.elapsed().as_secs_f64());
    let (mut speakers, mut streams) = (Vec::new(), Vec::new());
    for client in clients.iter_mut().take(sizes.speakers) {
        let publisher = Publisher::new(&peers).unwrap();
        let sink = publisher.add_audio_track().await.unwrap();
        let sdp = publisher.create_offer().await.unwrap();
        let params = json!({"streamRoomId": room, "offer": {"type": "offer", "sdp": sdp}});
        let answer = client.ws("stream.streamPublish", params).await;
        publisher.set_answer(answer["answer"]["sdp"].as_str().unwrap()).await.unwrap();
        streams.push(answer["publishedData"]["stream"]["id"].clone());
        speakers.push((publisher, sink));
    }
    let (times, received) = (Times::default(), Arc::new(AtomicU64::new(0)));
    let (mut listeners, mut tasks) = (Vec::new(), JoinSet::new());
    let negotiating = Instant::now();
    for (number, client) in clients.iter_mut().enumerate() {
        let own = (number < sizes.speakers).then_some(number);
        let wanted: Vec<Value> = streams
            .iter()
            .enumerate()
            .filter(|(index, _)| own != Some(*index))
            .map(|(_, stream)| json!({"streamId": stream}))
            .collect();
        let params = json!({"streamRoomId": room, "subscriptionsToAdd": wanted});
        // The first one may have to wait until all publishers are connected.
        let offered = loop {
            match client.try_ws("stream.streamsSubscribeToRemote", params.clone()).await {
                Some(offered) => break offered,
                None => assert!(negotiating.elapsed() < PATIENCE, "publishers do not connect"),
            }
            tokio::time::sleep(PACE).await;
        };
        let (subscriber, mut events) = Subscriber::new(&peers).unwrap();
        let sdp = subscriber.answer(offered["offer"]["sdp"].as_str().unwrap()).await.unwrap();
        let params = json!({"sessionId": offered["sessionId"],
            "answer": {"type": "answer", "sdp": sdp}});
        client.ws("stream.streamAcceptOffer", params).await;
        listeners.push(subscriber);
        let (times, received) = (times.clone(), Arc::clone(&received));
        tasks.spawn(async move {
            while let Some(event) = events.recv().await {
                if let SubscriberEvent::Rtp { payload, .. } = event
                    && let Some(sent) = payload.first_chunk::<8>()
                {
                    let sent = u64::from_be_bytes(*sent);
                    // Packets of the time before are only there to get connections going.
                    if sent > 0 {
                        times.add(clock_us().saturating_sub(sent));
                        received.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
    }
    for subscriber in &listeners {
        let mut state = subscriber.state();
        let connected = state.wait_for(|state| *state == conclave::rtc::PeerState::Connected);
        timeout(PATIENCE, connected).await.expect("listeners connect").unwrap();
    }
    println!(
        "{} listeners connected in {:.2} s",
        listeners.len(),
        negotiating.elapsed().as_secs_f64()
    );
    let since = world.mark();
    let sent = speak(&speakers, since.0 + sizes.time()).await;
    let ears = (sizes.clients - 1) as u64;
    let wanted = sent * ears;
    let arriving = async {
        while received.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(PACE).await;
        }
    };
    // What is still on its way gets a second.
    let complete = timeout(Duration::from_secs(1), arriving).await.is_ok();
    let arrived = received.load(Ordering::Relaxed);
    let what = format!(
        "packets in a room of {} with {} speakers ({arrived} of {wanted} arrived, {:.3} % lost{})",
        sizes.clients,
        sizes.speakers,
        100.0 * (wanted.saturating_sub(arrived)) as f64 / wanted.max(1) as f64,
        if complete { "" } else { " or late" },
    );
    world.report(&what, since, times.len(), &times);
    for (publisher, _) in &speakers {
        publisher.close().await;
    }
    for listener in &listeners {
        listener.close().await;
    }
    tasks.shutdown().await;
}

/// All speakers speak until `end`; answers how many packets they sent together.
async fn speak(speakers: &[(Publisher, AudioSink)], end: Instant) -> u64 {
    let mut pace = tokio::time::interval(PACE);
    let (mut timestamp, mut sent) = (0_u32, 0);
    while Instant::now() < end {
        pace.tick().await;
        timestamp = timestamp.wrapping_add(960);
        for (_, sink) in speakers {
            let mut payload = clock_us().to_be_bytes().to_vec();
            payload.resize(PACKET, 0);
            let audio = EncodedAudio { payload: Bytes::from(payload), timestamp, marker: false };
            sent += u64::from(sink.write(audio).is_ok());
        }
    }
    sent
}
