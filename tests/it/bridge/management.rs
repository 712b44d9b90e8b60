//! The management API, authorisation, and invitations.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conclave::bridge::Bridge;
use conclave::crypto::hash;
use conclave::model::Timestamp;
use conclave::wire::invite::Redemption;
use conclave::wire::invite::redeem_proof;
use serde_json::Value;
use serde_json::json;

use super::world::TOKEN;
use super::world::World;
use super::world::config;
use super::world::key;
use super::world::now;
use super::world::text;

#[tokio::test]
async fn the_first_key_is_made_once_with_the_token() {
    let bridge = Bridge::start(config()).await.unwrap();
    let world = World {
        bridge,
        http: conclave::net::http::Http::new().unwrap(),
        authorization: String::new(),
        solution: String::new(),
        context: String::new(),
    };
    let make = |token: &str| json!({"initializationToken": token, "name": "first"});
    let method = "manager/createFirstApiKey";
    assert_eq!(world.manage(method, make("wrong")).await.unwrap_err().0, 0x613f);
    let made = world.manage(method, make(TOKEN)).await.unwrap();
    assert_eq!(text(&made["id"]).len(), 32);
    assert_eq!(text(&made["secret"]).len(), 32);
    assert_eq!(world.manage(method, make(TOKEN)).await.unwrap_err().0, 0x613e);
    assert_eq!(world.manage("versions", json!({})).await.unwrap(), json!(["v2.0"]));
    assert_eq!(world.manage("nonsense", json!({})).await.unwrap_err().0, -32601);
    let list = "solution/listSolutions";
    assert_eq!(world.manage(list, json!({})).await.unwrap_err().0, 0x612f);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn requests_are_authorised_in_three_ways() {
    let world = World::new().await;
    let params = json!({"name": "second", "scope": ["solution", "solution:*"]});
    let made = world.manage("manager/createApiKey", params).await.unwrap();
    let (id, secret) = (text(&made["id"]), text(&made["secret"]));
    let list = "solution/listSolutions";
    let basic =
        |secret: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
    assert!(world.manage_as(Some(&basic(&secret)), list, json!({})).await.is_ok());
    for wrong in [basic("no"), "Bearer no".into(), "Basic !".into(), "Digest x".into()] {
        let result = world.manage_as(Some(&wrong), list, json!({})).await;
        assert_eq!(result.unwrap_err().0, 0x612f, "{wrong}");
    }
    let other = "context/listContexts";
    let page = json!({"skip": 0, "limit": 10, "sortOrder": "asc"});
    let result = world.manage_as(Some(&basic(&secret)), other, page).await;
    assert_eq!(result.unwrap_err().0, 0x612e);

    // A signed request is good once.
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": list, "params": {}});
    let time = now().0;
    let signed = format!("{time};nonce;POST\n/api\n{body}\n");
    let mac = hash::hmac_sha256(secret.as_bytes(), signed.as_bytes());
    let signature = BASE64_STANDARD.encode(&mac[..20]);
    let header = format!("pmx-hmac-sha256 {id};1;{time};nonce;{signature}");
    assert!(world.manage_as(Some(&header), list, json!({})).await.is_ok());
    let replayed = world.manage_as(Some(&header), list, json!({})).await;
    assert_eq!(replayed.unwrap_err().0, 0x612f);

    let auth = |id: &str, secret: &str| json!({"grantType": "api_key_credentials", "apiKeyId": id, "apiKeySecret": secret});
    let wrong = world.manage("manager/auth", auth(&id, "wrong")).await;
    assert_eq!(wrong.unwrap_err().0, 0x612c);
    let tokens = world.manage("manager/auth", auth(&id, &secret)).await.unwrap();
    let refresh = json!({"grantType": "refresh_token", "refreshToken": tokens["refreshToken"]});
    let again = world.manage("manager/auth", refresh.clone()).await.unwrap();
    assert_eq!(again["scope"], json!(["solution", "solution:*"]));
    assert_eq!(world.manage("manager/auth", refresh).await.unwrap_err().0, 0x0015);

    let listed = world.manage("manager/listApiKeys", json!({})).await.unwrap();
    assert_eq!(listed["list"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&secret));
    let mine = json!({"name": "x", "scope": ["kvdb", "everything"]});
    assert_eq!(world.manage("manager/createApiKey", mine).await.unwrap_err().0, 0x612e);
    for _ in 0..8 {
        let params = json!({"name": "more", "scope": []});
        world.manage("manager/createApiKey", params).await.unwrap();
    }
    let params = json!({"name": "more", "scope": []});
    assert_eq!(world.manage("manager/createApiKey", params).await.unwrap_err().0, 0x612d);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_key_of_one_solution_sees_nothing_of_another() {
    let world = World::new().await;
    let made = world.manage("solution/createSolution", json!({"name": "t"})).await.unwrap();
    let scope = json!(["context", format!("solution:{}", text(&made["solutionId"]))]);
    let params = json!({"name": "tenant", "scope": scope});
    let made = world.manage("manager/createApiKey", params).await.unwrap();
    let pair = format!("{}:{}", text(&made["id"]), text(&made["secret"]));
    let tenant = format!("Basic {}", BASE64_STANDARD.encode(pair));
    let get = json!({"contextId": world.context});
    let result = world.manage_as(Some(&tenant), "context/getContext", get.clone()).await;
    assert_eq!(result.unwrap_err().0, 0x6116);
    assert!(world.manage("context/getContext", get).await.is_ok());
    let add = json!({
        "contextId": world.context,
        "userId": "mallory",
        "userPubKey": key(9).public_key().to_base58(),
    });
    let result = world.manage_as(Some(&tenant), "context/addUserToContext", add).await;
    assert_eq!(result.unwrap_err().0, 0x6116);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn users_are_added_and_removed_with_events() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    alice.connect(&world.bridge).await;
    let context = &world.context;
    let channels = ["context/userAdded", "context/userRemoved"];
    let channels = channels.map(|path| format!("{path}|contextId={context}"));
    alice.subscribe(&[&channels[0], &channels[1]]).await;
    world.add("bob", &key(2)).await;
    let bob = key(2).public_key().to_base58();
    let expected = json!({"contextId": context, "userId": "bob", "pubKey": bob});
    assert_eq!(alice.event_of("contextUserAdded").await.data, expected);
    let add =
        |user: &str, key: &str| json!({"contextId": context, "userId": user, "userPubKey": key});
    let method = "context/addUserToContext";
    assert_eq!(world.manage(method, add("bobby", &bob)).await.unwrap_err().0, 0x65);
    assert_eq!(world.manage(method, add("x", "no key")).await.unwrap_err().0, -32602);
    let who = json!({"contextId": context, "userId": "bob"});
    let got = world.manage("context/getUserFromContext", who.clone()).await.unwrap();
    assert_eq!((&got["user"]["pubKey"], &got["user"]["acl"]), (&json!(bob), &json!("ALLOW ALL")));

    let mut client = world.login(&key(2)).await.unwrap();
    assert_eq!(world.manage("context/removeUserFromContext", who.clone()).await.unwrap(), "OK");
    assert_eq!(alice.event_of("contextUserRemoved").await.data, expected);
    assert_eq!(client.refused("context.contextGet", json!({"id": context})).await, 0x30);
    let again = world.manage("context/removeUserFromContext", who).await;
    assert_eq!(again.unwrap_err().0, 0x09);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_refused() {
    let world = World::new().await;
    let cases: [(&[u8], i64); 6] = [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (b"{}", -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"versions"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"method":"versions","params":[]}"#, -32602),
    ];
    for (body, code) in cases {
        let head = "POST /api HTTP/1.1\r\nContent-Type: application/json";
        let answer = world.raw(head, body).await;
        assert!(answer.contains(&format!("\"code\":{code},")), "{answer}");
    }
    world.bridge.shutdown().await;
}

struct Invite {
    id: String,
    token: [u8; 32],
}

async fn invite(world: &World, byte: u8, expires: i64, uses: i64) -> Invite {
    let token = [byte; 32];
    let params = json!({
        "contextId": world.context,
        "tokenHash": hex::encode(hash::sha256(&token)),
        "expires": expires,
        "maxUses": uses,
    });
    let made = world.manage("invite/createInvite", params).await.unwrap();
    Invite { id: text(&made["inviteId"]), token }
}

fn redeem(invite: &Invite, name: &str, byte: u8) -> Value {
    redeem_at(invite, name, byte, now())
}

fn redeem_at(invite: &Invite, name: &str, byte: u8, timestamp: Timestamp) -> Value {
    let pub_key = key(byte).public_key().to_base58();
    let redemption =
        Redemption { invite: &invite.id, name, pub_key: &pub_key, nonce: "fresh", timestamp };
    let proof = redeem_proof(&hash::sha256(&invite.token), &redemption);
    json!({
        "inviteId": invite.id,
        "name": name,
        "userPubKey": pub_key,
        "nonce": "fresh",
        "timestamp": timestamp.0,
        "proof": BASE64_STANDARD.encode(proof),
    })
}

#[tokio::test]
async fn a_proof_admits_nobody_but_who_made_it() {
    let world = World::new().await;
    let one = invite(&world, 7, now().0 + 60_000, 5).await;
    let sent = redeem(&one, "bob", 2);
    assert!(!sent.to_string().contains(&BASE64_STANDARD.encode(one.token)), "the token stays here");
    let anonymous = |params: Value| world.manage_as(None, "invite/redeem", params);
    // What was read on the way is of no use for another key, name or time.
    let mut changed = Vec::new();
    for (field, value) in [
        ("userPubKey", json!(key(3).public_key().to_base58())),
        ("name", json!("eve")),
        ("nonce", json!("other")),
        ("timestamp", json!(now().0 + 1_000)),
        ("proof", json!(BASE64_STANDARD.encode([0; 32]))),
    ] {
        let mut other = sent.clone();
        other[field] = value;
        changed.push((field, other));
    }
    for (field, other) in changed {
        assert_eq!(anonymous(other).await.unwrap_err().0, 0x6f02, "{field}");
    }
    let mut short = sent.clone();
    short["proof"] = json!("AA==");
    assert_eq!(anonymous(short).await.unwrap_err().0, -32602, "a proof has 32 bytes");
    let mut shown = sent.clone();
    shown["token"] = json!("AA==");
    assert_eq!(anonymous(shown).await.unwrap_err().0, -32602, "tokens are not asked for");
    for hours in [-2, 2] {
        let at = Timestamp(now().0 + hours * 3_600_000);
        let (code, why) = anonymous(redeem_at(&one, "bob", 2, at)).await.unwrap_err();
        assert_eq!((code, why.as_str()), (0x6f07, "this proof is not from now; check the clock"));
    }
    let answer = anonymous(sent.clone()).await.unwrap();
    assert_eq!(anonymous(sent).await.unwrap(), answer, "sent again, it changes nothing");
    let list = world.manage("invite/listInvites", json!({"contextId": world.context})).await;
    assert_eq!(list.unwrap()["list"][0]["uses"], 1);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn an_invite_admits_as_many_as_it_says() {
    let world = World::new().await;
    let open = World { authorization: String::new(), ..world };
    let world = World { authorization: String::new(), ..open };
    // Redeeming needs no API key; making one does.
    let result = world.manage("invite/listInvites", json!({"contextId": world.context})).await;
    assert_eq!(result.unwrap_err().0, 0x612f);
    world.bridge.shutdown().await;

    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    alice.connect(&world.bridge).await;
    alice.subscribe(&["context/userAdded"]).await;
    let later = now().0 + 60_000;
    let one = invite(&world, 7, later, 2).await;
    let anonymous = |params: Value| world.manage_as(None, "invite/redeem", params);
    let answer = anonymous(redeem(&one, "bob", 2)).await.unwrap();
    let expected =
        json!({"solutionId": world.solution, "contextId": world.context, "userId": "bob"});
    assert_eq!(answer, expected);
    assert_eq!(alice.event_of("contextUserAdded").await.data["userId"], "bob");
    // The same key again uses nothing up; another key gets another name.
    assert_eq!(anonymous(redeem(&one, "robert", 2)).await.unwrap(), expected);
    let other = anonymous(redeem(&one, "bob", 3)).await.unwrap();
    let other = text(&other["userId"]);
    assert!(other.starts_with("bob-") && other.len() == 8, "{other}");
    let list = world.manage("invite/listInvites", json!({"contextId": world.context})).await;
    assert_eq!(list.unwrap()["list"][0]["uses"], 2);
    let (code, why) = anonymous(redeem(&one, "dora", 4)).await.unwrap_err();
    assert_eq!((code, why.as_str()), (0x6f05, "this invitation is used up"));
    assert!(world.login(&key(3)).await.is_ok());

    // A name whose former owner may still be listed in rooms does not pass to another key.
    let who = json!({"contextId": world.context, "userId": "bob"});
    world.manage("context/removeUserFromContext", who).await.unwrap();
    let two = invite(&world, 8, later, 9).await;
    let taken = anonymous(redeem(&two, "bob", 5)).await.unwrap();
    assert_ne!(taken["userId"], "bob");
    let alike = anonymous(redeem(&two, "BOB", 6)).await.unwrap();
    assert_ne!(alike["userId"], "BOB");
    // Nor does whoever was removed come back with an invitation.
    let (code, _) = anonymous(redeem(&two, "bob", 2)).await.unwrap_err();
    assert_eq!(code, 0x6f03);
    let add = |byte: u8| {
        let key = key(byte).public_key().to_base58();
        json!({"contextId": world.context, "userId": "bob", "userPubKey": key})
    };
    assert!(world.manage("context/addUserToContext", add(7)).await.is_err());
    assert_eq!(world.manage("context/addUserToContext", add(2)).await.unwrap(), "OK");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn bad_invites_are_refused_each_in_its_own_words() {
    let world = World::new().await;
    let later = now().0 + 60_000;
    let good = invite(&world, 7, later, 1).await;
    let expired = invite(&world, 8, now().0 - 1, 1).await;
    let revoked = invite(&world, 9, later, 1).await;
    let gone = json!({"inviteId": revoked.id});
    assert_eq!(world.manage("invite/revokeInvite", gone).await.unwrap(), "OK");
    let unknown = Invite { id: "nothing".into(), token: [1; 32] };
    let guessed = Invite { id: good.id.clone(), token: [1; 32] };
    let cases = [
        (&unknown, 0x6f01, "this invitation is not known here"),
        (&guessed, 0x6f02, "this invitation's token is wrong"),
        (&revoked, 0x6f03, "this invitation was revoked"),
        (&expired, 0x6f04, "this invitation has expired"),
    ];
    for (invite, code, why) in cases {
        let result = world.manage_as(None, "invite/redeem", redeem(invite, "bob", 2)).await;
        assert_eq!(result.unwrap_err(), (code, why.to_owned()));
    }
    for name in ["", " bob", "b\u{7}b", "bo\u{200b}b", "b\u{202e}ob", "b\u{a0}b", &"b".repeat(65)] {
        let result = world.manage_as(None, "invite/redeem", redeem(&good, name, 2)).await;
        assert_eq!(result.unwrap_err().0, -32602, "{name:?}");
    }
    assert!(world.manage_as(None, "invite/redeem", redeem(&good, "bob", 2)).await.is_ok());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn guessing_is_limited() {
    let mut config = config();
    config.limits.failures_per_minute = 3;
    let world = World::with(config).await;
    let guess = Invite { id: "nothing".into(), token: [1; 32] };
    for _ in 0..3 {
        let result = world.manage_as(None, "invite/redeem", redeem(&guess, "bob", 2)).await;
        assert_eq!(result.unwrap_err().0, 0x6f01);
    }
    let result = world.manage_as(None, "invite/redeem", redeem(&guess, "bob", 2)).await;
    assert_eq!(result.unwrap_err().0, 0x6f06);
    world.bridge.shutdown().await;
}
