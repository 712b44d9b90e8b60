//! Login, tickets and calls against recorded sessions of the reference client and bridge,
//! then both of our own sides against each other and against noise.

use std::convert::Infallible;

use conclave::crypto::key::PrivateKey;
use conclave::crypto::key::PublicKey;
use conclave::crypto::sign;
use conclave::model::Timestamp;
use conclave::wire::handshake::HandshakeError;
use conclave::wire::handshake::MasterSecret;
use conclave::wire::handshake::NonceCache;
use conclave::wire::handshake::ServerReply;
use conclave::wire::handshake::client::ClientExchange;
use conclave::wire::handshake::client::ClientSession;
use conclave::wire::handshake::client::Login;
use conclave::wire::handshake::login_text;
use conclave::wire::handshake::server::LoginFacts;
use conclave::wire::handshake::server::LoginRefused;
use conclave::wire::handshake::server::ServerExchange;
use conclave::wire::handshake::server::ServerIdentity;
use conclave::wire::handshake::server::Step;
use conclave::wire::handshake::ticket::Ticket;
use conclave::wire::pson::Dictionary;
use conclave::wire::pson::Value;
use conclave::wire::pson::decode;
use conclave::wire::pson::encode;
use conclave::wire::record::ContentType;
use conclave::wire::record::RecordError;
use conclave::wire::record::RecordReader;
use conclave::wire::record::RecordWriter;
use conclave::wire::rpc::EndpointCode;
use conclave::wire::rpc::Request;
use conclave::wire::rpc::Response;
use conclave::wire::rpc::RpcError;
use conclave::wire::rpc::code;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::TryCryptoRng;
use rand::TryRng;
use rand::rngs::StdRng;
use serde_json::Value as Json;
use serde_json::json;

use super::data::CRYPTO;
use super::data::ENDPOINT;
use super::data::bytes;
use super::data::laws;
use super::data::vector;

/// Gives out prepared bytes, so that what was random once is the same again.
struct Script(Vec<u8>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("only bytes are asked for")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("only bytes are asked for")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(out.len());
        out.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn named_key(name: &str) -> PrivateKey {
    PrivateKey::from_wif(CRYPTO["keys"][name]["wif"].as_str().unwrap()).unwrap()
}

fn wif(json: &Json) -> PrivateKey {
    PrivateKey::from_wif(json.as_str().unwrap()).unwrap()
}

fn master(json: &Json) -> MasterSecret {
    MasterSecret::from_bytes(bytes(json).try_into().unwrap())
}

fn frames(message: &[u8]) -> Vec<(ContentType, Vec<u8>)> {
    let mut reader = RecordReader::new(message.to_vec());
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.read() {
        frames.push((frame.content, frame.payload));
    }
    frames
}

fn packet(payload: &[u8]) -> Value {
    decode(payload, Dictionary::Static).unwrap()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_text).unwrap_or_default().to_owned()
}

/// A login with the nonce and challenge of a recorded request, and that request's packet.
fn replayed_login(
    request: &[u8],
    user: &PrivateKey,
    bridge: Option<&PublicKey>,
) -> (Login, Vec<u8>, Value) {
    use base64::Engine;
    let recorded = packet(&frames(request)[0].1);
    let nonce = text(&recorded, "nonce");
    let mut script = base64::prelude::BASE64_STANDARD.decode(nonce).unwrap();
    script.extend(hex::decode(text(&recorded, "challenge")).unwrap());
    let now = Timestamp(text(&recorded, "timestamp").parse().unwrap());
    let solution = text(&recorded, "solution");
    let (login, message) = Login::of_user(user, &solution, bridge, now, &mut Script(script));
    (login, message, recorded)
}

/// A session with the secret of a recorded one, holding `ticket` and enough others.
fn session(master: MasterSecret, ticket: Vec<u8>) -> ClientSession {
    let reply = ServerReply {
        of_user: true,
        key: named_key("server").public_key().clone(),
        agent: String::new(),
        request_chunk_size: 1,
        server_version: "3.0.0".to_owned(),
        host: None,
        signature: None,
    };
    let mut session = ClientSession::resume(master, reply);
    let expires = Timestamp(i64::MAX);
    let other = Ticket { id: vec![9], expires };
    session.add_tickets(vec![Ticket { id: ticket, expires }]);
    session.add_tickets(vec![other; 3]);
    session
}

