//! The management API: solutions, contexts, users, API keys, rooms.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::Ed25519KeyPair;
use ring::signature::KeyPair;
use serde_json::Value;
use serde_json::json;

use super::super::media::as_b;
use super::super::media::publish;
use super::super::world::World;
use super::super::world::config;
use super::super::world::key;
use super::super::world::now;
use super::super::world::text;
use super::INVALID;
use super::Method;
use super::bad_ids;
use super::set;

/// Methods with good parameters, the optional ones, and the scope that they need.
fn methods() -> Vec<(Method<'static>, Option<&'static str>)> {
    let method = |name, good, optional| Method { name, good, optional, any: &[] };
    let user = || json!({"contextId": "c", "userId": "u"});
    let key = key(9).public_key().to_base58();
    let none: &[&str] = &[];
    let page = json!({
        "skip": 0, "limit": 1, "sortOrder": "asc", "lastId": "x", "sortBy": "createDate",
        "query": {},
    });
    let paging: &[&str] = &["lastId", "sortBy", "query"];
    let context = json!({
        "solution": "s", "name": "n", "description": "d", "scope": "private", "policy": {},
    });
    let update = json!({
        "contextId": "c", "name": "n", "description": "d", "scope": "private", "policy": {},
    });
    let rooms = json!({
        "contextId": "c", "from": "x", "limit": 1, "sortOrder": "asc", "state": "all",
    });
    let invite = json!({
        "contextId": "c", "tokenHash": "ab".repeat(32), "expires": 1, "maxUses": 1, "acl": "ALLOW ALL",
    });
    let api_key = json!({"id": "k", "name": "n", "scope": ["context"], "enabled": true});
    vec![
        (method("versions", json!({}), none), None),
        (method("manager/listApiKeys", json!({}), none), Some("apiKey")),
        (method("manager/getApiKey", json!({"id": "k"}), none), Some("apiKey")),
        (method("manager/deleteApiKey", json!({"id": "k"}), none), Some("apiKey")),
        (method("manager/updateApiKey", api_key, &["name", "scope", "enabled"]), Some("apiKey")),
        (
            method("manager/createApiKey", json!({"name": "n", "scope": ["context"]}), none),
            Some("apiKey"),
        ),
        (method("solution/createSolution", json!({"name": "n"}), none), Some("solution")),
        (method("solution/getSolution", json!({"id": "s"}), none), Some("solution")),
        (method("solution/listSolutions", json!({}), none), Some("solution")),
        (
            method("solution/updateSolution", json!({"id": "s", "name": "n"}), none),
            Some("solution"),
        ),
        (method("solution/deleteSolution", json!({"id": "s"}), none), Some("solution")),
        (method("context/createContext", context, &["policy"]), Some("context")),
        (method("context/getContext", json!({"contextId": "c"}), none), Some("context")),
        (
            method("context/updateContext", update, &["name", "description", "scope", "policy"]),
            Some("context"),
        ),
        (method("context/deleteContext", json!({"contextId": "c"}), none), Some("context")),
        (method("context/listContexts", page.clone(), paging), Some("context")),
        (
            method("context/listContextsOfSolution", set(&page, "solutionId", json!("s")), paging),
            Some("context"),
        ),
        (
            method("context/listUsersFromContext", set(&page, "contextId", json!("c")), paging),
            Some("context"),
        ),
        (
            method(
                "context/addSolutionToContext",
                json!({"contextId": "c", "solutionId": "s"}),
                none,
            ),
            Some("context"),
        ),
        (
            method(
                "context/removeSolutionFromContext",
                json!({"contextId": "c", "solutionId": "s"}),
                none,
            ),
            Some("context"),
        ),
        (
            method(
                "context/addUserToContext",
                set(&set(&user(), "userPubKey", json!(key)), "acl", json!("ALLOW ALL")),
                &["acl"],
            ),
            Some("context"),
        ),
        (method("context/removeUserFromContext", user(), none), Some("context")),
        (method("context/getUserFromContext", user(), none), Some("context")),
        (method("context/setUserAcl", set(&user(), "acl", json!("")), none), Some("context")),
        (method("stream/getStreamRoom", json!({"streamRoomId": "r"}), none), Some("stream")),
        (method("stream/deleteStreamRoom", json!({"streamRoomId": "r"}), none), Some("stream")),
        (
            method("stream/deleteManyStreamRooms", json!({"streamRoomIds": ["r"]}), none),
            Some("stream"),
        ),
        (method("stream/listStreamRooms", rooms, &["state"]), Some("stream")),
        (method("invite/createInvite", invite, &["acl"]), Some("context")),
        (method("invite/listInvites", json!({"contextId": "c"}), none), Some("context")),
        (method("invite/revokeInvite", json!({"inviteId": "i"}), none), Some("context")),
    ]
}

