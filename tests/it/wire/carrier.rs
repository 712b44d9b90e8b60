//! What lies around frames: addresses, WebSocket messages, notifications, management headers.

use conclave::model::Timestamp;
use conclave::wire::authorization::Authorization;
use conclave::wire::authorization::HmacAuthorization;
use conclave::wire::authorization::SignedRequest;
use conclave::wire::dto::Call;
use conclave::wire::dto::event::Event;
use conclave::wire::dto::management::AddUserToContext;
use conclave::wire::dto::management::CreateInvite;
use conclave::wire::dto::management::JsonRpcRequest;
use conclave::wire::dto::management::JsonRpcResponse;
use conclave::wire::dto::management::RedeemInvite;
use conclave::wire::mux;
use conclave::wire::mux::ClientMessage;
use conclave::wire::mux::MuxError;
use conclave::wire::mux::ServerMessage;
use conclave::wire::notification;
use conclave::wire::notification::NotificationError;
use conclave::wire::notification::NotificationKey;
use conclave::wire::rpc::RpcError;
use conclave::wire::rpc::code;
use conclave::wire::url::BridgeUrl;
use conclave::wire::url::UrlError;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::data::ENDPOINT;
use super::data::bytes;
use super::data::laws;
use super::data::vector;

#[test]
fn addresses_are_completed() {
    let cases = [
        ("http://localhost:3000", "http://localhost:3000/api/v2.0", "ws://localhost:3000/api/v2.0"),
        ("https://b.example", "https://b.example/api/v2.0", "wss://b.example/api/v2.0"),
        ("https://b.example/", "https://b.example/api/v2.0", "wss://b.example/api/v2.0"),
        ("http://b/p/q", "http://b/p/q/api/v2.0", "ws://b/p/q/api/v2.0"),
        ("HTTP://[::1]:3000/p/", "http://[::1]:3000/p/api/v2.0", "ws://[::1]:3000/p/api/v2.0"),
    ];
    for (text, http, ws) in cases {
        let url = BridgeUrl::parse(text).unwrap();
        assert_eq!((url.http(), url.web_socket()), (http.to_owned(), ws.to_owned()), "{text}");
    }
    let url = BridgeUrl::parse("https://[2001:db8::1]/x").unwrap();
    assert_eq!((url.host(), url.port(), url.is_tls()), ("2001:db8::1", 443, true));
    assert_eq!(url.management(), "https://[2001:db8::1]/api");
    assert_eq!(BridgeUrl::parse("http://b:3000").unwrap().port(), 3000);
}

#[test]
fn unusable_addresses_are_refused_with_a_reason() {
    let cases = [
        ("localhost:3000", UrlError::Scheme),
        ("ws://localhost", UrlError::Scheme),
        ("http://", UrlError::Host),
        ("http://:3000", UrlError::Host),
        ("http://[::1", UrlError::Host),
        ("http://[::1]3000", UrlError::Host),
        ("http://[no]", UrlError::Host),
        ("http://b:", UrlError::Port),
        ("http://b:0", UrlError::Port),
        ("http://b:65536", UrlError::Port),
        ("http://::1", UrlError::Host),
        ("http://u@b", UrlError::Surplus),
        ("http://b/?q", UrlError::Surplus),
        ("http://b/#f", UrlError::Surplus),
        ("http://b c", UrlError::Surplus),
        ("http://b\n", UrlError::Surplus),
    ];
    for (text, expected) in cases {
        assert_eq!(BridgeUrl::parse(text), Err(expected), "{text:?}");
    }
}

#[test]
fn messages_carry_the_id_of_their_request() {
    for id in ["websocket-authorize", "websocket-subscribe"] {
        let message = bytes(&vector(id)["request_hex"]);
        let ClientMessage::Request { id: number, body } = ClientMessage::parse(&message).unwrap()
        else {
            panic!("{id} is a request")
        };
        assert_eq!(mux::request(number, body), message);
        let answer = bytes(&vector(id)["response_hex"]);
        let ServerMessage::Answer { id: echoed, body } = ServerMessage::parse(&answer).unwrap()
        else {
            panic!("{id} has an answer")
        };
        assert_eq!((echoed, mux::answer(echoed, body)), (number, answer.clone()));
    }
    assert_eq!(ClientMessage::parse(&mux::ping(7)), Ok(ClientMessage::Ping { id: 7 }));
    let pong = mux::pong(7);
    assert!(ServerMessage::parse(&pong).unwrap().is_pong());
    assert_eq!(ClientMessage::parse(&mux::request(0, b"x")), Err(MuxError::ReservedId));
    assert_eq!(ServerMessage::parse(&[0, 0, 0]), Err(MuxError::Truncated));
}