#[test]
fn the_recorded_login_is_repeated_by_our_client() {
    let recorded = vector("ecdhex-login");
    let (alice, bridge) = (named_key("alice"), named_key("server"));
    let request = bytes(&recorded["request_hex"]);
    let (login, message, theirs) = replayed_login(&request, &alice, Some(bridge.public_key()));
    // Signatures are random at their side, so they alone may differ.
    let (ours, theirs_all) = (frames(&message), frames(&request));
    assert_eq!(ours[1], theirs_all[1]);
    let our_packet = packet(&ours[0].1);
    for (key, value) in match &theirs {
        Value::Object(members) => members,
        other => panic!("{other:?}"),
    } {
        if key != "signature" {
            assert_eq!(our_packet.get(key), Some(value), "{key}");
        }
    }
    let signed = login_text(&text(&theirs, "nonce"), &text(&theirs, "timestamp"));
    assert_eq!(json!(signed), recorded["signed_text"]);

    let now = Timestamp(1_795_301_760_639);
    let session = login.finish(&alice, &bytes(&recorded["response_hex"]), now).unwrap();
    assert_eq!(session.server().server_version, "2.42.1");
    assert_eq!(session.ticket_count(now), 50);
    assert_eq!(session.ticket_count(Timestamp(now.0 + 894_999)), 50);
    assert_eq!(session.ticket_count(Timestamp(now.0 + 895_000)), 0);
    assert!(!session.needs_tickets(Timestamp(now.0 + 879_999)));
    assert!(session.needs_tickets(Timestamp(now.0 + 880_000)));
}

#[test]
fn the_login_answer_of_the_official_bridge_is_read() {
    let recorded = vector("bridge-ecdhex-response");
    let alice = named_key("alice");
    let bridge = PublicKey::from_base58(recorded["server_public_base58"].as_str().unwrap());
    let request = bytes(&recorded["request_hex"]);
    let (login, _, _) = replayed_login(&request, &alice, Some(&bridge.unwrap()));
    let now = Timestamp(1_795_302_493_859);
    let answer = bytes(&recorded["response_hex"]);
    let session = login.finish(&alice, &answer, now).unwrap();
    assert_eq!(session.server().agent, "privmx-bridge;3.0.0,PrivmxApi/2.11.0");
    assert_eq!(session.ticket_count(now), 50);

    let bridge = named_key("bob");
    let refusals = [(Some(bridge.public_key()), now, HandshakeError::BridgeIdentity)];
    for (key, now, expected) in refusals {
        let (login, _, _) = replayed_login(&request, &alice, key);
        assert_eq!(login.finish(&alice, &answer, now).unwrap_err(), expected);
    }
    let key = PublicKey::from_base58(recorded["server_public_base58"].as_str().unwrap()).unwrap();
    let (login, _, _) = replayed_login(&request, &alice, Some(&key));
    let late = Timestamp(now.0 + 400_000);
    assert_eq!(login.finish(&alice, &answer, late).unwrap_err(), HandshakeError::BridgeClock);
}

#[test]
fn the_recorded_login_is_answered_by_our_server() {
    let recorded = vector("ecdhex-login");
    let identity = ServerIdentity {
        key: named_key("server"),
        host: "localhost".to_owned(),
        version: "2.42.1".to_owned(),
    };
    let now = Timestamp(1_795_301_760_639);
    let mut exchange = ServerExchange::new(bytes(&recorded["request_hex"]));
    let Step::Login(request) = exchange.step().unwrap() else { panic!("no login") };
    assert_eq!(&request.key, named_key("alice").public_key());
    assert_eq!(request.solution.as_deref(), Some("sol-1"));
    assert_eq!(request.nonce.unwrap().1, Timestamp(1_795_301_760_612));
    let ephemeral = bytes(&recorded["server_ephemeral_private_hex"]);
    let master = exchange.answer_login(&identity, GOOD, now, &mut Script(ephemeral)).unwrap();
    assert_eq!(json!(hex::encode(master.expose())), recorded["master_hex"]);
    let Step::IssueTickets { count: 256 } = exchange.step().unwrap() else { panic!("no tickets") };
    exchange.answer_tickets(&[bytes(&recorded["ticket_response_first_ticket_hex"])], 900);
    assert!(matches!(exchange.step(), Ok(Step::Done)));
    let (ours, theirs) =
        (frames(&exchange.into_answer()), frames(&bytes(&recorded["response_hex"])));
    assert_eq!(ours[1], theirs[1]);
    let (ours, theirs) = (packet(&ours[0].1), packet(&theirs[0].1));
    for key in ["type", "key", "agent", "config", "host"] {
        assert_eq!(ours.get(key), theirs.get(key), "{key}");
    }
    let proof = ours.get("signature").unwrap();
    let signature = hex::decode(text(proof, "challenge")).unwrap();
    let signed = recorded["challenge_signed_text"].as_str().unwrap();
    sign::verify(named_key("server").public_key(), signed.as_bytes(), &signature).unwrap();
    assert_eq!(proof.get("timestamp"), theirs.get("signature").unwrap().get("timestamp"));
}

