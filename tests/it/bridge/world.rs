//! A bridge on loopback, provisioned, and clients that speak to it through real sockets.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use conclave::bridge::Bridge;
use conclave::bridge::BridgeConfig;
use conclave::bridge::BridgeHandle;
use conclave::crypto::key::PrivateKey;
use conclave::model::Secret;
use conclave::model::Timestamp;
use conclave::net::http::Http;
use conclave::wire::handshake::HandshakeError;
use conclave::wire::handshake::client::ClientSession;
use conclave::wire::handshake::client::Login;
use conclave::wire::mux;
use conclave::wire::mux::ServerMessage;
use conclave::wire::notification;
use conclave::wire::notification::NotificationKey;
use conclave::wire::notification::RawEvent;
use conclave::wire::rpc::Request;
use conclave::wire::rpc::RpcError;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The initialization token of test bridges.
pub const TOKEN: &str = "let me in";
/// Longer than anything here takes; only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Any port on loopback.
pub fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The time now.
pub fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap())
}

/// The key that consists of this byte over and over.
pub fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[byte; 32]).unwrap()
}

/// A bridge with a solution and a context.
pub struct World {
    pub bridge: BridgeHandle,
    pub http: Http,
    pub authorization: String,
    pub solution: String,
    pub context: String,
}

/// A config for tests: in memory, on any port.
pub fn config() -> BridgeConfig {
    let mut config = BridgeConfig::in_memory(loopback());
    config.initialization_token = Some(Secret::new(TOKEN.to_owned()));
    // Tests ask faster than people do; those about rates set their own.
    config.limits.requests_per_second = 0;
    config.limits.calls_per_second = 0;
    config.limits.events_per_second = 0;
    config
}

impl World {
    /// A bridge in memory.
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    /// A bridge with these settings.
    pub async fn with(config: BridgeConfig) -> Self {
        let bridge = Bridge::start(config).await.unwrap();
        let mut world = Self {
            bridge,
            http: Http::new().unwrap(),
            authorization: String::new(),
            solution: String::new(),
            context: String::new(),
        };
        let params = json!({"initializationToken": TOKEN, "name": "test"});
        let key = world.manage("manager/createFirstApiKey", params).await.unwrap();
        let params = json!({
            "grantType": "api_key_credentials",
            "apiKeyId": key["id"],
            "apiKeySecret": key["secret"],
        });
        let tokens = world.manage("manager/auth", params).await.unwrap();
        world.authorization = format!("Bearer {}", tokens["accessToken"].as_str().unwrap());
        let made = world.manage("solution/createSolution", json!({"name": "s"})).await.unwrap();
        world.solution = text(&made["solutionId"]);
        world.context = world.new_context(json!({})).await;
        world
    }

    /// Another context with this policy.
    pub async fn new_context(&self, policy: Value) -> String {
        let params = json!({
            "solution": self.solution,
            "name": "vectors",
            "description": "",
            "scope": "private",
            "policy": policy,
        });
        text(&self.manage("context/createContext", params).await.unwrap()["contextId"])
    }

    /// A management call.
    pub async fn manage(&self, method: &str, params: Value) -> Result<Value, (i64, String)> {
        let authorization = Some(self.authorization.as_str()).filter(|text| !text.is_empty());
        self.manage_as(authorization, method, params).await
    }

