//! A real Janus with its VideoRoom, and its API as the official bridge speaks it: JSON over a
//! WebSocket, an acknowledgement first and the outcome as an event later (streams.md §10.1).

use std::collections::VecDeque;
use std::process::Command;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::process::Server;
use crate::process::free_port;

/// How long anything may take before a test calls it broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What we do not need, and what would take ports.
const UNWANTED_PLUGINS: &str = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,\
    libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,\
    libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so";
const UNWANTED_TRANSPORTS: &str = "libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,\
    libjanus_pfunix.so,libjanus_rabbitmq.so";

/// How Janus names rooms and publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Numbers of its own choice: how the official bridge runs it.
    Numbers,
    /// Strings, for which decimal ones are chosen here: clients know no others.
    Strings,
}

/// A running Janus.
pub struct Janus {
    _server: Server,
    port: u16,
    /// What rooms and publishers are called.
    pub ids: Ids,
    _folder: TempDir,
}

impl Janus {
    /// Starts one; `None`, and a line that says so, if it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(Ids::Numbers)
    }

    /// The same with a choice of ids.
    pub fn start_with(ids: Ids) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write(
            "janus.jcfg",
            format!(
                "general: {{\n debug_level = 4\n debug_colors = false\n}}\n\
                 plugins: {{\n disable = \"{UNWANTED_PLUGINS}\"\n}}\n\
                 transports: {{\n disable = \"{UNWANTED_TRANSPORTS}\"\n}}\n"
            ),
        );
        let strings = ids == Ids::Strings;
        write("janus.plugin.videoroom.jcfg", format!("general: {{\n string_ids = {strings}\n}}\n"));
        write(
            "janus.transport.websockets.jcfg",
            format!("general: {{\n ws = true\n ws_port = {port}\n ws_ip = \"127.0.0.1\"\n}}\n"),
        );
        let mut command = Command::new("janus");
        command.arg("--configs-folder").arg(folder.path()).arg("--log-stdout");
        let mut server = Server::start(command, "WebSockets transport plugin initialized")?;
        server.tell_if_failing();
        Some(Self { _server: server, port, ids, _folder: folder })
    }

    /// A connection of one client, as the bridge makes one.
    pub async fn connect(&self) -> Link {
        let mut request = format!("ws://127.0.0.1:{}", self.port).into_client_request().unwrap();
        let protocol = "janus-protocol".parse().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let (socket, _) = connect_async(request).await.unwrap();
        Link { socket, waiting: VecDeque::new(), transactions: 0 }
    }
}

/// One plugin handle: a peer connection of Janus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    session: u64,
    sender: u64,
}

/// What a request led to.
#[derive(Debug)]
pub struct Outcome {
    /// What the plugin says.
    pub data: Value,
    /// Its offer or answer.
    pub sdp: Option<String>,
}

/// A connection to Janus. Requests are made one at a time; events in between are kept.
pub struct Link {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    waiting: VecDeque<Value>,
    transactions: u64,
}

impl Link {
    /// A session with a handle on the VideoRoom.
    pub async fn attach(&mut self) -> Handle {
        let session = self.request(json!({ "janus": "create" })).await["data"]["id"].clone();
        let session = session.as_u64().unwrap();
        let attach = json!({
            "janus": "attach", "session_id": session, "plugin": "janus.plugin.videoroom"
        });
        let sender = self.request(attach).await["data"]["id"].as_u64().unwrap();
        Handle { session, sender }
    }

    /// Asks the VideoRoom for something and waits for the outcome; it must not be an error.
    pub async fn ask(&mut self, handle: Handle, body: Value, jsep: Option<Value>) -> Outcome {
        let mut message = json!({
            "janus": "message",
            "session_id": handle.session,
            "handle_id": handle.sender,
            "body": body,
        });
        let context = message.to_string();
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        let outcome = outcome(&self.request(message).await);
        assert!(outcome.data.get("error").is_none(), "{context} led to {}", outcome.data);
        outcome
    }

    /// The next event of a handle that nobody asked for and that brings an offer.
    pub async fn offer(&mut self, handle: Handle) -> String {
        let has_offer = |value: &Value| outcome(value).sdp.is_some();
        let value = self.find("an offer", handle, has_offer).await;
        outcome(&value).sdp.expect("it has one")
    }

    /// Waits until the connection of a handle is up, from Janus's point of view.
    pub async fn up(&mut self, handle: Handle) {
        self.find("the connection", handle, |value| value["janus"] == "webrtcup").await;
    }

    /// Waits until the connection of a handle is gone, from Janus's point of view.
    pub async fn down(&mut self, handle: Handle) {
        self.find("the end of a connection", handle, |value| value["janus"] == "hangup").await;
    }

    /// Forgets what Janus has said about a handle so far.
    pub fn forget(&mut self, handle: Handle) {
        self.waiting.retain(|value| value["sender"] != handle.sender);
    }

    async fn find(&mut self, what: &str, handle: Handle, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut kept = std::mem::take(&mut self.waiting);
        let mut seen = Vec::new();
        loop {
            let value = match kept.pop_front() {
                Some(value) => value,
                None => self.next(what, &seen).await,
            };
            if value["sender"] == handle.sender && is_it(&value) {
                self.waiting = seen.into_iter().chain(kept).collect();
                return value;
            }
            seen.push(value);
        }
    }

    async fn request(&mut self, mut message: Value) -> Value {
        self.transactions += 1;
        let transaction = format!("{:016x}", self.transactions);
        message["transaction"] = json!(transaction);
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        loop {
            let answer = self.next("an answer", &[]).await;
            if answer["transaction"] != transaction.as_str() {
                self.waiting.push_back(answer);
            } else if answer["janus"] != "ack" {
                assert_ne!(answer["janus"], "error", "{message} led to {answer}");
                return answer;
            }
        }
    }

    async fn next(&mut self, what: &str, seen: &[Value]) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message.unwrap_or_else(|_| panic!("{what} did not come; {seen:#?}"));
            if let Message::Text(text) = message.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

fn outcome(value: &Value) -> Outcome {
    Outcome {
        data: value["plugindata"]["data"].clone(),
        sdp: value["jsep"]["sdp"].as_str().map(str::to_owned),
    }
}