#[test]
fn recorded_calls_are_sealed_and_opened_by_both_sides() {
    for (id, websocket) in [
        ("ticket-call-http", false),
        ("ticket-call-error", false),
        ("websocket-authorize", true),
        ("websocket-subscribe", true),
        ("bridge-ticket-call", false),
        ("bridge-error-call", false),
    ] {
        let recorded = vector(id);
        let skip = if websocket { 4 } else { 0 };
        let message = bytes(&recorded["request_hex"])[skip..].to_vec();
        let answer = bytes(&recorded["response_hex"])[skip..].to_vec();
        let ticket = bytes(&recorded["ticket_id_hex"]);

        let mut server = ServerExchange::new(message.clone());
        let Step::Restore { ticket_id } = server.step().unwrap() else { panic!("{id}") };
        assert_eq!(ticket_id, ticket, "{id}");
        server.restore(&master(&recorded["master_hex"]));
        let Step::Call(request) = server.step().unwrap() else { panic!("{id}") };

        let mut client = session(master(&recorded["master_hex"]), ticket);
        let mut script = Script(bytes(&recorded["client_random_hex"]));
        let (sealed, exchange) = client.seal(&request, Timestamp(0), &mut script).unwrap();
        if !id.starts_with("bridge") {
            assert_eq!(sealed, message, "{id}");
        }
        let opened = exchange.open(&answer, Timestamp(0)).unwrap();
        assert!(opened.tickets.is_empty(), "{id}");
        let response = opened.response.unwrap();
        let frame = &recorded["response_encrypted_frames"][0];
        assert_eq!(response, Response::decode(&bytes(&frame["payload_hex"])).unwrap(), "{id}");

        let one_way = response.result.is_err() || id == "websocket-authorize";
        server.answer_call(response.result.clone());
        assert!(matches!(server.step(), Ok(Step::Done)), "{id}");
        let ours = server.into_answer();
        assert_eq!(ours.len(), answer.len(), "{id}");
        if one_way {
            assert_eq!(ours, answer, "{id}");
        }
    }
}

#[test]
fn the_endpoints_first_exchange_is_understood() {
    let recorded = &ENDPOINT["handshake"];
    let first = &recorded["firstRequest"];
    let user = wif(&first["userWif"]);
    let message = [bytes(&first["frameEcdhex"]), bytes(&first["frameTicketRequest"])].concat();
    let (login, ours, theirs) = replayed_login(&message, &user, None);
    let our_frames = frames(&ours);
    assert_eq!(our_frames[1].1, bytes(&first["frameTicketRequest"])[8..]);
    assert_eq!(text(&packet(&our_frames[0].1), "nonce"), text(&theirs, "nonce"));
    let mut server = ServerExchange::new(message);
    assert!(matches!(server.step(), Ok(Step::Login(_))));
    let identity = identity();
    let now = Timestamp(1_795_302_039_311);
    assert!(server.answer_login(&identity, GOOD, now, &mut rng()).is_ok());

    let answer = &recorded["firstAnswer"];
    let plain = bytes(&answer["framesPlain"]);
    let whole = [plain.clone(), bytes(&answer["frameTicketResponseEncrypted"])].concat();
    let session = login.finish(&user, &whole, Timestamp(0)).unwrap();
    assert_eq!(session.ticket_count(Timestamp(0)), 2);
    assert_eq!(session.ticket_count(Timestamp(86_400_000 - 5_001)), 2);
    assert_eq!(session.server().host.as_deref(), Some("127.0.0.1"));

    let bridge = named_key("server");
    let (login, _) =
        Login::of_user(&user, "solution-1", Some(bridge.public_key()), now, &mut rng());
    let refused = login.finish(&user, &whole, now).unwrap_err();
    assert_eq!(refused, HandshakeError::BridgeIdentity, "no signature where one is wanted");
    let (login, _) = Login::of_user(&user, "solution-1", None, now, &mut rng());
    assert_eq!(login.finish(&user, &plain, now).unwrap_err(), HandshakeError::Incomplete);
}

#[test]
fn the_endpoints_call_with_a_ticket_is_written_the_same() {
    let recorded = &ENDPOINT["handshake"]["requestWithTicket"];
    let call = Request::new("context.contextList", recorded["rpc"]["params"].clone());
    let expires = Timestamp(1_000_000);
    let ticket = Ticket { id: bytes(&recorded["ticketId"]), expires };
    let mut client = session(master(&recorded["masterSecret"]), vec![]);
    while client.ticket_count(Timestamp(0)) > 0 {
        assert!(client.seal_refill(Timestamp(0), &mut rng()).is_some());
    }
    assert!(client.seal(&call, Timestamp(0), &mut rng()).is_none());
    client.add_tickets(vec![ticket]);
    let mut script = Script(bytes(&recorded["clientRandom"]));
    let (message, exchange) = client.seal(&call, Timestamp(0), &mut script).unwrap();
    let expected = [
        bytes(&recorded["clientFramesPlain"]),
        bytes(&recorded["clientFrameRpcSeq0"]),
        bytes(&recorded["clientFrameTicketRequestSeq1"]),
    ];
    assert_eq!(message, expected.concat());
    let answer = [
        bytes(&recorded["serverFramesPlain"]),
        bytes(&recorded["serverFrameRpcSeq0"]),
        bytes(&recorded["serverFrameTicketResponseSeq1"]),
    ];
    let opened = exchange.open(&answer.concat(), Timestamp(0)).unwrap();
    assert_eq!(opened.response.unwrap().result.unwrap(), recorded["rpcAnswer"]["result"]);
    assert!(!opened.tickets.is_empty());

    let again = |answer: Vec<u8>| {
        let ticket = bytes(&recorded["ticketId"]);
        let mut client = session(master(&recorded["masterSecret"]), ticket);
        let mut script = Script(bytes(&recorded["clientRandom"]));
        let (_, exchange) = client.seal(&call, Timestamp(0), &mut script).unwrap();
        exchange.open(&answer, Timestamp(0))
    };
    let tampered = [answer[0].clone(), bytes(&recorded["serverFrameTampered"])].concat();
    assert_eq!(again(tampered).unwrap_err(), HandshakeError::Record(RecordError::Mac));
    let swapped = [answer[0].clone(), answer[2].clone()].concat();
    assert_eq!(again(swapped).unwrap_err(), HandshakeError::Record(RecordError::Tag));
    assert_eq!(again(answer[0].clone()).unwrap_err(), HandshakeError::Incomplete);
    assert_eq!(again(vec![]).unwrap_err(), HandshakeError::Incomplete);
    let alert = bytes(&ENDPOINT["handshake"]["alertFrame"]["frame"]);
    let lost = again(alert).unwrap_err();
    assert_eq!(lost, HandshakeError::Alert("Invalid ticket".to_owned()));
    assert!(lost.is_session_lost());
    assert_eq!(lost.endpoint_code(), EndpointCode(0xF000_0000));
}

