//! Everything that listens: HTTP, WebSocket, the calls inside, management, and UDP.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use conclave::wire::handshake::client::Login;
use conclave::wire::mux;
use conclave::wire::mux::ServerMessage;
use conclave::wire::rpc::Request;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::super::limit::metric;
use super::super::limit::metric_until;
use super::super::world::Client;
use super::super::world::PATIENCE;
use super::super::world::World;
use super::super::world::key;
use super::super::world::now;
use super::super::world::open_socket;
use super::source::Source;

/// Messages sent before it is waited for that they were read.
const BATCH: u64 = 32;
/// Sockets that datagrams come from.
const STRANGERS: usize = 4;

/// The connections through which bad messages go.
pub struct Ports {
    address: SocketAddr,
    http: Option<BufReader<TcpStream>>,
    socket: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    strangers: Vec<UdpSocket>,
    mallory: Client,
    authorization: String,
    frames: Vec<Vec<u8>>,
    heads: Vec<Vec<u8>>,
    management: Vec<Value>,
    calls: Vec<(&'static str, Value)>,
    datagrams: Vec<Vec<u8>>,
}

impl Ports {
    pub async fn open(world: &World, mut mallory: Client, source: &mut Source) -> Self {
        mallory.connect(&world.bridge).await;
        let room = world.room(&mut mallory, &["mallory"]).await;
        let mut strangers = Vec::new();
        for _ in 0..STRANGERS {
            strangers.push(UdpSocket::bind(("127.0.0.1", 0)).await.unwrap());
        }
        let (_, login) = Login::of_user(&key(66), &world.solution, None, now(), &mut rand::rng());
        let (_, anonymous) = Login::anonymous(&key(67), &world.solution, None, &mut rand::rng());
        let get = Request {
            id: json!(1),
            method: "context.contextGet".to_owned(),
            params: json!({"id": world.context}),
        };
        let (ticketed, _) = mallory.session.seal(&get, now(), &mut rand::rng()).unwrap();
        let offer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\n\
            a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=rtpmap:111 opus/48000/2\r\n\
            a=sendonly\r\na=rtcp-mux\r\na=ssrc:1 cname:x\r\n";
        Self {
            address: world.bridge.local_addr(),
            http: None,
            socket: None,
            strangers,
            authorization: world.authorization.clone(),
            frames: vec![login, anonymous, ticketed, source.random()],
            heads: heads(),
            management: management(world),
            calls: calls(world, &room, offer),
            datagrams: datagrams(),
            mallory,
        }
    }

    /// Sends `count` bad messages to one of the ports; answers what became of them.
    pub async fn flood(
        &mut self,
        world: &World,
        kind: &str,
        count: u64,
        source: &mut Source,
    ) -> String {
        match kind {
            "frames" => self.posts(count, source, false).await,
            "management" => self.posts(count, source, true).await,
            "http" => self.heads(count, source).await,
            "websocket" => self.messages(count, source).await,
            "rpc" => self.calls(count, source).await,
            _ => self.datagrams(world, count, source).await,
        }
    }

    /// Closes what is open.
    pub fn close(&mut self) {
        self.http = None;
        self.socket = None;
        self.mallory.socket = None;
    }

    async fn posts(&mut self, count: u64, source: &mut Source, management: bool) -> String {
        // One of a flood long ago was idle for too long.
        self.http = None;
        let mut answered = 0_u64;
        for _ in 0..count {
            let (path, kind, body) = if management {
                let seed = source.pick(&self.management).clone();
                let body = if source.below(3) == 0 {
                    source.bytes(&[seed.to_string().into_bytes()])
                } else {
                    source.value(&seed).to_string().into_bytes()
                };
                ("/api", "application/json", body)
            } else {
                ("/api/v2.0", "application/octet-stream", source.bytes(&self.frames))
            };
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nAuthorization: {}\r\n\
                 Content-Length: {}\r\n\r\n",
                self.authorization,
                body.len()
            );
            let request = [head.as_bytes(), &body].concat();
            answered += u64::from(self.exchange(&request).await.is_some());
        }
        format!("{answered} answered")
    }

