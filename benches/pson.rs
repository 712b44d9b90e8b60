//! Cost of PSON, and of one whole call: sealed, answered and opened.

use conclave::crypto::key::PrivateKey;
use conclave::model::Timestamp;
use conclave::wire::handshake::MasterSecret;
use conclave::wire::handshake::ServerReply;
use conclave::wire::handshake::client::ClientSession;
use conclave::wire::handshake::server::ServerExchange;
use conclave::wire::handshake::server::Step;
use conclave::wire::handshake::ticket::Ticket;
use conclave::wire::pson::Dictionary;
use conclave::wire::pson::decode;
use conclave::wire::pson::encode_json;
use conclave::wire::rpc::Request;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use serde_json::json;

fn main() {
    divan::main();
}

/// About what a page of 20 rooms with 10 members each looks like.
fn page() -> Value {
    let users: Vec<_> = (0..10).map(|user| format!("user-{user}")).collect();
    let data = json!({ "publicMeta": "x".repeat(400), "privateMeta": "x".repeat(400) });
    let room = json!({
        "id": "6b0227664a7535fc7134357d", "createDate": 1_795_303_270_618_i64, "users": users,
        "managers": users, "version": 3, "data": [{ "keyId": "k".repeat(32), "data": data }],
    });
    json!({ "list": vec![room; 20], "count": 20 })
}

#[divan::bench]
fn encode_page(bencher: divan::Bencher<'_, '_>) {
    let page = page();
    bencher.bench_local(|| encode_json(&page, Dictionary::Static));
}

#[divan::bench]
fn decode_page(bencher: divan::Bencher<'_, '_>) {
    let bytes = encode_json(&page(), Dictionary::Static);
    bencher.bench_local(|| decode(&bytes, Dictionary::Static));
}

#[divan::bench]
fn whole_call(bencher: divan::Bencher<'_, '_>) {
    let mut rng = StdRng::seed_from_u64(1);
    let server = ServerReply {
        of_user: true,
        key: PrivateKey::generate(&mut rng).public_key().clone(),
        agent: String::new(),
        request_chunk_size: 1,
        server_version: "3.0.0".to_owned(),
        host: None,
        signature: None,
    };
    let master = MasterSecret::from_bytes([7; 48]);
    let mut client = ClientSession::resume(master.clone(), server);
    let call = Request::new("stream.streamRoomList", json!({ "contextId": "c" }));
    let page = page();
    bencher.bench_local(|| {
        client.add_tickets(vec![Ticket { id: vec![1; 32], expires: Timestamp(i64::MAX) }; 4]);
        let (message, exchange) = client.seal(&call, Timestamp(0), &mut rng)?;
        let mut server = ServerExchange::new(message);
        while let Ok(step) = server.step() {
            match step {
                Step::Restore { .. } => server.restore(&master),
                Step::Call(_) => server.answer_call(Ok(page.clone())),
                _ => break,
            }
        }
        exchange.open(&server.into_answer(), Timestamp(0)).ok()
    });
}
