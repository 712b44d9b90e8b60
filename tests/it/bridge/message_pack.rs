//! A client that writes MessagePack instead of PSON: everything comes back in MessagePack.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conclave::crypto::cipher;
use conclave::crypto::ecdh;
use conclave::crypto::key::PrivateKey;
use conclave::crypto::key::PublicKey;
use conclave::crypto::sign;
use conclave::wire::handshake::MasterSecret;
use conclave::wire::handshake::login_text;
use conclave::wire::msgpack;
use conclave::wire::mux;
use conclave::wire::mux::ServerMessage;
use conclave::wire::notification;
use conclave::wire::pson::Limits;
use conclave::wire::pson::Value;
use conclave::wire::record::ContentType;
use conclave::wire::record::Encoding;
use conclave::wire::record::KeyBlock;
use conclave::wire::record::RecordReader;
use conclave::wire::record::RecordWriter;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::world::PATIENCE;
use super::world::World;
use super::world::key;
use super::world::now;
use super::world::open_socket;

fn writer() -> RecordWriter {
    let mut writer = RecordWriter::default();
    writer.set_encoding(Encoding::MessagePack);
    writer
}

fn decode(bytes: &[u8]) -> Value {
    msgpack::decode_with(bytes, Limits::FRAME).unwrap()
}

/// The next frame, which must be in MessagePack.
fn frame(reader: &mut RecordReader) -> (ContentType, Vec<u8>) {
    let frame = reader.read().unwrap().unwrap();
    assert_eq!(reader.encoding(), Encoding::MessagePack);
    (frame.content, frame.payload)
}

/// Logs in; answers the secret and tickets.
async fn login(world: &World, user: &PrivateKey) -> (MasterSecret, Vec<Vec<u8>>) {
    let (nonce, time) = (BASE64_STANDARD.encode([9; 32]), now().0.to_string());
    let signature = sign::sign_recoverable(user, login_text(&nonce, &time).as_bytes());
    let packet = Value::object([
        ("type", Value::text("ecdhex")),
        ("key", Value::Binary(user.public_key().to_sec1().to_vec())),
        ("nonce", Value::text(nonce)),
        ("timestamp", Value::text(time)),
        ("signature", Value::text(BASE64_STANDARD.encode(signature))),
        ("solution", Value::text(&world.solution)),
    ]);
    let tickets =
        Value::object([("type", Value::text("ticket_request")), ("count", Value::Int(4))]);
    let mut writer = writer();
    writer.write(ContentType::Handshake, &msgpack::encode(&packet));
    writer.write(ContentType::Handshake, &msgpack::encode(&tickets));
    let answer = world.post(writer.into_bytes()).await;
    let mut reader = RecordReader::of_any_encoding(answer);
    let (_, reply) = frame(&mut reader);
    let reply = decode(&reply);
    assert_eq!(reply.get("type"), Some(&Value::text("ecdhex")));
    let theirs = PublicKey::from_sec1(reply.get("key").unwrap().as_binary().unwrap()).unwrap();
    let master = MasterSecret::from_pre_master(ecdh::shared_x(user, &theirs).expose());
    assert_eq!(frame(&mut reader).0, ContentType::ChangeCipherSpec);
    reader.change_cipher(KeyBlock::derive(master.expose(), &[], &[]).server);
    let (_, packet) = frame(&mut reader);
    let packet = decode(&packet);
    let Some(Value::Array(tickets)) = packet.get("tickets") else { panic!("{packet:?}") };
    let tickets = tickets.iter().map(|ticket| ticket.as_binary().unwrap().to_vec()).collect();
    (master, tickets)
}