    /// One request on a connection that is kept while it works; the status of the answer.
    async fn exchange(&mut self, request: &[u8]) -> Option<u16> {
        let mut stream = match self.http.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.address).await.unwrap()),
        };
        stream.get_mut().write_all(request).await.ok()?;
        let (status, length) = timeout(PATIENCE, read_head(&mut stream)).await.unwrap()?;
        let mut body = vec![0; length];
        timeout(PATIENCE, stream.read_exact(&mut body)).await.unwrap().ok()?;
        self.http = Some(stream);
        Some(status)
    }

    async fn heads(&self, count: u64, source: &mut Source) -> String {
        let mut answered = 0_u64;
        for _ in 0..count {
            let request = source.bytes(&self.heads);
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let _ = stream.write_all(&request).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
            answered += u64::from(!answer.is_empty());
        }
        format!("{answered} answered")
    }

    async fn messages(&mut self, count: u64, source: &mut Source) -> String {
        let seeds: Vec<Vec<u8>> = self
            .frames
            .iter()
            .map(|body| mux::request(7, body))
            .chain([mux::ping(1), mux::answer(3, b"x"), mux::pong(2)])
            .collect();
        let mut reopened = 0_u64;
        for number in 0..count {
            if self.socket.is_none() {
                self.socket = Some(open_socket(self.address).await);
                reopened += 1;
            }
            let bytes = source.bytes(&seeds);
            let message = if source.below(10) == 0 {
                Message::Text(String::from_utf8_lossy(&bytes).into_owned().into())
            } else {
                Message::Binary(bytes.into())
            };
            let socket = self.socket.as_mut().unwrap();
            let mut alive = socket.send(message).await.is_ok();
            if alive && (number + 1) % BATCH == 0 {
                alive = drain(socket).await;
            }
            if !alive {
                self.socket = None;
            }
        }
        if let Some(socket) = &mut self.socket {
            drain(socket).await;
        }
        format!("{reopened} sockets opened")
    }

    async fn calls(&mut self, count: u64, source: &mut Source) -> String {
        let (mut accepted, mut slowest) = (0_u64, (Duration::ZERO, ""));
        for _ in 0..count {
            let (method, seed) = source.pick(&self.calls).clone();
            let request =
                Request { id: json!(1), method: method.to_owned(), params: source.value(&seed) };
            let session = &mut self.mallory.session;
            let (body, exchange) = session.seal(&request, now(), &mut rand::rng()).unwrap();
            let begun = Instant::now();
            let answer = self.mallory.socket.as_mut().unwrap().exchange(&body).await;
            slowest = slowest.max((begun.elapsed(), method));
            // Some are refused as a whole: nested too deep, or too large.
            if let Ok(opened) = exchange.open(&answer, now()) {
                self.mallory.session.add_tickets(opened.tickets);
                let is_ok = opened.response.is_some_and(|response| response.result.is_ok());
                accepted += u64::from(is_ok);
            }
        }
        let (time, method) = slowest;
        format!("{accepted} accepted, slowest {} ms ({method})", time.as_millis())
    }

    async fn datagrams(&self, world: &World, count: u64, source: &mut Source) -> String {
        let to = world.bridge.media_addr();
        let name = "datagrams_received_total";
        let mut sent = 0_u64;
        let begun = metric(&world.bridge, name).await;
        for number in 0..count {
            let mut data = source.bytes(&self.datagrams);
            data.truncate(9_000);
            let stranger = source.pick(&self.strangers);
            sent += u64::from(stranger.send_to(&data, to).await.is_ok());
            if (number + 1) % BATCH == 0 {
                // So that the system drops none, and all of them are read.
                metric_until(&world.bridge, name, |read| read >= begun + sent).await;
            }
        }
        format!("{sent} sent")
    }
}

/// Reads what comes until the answer to a ping; `false` if the socket is closed.
async fn drain(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> bool {
    const MARK: u32 = 0x00c0_ffee;
    if socket.send(Message::Binary(mux::ping(MARK).into())).await.is_err() {
        return false;
    }
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("the socket is served") {
            Some(Ok(Message::Binary(message))) => {
                let parsed = ServerMessage::parse(&message);
                if matches!(parsed, Ok(ServerMessage::Answer { id: MARK, .. })) {
                    return true;
                }
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
            Some(Ok(_)) => {}
        }
    }
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> Option<(u16, usize)> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let text = line.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Some((status, length));
        }
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}