#[test]
fn answers_in_plaintext_are_refused() {
    let ticket = vec![1, 2, 3];
    let mut client = session(MasterSecret::from_bytes([7; 48]), ticket);
    let call = Request::new("context.contextList", json!({}));
    let (_, exchange) = client.seal(&call, Timestamp(0), &mut rng()).unwrap();
    let forged = Response { id: json!(0), result: Ok(json!("forged")) };
    let mut writer = RecordWriter::default();
    writer.write(ContentType::ApplicationData, &forged.encode(Dictionary::Static));
    let refused = exchange.open(&writer.into_bytes(), Timestamp(0)).unwrap_err();
    assert_eq!(refused, HandshakeError::Unexpected);
}

#[test]
fn the_anonymous_login_is_written_the_same() {
    let recorded = &ENDPOINT["handshake"]["anonymousHello"];
    let key = wif(&recorded["userWif"]);
    let (_, message) = Login::anonymous(&key, "solution-1", None, &mut rng());
    let expected = bytes(&recorded["frame"]);
    assert_eq!(message[..expected.len()], expected);
}

#[test]
fn the_bridge_challenge_is_signed_as_recorded() {
    let recorded = &ENDPOINT["handshake"]["bridgeChallenge"];
    let text = recorded["bridgePublicKeyBase58Der"].as_str().unwrap();
    let key = PublicKey::from_base58(text).unwrap();
    let signed = format!("{};{}", recorded["challenge"].as_str().unwrap(), recorded["timestamp"]);
    assert_eq!(json!(signed), recorded["signedText"]);
    sign::verify(&key, signed.as_bytes(), &bytes(&recorded["signature"])).unwrap();
}

const GOOD: LoginFacts =
    LoginFacts { solution_exists: true, nonce_unused: true, user_exists: true };
const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn identity() -> ServerIdentity {
    let (host, version) = ("localhost".to_owned(), "3.0.0".to_owned());
    ServerIdentity { key: named_key("server"), host, version }
}

/// Lets our server answer a message; tickets are single bytes, calls echo their parameters.
fn serve(message: Vec<u8>, master: &mut Option<MasterSecret>, facts: LoginFacts) -> Vec<u8> {
    let mut exchange = ServerExchange::new(message);
    loop {
        match exchange.step().unwrap() {
            Step::Login(_) => {
                *master = exchange.answer_login(&identity(), facts, NOW, &mut rng()).ok();
            }
            Step::Restore { ticket_id } => match master {
                Some(master) if ticket_id.len() == 1 => exchange.restore(master),
                _ => exchange.refuse_ticket(),
            },
            Step::IssueTickets { count } => {
                let ids: Vec<_> = (0..count.min(50)).map(|id| vec![id as u8]).collect();
                exchange.answer_tickets(&ids, 900);
            }
            Step::Call(request) if request.method == "refuse" => {
                exchange.answer_call(Err(RpcError::new(code::ACCESS_DENIED)));
            }
            Step::Call(request) => exchange.answer_call(Ok(request.params)),
            Step::Done => return exchange.into_answer(),
        }
    }
}

fn logged_in() -> (ClientSession, Option<MasterSecret>) {
    let (alice, bridge) = (named_key("alice"), named_key("server"));
    let (login, message) = Login::of_user(&alice, "s", Some(bridge.public_key()), NOW, &mut rng());
    let mut master = None;
    let answer = serve(message, &mut master, GOOD);
    (login.finish(&alice, &answer, NOW).unwrap(), master)
}

