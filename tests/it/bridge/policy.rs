//! Every entry of a policy, in a room and in a Context, and every way to write a value.

use serde_json::Value;
use serde_json::json;

use super::method::CAST;
use super::method::Cast;
use super::method::DENIED;
use super::method::Make;
use super::method::set;
use super::world::World;

fn id(room: &str, _: &World) -> Value {
    json!({"id": room})
}

fn here(room: &str, _: &World) -> Value {
    json!({"streamRoomId": room})
}

fn update(room: &str, world: &World) -> Value {
    let mut params = world.room_params(&CAST[..3]);
    params
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !["contextId", "type", "resourceId"].contains(&key.as_str()));
    let params = set(&set(&params, "id", json!(room)), "keys", json!([]));
    let params = set(&set(&params, "version", json!(1)), "force", json!(false));
    set(&params, "managers", json!(["owner", "manager"]))
}

/// Codes for success where `may` says so, for the five of the cast.
fn codes(may: [bool; 5], ok: i64) -> [i64; 5] {
    may.map(|may| if may { ok } else { DENIED })
}

/// What each expression means for owner, manager, user, stranger and foreigner. The owner is a
/// manager, too; a foreigner is no user of the Context, and no policy lets them in.
const EXPRESSIONS: &[(&str, [bool; 5])] = &[
    ("none", [false; 5]),
    ("all", [true, true, true, true, false]),
    ("user", [true, true, true, false, false]),
    ("manager", [true, true, false, false, false]),
    ("owner", [true, false, false, false, false]),
    ("owner,user", [true, true, true, false, false]),
    ("manager&owner", [true, false, false, false, false]),
    ("user & manager", [true, true, false, false, false]),
    ("none,owner&user", [true, false, false, false, false]),
];

#[tokio::test]
async fn policy_get_is_evaluated_as_it_is_written() {
    let mut cast = Cast::new().await;
    for (value, may) in EXPRESSIONS {
        let policy = json!({"get": value});
        let got = cast.codes("stream.streamRoomGet", &policy, id).await;
        assert_eq!(got, codes(*may, 0), "{value}");
    }
    for (value, may) in [
        ("default", [true, true, true, false, false]),
        ("inherit", [true, true, true, false, false]),
    ] {
        let got = cast.codes("stream.streamRoomGet", &json!({"get": value}), id).await;
        assert_eq!(got, codes(may, 0), "{value}");
    }
    cast.end().await;
}