/// The content of a recorded notification after the zero in front.
fn content(message: &[u8]) -> Vec<u8> {
    match ServerMessage::parse(message).unwrap() {
        ServerMessage::Notification(content) => content.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn recorded_notifications_are_opened() {
    for id in ["notification-message", "bridge-notification"] {
        let recorded = vector(id);
        let key = key_of(&bytes(&recorded["key_hex"]));
        let content = content(&bytes(&recorded["message_hex"]));
        let (channel, sealed) = notification::split(&content).unwrap();
        if let Some(expected) = recorded["channel_id"].as_u64() {
            assert_eq!(u64::from(channel), expected, "{id}");
        }
        let event = Event::from_raw(key.open(sealed).unwrap()).unwrap();
        assert_eq!(event.to_json(), recorded["event"], "{id}");
    }
    let recorded = &ENDPOINT["handshake"]["webSocket"];
    let key = key_of(&bytes(&recorded["key"]));
    let content = content(&bytes(&recorded["message"]));
    let (channel, sealed) = notification::split(&content).unwrap();
    assert_eq!(json!(channel), recorded["wsChannelId"]);
    let event = Event::from_raw(key.open(sealed).unwrap()).unwrap();
    assert_eq!(event.payload.data(), recorded["event"]["data"]);
    let mut spoilt = sealed.to_vec();
    spoilt[20] ^= 1;
    assert!(matches!(key.open(&spoilt), Err(NotificationError::Sealed(_))));
    assert!(matches!(key.open(&[]), Err(NotificationError::Sealed(_))));
    assert!(matches!(notification::split(&[1, 2]), Err(NotificationError::Truncated)));
}

fn key_of(bytes: &[u8]) -> NotificationKey {
    use base64::Engine;
    let text = base64::prelude::BASE64_STANDARD.encode(bytes);
    let key = NotificationKey::from_base64(&text).unwrap();
    assert_eq!(key.to_base64(), text);
    key
}

#[test]
fn notifications_are_sealed_for_one_session() {
    let mut rng = StdRng::seed_from_u64(2);
    let (key, other) = (NotificationKey::generate(&mut rng), NotificationKey::generate(&mut rng));
    let event = json!({
        "type": "streamRoomDeleted", "data": { "streamRoomId": "r" }, "timestamp": 1_795_302_039_311_i64,
        "subscriptions": ["s"], "version": 2,
    });
    let message = content(&key.seal(Some(0x7fff_ffff), &event, &mut rng));
    let (channel, sealed) = notification::split(&message).unwrap();
    assert_eq!(channel, 0x7fff_ffff);
    assert_eq!(Event::from_raw(key.open(sealed).unwrap()).unwrap().to_json(), event);
    assert!(other.open(sealed).is_err());
    let single = content(&key.seal(None, &event, &mut rng));
    assert!(key.open(&single).is_ok());
    let noise = content(&key.seal(None, &json!([1]), &mut rng));
    assert!(matches!(key.open(&noise), Err(NotificationError::Event(_))));
    assert!(NotificationKey::from_base64("AAAA").is_none());
    assert!(NotificationKey::from_base64("?").is_none());
}

#[test]
fn management_headers_are_signed_as_recorded() {
    let recorded = vector("management-hmac-header");
    let text = |key: &str| recorded[key].as_str().unwrap();
    let request =
        SignedRequest { method: text("method"), path: text("path"), body: text("body").as_bytes() };
    let now = Timestamp(recorded["timestamp"].as_i64().unwrap());
    let signed = HmacAuthorization::sign(
        text("api_key_id"),
        text("api_key_secret"),
        request,
        text("nonce"),
        now,
    );
    assert_eq!(signed.header(), text("header"));
    assert_eq!(Authorization::parse(text("header")), Some(Authorization::Hmac(signed.clone())));
    assert!(signed.verify("sec", request, now));
    assert!(!signed.verify("other", request, now));
    assert!(!signed.verify("sec", SignedRequest { body: b"{}", ..request }, now));
    assert!(!signed.verify("sec", SignedRequest { path: "/", ..request }, now));
    assert!(signed.verify("sec", request, Timestamp(now.0 + 600_000)));
    assert!(!signed.verify("sec", request, Timestamp(now.0 + 600_001)));
}

#[test]
fn other_management_headers_are_read() {
    let basic = Authorization::Basic { id: "id".to_owned(), secret: "a:b".to_owned() };
    let cases = [
        ("Basic aWQ6YTpi", Some(basic)),
        ("Bearer token", Some(Authorization::Bearer("token".to_owned()))),
        ("Basic ?", None),
        ("Basic aWQ=", None),
        ("Digest x", None),
        ("", None),
        ("pmx-hmac-sha256 id;1;now;n;s", None),
        ("pmx-hmac-sha256 id;2;1;n;s", None),
        ("pmx-hmac-sha256 id;1;1;n;s;t", None),
    ];
    for (header, expected) in cases {
        assert_eq!(Authorization::parse(header), expected, "{header}");
    }
}

#[test]
fn management_calls_are_json_rpc() {
    let call = AddUserToContext {
        context_id: "c".to_owned(),
        user_id: "u".to_owned(),
        user_pub_key: "k".to_owned(),
        acl: None,
    };
    let json = serde_json::to_value(JsonRpcRequest::new(&call)).unwrap();
    let params = json!({ "contextId": "c", "userId": "u", "userPubKey": "k" });
    let method = "context/addUserToContext";
    let expected = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    assert_eq!(json, expected);
    assert_eq!(AddUserToContext::parse(params).unwrap(), call);
    let error = RpcError::new(code::PUB_KEY_ALREADY_IN_USE);
    let response = JsonRpcResponse::new(json!(1), Err(error.clone()));
    let json = serde_json::to_value(&response).unwrap();
    assert_eq!(json["error"]["code"], 0x65);
    let read: JsonRpcResponse = serde_json::from_value(json).unwrap();
    assert_eq!(read.into_result(), Err(error));
    let ok = JsonRpcResponse::new(json!(1), Ok(json!("OK")));
    assert_eq!(ok.into_result(), Ok(json!("OK")));
}

#[test]
fn invites_have_limits() {
    let invite = |hash: &str, uses: i64| json!({ "contextId": "c", "tokenHash": hash, "expires": 1, "maxUses": uses });
    assert!(CreateInvite::parse(invite(&"a".repeat(64), 1)).is_ok());
    assert!(CreateInvite::parse(invite(&"g".repeat(64), 1)).is_err());
    assert!(CreateInvite::parse(invite("aa", 1)).is_err());
    assert!(CreateInvite::parse(invite(&"a".repeat(64), 0)).is_err());
    let redeem = |proof: &str, name: &str| json!({ "inviteId": "i", "name": name, "userPubKey": "k", "nonce": "n", "timestamp": 1, "proof": proof });
    let proof = "A".repeat(43) + "=";
    assert!(RedeemInvite::parse(redeem(&proof, "bob")).is_ok());
    assert!(RedeemInvite::parse(redeem("AAAA", "bob")).is_err());
    assert!(RedeemInvite::parse(redeem(&proof, "")).is_err());
    let debug = format!("{:?}", RedeemInvite::parse(redeem(&proof, "bob")).unwrap());
    assert!(!debug.contains(&proof), "secrets stay out of logs");
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn foreign_bytes_and_texts_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120), text in ".{0,40}",
    ) {
        let _ = ClientMessage::parse(&bytes);
        if let Ok(ServerMessage::Notification(content)) = ServerMessage::parse(&bytes) {
            let _ = notification::split(content);
        }
        let _ = key_of(&[7; 32]).open(&bytes);
        let _ = BridgeUrl::parse(&text);
        let _ = BridgeUrl::parse(&format!("http://{text}"));
        let _ = Authorization::parse(&text);
        let _ = Authorization::parse(&format!("pmx-hmac-sha256 {text}"));
    }

    #[test]
    fn a_changed_notification_is_never_accepted(
        at in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let mut rng = StdRng::seed_from_u64(3);
        let key = NotificationKey::generate(&mut rng);
        let event = json!({ "type": "t", "data": {}, "timestamp": 1, "subscriptions": [], "version": 2 });
        let mut message = content(&key.seal(None, &event, &mut rng));
        prop_assert!(key.open(&message).is_ok());
        let at = at.index(message.len());
        message[at] ^= flip;
        prop_assert!(key.open(&message).is_err());
    }
}