#[test]
fn a_session_outlives_all_its_tickets() {
    let (mut session, mut master) = logged_in();
    for round in 0..200 {
        let method = if round % 7 == 0 { "refuse" } else { "echo" };
        let call = Request::new(method, json!({ "round": round }));
        let (message, exchange) = session.seal(&call, NOW, &mut rng()).unwrap();
        let opened = exchange.open(&serve(message, &mut master, GOOD), NOW).unwrap();
        match opened.response.unwrap().result {
            Ok(result) => assert_eq!(result, json!({ "round": round })),
            Err(error) => assert_eq!(error.code, code::ACCESS_DENIED),
        }
        session.add_tickets(opened.tickets);
        assert!(!session.needs_tickets(NOW), "round {round}");
    }
    let (message, exchange) = session.seal_refill(NOW, &mut rng()).unwrap();
    let opened = exchange.open(&serve(message, &mut master, GOOD), NOW).unwrap();
    assert_eq!((opened.response, opened.tickets.len()), (None, 50));
    let (message, exchange) = session.seal_refill(NOW, &mut rng()).unwrap();
    let lost = exchange.open(&serve(message, &mut None, GOOD), NOW).unwrap_err();
    assert!(lost.is_session_lost());
}

#[test]
fn anonymous_logins_need_no_user() {
    let key = named_key("bob");
    let (login, message) = Login::anonymous(&key, "s", None, &mut rng());
    let facts = LoginFacts { solution_exists: true, nonce_unused: false, user_exists: false };
    let answer = serve(message, &mut None, facts);
    let session = login.finish(&key, &answer, NOW).unwrap();
    assert_eq!(session.server().host, None);
}

#[test]
fn logins_are_refused_in_the_official_order() {
    let alice = named_key("alice");
    let hour = 3_600_000;
    let none = LoginFacts { solution_exists: false, nonce_unused: false, user_exists: false };
    let (_, mut spoilt) = Login::of_user(&alice, "s", None, NOW, &mut rng());
    // One letter of the nonce, so that its signature is another's.
    let at = spoilt.windows(5).position(|window| window == b"nonce").unwrap() + 7;
    spoilt[at] = if spoilt[at] == b'A' { b'B' } else { b'A' };
    let (_, early) = Login::of_user(&alice, "s", None, Timestamp(NOW.0 - hour - 1), &mut rng());
    let (_, late) = Login::of_user(&alice, "s", None, Timestamp(NOW.0 + hour + 1), &mut rng());
    let (_, good) = Login::of_user(&alice, "s", None, NOW, &mut rng());
    let cases = [
        ("Solution does not exist", early.clone(), none),
        ("Invalid timestamp", early, LoginFacts { solution_exists: true, ..none }),
        ("Invalid timestamp", late, GOOD),
        ("Invalid nonce", spoilt.clone(), LoginFacts { solution_exists: true, ..none }),
        ("Invalid signature", spoilt, LoginFacts { user_exists: false, ..GOOD }),
        ("User doesn't exist", good, LoginFacts { user_exists: false, ..GOOD }),
    ];
    for (expected, message, facts) in cases {
        let mut exchange = ServerExchange::new(message);
        assert!(matches!(exchange.step(), Ok(Step::Login(_))), "{expected}");
        let refused = exchange.answer_login(&identity(), facts, NOW, &mut rng()).unwrap_err();
        assert_eq!(refused, LoginRefused(expected));
        assert!(matches!(exchange.step(), Ok(Step::Done)), "{expected}");
        let answer = frames(&exchange.into_answer());
        assert_eq!(answer[0].0, ContentType::Handshake, "the reply comes before the checks");
        assert_eq!(answer[1], (ContentType::Alert, expected.as_bytes().to_vec()));
        assert_eq!(answer.len(), 2);
    }
    let (login, message) = Login::of_user(&alice, "s", None, NOW, &mut rng());
    let answer = serve(message, &mut None, LoginFacts { user_exists: false, ..GOOD });
    let error = login.finish(&alice, &answer, NOW).unwrap_err();
    assert_eq!(error.endpoint_code(), EndpointCode(0xF000_0009));
}

fn alert_for(members: Vec<(&str, Value)>) -> String {
    let mut writer = RecordWriter::default();
    writer.write(ContentType::Handshake, &encode(&Value::object(members), Dictionary::Empty));
    let answer = frames(&serve(writer.into_bytes(), &mut None, GOOD));
    match &answer[..] {
        [(ContentType::Alert, text)] => String::from_utf8(text.clone()).unwrap(),
        _ => "accepted".to_owned(),
    }
}

