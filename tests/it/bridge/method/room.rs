//! `stream.streamRoom*`: creating, changing, reading, listing, deleting, closing, custom events.

use serde_json::Value;
use serde_json::json;

use super::super::world::World;
use super::super::world::keys;
use super::CAST;
use super::Cast;
use super::DENIED;
use super::INVALID;
use super::Method;
use super::alone;
use super::bad_ids;
use super::set;

fn create() -> Value {
    json!({
        "contextId": "c",
        "resourceId": "fa3802a5-0f87-4e83-95d5-7e34f5791349",
        "type": "stream",
        "users": ["alice"],
        "managers": ["alice"],
        "data": {"sealed": 1},
        "keyId": "k1",
        "keys": [{"user": "alice", "keyId": "k1", "data": "d"}],
        "policy": {"get": "all"},
    })
}

/// Bad values of what a create and an update have in common.
fn bad_content() -> Vec<(&'static str, Value)> {
    let entry = |key: &str, value: Value| {
        let mut entry = json!({"user": "alice", "keyId": "k1", "data": "d"});
        entry[key] = value;
        json!([entry])
    };
    let mut cases = vec![
        ("resourceId", json!("room")),
        ("resourceId", json!("fa3802a5-0f87-1e83-95d5-7e34f5791349")),
        ("resourceId", json!("fa3802a50f874e8395d57e34f5791349")),
        ("users", json!(vec!["u"; 16_385])),
        ("users", json!([1])),
        ("users", json!([null])),
        ("managers", json!(vec!["u"; 16_385])),
        ("data", json!("x".repeat(4095))),
        ("data", json!({"k": "x".repeat(4088)})),
        ("keys", json!(vec![json!({"user": "u", "keyId": "k", "data": 1}); 16_385])),
        ("keys", json!([["alice", "k1", "d"]])),
        ("keys", json!([{"user": "alice", "keyId": "k1"}])),
        ("keys", json!([{"user": "alice", "keyId": "k1", "data": "d", "more": 1}])),
        ("keys", entry("user", json!(""))),
        ("keys", entry("user", json!(7))),
        ("keys", entry("keyId", json!("x".repeat(129)))),
        ("keys", entry("data", json!("x".repeat(4095)))),
        ("policy", json!({"get": null})),
        ("policy", json!({"get": 1})),
        ("policy", json!({"get": "everybody"})),
        ("policy", json!({"get": "user&"})),
        ("policy", json!({"get": "all,".repeat(9)})),
        ("policy", json!({"ownerCanBeRemovedFromManagers": "all"})),
        ("policy", json!({"fly": "all"})),
        ("policy", json!({"sendCustomNotification": "all"})),
    ];
    for id in bad_ids() {
        cases.push(("keyId", id.clone()));
        cases.push(("users", json!([id])));
        cases.push(("managers", json!([id])));
    }
    cases
}

