//! Bounds at work: who asks too much is slowed down, refused or disconnected, and nobody else is.

use std::time::Duration;

use conclave::bridge::BridgeHandle;
use conclave::crypto::hash;
use conclave::wire::mux;
use conclave::wire::rpc::Request;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::world::Client;
use super::world::PATIENCE;
use super::world::World;
use super::world::config;
use super::world::key;
use super::world::now;
use super::world::open_socket;

/// A number out of `/metrics`.
pub async fn metric(bridge: &BridgeHandle, name: &str) -> u64 {
    let text = bridge.metrics().await;
    let prefix = format!("conclave_bridge_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// Looks until a number is as wanted.
pub async fn metric_until(bridge: &BridgeHandle, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
    let looking = async {
        loop {
            let value = metric(bridge, name).await;
            if wanted(value) {
                return value;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("{name} never became what it should be"))
}

fn custom(world: &World, user: &str, size: usize) -> Value {
    json!({
        "contextId": world.context,
        "channel": "flood",
        "data": "x".repeat(size),
        "users": [{"id": user, "key": "sealed"}],
    })
}

async fn flooded(world: &World) -> (Client, Client) {
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    alice.connect(&world.bridge).await;
    bob.connect(&world.bridge).await;
    bob.subscribe(&["context/custom/flood", "streamroom"]).await;
    (alice, bob)
}

#[tokio::test]
async fn a_key_has_a_rate_of_its_own_for_calls_and_for_events() {
    let mut config = config();
    config.limits.events_per_second = 1;
    config.limits.calls_per_second = 5;
    let world = World::with(config).await;
    let (mut alice, mut bob) = flooded(&world).await;
    // The burst is four seconds' worth, and the rest takes longer than these calls do.
    let mut refused = 0;
    for _ in 0..8 {
        match alice.ws("context.contextSendCustomEvent", custom(&world, "bob", 8)).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(
                    (error.code, error.message.as_str()),
                    (0x6f06, "Too many calls, slow down")
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "eight events at once are too many");
    // Other calls have another rate, and others' calls another key.
    assert!(alice.ws("context.contextGet", json!({"id": world.context})).await.is_ok());
    assert!(bob.ws("context.contextSendCustomEvent", custom(&world, "alice", 8)).await.is_ok());
    let mut refused = 0;
    for _ in 0..60 {
        let done = alice.ws("context.contextGet", json!({"id": world.context})).await;
        refused += u32::from(done.is_err_and(|error| error.code == 0x6f06));
    }
    assert!(refused > 0, "sixty calls at once are too many");
    assert!(bob.ws("context.contextGet", json!({"id": world.context})).await.is_ok());
    assert!(metric(&world.bridge, "rate_limited_total").await >= 2);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_waits() {
    let mut config = config();
    config.limits.requests_per_second = 10;
    let world = World::with(config).await;
    let mut answers = Vec::new();
    for _ in 0..60 {
        answers.push(world.raw("GET /health HTTP/1.1", b"").await);
    }
    let refused = answers.iter().find(|answer| answer.starts_with("HTTP/1.1 429"));
    assert!(refused.unwrap().to_ascii_lowercase().contains("retry-after: 1"));
    // A WebSocket is slowed down, and loses nothing.
    let mut socket = open_socket_patiently(&world).await;
    for _ in 0..5 {
        socket.send(Message::Binary(mux::request(1, b"noise").into())).await.unwrap();
    }
    let mut answered = 0;
    while answered < 5 {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
        answered += u32::from(matches!(message.unwrap().unwrap(), Message::Binary(_)));
    }
    world.bridge.shutdown().await;
}

async fn open_socket_patiently(
    world: &World,
) -> tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{}/api/v2.0", world.bridge.local_addr());
    loop {
        if let Ok((socket, _)) = tokio_tungstenite::connect_async(&url).await {
            return socket;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_share_a_budget_of_bytes() {
    let mut config = config();
    // One address gets a quarter: 400 kB.
    config.limits.held_bytes = 1_600_000;
    let world = World::with(config).await;
    let mut alice = world.join("alice", 1).await;
    let big = 300_000;
    let head = format!("POST /api/v2.0 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", big + 1);
    let mut first = TcpStream::connect(world.bridge.local_addr()).await.unwrap();
    first.write_all(head.as_bytes()).await.unwrap();
    first.write_all(&vec![1; big]).await.unwrap();
    metric_until(&world.bridge, "held_bytes", |held| held >= big as u64).await;
    // The second one of the same size does not fit and is closed.
    let mut second = TcpStream::connect(world.bridge.local_addr()).await.unwrap();
    second.write_all(head.as_bytes()).await.unwrap();
    let _ = second.write_all(&vec![1; big]).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, second.read_to_end(&mut rest)).await.unwrap();
    metric_until(&world.bridge, "over_budget_total", |count| count == 1).await;
    // Small calls still go through, and what was held is given back.
    let got = alice.call("context.contextGet", json!({"id": world.context})).await;
    assert_eq!(got.unwrap()["context"]["contextId"], world.context);
    drop(first);
    metric_until(&world.bridge, "held_bytes", |held| held == 0).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn an_unfinished_websocket_message_counts_too() {
    let mut config = config();
    config.limits.held_bytes = 1_600_000;
    let world = World::with(config).await;
    let mut socket = open_socket(world.bridge.local_addr()).await;
    // A head that promises a megabyte, and most of it.
    let stream = socket.get_mut();
    let mut frame = vec![0x82, 0xff];
    frame.extend_from_slice(&1_000_000_u64.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    stream.write_all(&frame).await.unwrap();
    let _ = stream.write_all(&vec![0; 900_000]).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    metric_until(&world.bridge, "over_budget_total", |count| count == 1).await;
    metric_until(&world.bridge, "held_bytes", |held| held == 0).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn who_does_not_read_is_disconnected_and_holds_nothing() {
    let mut config = config();
    config.limits.held_bytes = 4_000_000;
    let world = World::with(config).await;
    let (mut alice, bob) = flooded(&world).await;
    let sockets = metric(&world.bridge, "sockets").await;
    assert_eq!(sockets, 2);
    let big = "x".repeat(4_000);
    let mut params = world.room_params(&["alice", "bob"]);
    params["data"] = json!({"sealed": big});
    for key in params["keys"].as_array_mut().unwrap() {
        key["data"] = json!(big);
    }
    // Rooms are told to everybody in them, whether Bob reads or not.
    let mut made = 0;
    while metric(&world.bridge, "slow_readers_total").await == 0 {
        params["resourceId"] = json!(uuid::Uuid::new_v4().to_string());
        alice.ws("stream.streamRoomCreate", params.clone()).await.unwrap();
        made += 1;
        assert!(made < 20_000, "Bob is never disconnected");
    }
    metric_until(&world.bridge, "sockets", |sockets| sockets == 1).await;
    metric_until(&world.bridge, "held_bytes", |held| held < 100_000).await;
    assert!(alice.ws("context.contextGet", json!({"id": world.context})).await.is_ok());
    drop(bob);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn sessions_of_a_key_and_rooms_of_a_context_are_counted() {
    let mut config = config();
    config.limits.sessions_per_key = 2;
    config.limits.rooms_per_context = 3;
    let world = World::with(config).await;
    let mut alice = world.join("alice", 1).await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let mut again = world.login(&key(1)).await.unwrap();
        again.connect(&world.bridge).await;
        sockets.push(again);
    }
    let mut other = world.login(&key(1)).await.unwrap();
    let mut third = world.join("bob", 2).await;
    third.connect(&world.bridge).await;
    other.socket = third.socket.take();
    let key = conclave::wire::notification::NotificationKey::generate(&mut rand::rng());
    let params = json!({"key": key.to_base64(), "addWsChannelId": true});
    assert_eq!(other.ws_refused("authorizeWebSocket", params).await, 0x85);
    for _ in 0..3 {
        world.room(&mut alice, &["alice"]).await;
    }
    let params = world.room_params(&["alice"]);
    assert_eq!(alice.refused("stream.streamRoomCreate", params.clone()).await, 0x6f08);
    let context = world.new_context(json!({})).await;
    let add = json!({"contextId": context, "userId": "alice",
        "userPubKey": super::world::key(1).public_key().to_base58()});
    world.manage("context/addUserToContext", add).await.unwrap();
    let mut elsewhere = params;
    elsewhere["contextId"] = json!(context);
    assert!(alice.call("stream.streamRoomCreate", elsewhere).await.is_ok());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn what_was_recorded_is_of_no_use() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let params = world.room_params(&["alice"]);
    let request = Request { id: json!(0), method: "stream.streamRoomCreate".to_owned(), params };
    let (body, exchange) = alice.session.seal(&request, now(), &mut rand::rng()).unwrap();
    let recorded = body.clone();
    let answer = world.post(body).await;
    alice.session.add_tickets(exchange.open(&answer, now()).unwrap().tickets);
    let before = metric(&world.bridge, "stored{table=\"stream_room\"}").await;
    for _ in 0..3 {
        let again = world.post(recorded.clone()).await;
        assert_ne!(hash::sha256(&again), hash::sha256(&answer));
    }
    assert_eq!(metric(&world.bridge, "stored{table=\"stream_room\"}").await, before);
    let refused = "handshakes_refused_total{reason=\"Invalid ticket\"}";
    assert_eq!(metric(&world.bridge, refused).await, 3);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn empty_rooms_stay_unless_the_operator_wants_them_closed() {
    for closes in [false, true] {
        let mut config = config();
        config.close_empty_rooms = closes;
        let world = World::with(config).await;
        let mut alice = world.join("alice", 1).await;
        alice.connect(&world.bridge).await;
        let room = world.room(&mut alice, &["alice"]).await;
        let here = json!({"streamRoomId": room});
        alice.ws("stream.streamRoomJoin", here.clone()).await.unwrap();
        alice.ws("stream.streamRoomLeave", here.clone()).await.unwrap();
        if closes {
            let closed = async {
                loop {
                    let got = alice.call("stream.streamRoomGet", json!({"id": room})).await;
                    if got.unwrap()["streamRoom"]["closed"] == true {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(PATIENCE, closed).await.unwrap();
            assert_eq!(alice.ws_refused("stream.streamRoomJoin", here).await, 0x6208);
        } else {
            assert!(alice.ws("stream.streamRoomJoin", here).await.is_ok());
        }
        world.bridge.shutdown().await;
    }
}

#[tokio::test]
async fn metrics_are_told_on_a_port_of_their_own() {
    let mut config = config();
    config.metrics = Some(super::world::loopback());
    let world = World::with(config).await;
    let mut alice = world.join("alice", 1).await;
    assert_eq!(alice.refused("context.contextGet", json!({"id": "nowhere"})).await, 0x30);
    let public = world.raw("GET /metrics HTTP/1.1", b"").await;
    assert!(public.starts_with("HTTP/1.1 404"), "{public}");
    let address = world.bridge.metrics_addr().unwrap();
    let told = super::world::raw(address, "GET /metrics HTTP/1.1", b"").await;
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    for line in [
        "conclave_bridge_logins_total 1",
        "conclave_bridge_rpc_total{method=\"context.contextGet\",code=\"48\"} 1",
        "conclave_bridge_stored{table=\"context_user\"} 1",
        "conclave_bridge_rpc_seconds_count 1",
        "conclave_bridge_rooms_live 0",
    ] {
        assert!(told.lines().any(|own| own == line), "{line} in\n{told}");
    }
    for line in told.lines().skip_while(|line| !line.is_empty()).skip(1) {
        let fine =
            line.starts_with("# ") || line.split(' ').next_back().unwrap().parse::<f64>().is_ok();
        assert!(fine, "{line}");
    }
    let health = super::world::raw(address, "GET /health HTTP/1.1", b"").await;
    assert!(health.ends_with(r#"{"status":"ok"}"#), "{health}");
    let other = super::world::raw(address, "POST /api HTTP/1.1", b"{}").await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn clients_are_told_that_the_bridge_ends() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    alice.connect(&world.bridge).await;
    let mut stream = alice.socket.take().unwrap().stream;
    world.bridge.shutdown().await;
    let told = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Close(frame))) => return frame.unwrap().code,
                Some(Ok(_)) => {}
                other => panic!("no goodbye: {other:?}"),
            }
        }
    };
    let code = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert_eq!(u16::from(code), 1001);
}