#[test]
fn malformed_packets_get_the_official_texts() {
    let key = || Value::Binary(named_key("alice").public_key().to_sec1().to_vec());
    let login = || {
        vec![
            ("type", Value::text("ecdhex")),
            ("key", key()),
            ("nonce", Value::text("n".repeat(32))),
            ("timestamp", Value::text(NOW.0.to_string())),
            ("signature", Value::text("A".repeat(86) + "A=")),
        ]
    };
    let with = |name: &'static str, value: Value| {
        let mut members: Vec<_> = login().into_iter().filter(|(key, _)| *key != name).collect();
        members.push((name, value));
        members
    };
    let without = |name: &str| login().into_iter().filter(|(key, _)| *key != name).collect();
    let ticket = |name: &'static str, value: Value| {
        let members = [
            ("type", Value::text("ticket")),
            ("ticket_id", Value::Binary(vec![1])),
            ("client_random", Value::Binary(vec![])),
        ];
        members.into_iter().filter(|(key, _)| *key != name).chain([(name, value)]).collect()
    };
    let cases: Vec<(&str, Vec<(&str, Value)>)> = vec![
        ("Invalid params", vec![]),
        ("Invalid params", vec![("type", Value::text("srp_init"))]),
        ("Invalid params", with("colour", Value::Null)),
        ("Invalid params", without("key")),
        ("Invalid params", with("key", Value::text("key"))),
        ("Invalid params", with("key", Value::Binary(vec![5; 33]))),
        ("Invalid params", with("key", Value::Binary(vec![2; 101]))),
        ("Invalid params", with("agent", Value::text("a".repeat(1025)))),
        ("Invalid params", with("challenge", Value::text("c".repeat(63)))),
        ("Invalid params", with("challenge", Value::text("c".repeat(129)))),
        ("Invalid params", with("challenge", Value::Null)),
        ("Invalid params", with("solution", Value::Int(1))),
        ("Invalid params", with("plain", Value::Bool(true))),
        ("Invalid nonce", with("nonce", Value::text("n".repeat(31)))),
        ("Invalid nonce", with("nonce", Value::text("n".repeat(65)))),
        ("Invalid timestamp", with("timestamp", Value::text("soon"))),
        ("Invalid timestamp", with("timestamp", Value::text("-1"))),
        ("Invalid timestamp", with("timestamp", Value::Int(NOW.0))),
        ("Invalid signature", with("signature", Value::text("AAAA"))),
        ("Invalid signature", with("signature", Value::text("?"))),
        ("Invalid params", ticket("ticket_id", Value::text("1"))),
        ("Invalid params", ticket("client_random", Value::Binary(vec![0; 1025]))),
        ("Invalid params", ticket("plain", Value::Bool(true))),
        ("Invalid params", ticket("colour", Value::Bool(true))),
        ("Invalid ticket", ticket("id", Value::Int(1))),
        // Without a session nobody gets tickets.
        ("Invalid params", vec![("type", Value::text("ticket_request")), ("count", Value::Int(1))]),
    ];
    for (expected, members) in cases {
        assert_eq!(alert_for(members.clone()), expected, "{members:?}");
    }
    assert_eq!(alert_for(with("agent", Value::Null)), "accepted");
    assert_eq!(alert_for(with("plain", Value::Bool(false))), "accepted");
}

/// Seals frames as a client that knows the secret but not the rules.
fn sealed(master: &MasterSecret, contents: &[(ContentType, &[u8])]) -> (Vec<u8>, ClientExchange) {
    use conclave::wire::record::KeyBlock;
    let mut client = session(master.clone(), vec![1]);
    let (message, exchange) = client.seal_refill(NOW, &mut Script(vec![5; 12])).unwrap();
    let admission = &frames(&message)[0].1;
    let mut writer = RecordWriter::default();
    writer.write(ContentType::Handshake, admission);
    writer.change_cipher(KeyBlock::derive(master.expose(), &[5; 12], &[1]).client);
    for (content, payload) in contents {
        writer.write(*content, payload);
    }
    (writer.into_bytes(), exchange)
}

#[test]
fn several_calls_share_a_message_and_an_alert_is_sealed() {
    let master = MasterSecret::from_bytes([3; 48]);
    let call = |id: i64| {
        let (method, params) = ("echo".to_owned(), json!({ "id": id }));
        Request { id: json!(id), method, params }.encode()
    };
    let (message, _) = sealed(
        &master,
        &[
            (ContentType::Hello, b"read over"),
            (ContentType::ApplicationData, &call(1)),
            (ContentType::ApplicationData, &call(2)),
            (ContentType::ApplicationData, b"\xF6"),
            (ContentType::ApplicationData, &call(3)),
        ],
    );
    let answer = serve(message, &mut Some(master.clone()), GOOD);
    let mut reader = RecordReader::new(answer);
    assert_eq!(reader.read().unwrap().unwrap().content, ContentType::ChangeCipherSpec);
    use conclave::wire::record::KeyBlock;
    reader.change_cipher(KeyBlock::derive(master.expose(), &[5; 12], &[1]).server);
    for id in [1, 2] {
        let frame = reader.read().unwrap().unwrap();
        let response = Response::decode(&frame.payload).unwrap();
        assert_eq!((response.id, response.result.unwrap()), (json!(id), json!({ "id": id })));
    }
    let alert = reader.read().unwrap().unwrap();
    assert_eq!((alert.content, alert.encrypted), (ContentType::Alert, true));
    assert_eq!(alert.payload, b"Invalid application frame data. Cannot decode given PSON");
    assert!(reader.read().unwrap().is_none());
}