    /// A management call with this authorisation.
    pub async fn manage_as(
        &self,
        authorization: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, (i64, String)> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let url = format!("{}/api", self.bridge.url());
        let answer = self.http.post_json(&url, authorization, &body).await.unwrap();
        assert_eq!(answer["jsonrpc"], "2.0");
        match answer.get("error") {
            Some(error) => Err((error["code"].as_i64().unwrap(), text(&error["message"]))),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Adds a user to the context.
    pub async fn add(&self, user: &str, key: &PrivateKey) {
        self.add_with(user, key, "ALLOW ALL").await;
    }

    /// Adds a user with this ACL to the context.
    pub async fn add_with(&self, user: &str, key: &PrivateKey, acl: &str) {
        let params = json!({
            "contextId": self.context,
            "userId": user,
            "userPubKey": key.public_key().to_base58(),
            "acl": acl,
        });
        self.manage("context/addUserToContext", params).await.unwrap();
    }

    /// Adds a user and logs in.
    pub async fn join(&self, user: &str, byte: u8) -> Client {
        self.add(user, &key(byte)).await;
        self.login(&key(byte)).await.unwrap()
    }

    /// Logs in.
    pub async fn login(&self, key: &PrivateKey) -> Result<Client, HandshakeError> {
        self.login_to(key, &self.solution).await
    }

    /// Logs in with this solution.
    pub async fn login_to(
        &self,
        key: &PrivateKey,
        solution: &str,
    ) -> Result<Client, HandshakeError> {
        let bridge_key = self.bridge.public_key();
        let (login, body) =
            Login::of_user(key, solution, Some(&bridge_key), now(), &mut rand::rng());
        let answer = self.post(body).await;
        let session = login.finish(key, &answer, now())?;
        Ok(Client { http: self.http.clone(), url: self.frames(), session, socket: None })
    }

    /// Where frames go.
    pub fn frames(&self) -> String {
        format!("{}/api/v2.0", self.bridge.url())
    }

    /// Posts frames.
    pub async fn post(&self, body: Vec<u8>) -> Vec<u8> {
        self.http.post_frames(&self.frames(), body).await.unwrap().to_vec()
    }

    /// One HTTP request as raw text, answered until the server closes.
    pub async fn raw(&self, head: &str, body: &[u8]) -> String {
        raw(self.bridge.local_addr(), head, body).await
    }

    /// A room of these users; the first is manager.
    pub async fn room(&self, by: &mut Client, users: &[&str]) -> String {
        let made = by.call("stream.streamRoomCreate", self.room_params(users)).await.unwrap();
        text(&made["streamRoomId"])
    }

    /// Parameters of `streamRoomCreate`.
    pub fn room_params(&self, users: &[&str]) -> Value {
        json!({
            "contextId": self.context,
            "resourceId": uuid::Uuid::new_v4().to_string(),
            "type": "stream",
            "users": users,
            "managers": [users[0]],
            "data": {"sealed": "metadata"},
            "keyId": "k1",
            "keys": keys(users, "k1"),
        })
    }
}

/// Key entries of these users.
pub fn keys(users: &[&str], id: &str) -> Value {
    let entry = |user: &&str| json!({"user": user, "keyId": id, "data": format!("{user}/{id}")});
    users.iter().map(entry).collect()
}

/// Sends one raw request and reads until the server closes.
pub async fn raw(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The text that a value must be.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A logged-in client.
pub struct Client {
    http: Http,
    url: String,
    pub session: ClientSession,
    pub socket: Option<Socket>,
}

/// Its WebSocket.
pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub key: NotificationKey,
    pub channel: u32,
    next: u32,
    events: VecDeque<RawEvent>,
}

/// Opens a bare WebSocket.
pub async fn open_socket(address: SocketAddr) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{address}/api/v2.0");
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

fn request(method: &str, params: Value) -> Request {
    Request { id: json!(0), method: method.to_owned(), params }
}

impl Client {
    /// A call over HTTP.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        let (body, exchange) =
            self.session.seal(&request(method, params), now(), &mut rand::rng()).unwrap();
        let answer = self.http.post_frames(&self.url, body).await.unwrap();
        let opened = exchange.open(&answer, now()).unwrap();
        self.session.add_tickets(opened.tickets);
        opened.response.unwrap().result
    }

    /// A call that must fail over HTTP; answers the code.
    pub async fn refused(&mut self, method: &str, params: Value) -> i64 {
        self.call(method, params).await.unwrap_err().code
    }

    /// Opens a socket and authorises it.
    pub async fn connect(&mut self, bridge: &BridgeHandle) {
        let stream = open_socket(bridge.local_addr()).await;
        let key = NotificationKey::generate(&mut rand::rng());
        let text = key.to_base64();
        self.socket = Some(Socket { stream, key, channel: 0, next: 1, events: VecDeque::new() });
        let params = json!({"key": text, "addWsChannelId": true});
        let answer = self.ws("authorizeWebSocket", params).await.unwrap();
        let channel = answer["wsChannelId"].as_u64().unwrap();
        self.socket.as_mut().unwrap().channel = u32::try_from(channel).unwrap();
    }

    /// Subscribes to channels.
    pub async fn subscribe(&mut self, channels: &[&str]) {
        self.ws("subscribeToChannels", json!({"channels": channels})).await.unwrap();
    }

    /// A call over the WebSocket; events that arrive meanwhile are kept.
    pub async fn ws(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        let (body, exchange) =
            self.session.seal(&request(method, params), now(), &mut rand::rng()).unwrap();
        let socket = self.socket.as_mut().unwrap();
        let answer = socket.exchange(&body).await;
        let opened = exchange.open(&answer, now()).unwrap();
        self.session.add_tickets(opened.tickets);
        opened.response.unwrap().result
    }

    /// A call that must fail over the WebSocket; answers the code.
    pub async fn ws_refused(&mut self, method: &str, params: Value) -> i64 {
        self.ws(method, params).await.unwrap_err().code
    }

    /// The next event.
    pub async fn event(&mut self) -> RawEvent {
        let socket = self.socket.as_mut().unwrap();
        loop {
            if let Some(event) = socket.events.pop_front() {
                return event;
            }
            socket.receive().await;
        }
    }

    /// The next event of this type; others are dropped.
    pub async fn event_of(&mut self, kind: &str) -> RawEvent {
        self.find(kind).await.1
    }

    /// The next event of this type; others stay for later.
    pub async fn pick(&mut self, kind: &str) -> RawEvent {
        let (skipped, event) = self.find(kind).await;
        let events = &mut self.socket.as_mut().unwrap().events;
        for event in skipped.into_iter().rev() {
            events.push_front(event);
        }
        event
    }

    async fn find(&mut self, kind: &str) -> (Vec<RawEvent>, RawEvent) {
        let mut skipped = Vec::new();
        let search = async {
            loop {
                let event = self.event().await;
                if event.kind == kind {
                    return event;
                }
                skipped.push(event);
            }
        };
        // Pings of the server would keep a plain wait alive for ever.
        let found = tokio::time::timeout(PATIENCE, search).await;
        let found = found.unwrap_or_else(|_| panic!("no {kind} came"));
        (skipped, found)
    }

    /// Types of all events up to now: what was sent before a call is here after it.
    pub async fn kinds(&mut self) -> Vec<String> {
        self.ws("ping", json!({})).await.unwrap();
        let events = std::mem::take(&mut self.socket.as_mut().unwrap().events);
        events.into_iter().map(|event| event.kind).collect()
    }
}

impl Socket {
    /// Sends frames and waits for their answer.
    pub async fn exchange(&mut self, body: &[u8]) -> Vec<u8> {
        let id = self.next;
        self.next += 1;
        self.stream.send(Message::Binary(mux::request(id, body).into())).await.unwrap();
        loop {
            if let Some((of, answer)) = self.receive().await
                && of == id
            {
                return answer;
            }
        }
    }

    async fn receive(&mut self) -> Option<(u32, Vec<u8>)> {
        let message = tokio::time::timeout(PATIENCE, self.stream.next()).await;
        let message = message.expect("an answer or an event comes in time").unwrap().unwrap();
        let Message::Binary(message) = message else { return None };
        match ServerMessage::parse(&message).unwrap() {
            ServerMessage::Answer { id, body } => Some((id, body.to_vec())),
            ServerMessage::Notification(content) => {
                let (channel, sealed) = notification::split(content).unwrap();
                assert_eq!(channel, self.channel);
                self.events.push_back(self.key.open(sealed).unwrap());
                None
            }
        }
    }
}
