//! Rooms: creating, changing, reading, deleting, with all checks and events.

use serde_json::Value;
use serde_json::json;

use super::world::Client;
use super::world::World;
use super::world::key;
use super::world::keys;
use super::world::text;

fn set(mut params: Value, key: &str, value: Value) -> Value {
    params[key] = value;
    params
}

fn without(mut params: Value, key: &str) -> Value {
    params.as_object_mut().unwrap().remove(key);
    params
}

fn update_of(create: &Value, room: &str, version: i64) -> Value {
    let mut params = create.clone();
    let object = params.as_object_mut().unwrap();
    object.remove("contextId");
    object.remove("type");
    object.insert("id".into(), json!(room));
    object.insert("version".into(), json!(version));
    object.insert("force".into(), json!(false));
    params
}

async fn people(world: &World) -> (Client, Client, Client) {
    (world.join("alice", 1).await, world.join("bob", 2).await, world.join("carol", 3).await)
}

#[tokio::test]
async fn creating_a_room_is_checked() {
    let world = World::new().await;
    let (mut alice, ..) = people(&world).await;
    let good = world.room_params(&["alice", "bob"]);
    let deep = json!("x".repeat(4095));
    let cases = [
        ("unknown key", set(good.clone(), "more", json!(1)), -32602),
        ("null option", set(good.clone(), "policy", json!(null)), -32602),
        ("no keys", without(good.clone(), "keys"), -32602),
        ("no users", set(good.clone(), "users", json!([])), -32602),
        ("user twice", set(good.clone(), "users", json!(["alice", "alice"])), -32602),
        ("manager twice", set(good.clone(), "managers", json!(["alice", "alice"])), -32602),
        ("not a UUID", set(good.clone(), "resourceId", json!("room")), -32602),
        ("large data", set(good.clone(), "data", deep), -32602),
        ("unknown user", set(good.clone(), "users", json!(["alice", "zoe"])), 0x09),
        ("not manager", set(good.clone(), "managers", json!(["bob"])), 0x30),
        ("key missing", set(good.clone(), "keys", keys(&["alice"], "k1")), -32602),
        ("key too many", set(good.clone(), "keys", keys(&["alice", "bob", "carol"], "k1")), -32602),
        ("key twice", set(good.clone(), "keys", keys(&["alice", "bob", "bob"], "k1")), -32602),
        ("other key", set(good.clone(), "keys", keys(&["alice", "bob"], "k9")), 0x6015),
        ("foreign context", set(good.clone(), "contextId", json!("elsewhere")), 0x30),
        ("policy of contexts", set(good.clone(), "policy", json!({"listAll": "all"})), -32602),
        ("policy of nobody", set(good.clone(), "policy", json!({"get": "everybody"})), -32602),
    ];
    for (name, params, code) in cases {
        assert_eq!(alice.refused("stream.streamRoomCreate", params).await, code, "{name}");
    }
    for not_object in [json!([]), json!("x")] {
        assert_eq!(alice.refused("stream.streamRoomCreate", not_object).await, -32602);
    }
    assert!(alice.call("stream.streamRoomCreate", good.clone()).await.is_ok());
    assert_eq!(alice.refused("stream.streamRoomCreate", good).await, 0x6138);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn updating_a_room_is_checked() {
    let world = World::new().await;
    let (mut alice, mut bob, mut carol) = people(&world).await;
    let create = world.room_params(&["alice", "bob"]);
    let made = alice.call("stream.streamRoomCreate", create.clone()).await.unwrap();
    let room = text(&made["streamRoomId"]);
    let update = update_of(&create, &room, 1);
    let all = ["alice", "bob", "carol"];
    let grown = set(set(update.clone(), "users", json!(all)), "keys", json!([]));
    let shrunk = set(update.clone(), "users", json!(["alice"]));
    let cases = [
        ("unknown room", set(update.clone(), "id", json!("nowhere")), 0x6122),
        ("old version", set(update.clone(), "version", json!(2)), 0x30),
        ("fraction", set(update.clone(), "version", json!(1.5)), -32602),
        ("other resource", set(update.clone(), "resourceId", json!(uuid())), 0x613b),
        ("updater leaves", set(update.clone(), "managers", json!(["bob"])), 0x30),
        ("new member without key", grown.clone(), -32602),
        ("removed keeps key", set(shrunk.clone(), "keys", json!([])), -32602),
        ("unknown key id", set(update.clone(), "keys", keys(&["bob"], "k7")), 0x6015),
    ];
    for (name, params, code) in cases {
        assert_eq!(alice.refused("stream.streamRoomUpdate", params).await, code, "{name}");
    }
    let mismatch = set(update.clone(), "version", json!(9));
    let error = alice.call("stream.streamRoomUpdate", mismatch.clone()).await.unwrap_err();
    assert_eq!(error.data, "version does not match");
    assert_eq!(bob.refused("stream.streamRoomUpdate", update.clone()).await, 0x30);
    assert_eq!(carol.refused("stream.streamRoomUpdate", update.clone()).await, 0x30);

    // Forced over a stale version, then a member more with the old key, then one less.
    let forced = set(set(mismatch, "force", json!(true)), "keys", json!([]));
    assert_eq!(alice.call("stream.streamRoomUpdate", forced).await.unwrap(), "OK");
    let grown = set(set(grown, "version", json!(2)), "keys", keys(&["carol"], "k1"));
    assert_eq!(alice.call("stream.streamRoomUpdate", grown).await.unwrap(), "OK");
    let rotated = set(set(shrunk, "version", json!(3)), "keyId", json!("k2"));
    let rotated = set(rotated, "keys", keys(&["alice"], "k2"));
    assert_eq!(alice.call("stream.streamRoomUpdate", rotated).await.unwrap(), "OK");
    let got = alice.call("stream.streamRoomGet", json!({"id": room})).await.unwrap();
    let got = &got["streamRoom"];
    assert_eq!(got["version"], 4);
    assert_eq!(got["data"].as_array().unwrap().len(), 4);
    assert_eq!(got["keyId"], "k2");
    assert_eq!(got["closed"], false);
    let held: Vec<&Value> = got["keys"].as_array().unwrap().iter().map(|k| &k["keyId"]).collect();
    assert_eq!(held, ["k1", "k2"]);
    assert_eq!(bob.refused("stream.streamRoomGet", json!({"id": room})).await, 0x30);
    world.bridge.shutdown().await;
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[tokio::test]
async fn members_and_nobody_else_are_told() {
    let world = World::new().await;
    let (mut alice, mut bob, mut carol) = people(&world).await;
    let channels = format!("streamroom|contextId={}", world.context);
    let twice = format!("streamroom/update|contextId={},containerType=stream", world.context);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.connect(&world.bridge).await;
        client.subscribe(&[&channels, &twice]).await;
    }
    let create = world.room_params(&["alice", "bob"]);
    let made = alice.call("stream.streamRoomCreate", create.clone()).await.unwrap();
    let room = text(&made["streamRoomId"]);
    let event = bob.event_of("streamRoomCreated").await;
    assert_eq!(event.data["id"], room);
    assert_eq!(event.data["keys"], json!([{"keyId": "k1", "data": "bob/k1"}]));
    assert_eq!(event.subscriptions.len(), 1);

    let rotated = set(update_of(&create, &room, 1), "keyId", json!("k2"));
    let rotated = set(set(rotated, "users", json!(["alice"])), "keys", keys(&["alice"], "k2"));
    alice.call("stream.streamRoomUpdate", rotated).await.unwrap();
    let event = alice.event_of("streamRoomUpdated").await;
    assert_eq!(event.subscriptions.len(), 2, "one copy, both subscriptions");
    // The one who was removed learns of it, and gets no key.
    let event = bob.event_of("streamRoomUpdated").await;
    assert_eq!(event.data["users"], json!(["alice"]));
    assert_eq!(event.data["keys"], json!([]));
    alice.call("stream.streamRoomDelete", json!({"id": room})).await.unwrap();
    let event = alice.event_of("streamRoomDeleted").await;
    assert_eq!(event.data, json!({"streamRoomId": room, "type": "stream"}));
    assert_eq!(bob.kinds().await, Vec::<String>::new());
    assert_eq!(carol.kinds().await, Vec::<String>::new());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn acl_lines_and_policies_decide() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    let room = world.room(&mut alice, &["alice", "bob"]).await;
    let cases = [
        ("ALLOW ALL", "stream.streamRoomGet", None),
        ("", "stream.streamRoomGet", Some(0x30)),
        ("ALLOW READ", "stream.streamRoomGet", None),
        ("ALLOW stream/WRITE", "stream.streamRoomGet", Some(0x30)),
        ("ALLOW ALL\nDENY stream/streamRoomGet", "stream.streamRoomGet", Some(0x30)),
        ("ALLOW ALL", "stream.streamRoomDelete", Some(0x30)),
    ];
    for (acl, method, expected) in cases {
        let params = json!({"contextId": world.context, "userId": "bob", "acl": acl});
        world.manage("context/setUserAcl", params).await.unwrap();
        let result = bob.call(method, json!({"id": room})).await;
        assert_eq!(result.err().map(|error| error.code), expected, "{acl:?} {method}");
    }
    let params = json!({"contextId": world.context, "userId": "bob", "acl": "ALLOW nonsense"});
    assert_eq!(world.manage("context/setUserAcl", params).await.unwrap_err().0, 0x6131);

    // A context whose policy lets members delete, and a room that takes it back.
    let world =
        World { context: world.new_context(json!({"stream": {"delete": "user"}})).await, ..world };
    world.add("alice", &key(1)).await;
    world.add("bob", &key(2)).await;
    let open = world.room(&mut alice, &["alice", "bob"]).await;
    assert!(bob.call("stream.streamRoomDelete", json!({"id": open})).await.is_ok());
    let strict = set(
        world.room_params(&["alice", "bob"]),
        "policy",
        json!({"delete": "owner", "get": "manager"}),
    );
    let made = alice.call("stream.streamRoomCreate", strict).await.unwrap();
    let strict = json!({"id": made["streamRoomId"]});
    assert_eq!(bob.refused("stream.streamRoomDelete", strict.clone()).await, 0x30);
    assert_eq!(bob.refused("stream.streamRoomGet", strict.clone()).await, 0x30);
    assert!(alice.call("stream.streamRoomDelete", strict).await.is_ok());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn rooms_are_listed_in_pages() {
    let world = World::new().await;
    let (mut alice, mut bob, mut carol) = people(&world).await;
    let mut rooms = Vec::new();
    for _ in 0..3 {
        rooms.push(world.room(&mut alice, &["alice", "bob"]).await);
    }
    rooms.push(world.room(&mut bob, &["bob"]).await);
    let page = json!({"contextId": world.context, "skip": 0, "limit": 2, "sortOrder": "asc"});
    let ids = |list: &Value| -> Vec<String> {
        list["list"].as_array().unwrap().iter().map(|room| text(&room["id"])).collect()
    };
    let list = alice.call("stream.streamRoomList", page.clone()).await.unwrap();
    assert_eq!((list["count"].as_i64(), ids(&list)), (Some(3), rooms[..2].to_vec()));
    let next = set(page.clone(), "lastId", json!(rooms[1]));
    let list = alice.call("stream.streamRoomList", next).await.unwrap();
    assert_eq!(ids(&list), rooms[2..3]);
    let back = set(page.clone(), "sortOrder", json!("desc"));
    let list = bob.call("stream.streamRoomList", back).await.unwrap();
    assert_eq!(ids(&list), [rooms[3].clone(), rooms[2].clone()]);
    let list = carol.call("stream.streamRoomList", page.clone()).await.unwrap();
    assert_eq!(list, json!({"list": [], "count": 0}));
    let cases = [
        ("limit 0", set(page.clone(), "limit", json!(0)), -32602),
        ("limit 101", set(page.clone(), "limit", json!(101)), -32602),
        ("negative skip", set(page.clone(), "skip", json!(-1)), -32602),
        ("order", set(page.clone(), "sortOrder", json!("up")), -32602),
        ("unknown last id", set(page.clone(), "lastId", json!("x")), 0x6123),
        ("scope all", set(page.clone(), "scope", json!("ALL")), 0x30),
    ];
    for (name, params, code) in cases {
        assert_eq!(alice.refused("stream.streamRoomList", params).await, code, "{name}");
    }
    assert_eq!(alice.refused("stream.streamRoomListAll", page).await, 0x30);
    let many = json!({"ids": [rooms[0], "nowhere", rooms[3]]});
    let answer = alice.call("stream.streamRoomDeleteMany", many).await.unwrap();
    let statuses: Vec<&Value> =
        answer["results"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, ["OK", "STREAM_ROOM_DOES_NOT_EXIST", "ACCESS_DENIED"]);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn custom_events_reach_their_receivers_only() {
    let world = World::new().await;
    let (mut alice, mut bob, mut carol) = people(&world).await;
    for client in [&mut alice, &mut bob, &mut carol] {
        client.connect(&world.bridge).await;
        client.subscribe(&["context/custom/news", "stream/custom/news"]).await;
    }
    let event = json!({
        "contextId": world.context,
        "channel": "news",
        "data": {"sealed": true},
        "users": [{"id": "bob", "key": "for bob"}],
    });
    assert_eq!(alice.call("context.contextSendCustomEvent", event.clone()).await.unwrap(), "OK");
    let got = bob.event_of("custom").await;
    let author = json!({"id": "alice", "pub": key(1).public_key().to_base58()});
    let expected = json!({
        "id": world.context,
        "author": author,
        "key": "for bob",
        "eventData": {"sealed": true},
    });
    assert_eq!(got.data, expected);
    let unknown = set(event.clone(), "users", json!([{"id": "zoe", "key": "k"}]));
    assert_eq!(alice.refused("context.contextSendCustomEvent", unknown).await, 0x09);
    let large = set(event.clone(), "data", json!("x".repeat(16_383)));
    assert_eq!(alice.refused("context.contextSendCustomEvent", large).await, -32602);
    let odd = set(event, "channel", json!("a b"));
    assert_eq!(alice.refused("context.contextSendCustomEvent", odd).await, -32602);

    let room = world.room(&mut alice, &["alice", "bob"]).await;
    let event = json!({"streamRoomId": room, "channel": "news", "keyId": "k1", "data": 1});
    let method = "stream.streamRoomSendCustomEvent";
    assert_eq!(bob.call(method, event.clone()).await.unwrap(), "OK");
    let got = alice.event_of("custom").await;
    assert_eq!((&got.data["id"], &got.data["keyId"]), (&json!(room), &json!("k1")));
    assert_eq!(carol.refused(method, event.clone()).await, 0x30);
    assert_eq!(bob.refused(method, set(event.clone(), "keyId", json!("k9"))).await, 0x6015);
    assert_eq!(bob.refused(method, set(event, "users", json!(["carol"]))).await, 0x6137);
    assert_eq!(carol.kinds().await, Vec::<String>::new());
    world.bridge.shutdown().await;
}