#[test]
fn only_ping_is_answered_in_plaintext() {
    let mut writer = RecordWriter::default();
    writer.write(ContentType::ApplicationData, &Request::new("ping", json!({})).encode());
    let list = Request::new("context.contextList", json!({}));
    writer.write(ContentType::ApplicationData, &list.encode());
    let answer = frames(&serve(writer.into_bytes(), &mut None, GOOD));
    assert_eq!(Response::decode(&answer[0].1).unwrap().result, Ok(json!("pong")));
    let refused = Response::decode(&answer[1].1).unwrap().result.unwrap_err();
    assert_eq!(refused.code, code::UNKNOWN_SESSION);
}

#[test]
fn calls_added_in_plaintext_are_not_carried_out() {
    let (mut session, mut master) = logged_in();
    let (message, _) = session.seal(&Request::new("echo", json!({})), NOW, &mut rng()).unwrap();
    // Whoever reads along knows the admission and may leave the encryption out.
    let admission = &frames(&message)[0].1;
    let mut writer = RecordWriter::default();
    writer.write(ContentType::Handshake, admission);
    writer.write(ContentType::ApplicationData, &Request::new("echo", json!({})).encode());
    let mut exchange = ServerExchange::new(writer.into_bytes());
    assert!(matches!(exchange.step(), Ok(Step::Restore { .. })));
    exchange.restore(master.as_ref().unwrap());
    assert!(matches!(exchange.step(), Ok(Step::Done)));
    let (alice, mut all) = (named_key("alice"), Vec::new());
    let (_, login) = Login::of_user(&alice, "s", None, NOW, &mut rng());
    all.extend(login);
    let mut writer = RecordWriter::default();
    writer.write(ContentType::ApplicationData, &Request::new("echo", json!({})).encode());
    all.extend(writer.into_bytes());
    let mut exchange = ServerExchange::new(all);
    assert!(matches!(exchange.step(), Ok(Step::Login(_))));
    master = exchange.answer_login(&identity(), GOOD, NOW, &mut rng()).ok();
    assert!(master.is_some());
    assert!(matches!(exchange.step(), Ok(Step::IssueTickets { .. })));
    exchange.answer_tickets(&[], 900);
    assert!(matches!(exchange.step(), Ok(Step::Done)));
}

#[test]
fn tickets_are_for_those_who_hold_the_secret_and_once_a_message() {
    let master = MasterSecret::from_bytes([3; 48]);
    let wanted = encode(
        &Value::object([("count", Value::Int(1)), ("type", Value::text("ticket_request"))]),
        Dictionary::Empty,
    );
    // Whoever reads along knows the admission, and nothing of what follows it.
    let (message, _) = sealed(&master, &[]);
    let mut writer = RecordWriter::default();
    writer.write(ContentType::Handshake, &frames(&message)[0].1);
    writer.write(ContentType::Handshake, &wanted);
    let mut exchange = ServerExchange::new(writer.into_bytes());
    assert!(matches!(exchange.step(), Ok(Step::Restore { .. })));
    exchange.restore(&master);
    assert!(matches!(exchange.step(), Ok(Step::Done)));

    let twice = [(ContentType::Handshake, &wanted[..]), (ContentType::Handshake, &wanted[..])];
    let (message, _) = sealed(&master, &twice);
    let mut exchange = ServerExchange::new(message);
    assert!(matches!(exchange.step(), Ok(Step::Restore { .. })));
    exchange.restore(&master);
    assert!(matches!(exchange.step(), Ok(Step::IssueTickets { count: 1 })));
    exchange.answer_tickets(&[vec![1]], 900);
    assert!(matches!(exchange.step(), Ok(Step::Done)));
}

#[test]
fn noise_and_broken_frames_are_told_apart() {
    assert_eq!(
        ServerExchange::new(b"GET /".to_vec()).step().unwrap_err(),
        RecordError::Version(71)
    );
    let alert = |message: &[u8]| frames(&serve(message.to_vec(), &mut None, GOOD));
    assert_eq!(alert(&[]), vec![]);
    let cases: &[(&[u8], &str)] = &[
        (&[1, 22, 0, 0, 0, 9, 0, 0, 1], "Invalid frame length"),
        (&[1, 22], "Invalid frame length"),
        (&[1, 99, 0, 0, 0, 0, 0, 0], "Unsupported frame type 99"),
        (&[1, 20, 0, 0, 0, 0, 0, 0], "Invalid frame"),
        (&[1, 22, 0, 0, 0, 1, 0, 0, 0xF6], "Invalid handshake data. Cannot decode given PSON"),
    ];
    for (message, text) in cases {
        assert_eq!(alert(message), vec![(ContentType::Alert, text.as_bytes().to_vec())], "{text}");
    }
    let master = MasterSecret::from_bytes([3; 48]);
    let call = Request::new("echo", json!({})).encode();
    let (message, _) = sealed(&master, &[(ContentType::ApplicationData, &call)]);
    for (from_end, expected) in [(1, "Invalid frame MAC"), (75, "Invalid frame TAG")] {
        let mut spoilt = message.clone();
        let at = spoilt.len() - from_end;
        spoilt[at] ^= 1;
        let mut exchange = ServerExchange::new(spoilt);
        assert!(matches!(exchange.step(), Ok(Step::Restore { .. })));
        exchange.restore(&master);
        assert!(matches!(exchange.step(), Ok(Step::Done)));
        let (_, opener) = sealed(&master, &[]);
        let error = opener.open(&exchange.into_answer(), NOW).unwrap_err();
        assert_eq!(error, HandshakeError::Alert(expected.to_owned()));
    }
}