#[tokio::test]
async fn policy_get_decides_who_takes_part() {
    let mut cast = Cast::new().await;
    let policy = json!({"get": "owner", "update": "all"});
    let may = [true, false, false, false, false];
    let offer = json!({"type": "offer", "sdp": ""});
    let list = json!([{"streamId": 1}]);
    let cases: [(&str, i64, Make<'_>); 8] = [
        ("streamRoomJoin", 0, &here),
        ("streamRoomLeave", 0, &here),
        ("streamList", 0, &here),
        ("streamPublish", 0x6211, &|room, _| json!({"streamRoomId": room, "offer": offer})),
        ("streamUpdate", 0x6202, &|room, _| json!({"streamRoomId": room, "offer": offer})),
        (
            "streamsSubscribeToRemote",
            0x6202,
            &|room, _| json!({"streamRoomId": room, "subscriptionsToAdd": list}),
        ),
        (
            "streamsUnsubscribeFromRemote",
            0x6202,
            &|room, _| json!({"streamRoomId": room, "subscriptionsToRemove": list}),
        ),
        ("streamRoomEnableRecording", 0x6207, &here),
    ];
    for (method, ok, params) in cases {
        let got = cast.codes(&format!("stream.{method}"), &policy, params).await;
        assert_eq!(got, codes(may, ok), "{method}");
    }
    cast.end().await;
}

#[tokio::test]
async fn policy_update_decides_who_changes_and_closes() {
    let mut cast = Cast::new().await;
    let policy = json!({"update": "user", "updaterCanBeRemovedFromManagers": "yes"});
    let may = [true, true, true, false, false];
    let cases: [(&str, i64, Make<'_>); 3] = [
        ("streamRoomUpdate", 0, &update),
        ("streamRoomClose", 0, &here),
        ("streamRoomEnableRecording", 0x6207, &here),
    ];
    for (method, ok, params) in cases {
        let got = cast.codes(&format!("stream.{method}"), &policy, params).await;
        assert_eq!(got, codes(may, ok), "{method}");
    }
    cast.end().await;
}

#[tokio::test]
async fn policy_delete_decides_who_deletes() {
    let mut cast = Cast::new().await;
    let policy = json!({"delete": "owner,user"});
    let got = cast.codes("stream.streamRoomDelete", &policy, id).await;
    assert_eq!(got, codes([true, true, true, false, false], 0));
    let many = |room: &str, _: &World| json!({"ids": [room]});
    let got = cast.codes("stream.streamRoomDeleteMany", &policy, many).await;
    assert_eq!(got, codes([true, true, true, true, false], 0), "strangers get a status");
    cast.end().await;
}

#[tokio::test]
async fn policy_update_policy_decides_who_changes_policies() {
    let mut cast = Cast::new().await;
    let policy = json!({"update": "user", "updatePolicy": "owner"});
    let with = |value: Value| {
        move |room: &str, world: &World| set(&update(room, world), "policy", value.clone())
    };
    let may = codes([true, false, false, false, false], 0);
    for value in [json!({}), json!({"get": "all"}), policy.clone()] {
        let got = cast.codes("stream.streamRoomUpdate", &policy, with(value.clone())).await;
        assert_eq!(got, may, "{value}");
    }
    let got = cast.codes("stream.streamRoomUpdate", &policy, update).await;
    assert_eq!(got, codes([true, true, true, false, false], 0), "policies untouched");
    cast.end().await;
}

#[tokio::test]
async fn policy_managers_may_be_removed_or_not() {
    let mut cast = Cast::new().await;
    // Who calls, who stays a manager, the policy, and what comes of it.
    let cases = [
        (0, json!(["manager"]), json!({}), DENIED),
        (0, json!(["manager"]), json!({"updaterCanBeRemovedFromManagers": "yes"}), 0),
        (1, json!(["manager"]), json!({}), 0),
        (1, json!(["manager"]), json!({"ownerCanBeRemovedFromManagers": "no"}), DENIED),
        (1, json!(["owner"]), json!({}), DENIED),
        (1, json!(["owner"]), json!({"updaterCanBeRemovedFromManagers": "yes"}), 0),
        (1, json!(["owner", "manager", "user"]), json!({}), 0),
    ];
    for (caller, managers, policy, expected) in cases {
        let room = cast.room(policy.clone()).await;
        let params = set(&update(&room, &cast.world), "managers", managers.clone());
        let result = cast.clients[caller].ws("stream.streamRoomUpdate", params).await;
        let code = result.err().map_or(0, |error| error.code);
        assert_eq!(code, expected, "{} leaves {managers} under {policy}", CAST[caller]);
    }
    cast.end().await;
}

/// A cast in a Context with this policy.
async fn under(policy: Value) -> Cast {
    let world = World::new().await;
    let context = world.new_context(json!({"stream": policy})).await;
    Cast::with(World { context, ..world }).await
}

#[tokio::test]
async fn policy_create_of_the_context_decides_who_creates() {
    for (value, expected) in [("all", 0), ("none", DENIED), ("default", 0), ("inherit", 0)] {
        let mut cast = under(json!({"create": value})).await;
        let params = cast.world.room_params(&["owner"]);
        let result = cast.clients[0].ws("stream.streamRoomCreate", params).await;
        assert_eq!(result.err().map_or(0, |error| error.code), expected, "{value}");
        cast.end().await;
    }
}

#[tokio::test]
async fn policy_creator_has_to_be_manager_unless_the_context_says_no() {
    for (value, expected) in [("yes", DENIED), ("no", 0), ("default", DENIED)] {
        let mut cast = under(json!({"creatorHasToBeManager": value})).await;
        let params = cast.world.room_params(&["owner", "manager"]);
        let params = set(&params, "managers", json!(["manager"]));
        let result = cast.clients[0].ws("stream.streamRoomCreate", params).await;
        assert_eq!(result.err().map_or(0, |error| error.code), expected, "{value}");
        cast.end().await;
    }
}

#[tokio::test]
async fn policy_can_overwrite_context_policy_guards_policies_of_rooms() {
    let mut cast = under(json!({"canOverwriteContextPolicy": "no", "update": "user"})).await;
    let create = cast.world.room_params(&CAST[..3]);
    let owner = &mut cast.clients[0];
    let with = |value: Value| set(&create, "policy", value);
    let method = "stream.streamRoomCreate";
    assert_eq!(owner.ws_refused(method, with(json!({"get": "all"}))).await, DENIED);
    let made = owner.ws(method, with(json!({}))).await.unwrap();
    let room = made["streamRoomId"].as_str().unwrap();
    let plain = update(room, &cast.world);
    let changed = set(&plain, "policy", json!({"get": "all"}));
    assert_eq!(owner.ws_refused("stream.streamRoomUpdate", changed).await, DENIED);
    let managers = set(&plain, "managers", json!(["owner"]));
    assert_eq!(owner.ws("stream.streamRoomUpdate", managers).await.unwrap(), "OK");
    cast.end().await;
}

#[tokio::test]
async fn policy_list_my_and_list_all_of_the_context_decide_who_lists() {
    let page = |world: &World| json!({"contextId": world.context, "skip": 0, "limit": 10, "sortOrder": "asc"});
    // listMy, listAll, and what comes of the three ways to list.
    let cases = [
        ("all", "none", [0, DENIED, DENIED]),
        ("all", "all", [0, 0, 0]),
        ("none", "all", [DENIED, 0, 0]),
        ("none", "none", [DENIED; 3]),
    ];
    for (my, all, expected) in cases {
        let mut cast = under(json!({"listMy": my, "listAll": all})).await;
        let page = page(&cast.world);
        let calls = [
            ("stream.streamRoomList", page.clone()),
            ("stream.streamRoomList", set(&page, "scope", json!("ALL"))),
            ("stream.streamRoomListAll", page),
        ];
        for ((method, params), expected) in calls.into_iter().zip(expected) {
            let result = cast.clients[3].ws(method, params.clone()).await;
            let code = result.err().map_or(0, |error| error.code);
            assert_eq!(code, expected, "{my} {all} {method} {params}");
        }
        cast.end().await;
    }
}

#[tokio::test]
async fn policy_send_custom_notification_of_the_context_decides_among_members() {
    let send = |room: &str, _: &World| json!({"streamRoomId": room, "channel": "x", "keyId": "k1", "data": 1});
    for (value, may) in [
        ("all", [true, true, true, false, false]),
        ("manager", [true, true, false, false, false]),
        ("none", [false; 5]),
    ] {
        let mut cast = under(json!({"sendCustomNotification": value})).await;
        let got = cast.codes("stream.streamRoomSendCustomEvent", &json!({}), send).await;
        assert_eq!(got, codes(may, 0), "{value}");
        cast.end().await;
    }
}

#[tokio::test]
async fn policy_of_the_room_comes_before_that_of_the_context() {
    let mut cast = under(json!({"get": "owner", "delete": "user"})).await;
    let cases = [
        (json!({}), [true, false, false, false, false]),
        (json!({"get": "inherit"}), [true, false, false, false, false]),
        (json!({"get": "default"}), [true, true, true, false, false]),
        (json!({"get": "manager"}), [true, true, false, false, false]),
    ];
    for (policy, may) in cases {
        let got = cast.codes("stream.streamRoomGet", &policy, id).await;
        assert_eq!(got, codes(may, 0), "{policy}");
    }
    let got = cast.codes("stream.streamRoomDelete", &json!({}), id).await;
    assert_eq!(got, codes([true, true, true, false, false], 0));
    cast.end().await;
}

#[tokio::test]
async fn policy_of_a_room_that_shuts_somebody_out_puts_them_out() {
    let mut cast = Cast::new().await;
    let room = cast.room(json!({})).await;
    let join = json!({"streamRoomId": room});
    cast.clients[2].ws("stream.streamRoomJoin", join.clone()).await.unwrap();
    cast.clients[0].subscribe(&["streamroom"]).await;
    let params = set(&update(&room, &cast.world), "policy", json!({"get": "manager"}));
    cast.clients[0].ws("stream.streamRoomUpdate", params).await.unwrap();
    assert_eq!(cast.clients[0].event_of("streamRoomLeft").await.data["userId"], "user");
    assert_eq!(cast.clients[2].ws_refused("stream.streamRoomJoin", join).await, DENIED);
    cast.end().await;
}

#[tokio::test]
async fn policy_acl_groups_cover_their_functions() {
    let mut cast = Cast::new().await;
    let room = cast.room(json!({"update": "user", "delete": "user"})).await;
    let page = json!({
        "contextId": cast.world.context, "skip": 0, "limit": 1, "sortOrder": "asc",
    });
    let offer = json!({"type": "offer", "sdp": ""});
    let list = json!([{"streamId": 1}]);
    // A call, what comes of it when it is allowed, its module and whether it reads.
    let get = json!({"id": room});
    let here = json!({"streamRoomId": room});
    let context = json!({"contextId": cast.world.context});
    let event = json!({"streamRoomId": room, "channel": "x", "keyId": "k1", "data": 1});
    let custom = json!({
        "contextId": cast.world.context, "channel": "x", "data": 1,
        "users": [{"id": "owner", "key": "k"}],
    });
    let create = cast.world.room_params(&["user"]);
    let calls: Vec<(&str, &str, Value, i64, &str)> = vec![
        ("stream.streamRoomGet", "streamRoomGet", get, 0, "READ"),
        ("stream.streamRoomList", "streamRoomList", page.clone(), 0, "READ"),
        ("stream.streamList", "streamList", here.clone(), 0, "READ"),
        ("stream.streamRoomJoin", "streamRoomJoin", here.clone(), 0, "WRITE"),
        ("stream.streamRoomLeave", "streamRoomLeave", here.clone(), 0, "WRITE"),
        (
            "stream.streamPublish",
            "streamPublish",
            json!({"streamRoomId": room, "offer": offer}),
            0x6211,
            "WRITE",
        ),
        (
            "stream.streamsModifyRemoteSubscriptions",
            "streamModifySubscription",
            json!({"streamRoomId": room, "subscriptionsToAdd": list, "subscriptionsToRemove": []}),
            0x6203,
            "WRITE",
        ),
        (
            "stream.streamsUnsubscribeFromRemote",
            "streamUnsubscribe",
            json!({"streamRoomId": room, "subscriptionsToRemove": list}),
            0x6203,
            "WRITE",
        ),
        (
            "stream.streamsSubscribeToRemote",
            "streamSubscribe",
            json!({"streamRoomId": room, "subscriptionsToAdd": list}),
            0x6215,
            "WRITE",
        ),
        (
            "stream.streamUpdate",
            "streamUpdate",
            json!({"streamRoomId": room, "offer": offer}),
            0x6217,
            "WRITE",
        ),
        ("stream.streamRoomSendCustomEvent", "streamSendCustomNotification", event, 0, "WRITE"),
        ("stream.streamRoomCreate", "streamRoomCreate", create, 0, "WRITE"),
        ("context.contextGetUsers", "contextGetUsers", context, 0, "context/READ"),
        ("context.contextListUsers", "contextListUsers", page, 0, "context/READ"),
        (
            "context.contextSendCustomEvent",
            "contextSendCustomNotification",
            custom,
            0,
            "context/WRITE",
        ),
    ];
    for (method, function, params, ok, group) in calls {
        let (module, group) = group.split_once('/').unwrap_or(("stream", group));
        let other = if group == "READ" { "WRITE" } else { "READ" };
        let acls = [
            ("ALLOW ALL".to_owned(), true),
            (String::new(), false),
            (format!("ALLOW {module}/ALL"), true),
            (format!("ALLOW {module}/{group}"), true),
            (format!("ALLOW {module}/{other}"), false),
            (format!("ALLOW {group}"), true),
            (format!("ALLOW {other}"), false),
            (format!("ALLOW {module}/{function}"), true),
            (format!("ALLOW ALL\nDENY {module}/{function}"), false),
            (format!("DENY {module}/{function}\nALLOW {group}"), true),
            (format!("ALLOW ALL\nDENY {module}/{group}"), false),
        ];
        for (acl, allowed) in acls {
            let set_acl = json!({"contextId": cast.world.context, "userId": "user", "acl": acl});
            cast.world.manage("context/setUserAcl", set_acl).await.unwrap();
            let expected = if allowed { ok } else { DENIED };
            if matches!(expected, 0x6203 | 0x6215 | 0x6217) {
                // These need to be in the room, which an ACL that allows one thing forbids.
                let all = json!({
                    "contextId": cast.world.context, "userId": "user", "acl": "ALLOW ALL",
                });
                cast.world.manage("context/setUserAcl", all).await.unwrap();
                let join = cast.clients[2].ws("stream.streamRoomJoin", here.clone()).await;
                assert_eq!(join.unwrap(), "OK");
                let narrow = json!({
                    "contextId": cast.world.context, "userId": "user",
                    "acl": format!("{acl}\nALLOW stream/streamRoomJoin\nALLOW stream/streamPublish\nALLOW stream/streamSubscribe"),
                });
                cast.world.manage("context/setUserAcl", narrow).await.unwrap();
            }
            let params = if function == "streamRoomCreate" {
                let id = uuid::Uuid::new_v4().to_string();
                set(&params, "resourceId", json!(id))
            } else {
                params.clone()
            };
            let result = cast.clients[2].ws(method, params).await;
            let code = result.err().map_or(0, |error| error.code);
            assert_eq!(code, expected, "{acl:?} {method}");
        }
    }
    cast.end().await;
}

#[tokio::test]
async fn policy_acl_arguments_name_rooms() {
    let mut cast = Cast::new().await;
    let one = cast.room(json!({})).await;
    let two = cast.room(json!({})).await;
    let acl = format!("ALLOW ALL\nDENY stream/streamRoomGet streamRoomId={one}");
    let params = json!({"contextId": cast.world.context, "userId": "user", "acl": acl});
    cast.world.manage("context/setUserAcl", params).await.unwrap();
    let user = &mut cast.clients[2];
    assert_eq!(user.ws_refused("stream.streamRoomGet", json!({"id": one})).await, DENIED);
    assert!(user.ws("stream.streamRoomGet", json!({"id": two})).await.is_ok());
    let bad = [
        "ALLOW",
        "PERMIT ALL",
        "ALLOW stream/streamRoomExplode",
        "ALLOW stream/streamRoomGet room=1",
        "ALLOW stream/streamRoomGet streamRoomId",
    ];
    for acl in bad {
        let params = json!({"contextId": cast.world.context, "userId": "user", "acl": acl});
        let (code, message) = cast.world.manage("context/setUserAcl", params).await.unwrap_err();
        assert_eq!((code, message.as_str()), (0x6131, "Invalid ACL"), "{acl}");
    }
    let long = "ALLOW ALL\n".repeat(101);
    let params = json!({"contextId": cast.world.context, "userId": "user", "acl": long});
    assert_eq!(cast.world.manage("context/setUserAcl", params).await.unwrap_err().0, 0x6131);
    cast.end().await;
}