/// A call as one message, and what opens its answer.
fn call(master: &MasterSecret, ticket: &[u8], method: &str, params: &Value) -> (Vec<u8>, KeyBlock) {
    let random = [5; 12];
    let packet = Value::object([
        ("type", Value::text("ticket")),
        ("ticket_id", Value::Binary(ticket.to_vec())),
        ("client_random", Value::Binary(random.to_vec())),
    ]);
    let request = Value::object([
        ("jsonrpc", Value::text("2.0")),
        ("id", Value::Int(7)),
        ("method", Value::text(method)),
        ("params", params.clone()),
    ]);
    let mut writer = writer();
    writer.write(ContentType::Handshake, &msgpack::encode(&packet));
    writer.change_cipher(KeyBlock::derive(master.expose(), &random, ticket).client);
    writer.write(ContentType::ApplicationData, &msgpack::encode(&request));
    (writer.into_bytes(), KeyBlock::derive(master.expose(), &random, ticket))
}

fn result(answer: Vec<u8>, keys: KeyBlock) -> Value {
    let mut reader = RecordReader::of_any_encoding(answer);
    assert_eq!(frame(&mut reader).0, ContentType::ChangeCipherSpec);
    reader.change_cipher(keys.server);
    let (_, answer) = frame(&mut reader);
    let answer = decode(&answer);
    assert_eq!(answer.get("id"), Some(&Value::Int(7)));
    answer.get("result").unwrap().clone()
}

#[tokio::test]
async fn a_message_pack_client_logs_in_calls_and_hears_events() {
    let world = World::new().await;
    world.add("alice", &key(1)).await;
    let (master, mut tickets) = login(&world, &key(1)).await;
    let params = Value::object([("id", Value::text(&world.context))]);
    let (body, keys) = call(&master, &tickets.pop().unwrap(), "context.contextGet", &params);
    let got = result(world.post(body).await, keys);
    let context = got.get("context").unwrap();
    assert_eq!(context.get("userId"), Some(&Value::text("alice")));

    // The same over a socket, with events in lists.
    let mut socket = open_socket(world.bridge.local_addr()).await;
    let secret = [3; 32];
    let authorize = Value::object([
        ("key", Value::text(BASE64_STANDARD.encode(secret))),
        ("addWsChannelId", Value::Bool(true)),
    ]);
    let channels = Value::Array(vec![Value::text("context/custom/x")]);
    let subscribe = Value::object([("channels", channels)]);
    let calls = [("authorizeWebSocket", authorize), ("subscribeToChannels", subscribe)];
    let mut channel = None;
    for (id, (method, params)) in (1..).zip(calls) {
        let (body, keys) = call(&master, &tickets.pop().unwrap(), method, &params);
        socket.send(Message::Binary(mux::request(id, &body).into())).await.unwrap();
        let Message::Binary(answer) = socket.next().await.unwrap().unwrap() else { panic!() };
        let ServerMessage::Answer { id: of, body } = ServerMessage::parse(&answer).unwrap() else {
            panic!("an answer comes first");
        };
        assert_eq!(of, id);
        let got = result(body.to_vec(), keys);
        channel = channel.or(got.get("wsChannelId").and_then(Value::as_int));
    }
    let mut bob = world.join("bob", 2).await;
    let event = json!({
        "contextId": world.context, "channel": "x", "data": {"n": 1},
        "users": [{"id": "alice", "key": "k"}],
    });
    bob.call("context.contextSendCustomEvent", event).await.unwrap();
    let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
    let Message::Binary(message) = message.unwrap().unwrap() else { panic!() };
    let ServerMessage::Notification(content) = ServerMessage::parse(&message).unwrap() else {
        panic!("a notification")
    };
    let (of, sealed) = notification::split(content).unwrap();
    assert_eq!(Some(i64::from(of)), channel);
    let Value::Array(events) = decode(&cipher::ae_open(&secret, sealed).unwrap()) else {
        panic!("a list")
    };
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.get("type"), Some(&Value::text("custom")));
    assert_eq!(event.get("version"), Some(&Value::Int(2)));
    let data = event.get("data").unwrap().get("eventData").unwrap();
    assert_eq!(data.get("n"), Some(&Value::Int(1)));
    world.bridge.shutdown().await;
}