#[test]
fn an_unanswered_question_ends_the_exchange() {
    let (_, message) = Login::of_user(&named_key("alice"), "s", None, NOW, &mut rng());
    let mut exchange = ServerExchange::new(message);
    assert!(matches!(exchange.step(), Ok(Step::Login(_))));
    assert!(matches!(exchange.step(), Ok(Step::Done)));
    let text = b"Internal server error".to_vec();
    assert_eq!(frames(&exchange.into_answer()), vec![(ContentType::Alert, text)]);
}

#[test]
fn versions_are_checked_as_the_endpoint_does() {
    let alice = named_key("alice");
    let try_version = |version: &str| {
        let identity = ServerIdentity {
            key: named_key("server"),
            host: "h".to_owned(),
            version: version.to_owned(),
        };
        let (login, message) = Login::of_user(&alice, "s", None, NOW, &mut rng());
        let mut exchange = ServerExchange::new(message);
        assert!(matches!(exchange.step(), Ok(Step::Login(_))));
        exchange.answer_login(&identity, GOOD, NOW, &mut rng()).unwrap();
        assert!(matches!(exchange.step(), Ok(Step::IssueTickets { .. })));
        exchange.answer_tickets(&[vec![1]], 900);
        let result = login.finish(&alice, &exchange.into_answer(), NOW);
        result.map(|_| 0).unwrap_or_else(|error| error.endpoint_code().0)
    };
    let cases = [
        ("2.42", 0),
        ("2.42.1", 0),
        ("3.0.0", 0),
        ("2.36.2", 0),
        ("2.36.1", 0x0002_0009),
        ("2.36.2-beta", 0x0002_0009),
        ("2", 0x0002_0009),
        ("latest", 0xE003_0007),
        ("", 0xE003_0007),
    ];
    for (version, expected) in cases {
        assert_eq!(try_version(version), expected, "{version:?}");
    }
}

#[test]
fn nonces_are_remembered_while_they_could_be_replayed() {
    let hour = 3_600_000;
    let mut cache = NonceCache::new(3);
    cache.remember("a", NOW, NOW);
    assert!(!cache.is_unused("a") && cache.is_unused("b"));
    cache.remember("b", Timestamp(NOW.0 + hour), NOW);
    cache.remember("c", NOW, Timestamp(NOW.0 + hour));
    assert!(!cache.is_unused("a"), "its login still passes the check of its time");
    cache.remember("d", NOW, Timestamp(NOW.0 + hour + 1));
    assert!(cache.is_unused("a") && cache.is_unused("c") && !cache.is_unused("b"));
    for name in ["e", "f", "g"] {
        cache.remember(name, Timestamp(NOW.0 + hour), Timestamp(NOW.0 + hour + 1));
    }
    assert_eq!(["b", "d", "e", "f", "g"].iter().filter(|name| !cache.is_unused(name)).count(), 3);
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn arbitrary_messages_never_panic(message in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut exchange = ServerExchange::new(message.clone());
        while let Ok(step) = exchange.step() {
            if matches!(step, Step::Done) {
                break;
            }
        }
        let alice = named_key("alice");
        let (login, _) = Login::of_user(&alice, "s", None, NOW, &mut rng());
        let _ = login.finish(&alice, &message, NOW);
        let (_, exchange) = sealed(&MasterSecret::from_bytes([3; 48]), &[]);
        let _ = exchange.open(&message, NOW);
    }

    #[test]
    fn mutated_messages_never_panic(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let alice = named_key("alice");
        let (login, mut message) = Login::of_user(&alice, "s", None, NOW, &mut rng());
        let mut answer = serve(message.clone(), &mut None, GOOD);
        let index = at.index(message.len());
        message[index] = byte;
        let mut exchange = ServerExchange::new(message);
        if let Ok(Step::Login(_)) = exchange.step() {
            let _ = exchange.answer_login(&identity(), GOOD, NOW, &mut rng());
            let _ = exchange.step();
        }
        let index = at.index(answer.len());
        answer[index] = byte;
        answer.truncate(cut.index(answer.len()) + 1);
        let _ = login.finish(&alice, &answer, NOW);
    }
}
