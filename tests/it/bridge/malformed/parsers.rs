//! Everything that reads foreign bytes without a port around it, on both sides.

use conclave::crypto::key::PublicKey;
use conclave::model::Timestamp;
use conclave::profile::Invite;
use conclave::wire::authorization::Authorization;
use conclave::wire::handshake::MasterSecret;
use conclave::wire::handshake::client::Login;
use conclave::wire::handshake::server::LoginFacts;
use conclave::wire::handshake::server::ServerExchange;
use conclave::wire::handshake::server::ServerIdentity;
use conclave::wire::handshake::server::Step;
use conclave::wire::mux;
use conclave::wire::mux::ClientMessage;
use conclave::wire::mux::ServerMessage;
use conclave::wire::notification;
use conclave::wire::notification::NotificationKey;
use conclave::wire::pson::Dictionary;
use conclave::wire::pson::decode;
use conclave::wire::pson::encode_json;
use conclave::wire::record::RecordReader;
use conclave::wire::rpc::Request;
use conclave::wire::rpc::Response;
use conclave::wire::subscription::Query;
use conclave::wire::url::BridgeUrl;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::super::world::key;
use super::source::Source;

const NOW: Timestamp = Timestamp(1_795_303_270_618);
/// Steps of one exchange; a message can't ask for more.
const STEPS_MAX: usize = 10_000;

struct Seeds {
    identity: ServerIdentity,
    logins: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
    pson: Vec<Vec<u8>>,
    envelopes: Vec<Vec<u8>>,
    muxed: Vec<Vec<u8>>,
    notifications: Vec<Vec<u8>>,
    notification_key: NotificationKey,
    texts: Vec<Vec<u8>>,
}

const GOOD: LoginFacts =
    LoginFacts { solution_exists: true, nonce_unused: true, user_exists: true };

impl Seeds {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(5);
        let identity =
            ServerIdentity { key: key(9), host: "h".to_owned(), version: "3.0.0".to_owned() };
        let (_, login) = Login::of_user(&key(1), "s", Some(key(9).public_key()), NOW, &mut rng);
        let (_, anonymous) = Login::anonymous(&key(2), "s", None, &mut rng);
        let answers = [login.clone(), anonymous.clone()].map(|body| serve(body, &identity));
        let value =
            json!({"contexts": [{"id": "c", "n": [1, -2, 0.5, null, true, "ä"]}], "count": 1});
        let notification_key = NotificationKey::generate(&mut rng);
        let sealed = notification_key.seal(Some(7), &json!({"type": "x", "data": value}), &mut rng);
        let request = Request { id: json!(1), method: "m".to_owned(), params: value.clone() };
        let response = Response { id: json!(1), result: Ok(value.clone()) };
        Self {
            identity,
            logins: vec![login, anonymous],
            answers: answers.to_vec(),
            pson: [Dictionary::Static, Dictionary::Empty]
                .map(|dictionary| encode_json(&value, dictionary))
                .to_vec(),
            envelopes: vec![request.encode(), response.encode(Dictionary::Static)],
            muxed: vec![mux::request(1, b"body"), mux::answer(1, b"body"), mux::ping(3)],
            notifications: vec![sealed],
            notification_key,
            texts: [
                "streamroom/streams/publish|contextId=c,containerType=stream",
                "http://[::1]:9111/path",
                "pmx-hmac-sha256 id;1;1700000000000;bm9uY2U=;/LZndya/H5z8PhGU0AllTAyygKI=",
                "Basic aWQ6c2VjcmV0",
                "conclave://127.0.0.1:9111/AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQl",
                "8Qsc1FFQ4bS5nXhVfWzYkq3mAa5yQ1kq2jXkP1dYx9c2Zs",
            ]
            .map(|text| text.as_bytes().to_vec())
            .to_vec(),
        }
    }
}

/// Lets the server side read a message to its end, answering all it asks.
fn serve(message: Vec<u8>, identity: &ServerIdentity) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(6);
    let mut exchange = ServerExchange::new(message);
    for _ in 0..STEPS_MAX {
        match exchange.step() {
            Ok(Step::Login(_)) => drop(exchange.answer_login(identity, GOOD, NOW, &mut rng)),
            Ok(Step::Restore { .. }) => exchange.restore(&MasterSecret::from_bytes([3; 48])),
            Ok(Step::IssueTickets { .. }) => exchange.answer_tickets(&[vec![1; 32]], 900),
            Ok(Step::Call(_)) => exchange.answer_call(Ok(json!("OK"))),
            Ok(Step::Done) | Err(_) => break,
        }
    }
    exchange.into_answer()
}

fn read_all(bytes: Vec<u8>) {
    let mut reader = RecordReader::new(bytes);
    while let Ok(Some(_)) = reader.read() {}
}

/// Shows `count` bad messages to the parsers, in turn.
pub fn flood(count: u64, source: &mut Source) -> String {
    let seeds = Seeds::new();
    let mut rng = StdRng::seed_from_u64(7);
    let mut accepted = 0_u64;
    for number in 0..count {
        let fine = match number % 10 {
            0 => decode(&source.bytes(&seeds.pson), Dictionary::Static).is_ok(),
            1 => decode(&source.bytes(&seeds.pson), Dictionary::Empty).is_ok(),
            2 => Request::decode(&source.bytes(&seeds.envelopes)).is_ok(),
            3 => Response::decode(&source.bytes(&seeds.envelopes)).is_ok(),
            4 => {
                let bytes = source.bytes(&seeds.muxed);
                ClientMessage::parse(&bytes).is_ok() | ServerMessage::parse(&bytes).is_ok()
            }
            5 => {
                let bytes = source.bytes(&seeds.notifications);
                match notification::split(&bytes) {
                    Ok((_, sealed)) => seeds.notification_key.open(sealed).is_ok(),
                    Err(_) => false,
                }
            }
            6 => {
                read_all(source.bytes(&seeds.logins));
                read_all(source.bytes(&seeds.answers));
                false
            }
            7 if number % 100 == 7 => {
                let (login, _) = Login::of_user(&key(1), "s", None, NOW, &mut rng);
                login.finish(&key(1), &source.bytes(&seeds.answers), NOW).is_ok()
            }
            8 if number % 40 == 8 => {
                drop(serve(source.bytes(&seeds.logins), &seeds.identity));
                false
            }
            _ => texts(&source.bytes(&seeds.texts)),
        };
        accepted += u64::from(fine);
    }
    format!("{accepted} still readable")
}

fn texts(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let readable = [
        text.parse::<Query>().is_ok(),
        BridgeUrl::parse(&text).is_ok(),
        Authorization::parse(&text).is_some(),
        text.parse::<Invite>().is_ok(),
        PublicKey::from_base58(&text).is_ok(),
    ];
    readable.contains(&true)
}