#[tokio::test]
async fn method_stream_room_create_checks_parameters() {
    let (world, mut alice) = alone().await;
    let optional = &["resourceId", "type", "policy"];
    let method = Method {
        name: "stream.streamRoomCreate",
        good: set(&create(), "contextId", json!(world.context)),
        optional,
        any: &["data"],
    };
    let mut cases = bad_content();
    for id in bad_ids() {
        cases.push(("contextId", id.clone()));
        cases.push(("type", id));
    }
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    // As large as it may be.
    let large = set(&method.good, "data", json!("x".repeat(4094)));
    let large = set(&large, "resourceId", json!("fa3802a5-0f87-4e83-95d5-7e34f579134a"));
    assert!(alice.ws(method.name, large).await.is_ok());
    // Policies that only a Context may have are named.
    for entry in
        ["listMy", "listAll", "create", "creatorHasToBeManager", "canOverwriteContextPolicy"]
    {
        let value = if entry.starts_with("c") && entry != "create" { "yes" } else { "all" };
        let params = set(&method.good, "policy", json!({entry: value}));
        let error = alice.ws(method.name, params).await.unwrap_err();
        assert_eq!(error.code, INVALID, "{entry}");
        assert!(error.data.as_str().unwrap().contains(entry), "{error}");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_create_checks_members_and_keys() {
    let mut cast = Cast::new().await;
    let good = cast.world.room_params(&CAST[..2]);
    let cases = [
        ("nobody", "users", json!([]), INVALID),
        ("user twice", "users", json!(["owner", "owner"]), INVALID),
        ("manager twice", "managers", json!(["owner", "owner"]), INVALID),
        ("unknown user", "users", json!(["owner", "zoe"]), 0x09),
        ("foreign user", "users", json!(["owner", "foreigner"]), 0x09),
        ("unknown manager", "managers", json!(["owner", "zoe"]), 0x09),
        ("creator no manager", "managers", json!(["manager"]), DENIED),
        ("no keys", "keys", json!([]), INVALID),
        ("key missing", "keys", keys(&["owner"], "k1"), INVALID),
        ("key for an outsider", "keys", keys(&["owner", "manager", "user"], "k1"), INVALID),
        ("key twice", "keys", keys(&["owner", "manager", "manager"], "k1"), INVALID),
        ("another key", "keys", keys(&["owner", "manager"], "k2"), 0x6015),
    ];
    for (name, key, value, code) in cases {
        let params = set(&good, key, value);
        let error = cast.clients[0].ws("stream.streamRoomCreate", params).await.unwrap_err();
        assert_eq!(error.code, code, "{name}: {error}");
    }
    assert!(cast.clients[0].ws("stream.streamRoomCreate", good.clone()).await.is_ok());
    let again = cast.clients[0].ws("stream.streamRoomCreate", good).await.unwrap_err();
    assert_eq!((again.code, again.message.as_str()), (0x6138, "Duplicate resource id"));
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_create_is_for_users_of_the_context() {
    let mut cast = Cast::new().await;
    for (index, name) in CAST.iter().enumerate() {
        let users = if *name == "foreigner" { vec!["owner"] } else { vec![*name] };
        let params = cast.world.room_params(&users);
        let result = cast.clients[index].ws("stream.streamRoomCreate", params).await;
        let expected = if *name == "foreigner" { Some(DENIED) } else { None };
        assert_eq!(result.err().map(|error| error.code), expected, "{name}");
    }
    let elsewhere = set(&cast.world.room_params(&["owner"]), "contextId", json!("nowhere"));
    assert_eq!(cast.clients[0].ws_refused("stream.streamRoomCreate", elsewhere).await, DENIED);
    cast.end().await;
}

fn update(room: &str, world: &World) -> Value {
    let mut params = world.room_params(&CAST[..3]);
    let object = params.as_object_mut().unwrap();
    for key in ["contextId", "type", "resourceId"] {
        object.remove(key);
    }
    object.insert("id".into(), json!(room));
    object.insert("managers".into(), json!(["owner", "manager"]));
    object.insert("keys".into(), json!([]));
    object.insert("version".into(), json!(1));
    object.insert("force".into(), json!(false));
    params
}

#[tokio::test]
async fn method_stream_room_update_checks_parameters() {
    let (world, mut alice) = alone().await;
    let mut good = create();
    good.as_object_mut().unwrap().retain(|key, _| key != "contextId" && key != "type");
    let good = set(&set(&set(&good, "id", json!("r")), "version", json!(1)), "force", json!(true));
    let optional = &["resourceId", "policy"];
    let method = Method { name: "stream.streamRoomUpdate", good, optional, any: &["data"] };
    let mut cases = bad_content();
    cases.extend(bad_ids().map(|id| ("id", id)));
    cases.push(("version", json!(-1)));
    cases.push(("version", json!(0.5)));
    cases.push(("version", json!(u64::MAX)));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_update_is_for_managers() {
    let mut cast = Cast::new().await;
    cast.may("stream.streamRoomUpdate", [0, 0, DENIED, DENIED, DENIED], update).await;
    let nowhere = update("nowhere", &cast.world);
    for client in &mut cast.clients {
        assert_eq!(client.ws_refused("stream.streamRoomUpdate", nowhere.clone()).await, 0x6122);
    }
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_update_checks_version_members_and_keys() {
    let mut cast = Cast::new().await;
    let room = cast.room(json!({})).await;
    let good = update(&room, &cast.world);
    let grown = set(&good, "users", json!(["owner", "manager", "user", "stranger"]));
    let shrunk = set(&good, "users", json!(["owner", "manager"]));
    let uuid = json!("fa3802a5-0f87-4e83-95d5-7e34f5791349");
    let cases = [
        ("stale version", set(&good, "version", json!(0)), DENIED),
        ("future version", set(&good, "version", json!(2)), DENIED),
        ("another resource", set(&good, "resourceId", uuid), 0x613b),
        ("nobody", set(&good, "users", json!([])), INVALID),
        ("user twice", set(&good, "users", json!(["owner", "owner"])), INVALID),
        ("unknown user", set(&good, "users", json!(["owner", "zoe"])), 0x09),
        ("key of nowhere", set(&good, "keys", keys(&["user"], "k9")), 0x6015),
        ("key twice", set(&good, "keys", keys(&["user", "user"], "k1")), INVALID),
        ("key for an outsider", set(&good, "keys", keys(&["stranger"], "k1")), INVALID),
        ("new member without key", grown.clone(), INVALID),
        ("removed member keeps the key", shrunk.clone(), INVALID),
        ("new key not for all", set(&good, "keyId", json!("k2")), INVALID),
        ("updater leaves", set(&good, "managers", json!(["manager"])), DENIED),
    ];
    for (name, params, code) in cases {
        let error = cast.clients[0].ws("stream.streamRoomUpdate", params).await.unwrap_err();
        assert_eq!(error.code, code, "{name}: {error}");
    }
    // Forced over whatever version there is; a double without fraction is an integer.
    let forced = set(&set(&good, "version", json!(77.0)), "force", json!(true));
    assert_eq!(cast.clients[1].ws("stream.streamRoomUpdate", forced).await.unwrap(), "OK");
    let with_key = set(&grown, "keys", keys(&["stranger"], "k1"));
    let with_key = set(&with_key, "version", json!(2));
    assert_eq!(cast.clients[1].ws("stream.streamRoomUpdate", with_key).await.unwrap(), "OK");
    let rotated = set(&set(&shrunk, "version", json!(3)), "keyId", json!("k2"));
    let rotated = set(&rotated, "keys", keys(&["owner", "manager"], "k2"));
    assert_eq!(cast.clients[1].ws("stream.streamRoomUpdate", rotated).await.unwrap(), "OK");
    let get = json!({"id": room});
    let got = cast.clients[1].ws("stream.streamRoomGet", get).await.unwrap();
    let got = &got["streamRoom"];
    assert_eq!((&got["version"], &got["keyId"]), (&json!(4), &json!("k2")));
    assert_eq!(got["lastModifier"], "manager");
    assert_eq!(got["creator"], "owner");
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_get_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"id": "r", "type": "stream"});
    let method = Method { name: "stream.streamRoomGet", good, optional: &["type"], any: &[] };
    let cases = bad_ids().into_iter().flat_map(|id| [("id", id.clone()), ("type", id)]);
    method.refuses(&mut alice, &cases.collect::<Vec<_>>()).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_get_is_for_members() {
    let mut cast = Cast::new().await;
    let get = |room: &str, _: &World| json!({"id": room, "type": "stream"});
    cast.may("stream.streamRoomGet", [0, 0, 0, DENIED, DENIED], get).await;
    let other = |room: &str, _: &World| json!({"id": room, "type": "thread"});
    cast.may("stream.streamRoomGet", [0x6122, 0x6122, 0x6122, DENIED, DENIED], other).await;
    let nowhere = |_: &str, _: &World| json!({"id": "nowhere"});
    cast.may("stream.streamRoomGet", [0x6122; 5], nowhere).await;
    // Each sees the keys that were wrapped for them, and nobody else's.
    let room = cast.room(json!({})).await;
    for (index, name) in CAST[..3].iter().enumerate() {
        let got = cast.clients[index].ws("stream.streamRoomGet", json!({"id": room})).await;
        let wrapped = json!([{"keyId": "k1", "data": format!("{name}/k1")}]);
        assert_eq!(got.unwrap()["streamRoom"]["keys"], wrapped);
    }
    cast.end().await;
}

fn page() -> Value {
    json!({
        "contextId": "c", "type": "stream", "skip": 0, "limit": 100, "sortOrder": "asc",
        "lastId": "r", "query": {"a": 1}, "sortBy": "createDate",
    })
}

fn bad_pages() -> Vec<(&'static str, Value)> {
    let mut cases = vec![
        ("skip", json!(-1)),
        ("limit", json!(0)),
        ("limit", json!(101)),
        ("sortOrder", json!("up")),
        ("sortOrder", json!("ASC")),
        ("sortBy", json!("name")),
        ("query", json!({"$where": "x"})),
    ];
    for id in bad_ids() {
        cases.push(("contextId", id.clone()));
        cases.push(("type", id.clone()));
        cases.push(("lastId", id));
    }
    cases
}

#[tokio::test]
async fn method_stream_room_list_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = set(&set(&page(), "scope", json!("MEMBER")), "contextId", json!(world.context));
    let optional = &["type", "lastId", "query", "sortBy", "scope"];
    let method = Method { name: "stream.streamRoomList", good, optional, any: &[] };
    let mut cases = bad_pages();
    cases.push(("scope", json!("EVERYBODY")));
    cases.push(("scope", json!("member")));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_list_all_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = set(&page(), "contextId", json!(world.context));
    let optional = &["type", "lastId", "query", "sortBy"];
    let method = Method { name: "stream.streamRoomListAll", good, optional, any: &[] };
    let mut cases = bad_pages();
    cases.push(("scope", json!("ALL")));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

fn ids(list: &Value) -> Vec<String> {
    let rooms = list["list"].as_array().unwrap();
    rooms.iter().map(|room| room["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn method_stream_room_list_shows_what_the_scope_says() {
    let mut cast = Cast::new().await;
    let all = cast.room(json!({})).await;
    let page = json!({
        "contextId": cast.world.context, "skip": 0, "limit": 10, "sortOrder": "asc",
    });
    let one = [all];
    let none: [String; 0] = [];
    type Listed<'a> = [Result<&'a [String], i64>; 5];
    let scopes: [(&str, Listed<'_>); 5] = [
        ("MEMBER", [Ok(&one), Ok(&one), Ok(&one), Ok(&none), Err(DENIED)]),
        ("MANAGER", [Ok(&one), Ok(&one), Ok(&none), Ok(&none), Err(DENIED)]),
        ("USER", [Ok(&one), Ok(&one), Ok(&one), Ok(&none), Err(DENIED)]),
        ("OWNER", [Ok(&one), Ok(&none), Ok(&none), Ok(&none), Err(DENIED)]),
        ("ALL", [Err(DENIED); 5]),
    ];
    for (scope, expected) in scopes {
        for (index, expected) in expected.into_iter().enumerate() {
            let params = set(&page, "scope", json!(scope));
            let result = cast.clients[index].ws("stream.streamRoomList", params).await;
            let result = result.map(|list| ids(&list)).map_err(|error| error.code);
            assert_eq!(result, expected.map(<[String]>::to_vec), "{scope} {}", CAST[index]);
        }
    }
    cast.may("stream.streamRoomListAll", [DENIED; 5], |_, _| page.clone()).await;
    // Other types are other lists, and an unknown place to continue from is none.
    let typed = set(&page, "type", json!("thread"));
    let list = cast.clients[0].ws("stream.streamRoomList", typed).await.unwrap();
    assert_eq!(list, json!({"list": [], "count": 0}));
    let lost = set(&page, "lastId", json!("nowhere"));
    assert_eq!(cast.clients[0].ws_refused("stream.streamRoomList", lost).await, 0x6123);
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_list_filters_by_public_metadata() {
    let (world, mut alice) = alone().await;
    let mut rooms = Vec::new();
    for floor in 1..4 {
        let meta = json!({"publicMetaObject": {"name": format!("f{floor}"), "floor": floor}});
        let params = set(&world.room_params(&["alice"]), "data", meta);
        let made = alice.ws("stream.streamRoomCreate", params).await.unwrap();
        rooms.push(made["streamRoomId"].as_str().unwrap().to_owned());
    }
    world.room(&mut alice, &["alice"]).await;
    let page = json!({
        "contextId": world.context, "skip": 0, "limit": 10, "sortOrder": "asc", "query": {},
    });
    let cases = [
        (json!({"floor": 2}), rooms[1..2].to_vec()),
        (json!({"floor": {"$gte": 2}}), rooms[1..].to_vec()),
        (json!({"name": {"$startsWith": "f"}, "floor": {"$ne": 3}}), rooms[..2].to_vec()),
        (json!({"floor": 9}), Vec::new()),
    ];
    for (query, expected) in cases {
        let list = alice.ws("stream.streamRoomList", set(&page, "query", query.clone())).await;
        let list = list.unwrap();
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list["count"], expected.len(), "{query}");
    }
    let list = alice.ws("stream.streamRoomList", page).await.unwrap();
    assert_eq!(list["count"], 4);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_delete_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"id": "r"});
    let method = Method { name: "stream.streamRoomDelete", good, optional: &[], any: &[] };
    method.refuses(&mut alice, &bad_ids().map(|id| ("id", id))).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_delete_is_for_managers() {
    let mut cast = Cast::new().await;
    let id = |room: &str, _: &World| json!({"id": room});
    cast.may("stream.streamRoomDelete", [0, 0, DENIED, DENIED, DENIED], id).await;
    let nowhere = |_: &str, _: &World| json!({"id": "nowhere"});
    cast.may("stream.streamRoomDelete", [0x6122; 5], nowhere).await;
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_delete_many_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"ids": ["r"]});
    let method = Method { name: "stream.streamRoomDeleteMany", good, optional: &[], any: &[] };
    let mut cases = vec![("ids", json!(vec!["r"; 129])), ("ids", json!([1]))];
    cases.extend(bad_ids().map(|id| ("ids", json!([id]))));
    method.refuses(&mut alice, &cases).await;
    let most = alice.ws(method.name, json!({"ids": vec!["r"; 128]})).await.unwrap();
    assert_eq!(most["results"].as_array().unwrap().len(), 128);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_delete_many_answers_for_each_room() {
    let mut cast = Cast::new().await;
    let method = "stream.streamRoomDeleteMany";
    for (index, expected) in ["OK", "OK", "ACCESS_DENIED", "ACCESS_DENIED"].iter().enumerate() {
        let room = cast.room(json!({})).await;
        let params = json!({"ids": [room, "nowhere"]});
        let answer = cast.clients[index].ws(method, params).await.unwrap();
        let results = json!({"results": [
            {"id": room, "status": expected},
            {"id": "nowhere", "status": "STREAM_ROOM_DOES_NOT_EXIST"},
        ]});
        assert_eq!(answer, results, "{}", CAST[index]);
    }
    let room = cast.room(json!({})).await;
    assert_eq!(cast.clients[4].ws_refused(method, json!({"ids": [room]})).await, DENIED);
    // Rooms of two Contexts: nothing is deleted.
    let here = std::mem::take(&mut cast.world.context);
    cast.world.context = cast.world.new_context(json!({})).await;
    cast.world.add("owner", &super::key(1)).await;
    let there = cast.world.room(&mut cast.clients[0], &["owner"]).await;
    cast.world.context = here;
    let both = json!({"ids": [room, there]});
    assert_eq!(cast.clients[0].ws_refused(method, both).await, 0x6124);
    assert!(cast.clients[0].ws("stream.streamRoomGet", json!({"id": room})).await.is_ok());
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_close_checks_parameters_and_is_for_managers() {
    let mut cast = Cast::new().await;
    let good = json!({"streamRoomId": "r"});
    let method = Method { name: "stream.streamRoomClose", good, optional: &[], any: &[] };
    method.refuses(&mut cast.clients[0], &bad_ids().map(|id| ("streamRoomId", id))).await;
    let id = |room: &str, _: &World| json!({"streamRoomId": room});
    cast.may(method.name, [0, 0, DENIED, DENIED, DENIED], id).await;
    let nowhere = |_: &str, _: &World| json!({"streamRoomId": "nowhere"});
    cast.may(method.name, [0x6122; 5], nowhere).await;
    // Closed once and for all; a closed room can be read, changed and deleted.
    let room = cast.room(json!({})).await;
    let close = json!({"streamRoomId": room});
    let owner = &mut cast.clients[0];
    assert_eq!(owner.ws(method.name, close.clone()).await.unwrap(), "OK");
    assert_eq!(owner.ws(method.name, close.clone()).await.unwrap(), "OK");
    let got = owner.ws("stream.streamRoomGet", json!({"id": room})).await.unwrap();
    assert_eq!(got["streamRoom"]["closed"], true);
    assert_eq!(owner.ws_refused("stream.streamRoomJoin", close).await, 0x6208);
    let params = update(&room, &cast.world);
    assert_eq!(owner.ws("stream.streamRoomUpdate", params).await.unwrap(), "OK");
    assert_eq!(owner.ws("stream.streamRoomDelete", json!({"id": room})).await.unwrap(), "OK");
    cast.end().await;
}

fn custom(room: &str, _: &World) -> Value {
    json!({
        "streamRoomId": room, "channel": "news", "keyId": "k1", "data": {"a": [1, null]},
        "users": ["user"],
    })
}

#[tokio::test]
async fn method_stream_room_send_custom_event_checks_parameters() {
    let (world, mut alice) = alone().await;
    let method = Method {
        name: "stream.streamRoomSendCustomEvent",
        good: custom("r", &world),
        optional: &["users"],
        any: &["data"],
    };
    let mut cases = vec![
        ("channel", json!("")),
        ("channel", json!("a b")),
        ("channel", json!("ä")),
        ("channel", json!("x".repeat(513))),
        ("data", json!("x".repeat(16_383))),
        ("users", json!([1])),
    ];
    for id in bad_ids() {
        cases.push(("streamRoomId", id.clone()));
        cases.push(("keyId", id.clone()));
        cases.push(("users", json!([id])));
    }
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_room_send_custom_event_is_for_members() {
    let mut cast = Cast::new().await;
    let method = "stream.streamRoomSendCustomEvent";
    cast.may(method, [0, 0, 0, DENIED, DENIED], custom).await;
    let room = cast.room(json!({})).await;
    let good = custom(&room, &cast.world);
    let owner = &mut cast.clients[0];
    let cases = [
        ("to a stranger", set(&good, "users", json!(["stranger"])), 0x6137),
        ("to nobody known", set(&good, "users", json!(["zoe"])), 0x6137),
        ("with an unknown key", set(&good, "keyId", json!("k9")), 0x6015),
        ("to nowhere", set(&good, "streamRoomId", json!("nowhere")), 0x6122),
    ];
    for (name, params, code) in cases {
        assert_eq!(owner.ws_refused(method, params).await, code, "{name}");
    }
    let close = json!({"streamRoomId": room});
    owner.ws("stream.streamRoomClose", close).await.unwrap();
    assert_eq!(owner.ws(method, good).await.unwrap(), "OK", "works in closed rooms");
    cast.end().await;
}