#[tokio::test]
async fn method_management_methods_check_parameters() {
    let world = World::new().await;
    for (method, _) in methods() {
        for (what, params, name) in method.malformed() {
            // Null for the start of a list is what `from` is for.
            if what == "from = null" {
                continue;
            }
            let result = world.manage(method.name, params).await;
            let (code, message) = result.expect_err(&format!("{} {what}", method.name));
            assert_eq!(code, INVALID, "{} {what}: {message} ({name})", method.name);
        }
    }
    let more = [
        ("stream/listStreamRooms", "limit", json!(0)),
        ("stream/listStreamRooms", "limit", json!(101)),
        ("stream/listStreamRooms", "state", json!("open")),
        ("stream/listStreamRooms", "sortOrder", json!("up")),
        ("stream/deleteManyStreamRooms", "streamRoomIds", json!(vec!["r"; 129])),
        ("context/createContext", "scope", json!("secret")),
        ("context/createContext", "policy", json!({"stream": {"get": "x"}})),
        ("context/createContext", "policy", json!({"rockets": {}})),
        ("context/createContext", "name", json!("x".repeat(1025))),
        ("context/updateContext", "scope", json!("secret")),
        ("context/updateContext", "policy", json!({"stream": {"fly": "all"}})),
        ("context/addUserToContext", "userPubKey", json!("no key")),
        ("context/addUserToContext", "acl", json!("x".repeat(16_385))),
        ("manager/createApiKey", "name", json!("")),
        ("manager/createApiKey", "scope", json!(vec!["x"; 65])),
        ("manager/createApiKey", "publicKey", json!("no key")),
        ("invite/createInvite", "tokenHash", json!("zz".repeat(32))),
        ("invite/createInvite", "maxUses", json!(0)),
        ("invite/createInvite", "maxUses", json!(10_001)),
    ];
    let methods = methods();
    for (name, parameter, value) in more {
        let (method, _) = methods.iter().find(|(method, _)| method.name == name).unwrap();
        let params = set(&method.good, parameter, value.clone());
        let (code, _) = world.manage(name, params).await.unwrap_err();
        assert_eq!(code, INVALID, "{name} {parameter} = {value}");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_management_methods_check_the_scope() {
    let mut config = config();
    // Each refusal counts as an attempt to guess.
    config.limits.failures_per_minute = 10_000;
    let world = World::with(config).await;
    for scope in ["apiKey", "solution", "context", "stream"] {
        let params = json!({"name": scope, "scope": [scope, "solution:*"]});
        let made = world.manage("manager/createApiKey", params).await.unwrap();
        let pair = format!("{}:{}", text(&made["id"]), text(&made["secret"]));
        let header = format!("Basic {}", BASE64_STANDARD.encode(pair));
        for (method, needed) in methods() {
            let result = world.manage_as(Some(&header), method.name, method.good.clone()).await;
            let code = result.err().map_or(0, |(code, _)| code);
            let allowed = needed.is_none_or(|needed| needed == scope);
            // These two make something that the key may not give away.
            if method.name != "manager/createApiKey" {
                assert_eq!(code != 0x612e, allowed, "{} with {scope}: {code:#x}", method.name);
            }
            let nobody = world.manage_as(None, method.name, method.good).await;
            let code = nobody.err().map_or(0, |(code, _)| code);
            assert_eq!(code == 0x612f, needed.is_some(), "{} without a key", method.name);
        }
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_management_ids_that_are_unknown() {
    let world = World::new().await;
    let cases = [
        ("manager/getApiKey", json!({"id": "x"}), 0x612b),
        ("manager/updateApiKey", json!({"id": "x"}), 0x612b),
        ("manager/deleteApiKey", json!({"id": "x"}), 0x612b),
        ("solution/getSolution", json!({"id": "x"}), 0x6130),
        ("solution/updateSolution", json!({"id": "x", "name": "n"}), 0x6130),
        ("solution/deleteSolution", json!({"id": "x"}), 0x6130),
        ("solution/deleteSolution", json!({"id": world.solution}), 0x6132),
        ("context/getContext", json!({"contextId": "x"}), 0x6116),
        ("context/updateContext", json!({"contextId": "x"}), 0x6116),
        ("context/deleteContext", json!({"contextId": "x"}), 0x6116),
        ("context/removeUserFromContext", json!({"contextId": world.context, "userId": "x"}), 0x09),
        ("context/getUserFromContext", json!({"contextId": world.context, "userId": "x"}), 0x09),
        ("context/setUserAcl", json!({"contextId": world.context, "userId": "x", "acl": ""}), 0x09),
        (
            "context/addSolutionToContext",
            json!({"contextId": world.context, "solutionId": "x"}),
            0x6130,
        ),
        (
            "context/removeSolutionFromContext",
            json!({"contextId": world.context, "solutionId": "x"}),
            0x6130,
        ),
        ("stream/getStreamRoom", json!({"streamRoomId": "x"}), 0x6122),
        ("stream/deleteStreamRoom", json!({"streamRoomId": "x"}), 0x6122),
        (
            "stream/listStreamRooms",
            json!({"contextId": "x", "from": null, "limit": 1, "sortOrder": "asc"}),
            0x6116,
        ),
        (
            "stream/listStreamRooms",
            json!({"contextId": world.context, "from": "x", "limit": 1, "sortOrder": "asc"}),
            0x6123,
        ),
    ];
    for (method, params, code) in cases {
        let result = world.manage(method, params.clone()).await;
        assert_eq!(result.unwrap_err().0, code, "{method} {params}");
    }
    for id in bad_ids() {
        let result = world.manage("solution/getSolution", json!({"id": id})).await;
        assert_eq!(result.unwrap_err().0, INVALID);
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_manager_api_keys_are_changed_and_deleted() {
    let world = World::new().await;
    let params = json!({"name": "one", "scope": ["solution", "solution:*"]});
    let made = world.manage("manager/createApiKey", params).await.unwrap();
    let (id, secret) = (text(&made["id"]), text(&made["secret"]));
    let header = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
    let grant = json!({
        "grantType": "api_key_credentials", "apiKeyId": id, "apiKeySecret": secret,
    });
    let tokens = world.manage("manager/auth", grant.clone()).await.unwrap();
    let bearer = format!("Bearer {}", text(&tokens["accessToken"]));
    let list = "solution/listSolutions";
    assert!(world.manage_as(Some(&bearer), list, json!({})).await.is_ok());

    let off = json!({"id": id, "name": "two", "enabled": false});
    assert_eq!(world.manage("manager/updateApiKey", off).await.unwrap(), "OK");
    let shown = world.manage("manager/getApiKey", json!({"id": id})).await.unwrap();
    let shown = &shown["apiKey"];
    assert_eq!((&shown["name"], &shown["enabled"]), (&json!("two"), &json!(false)));
    assert_eq!(shown["scope"], json!(["solution", "solution:*"]));
    assert!(shown.get("secret").is_none());
    for header in [&header, &bearer] {
        let result = world.manage_as(Some(header), list, json!({})).await;
        assert_eq!(result.unwrap_err().0, 0x612f, "a key that is off, and its tokens");
    }
    assert_eq!(world.manage("manager/auth", grant).await.unwrap_err().0, 0x612c);
    let on = json!({"id": id, "enabled": true, "scope": ["solution"]});
    assert_eq!(world.manage("manager/updateApiKey", on).await.unwrap(), "OK");
    let more = json!({"id": id, "scope": ["everything"]});
    assert_eq!(world.manage("manager/updateApiKey", more).await.unwrap_err().0, 0x612e);
    assert!(world.manage_as(Some(&header), list, json!({})).await.is_ok());
    assert_eq!(world.manage("manager/deleteApiKey", json!({"id": id})).await.unwrap(), "OK");
    let result = world.manage_as(Some(&header), list, json!({})).await;
    assert_eq!(result.unwrap_err().0, 0x612f);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_manager_create_api_key_takes_an_ed25519_key() {
    let world = World::new().await;
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let spki = [
        &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
        pair.public_key().as_ref(),
    ]
    .concat();
    let pem = BASE64_STANDARD.encode(spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----");
    let params = json!({"name": "k", "scope": ["solution", "solution:*"], "publicKey": pem});
    let made = world.manage("manager/createApiKey", params).await.unwrap();
    assert!(made.get("secret").is_none());
    let id = text(&made["id"]);
    let shown = world.manage("manager/getApiKey", json!({"id": id})).await.unwrap();
    assert_eq!(shown["apiKey"]["publicKey"], pem);

    let list = "solution/listSolutions";
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": list, "params": {}});
    let time = now().0;
    let header = |nonce: &str, signed: &[u8]| {
        let signature = BASE64_STANDARD.encode(signed);
        format!("pmx-hmac-sha256 {id};1;{time};{nonce};{signature}")
    };
    let signed = |nonce: &str| {
        let text = format!("{time};{nonce};POST\n/api\n{body}\n");
        header(nonce, pair.sign(text.as_bytes()).as_ref())
    };
    assert!(world.manage_as(Some(&signed("one")), list, json!({})).await.is_ok());
    let mac = conclave::crypto::hash::hmac_sha256(
        b"",
        format!("{time};two;POST\n/api\n{body}\n").as_bytes(),
    );
    let basic =
        |secret: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
    let refused = [
        ("the same nonce again", signed("one")),
        ("a MAC with the empty secret", header("two", &mac[..20])),
        ("no signature", header("three", b"")),
        ("the empty secret", basic("")),
        ("any secret", basic("x")),
    ];
    for (name, header) in refused {
        let result = world.manage_as(Some(&header), list, json!({})).await;
        assert_eq!(result.unwrap_err().0, 0x612f, "{name}");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_solution_solutions_are_renamed_and_deleted() {
    let world = World::new().await;
    let made = world.manage("solution/createSolution", json!({"name": "a"})).await.unwrap();
    let id = &made["solutionId"];
    let rename = json!({"id": id, "name": "b"});
    assert_eq!(world.manage("solution/updateSolution", rename).await.unwrap(), "OK");
    let got = world.manage("solution/getSolution", json!({"id": id})).await.unwrap();
    assert_eq!(got["solution"]["name"], "b");
    assert_eq!(world.manage("solution/deleteSolution", json!({"id": id})).await.unwrap(), "OK");
    let gone = world.manage("solution/getSolution", json!({"id": id})).await;
    assert_eq!(gone.unwrap_err().0, 0x6130);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_context_context_is_shared_with_another_solution() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let made = world.manage("solution/createSolution", json!({"name": "other"})).await.unwrap();
    let other = text(&made["solutionId"]);
    let page = json!({"skip": 0, "limit": 10, "sortOrder": "asc"});
    let mut guest = world.login_to(&key(1), &other).await.unwrap();
    let seen = guest.call("context.contextList", page.clone()).await.unwrap();
    assert_eq!(seen["count"], 0);
    let share = json!({"contextId": world.context, "solutionId": other});
    let refused = world.manage("context/addSolutionToContext", share.clone()).await;
    assert_eq!(refused.unwrap_err().0, INVALID, "a private context is shared with nobody");
    let open = json!({"contextId": world.context, "scope": "public"});
    assert_eq!(world.manage("context/updateContext", open).await.unwrap(), "OK");
    for _ in 0..2 {
        let shared = world.manage("context/addSolutionToContext", share.clone()).await;
        assert_eq!(shared.unwrap(), "OK");
    }
    let id = json!({"contextId": world.context});
    let got = world.manage("context/getContext", id).await.unwrap();
    assert_eq!(got["context"]["shares"], json!([other]));
    assert_eq!(got["context"]["scope"], "public");
    let of = set(&page, "solutionId", json!(other));
    let list = world.manage("context/listContextsOfSolution", of).await.unwrap();
    assert_eq!(list["list"][0]["id"], world.context);
    let seen = guest.call("context.contextList", page.clone()).await.unwrap();
    assert_eq!(seen["contexts"][0]["contextId"], world.context);
    let close = json!({"contextId": world.context, "scope": "private"});
    let refused = world.manage("context/updateContext", close.clone()).await;
    assert_eq!(refused.unwrap_err().0, 0x6135);

    // Whoever came through the share hears of rooms, and leaves them when it ends.
    let room = world.room(&mut alice, &["alice"]).await;
    as_b(&mut guest, &world).await;
    as_b(&mut alice, &world).await;
    let (publisher, _) = publish(&mut guest, &room).await;
    guest.event_of("streamPublished").await;
    let ended = world.manage("context/removeSolutionFromContext", share).await;
    assert_eq!(ended.unwrap(), "OK");
    alice.event_of("streamRoomLeft").await;
    let list = json!({"streamRoomId": room});
    assert_eq!(guest.refused("stream.streamList", list.clone()).await, 0x30);
    assert_eq!(alice.call("stream.streamList", list).await.unwrap(), json!({"list": []}));
    assert_eq!(world.manage("context/updateContext", close).await.unwrap(), "OK");
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_context_update_context_puts_out_who_may_no_longer_read() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    let room = world.room(&mut alice, &["alice", "bob"]).await;
    as_b(&mut alice, &world).await;
    bob.connect(&world.bridge).await;
    bob.ws("stream.streamRoomJoin", json!({"streamRoomId": room})).await.unwrap();
    alice.event_of("streamRoomJoined").await;
    let policy = json!({"contextId": world.context, "policy": {"stream": {"get": "manager"}}});
    assert_eq!(world.manage("context/updateContext", policy).await.unwrap(), "OK");
    assert_eq!(alice.event_of("streamRoomLeft").await.data["userId"], "bob");
    let join = json!({"streamRoomId": room});
    assert_eq!(bob.ws_refused("stream.streamRoomJoin", join.clone()).await, 0x30);
    assert_eq!(alice.ws("stream.streamRoomJoin", join).await.unwrap(), "OK");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_context_delete_context_ends_its_rooms() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let room = world.room(&mut alice, &["alice"]).await;
    as_b(&mut alice, &world).await;
    let (publisher, _) = publish(&mut alice, &room).await;
    alice.event_of("streamPublished").await;
    let id = json!({"contextId": world.context});
    assert_eq!(world.manage("context/deleteContext", id.clone()).await.unwrap(), "OK");
    let deleted = alice.event_of("streamRoomDeleted").await;
    assert_eq!(deleted.data, json!({"streamRoomId": room, "type": "stream"}));
    assert_eq!(world.manage("context/getContext", id.clone()).await.unwrap_err().0, 0x6116);
    let get = json!({"id": room});
    assert_eq!(alice.call("stream.streamRoomGet", get).await.unwrap_err().code, 0x6122);
    let solution = json!({"id": world.solution});
    assert_eq!(world.manage("solution/deleteSolution", solution).await.unwrap(), "OK");
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_rooms_are_managed_from_outside() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let params = set(
        &world.room_params(&["alice"]),
        "data",
        json!({"publicMetaObject": {"name": "r"}, "privateMeta": "sealed"}),
    );
    let made = alice.call("stream.streamRoomCreate", params).await.unwrap();
    let first = text(&made["streamRoomId"]);
    let second = world.room(&mut alice, &["alice"]).await;
    let close = json!({"streamRoomId": second});
    alice.call("stream.streamRoomClose", close).await.unwrap();
    let get = json!({"streamRoomId": first});
    let got = world.manage("stream/getStreamRoom", get).await.unwrap();
    let got = &got["streamRoom"];
    assert_eq!((&got["publicMeta"], &got["closed"]), (&json!({"name": "r"}), &json!(false)));
    assert!(!got.to_string().contains("sealed"), "{got}");
    for key in [
        "id",
        "contextId",
        "createDate",
        "creator",
        "lastModificationDate",
        "lastModifier",
        "keyId",
        "users",
        "managers",
        "version",
    ] {
        assert!(got.get(key).is_some(), "{key}");
    }
    let list = |state: Value, from: Value| {
        json!({
            "contextId": world.context, "from": from, "limit": 10, "sortOrder": "asc",
            "state": state,
        })
    };
    let cases = [
        (json!("all"), Value::Null, vec![&first, &second]),
        (json!("active"), Value::Null, vec![&first]),
        (json!("closed"), Value::Null, vec![&second]),
        (json!("all"), json!(first), vec![&second]),
    ];
    for (state, from, expected) in cases {
        let answer = world.manage("stream/listStreamRooms", list(state, from)).await.unwrap();
        let rooms = answer["list"].as_array().unwrap();
        let ids: Vec<&str> = rooms.iter().map(|room| room["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected);
    }
    as_b(&mut alice, &world).await;
    let delete = json!({"streamRoomId": first});
    assert_eq!(world.manage("stream/deleteStreamRoom", delete).await.unwrap(), "OK");
    assert_eq!(alice.event_of("streamRoomDeleted").await.data["streamRoomId"], first);
    let many = json!({"streamRoomIds": [second, first]});
    let answer = world.manage("stream/deleteManyStreamRooms", many).await.unwrap();
    let expected = json!({"results": [
        {"id": second, "status": "OK"}, {"id": first, "status": "STREAM_ROOM_DOES_NOT_EXIST"},
    ]});
    assert_eq!(answer, expected);
    world.bridge.shutdown().await;
}