fn heads() -> Vec<Vec<u8>> {
    [
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /api/v2.0 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{}{}\r\n0\r\n\r\n",
        "GET /api/v2.0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    ]
    .map(|head| head.as_bytes().to_vec())
    .to_vec()
}

fn management(world: &World) -> Vec<Value> {
    let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let page = json!({"contextId": world.context, "skip": 0, "limit": 10, "sortOrder": "asc"});
    let key = key(70).public_key().to_base58();
    vec![
        call("versions", json!({})),
        call("manager/auth", json!({"grantType": "refresh_token", "refreshToken": "x"})),
        call("manager/createFirstApiKey", json!({"initializationToken": "x", "name": "n"})),
        call("solution/getSolution", json!({"id": world.solution})),
        call(
            "context/createContext",
            json!({"solution": world.solution, "name": "n",
            "description": "", "scope": "private", "policy": {"stream": {"get": "all"}}}),
        ),
        call("context/listUsersFromContext", page),
        call(
            "context/addUserToContext",
            json!({"contextId": world.context, "userId": "m",
            "userPubKey": key, "acl": "ALLOW ALL\nDENY stream/streamRoomCreate(a=b)"}),
        ),
        call(
            "context/setUserAcl",
            json!({"contextId": world.context, "userId": "m",
            "acl": "ALLOW ALL"}),
        ),
        call(
            "invite/createInvite",
            json!({"contextId": world.context, "expires": 1,
            "tokenHash": "a".repeat(64), "maxUses": 1}),
        ),
        call(
            "invite/redeem",
            json!({"inviteId": "i", "name": "n", "userPubKey": key,
            "nonce": "n", "timestamp": 1, "proof": "AAAA"}),
        ),
        call(
            "stream/listStreamRooms",
            json!({"contextId": world.context, "from": null,
            "limit": 10, "sortOrder": "asc"}),
        ),
    ]
}

fn calls(world: &World, room: &str, offer: &str) -> Vec<(&'static str, Value)> {
    let here = json!({"streamRoomId": room});
    let page = json!({"contextId": world.context, "skip": 0, "limit": 10, "sortOrder": "asc"});
    let offer = json!({"type": "offer", "sdp": offer});
    let update = json!({"id": room, "users": ["mallory"], "managers": ["mallory"],
        "data": {"a": 1}, "keyId": "k1", "keys": [], "version": 1, "force": true});
    vec![
        ("ping", json!({})),
        (
            "subscribeToChannels",
            json!({"channels": ["streamroom", "context/custom/x|contextId=1"]}),
        ),
        ("unsubscribeFromChannels", json!({"subscriptionsIds": ["a"]})),
        ("context.contextList", json!({"skip": 0, "limit": 10, "sortOrder": "asc"})),
        ("context.contextListUsers", page.clone()),
        (
            "context.contextSendCustomEvent",
            json!({"contextId": world.context, "channel": "x",
            "data": "d", "users": [{"id": "mallory", "key": "k"}]}),
        ),
        ("stream.streamRoomCreate", world.room_params(&["mallory"])),
        ("stream.streamRoomUpdate", update),
        ("stream.streamRoomGet", json!({"id": room})),
        ("stream.streamRoomList", page),
        ("stream.streamRoomJoin", here.clone()),
        ("stream.streamList", here.clone()),
        ("stream.streamPublish", json!({"streamRoomId": room, "offer": offer})),
        ("stream.streamUpdate", json!({"streamRoomId": room, "sessionId": 1, "offer": offer})),
        ("stream.streamUnpublish", json!({"sessionId": 1})),
        (
            "stream.streamsSubscribeToRemote",
            json!({"streamRoomId": room,
            "subscriptionsToAdd": [{"streamId": 1, "streamTrackId": "0"}]}),
        ),
        (
            "stream.streamsModifyRemoteSubscriptions",
            json!({"streamRoomId": room,
            "subscriptionsToAdd": [{"streamId": 1}], "subscriptionsToRemove": []}),
        ),
        (
            "stream.streamAcceptOffer",
            json!({"sessionId": 1, "answer": {"type": "answer",
            "sdp": "v=0\r\n"}}),
        ),
        (
            "stream.streamTrickle",
            json!({"sessionId": 1, "rtcCandidate": {"candidate": "c",
            "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": null}}),
        ),
        ("stream.streamGetTurnCredentials", json!({})),
        ("stream.streamRoomLeave", here),
    ]
}

fn datagrams() -> Vec<Vec<u8>> {
    // STUN binding request with USERNAME and PRIORITY.
    let mut stun = vec![0, 1, 0, 24, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    stun.extend([0, 6, 0, 9]);
    stun.extend(b"abcd:efgh\0\0\0");
    stun.extend([0, 0x24, 0, 4, 0, 0, 0, 1]);
    let mut success = stun.clone();
    success[..2].copy_from_slice(&[1, 1]);
    // The head of a DTLS ClientHello.
    let mut hello = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60];
    hello.extend([1, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 48, 0xfe, 0xfd]);
    hello.extend([9; 46]);
    let mut rtp = vec![0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
    rtp.extend([5; 100]);
    let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
    report.extend([0; 20]);
    let bye = vec![0x81, 203, 0, 1, 0, 0, 0, 1];
    let turn = vec![0x40, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    vec![stun, success, hello, rtp, report, bye, turn]
}
