//! Logging in, tickets, HTTP details and what noise does.

use conclave::wire::handshake::HandshakeError;
use conclave::wire::handshake::client::Login;
use conclave::wire::rpc::Request;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::world::World;
use super::world::config;
use super::world::key;
use super::world::now;
use super::world::open_socket;
use conclave::model::Timestamp;

fn alert(result: Result<impl Sized, HandshakeError>) -> String {
    match result {
        Err(HandshakeError::Alert(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn http_answers_as_the_official_server() {
    let world = World::new().await;
    for path in ["/health", "/ready", "/healthcheck"] {
        let answer = world.raw(&format!("GET {path} HTTP/1.1"), b"").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(answer.ends_with(r#"{"status":"ok"}"#), "{path}: {answer}");
    }
    let answer = world.raw("GET /privmx-configuration.json HTTP/1.1", b"").await;
    assert!(answer.ends_with(r#"{"defaultEndpoint":"//127.0.0.1"}"#), "{answer}");
    let cases = [
        ("GET /api/v2.0 HTTP/1.1", "404"),
        ("GET /api HTTP/1.1", "404"),
        ("POST /other HTTP/1.1", "404"),
        ("OPTIONS /anything HTTP/1.1", "200"),
        ("POST /api/v2.0 HTTP/1.1\r\nContent-Type: text/plain", "400"),
        ("POST /api/v2.0 HTTP/1.1\r\nContent-Type: application/octet-stream; a=b", "500"),
        ("POST /api/v2.0 HTTP/1.1", "500"),
    ];
    for (head, status) in cases {
        let answer = world.raw(head, b"garbage").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
    }
    let answer = world.raw("POST /api/v2.0 HTTP/1.1\r\nContent-Type: a/b", b"").await;
    assert!(answer.ends_with(r#"{"msg":"Invalid transport type"}"#), "{answer}");
    let big = vec![1; 3 * 1024 * 1024];
    let answer = world.raw("POST /api/v2.0 HTTP/1.1", &big).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn web_pages_are_let_in_where_the_operator_says_so() {
    for cors in [false, true] {
        let mut config = config();
        config.cors = cors;
        let world = World::with(config).await;
        for (head, allowed) in [
            ("OPTIONS /api/v2.0 HTTP/1.1", cors),
            ("POST /api/v2.0 HTTP/1.1", cors),
            ("OPTIONS /api HTTP/1.1", false),
            ("POST /api HTTP/1.1", false),
        ] {
            let answer = world.raw(head, b"garbage").await.to_ascii_lowercase();
            assert_eq!(answer.contains("access-control-allow-origin: *"), allowed, "{head}");
        }
        world.bridge.shutdown().await;
    }
}

#[tokio::test]
async fn a_login_is_refused_with_the_known_texts() {
    let world = World::new().await;
    world.add("alice", &key(1)).await;
    assert!(world.login(&key(1)).await.is_ok());
    assert_eq!(alert(world.login(&key(9)).await), "User doesn't exist");
    assert_eq!(alert(world.login_to(&key(1), "nowhere").await), "Solution does not exist");

    let hour = 3_600_000;
    for (name, at) in [("late", now().0 + hour + 60_000), ("early", now().0 - hour - 60_000)] {
        let (login, body) =
            Login::of_user(&key(1), &world.solution, None, Timestamp(at), &mut rand::rng());
        let answer = world.post(body).await;
        assert_eq!(alert(login.finish(&key(1), &answer, now())), "Invalid timestamp", "{name}");
    }

    let (login, body) = Login::of_user(&key(1), &world.solution, None, now(), &mut rand::rng());
    let first = world.post(body.clone()).await;
    assert!(login.finish(&key(1), &first, now()).is_ok());
    let (login, _) = Login::of_user(&key(1), &world.solution, None, now(), &mut rand::rng());
    let second = world.post(body).await;
    assert_eq!(alert(login.finish(&key(1), &second, now())), "Invalid nonce");

    // A solution that exists and has nothing for this user is no obstacle; it shows nothing.
    let made = world.manage("solution/createSolution", json!({"name": "other"})).await.unwrap();
    let other = made["solutionId"].as_str().unwrap();
    let mut client = world.login_to(&key(1), other).await.unwrap();
    let page = json!({"skip": 0, "limit": 10, "sortOrder": "asc"});
    let list = client.call("context.contextList", page).await.unwrap();
    assert_eq!(list, json!({"contexts": [], "count": 0}));
    assert_eq!(client.refused("context.contextGet", json!({"id": world.context})).await, 0x30);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let world = World::new().await;
    world.add("alice", &key(1)).await;
    // The signature is of another key: patch the key inside a login that is otherwise right.
    let (login, mut body) = Login::of_user(&key(9), &world.solution, None, now(), &mut rand::rng());
    let stranger = key(9).public_key().to_sec1();
    let at = body.windows(33).position(|bytes| bytes == stranger).unwrap();
    body[at..at + 33].copy_from_slice(&key(1).public_key().to_sec1());
    let answer = world.post(body).await;
    assert_eq!(alert(login.finish(&key(9), &answer, now())), "Invalid signature");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn failed_logins_keep_nobody_else_out() {
    let mut config = config();
    config.limits.failures_per_minute = 3;
    let world = World::with(config).await;
    world.add("alice", &key(1)).await;
    for _ in 0..6 {
        assert_eq!(alert(world.login(&key(9)).await), "User doesn't exist");
    }
    assert!(world.login(&key(1)).await.is_ok());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn tickets_work_once_until_logout() {
    let world = World::new().await;
    let mut client = world.join("alice", 1).await;
    let server = client.session.server();
    assert_eq!(server.server_version, "3.0.0");
    assert_eq!(server.agent, "privmx-bridge;3.0.0,PrivmxApi/2.11.0");
    assert_eq!(client.session.ticket_count(now()), 50);
    let ping = Request { id: json!(0), method: "ping".into(), params: json!({}) };
    let (body, exchange) = client.session.seal(&ping, now(), &mut rand::rng()).unwrap();
    let answer = world.post(body.clone()).await;
    let opened = exchange.open(&answer, now()).unwrap();
    assert_eq!(opened.response.unwrap().result.unwrap(), "pong");
    let again = world.post(body).await;
    assert!(again.ends_with(b"Invalid ticket"), "{again:?}");

    assert_eq!(client.call("logout", json!({})).await.unwrap(), "OK");
    let (body, exchange) = client.session.seal(&ping, now(), &mut rand::rng()).unwrap();
    let answer = world.post(body).await;
    assert_eq!(alert(exchange.open(&answer, now())), "Invalid ticket");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn anonymous_sessions_may_ping_and_nothing_else() {
    let world = World::new().await;
    let (login, body) = Login::anonymous(&key(7), &world.solution, None, &mut rand::rng());
    let answer = world.post(body).await;
    let mut session = login.finish(&key(7), &answer, now()).unwrap();
    let cases = [
        ("ping", Ok(json!("pong"))),
        ("context.contextList", Err(0x30)),
        ("stream.streamRoomGet", Err(0x30)),
        ("nonsense", Err(-32601)),
    ];
    for (method, expected) in cases {
        let request = Request { id: json!(0), method: method.into(), params: json!({}) };
        let (body, exchange) = session.seal(&request, now(), &mut rand::rng()).unwrap();
        let answer = world.post(body).await;
        let result = exchange.open(&answer, now()).unwrap().response.unwrap().result;
        assert_eq!(result.map_err(|error| error.code), expected, "{method}");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn noise_hurts_nobody_else() {
    let world = World::new().await;
    let mut client = world.join("alice", 1).await;
    client.connect(&world.bridge).await;
    let mut noisy = open_socket(world.bridge.local_addr()).await;
    let mut seed: u32 = 1;
    for round in 0..200_usize {
        let bytes: Vec<u8> = (0..round * 3)
            .map(|at| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Some begin like frames, so that deeper layers get their share.
                if round % 2 == 0 && at < 2 { [1, 22][at] } else { seed.to_be_bytes()[0] }
            })
            .collect();
        world.raw("POST /api/v2.0 HTTP/1.1", &bytes).await;
        world.raw("POST /api HTTP/1.1", &bytes).await;
        let _ = noisy.send(Message::Binary(bytes.into())).await;
        let _ = noisy.send(Message::Text("noise".into())).await;
    }
    noisy.send(Message::Binary(b"\0\0\0\x07ping".to_vec().into())).await.unwrap();
    let answer = loop {
        let Message::Binary(message) = noisy.next().await.unwrap().unwrap() else { continue };
        if message.starts_with(b"\0\0\0\x07") {
            break message;
        }
    };
    assert_eq!(&answer[..], b"\0\0\0\x07pong");
    assert_eq!(client.ws("ping", json!({})).await.unwrap(), "pong");
    world.bridge.shutdown().await;
}
