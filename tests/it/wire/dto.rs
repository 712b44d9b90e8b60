//! Parameters, results and events: what the reference client and bridge exchanged, and what
//! must be refused.

use conclave::model::EventKind;
use conclave::model::StreamId;
use conclave::wire::dto::Call;
use conclave::wire::dto::context::ContextGet;
use conclave::wire::dto::context::ContextList;
use conclave::wire::dto::context::ContextListUsers;
use conclave::wire::dto::context::ContextSendCustomEvent;
use conclave::wire::dto::event::Event;
use conclave::wire::dto::event::EventError;
use conclave::wire::dto::event::Payload;
use conclave::wire::dto::json_size;
use conclave::wire::dto::session::AuthorizeWebSocket;
use conclave::wire::dto::session::SubscribeToChannels;
use conclave::wire::dto::session::UnauthorizeWebSocket;
use conclave::wire::dto::session::UnsubscribeFromChannels;
use conclave::wire::dto::signal::StreamAcceptOffer;
use conclave::wire::dto::signal::StreamTrickle;
use conclave::wire::dto::stream::StreamGetTurnCredentials;
use conclave::wire::dto::stream::StreamList;
use conclave::wire::dto::stream::StreamPublish;
use conclave::wire::dto::stream::StreamUnpublish;
use conclave::wire::dto::stream::StreamUpdate;
use conclave::wire::dto::stream::StreamsModifyRemoteSubscriptions;
use conclave::wire::dto::stream::StreamsSubscribeToRemote;
use conclave::wire::dto::stream::StreamsUnsubscribeFromRemote;
use conclave::wire::dto::stream_room::StreamRoom;
use conclave::wire::dto::stream_room::StreamRoomCreate;
use conclave::wire::dto::stream_room::StreamRoomDelete;
use conclave::wire::dto::stream_room::StreamRoomGet;
use conclave::wire::dto::stream_room::StreamRoomJoin;
use conclave::wire::dto::stream_room::StreamRoomLeave;
use conclave::wire::dto::stream_room::StreamRoomList;
use conclave::wire::dto::stream_room::StreamRoomUpdate;
use conclave::wire::rpc::RpcError;
use conclave::wire::rpc::code;
use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::json;

use super::data::ENDPOINT;
use super::data::laws;
use super::data::vector;
use super::pson::any_value;

/// What a typed call makes of recorded parameters and results, with its types erased.
struct Typed {
    method: &'static str,
    params: fn(Json) -> Result<Json, RpcError>,
    answer: fn(Json) -> Result<Json, String>,
}

const fn typed<C: Call>() -> Typed {
    Typed {
        method: C::METHOD,
        params: |params| C::parse(params).map(|call| call.params()),
        answer: |result| match C::answer(result) {
            Ok(answer) => Ok(C::result(&answer)),
            Err(error) => Err(error.to_string()),
        },
    }
}

const CALLS: &[Typed] = &[
    typed::<AuthorizeWebSocket>(),
    typed::<UnauthorizeWebSocket>(),
    typed::<SubscribeToChannels>(),
    typed::<UnsubscribeFromChannels>(),
    typed::<ContextList>(),
    typed::<ContextGet>(),
    typed::<ContextListUsers>(),
    typed::<ContextSendCustomEvent>(),
    typed::<StreamRoomCreate>(),
    typed::<StreamRoomUpdate>(),
    typed::<StreamRoomGet>(),
    typed::<StreamRoomList>(),
    typed::<StreamRoomDelete>(),
    typed::<StreamRoomJoin>(),
    typed::<StreamRoomLeave>(),
    typed::<StreamList>(),
    typed::<StreamGetTurnCredentials>(),
    typed::<StreamPublish>(),
    typed::<StreamUpdate>(),
    typed::<StreamUnpublish>(),
    typed::<StreamTrickle>(),
    typed::<StreamAcceptOffer>(),
    typed::<StreamsSubscribeToRemote>(),
    typed::<StreamsModifyRemoteSubscriptions>(),
    typed::<StreamsUnsubscribeFromRemote>(),
];

fn call(method: &str) -> &'static Typed {
    CALLS.iter().find(|call| call.method == method).unwrap_or_else(|| panic!("no {method}"))
}

/// Every recorded call and event, with the server and the user it belongs to.
fn transcript() -> Vec<(String, &'static Json)> {
    let servers = ["bridge-2.42.1", "bridge-3.0.0"];
    let mut lines = Vec::new();
    for server in servers {
        for (user, recorded) in ENDPOINT["transcripts"][server]["users"].as_object().unwrap() {
            for (index, line) in recorded["wire"].as_array().unwrap().iter().enumerate() {
                lines.push((format!("{server} {user} {index}"), line));
            }
        }
    }
    lines
}

#[test]
fn recorded_parameters_are_read_and_written_the_same() {
    let mut seen = 0;
    for (name, line) in transcript() {
        let Some(method) = line["method"].as_str() else { continue };
        let written = (call(method).params)(line["params"].clone());
        assert_eq!(written.unwrap(), line["params"], "{name} {method}");
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn recorded_results_are_read() {
    for (name, line) in transcript() {
        let (Some(method), Some(result)) = (line["method"].as_str(), line.get("result")) else {
            continue;
        };
        if result.is_null() {
            continue;
        }
        let read = (call(method).answer)(result.clone()).unwrap();
        assert!(is_part(&read, result), "{name} {method}\n{read}\n{result}");
    }
}

/// Everything in `part` is in `whole`; a result may hold more than we read.
fn is_part(part: &Json, whole: &Json) -> bool {
    match (part, whole) {
        (Json::Object(part), Json::Object(whole)) => part.iter().all(|(key, value)| {
            value.is_null() || whole.get(key).is_some_and(|other| is_part(value, other))
        }),
        (Json::Array(part), Json::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(a, b)| is_part(a, b))
        }
        _ => part == whole,
    }
}

#[test]
fn recorded_events_are_read() {
    let mut kinds = std::collections::BTreeSet::new();
    for (name, line) in transcript() {
        let Some(kind) = line["event"].as_str() else { continue };
        let mut json = line.clone();
        json["type"] = json!(kind);
        let event = Event::parse(json).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(event.payload.type_name(), kind);
        assert!(is_part(&event.payload.data(), &line["data"]), "{name}");
        assert_eq!(json!(event.timestamp.0), line["timestamp"], "{name}");
        kinds.insert(kind);
    }
    assert!(kinds.len() >= 6, "{kinds:?}");
    for id in ["notification-message", "bridge-notification"] {
        let recorded = &vector(id)["event"];
        let event = Event::parse(recorded.clone()).unwrap();
        assert_eq!(event.to_json(), *recorded, "{id}");
    }
}

fn room_params() -> Json {
    transcript()
        .into_iter()
        .find(|(_, line)| line["method"] == "stream.streamRoomCreate")
        .map(|(_, line)| line["params"].clone())
        .unwrap()
}

#[test]
fn parameters_that_break_a_rule_are_refused_by_name() {
    let with = |key: &str, value: Json| {
        let mut params = room_params();
        params[key] = value;
        params
    };
    let without = |key: &str| {
        let mut params = room_params();
        params.as_object_mut().unwrap().remove(key);
        params
    };
    let key_of = |user: &str| json!([{ "user": user, "keyId": "k", "data": "" }]);
    let create: &[(&str, Json, &str)] = &[
        ("unknown key", with("colour", json!(1)), "colour"),
        ("missing key", without("keyId"), "keyId"),
        ("null for an optional key", with("resourceId", Json::Null), "resourceId"),
        ("wrong type", with("users", json!("bob")), "users"),
        ("not a UUID", with("resourceId", json!("abc")), "resourceId"),
        (
            "UUID of another version",
            with("resourceId", json!("fa3802a5-0f87-1e83-95d5-7e34f5791349")),
            "resourceId",
        ),
        ("empty id", with("contextId", json!("")), "contextId"),
        ("long id", with("contextId", json!("x".repeat(129))), "contextId"),
        ("long user id", with("users", json!(["x".repeat(129)])), "users"),
        ("data too big", with("data", json!("x".repeat(4095))), "data"),
        ("empty user of a key", with("keys", key_of("")), "keys"),
        ("unknown policy", with("policy", json!({ "eat": "all" })), "policy"),
        ("null policy", with("policy", json!({ "get": null })), "policy"),
        ("long policy", with("policy", json!({ "get": "x".repeat(33) })), "policy"),
    ];
    for (name, params, key) in create {
        let error = StreamRoomCreate::parse(params.clone()).unwrap_err();
        assert_eq!(error.code, code::INVALID_PARAMS, "{name}");
        assert!(error.data.as_str().unwrap().contains(key), "{name}: {error:?}");
    }
    assert!(StreamRoomCreate::parse(with("data", json!("x".repeat(4094)))).is_ok());
    assert!(StreamRoomCreate::parse(without("policy")).is_ok());
}

#[test]
fn other_limits_are_kept() {
    let page = |skip: Json, limit: Json, order: &str| json!({ "contextId": "c", "skip": skip, "limit": limit, "sortOrder": order });
    let candidate = json!({
        "candidate": "candidate:1", "address": null, "foundation": null, "sdpMid": null,
        "relatedAddress": null, "usernameFragment": null, "port": null, "priority": null,
        "relatedPort": null, "sdpMLineIndex": null, "component": null, "protocol": null,
        "tcpType": null, "type": null,
    });
    let mut short = candidate.clone();
    short.as_object_mut().unwrap().remove("tcpType");
    let offer = |kind: &str| json!({ "type": kind, "sdp": "v=0" });
    let publish = |kind: &str| json!({ "streamRoomId": "r", "offer": offer(kind) });
    let subscribe = |stream: Json| json!({ "streamRoomId": "r", "subscriptionsToAdd": [stream] });
    let channels = |channel: &str, count| json!({ "channels": vec![channel; count] });
    let cases: &[(&str, Json, Option<&str>)] = &[
        ("stream.streamRoomList", page(json!(0), json!(100), "asc"), None),
        ("stream.streamRoomList", page(json!(-1), json!(100), "asc"), Some("skip")),
        ("stream.streamRoomList", page(json!(0), json!(0), "asc"), Some("limit")),
        ("stream.streamRoomList", page(json!(0), json!(101), "asc"), Some("limit")),
        ("stream.streamRoomList", page(json!(0), json!(i64::MIN), "asc"), Some("limit")),
        ("stream.streamRoomList", page(json!(0), json!(1.5), "asc"), Some("limit")),
        ("stream.streamRoomList", page(json!(0), json!(1), "up"), Some("sortOrder")),
        ("stream.streamPublish", publish("offer"), None),
        ("stream.streamPublish", publish("answer"), Some("offer")),
        ("stream.streamTrickle", json!({ "sessionId": 1, "rtcCandidate": candidate }), None),
        ("stream.streamTrickle", json!({ "sessionId": 1, "rtcCandidate": short }), Some("tcpType")),
        ("stream.streamsSubscribeToRemote", subscribe(json!({ "streamId": 1 })), None),
        (
            "stream.streamsSubscribeToRemote",
            subscribe(json!({ "streamId": 0 })),
            Some("subscriptionsToAdd"),
        ),
        (
            "stream.streamsSubscribeToRemote",
            subscribe(json!({ "streamId": 1, "streamTrackId": null })),
            Some("subscriptionsToAdd"),
        ),
        ("subscribeToChannels", channels("streamroom/create|contextId=c", 128), None),
        ("subscribeToChannels", channels("streamroom", 129), Some("channels")),
        ("subscribeToChannels", channels("stream room", 1), Some("channels")),
        ("subscribeToChannels", channels("", 1), Some("channels")),
        ("unauthorizeWebSocket", json!({}), None),
        ("unauthorizeWebSocket", json!(null), Some("params")),
        ("unauthorizeWebSocket", json!([]), Some("params")),
        (
            "authorizeWebSocket",
            json!({ "key": "?".repeat(44), "addWsChannelId": true }),
            Some("key"),
        ),
        ("authorizeWebSocket", json!({ "key": "AAAA", "addWsChannelId": true }), Some("key")),
    ];
    for (method, params, refused) in cases {
        match ((call(method).params)(params.clone()), refused) {
            (Ok(_), None) => {}
            (Err(error), Some(key)) => {
                assert_eq!(error.code, code::INVALID_PARAMS);
                assert!(error.data.as_str().unwrap().contains(key), "{method} {error:?}");
            }
            (got, expected) => panic!("{method} {params}: {got:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn size_is_counted_as_the_bridge_counts_it() {
    let cases = [
        (json!(null), 4),
        (json!(true), 4),
        (json!(false), 5),
        (json!(-12), 3),
        (json!("abc"), 5),
        (json!("zażółć"), 8),
        (json!([]), 2),
        (json!([1, 2]), 6),
        (json!({ "a": 1 }), 8),
    ];
    for (value, size) in cases {
        assert_eq!(json_size(&value), size, "{value}");
    }
}

fn event(kind: &str, data: Json) -> Result<Event, EventError> {
    let (timestamp, subscriptions) = (json!(1), json!(["s"]));
    Event::parse(json!({
        "type": kind, "data": data, "timestamp": timestamp,
        "subscriptions": subscriptions, "version": 2, "extra": null,
    }))
}

#[test]
fn unusable_events_are_dropped_and_told_apart() {
    let left = json!({ "streamRoomId": "r", "userId": "u" });
    assert!(matches!(event("kvdbEntryNew", left.clone()), Err(EventError::UnknownType(_))));
    assert!(matches!(event("streamLeft", left), Err(EventError::Data { .. })));
    assert!(matches!(event("streamJoined", json!(1)), Err(EventError::Data { .. })));
    let foreign = json!({ "streamRoomId": "r", "type": "kvdb" });
    assert!(matches!(event("streamRoomDeleted", foreign), Err(EventError::ForeignContainer)));
    for key in ["type", "data", "timestamp", "subscriptions", "version"] {
        let mut json =
            event("streamRoomDeleted", json!({ "streamRoomId": "r" })).unwrap().to_json();
        json.as_object_mut().unwrap().remove(key);
        assert!(matches!(Event::parse(json), Err(EventError::Envelope(_))), "{key}");
    }
}

#[test]
fn both_generations_become_the_same_facts() {
    let track = json!({ "type": "audio", "mindex": 0, "mid": "0", "codec": "opus" });
    let stream = json!({ "id": 7, "userId": "u", "tracks": [track] });
    let facts = |kind, data| event(kind, data).unwrap().payload.facts();
    let a = facts(
        "streamUpdated",
        json!({
            "streamRoomId": "r", "streamsAdded": [stream], "streamsRemoved": [stream],
            "streamsModified": [{ "streamId": 7, "tracks": [{ "after": track }, { "before": track }] }],
        }),
    );
    let b = facts(
        "streamUpdated",
        json!({
            "streamRoomId": "r", "streamId": 7, "userId": "u", "tracksAdded": [track],
            "tracksRemoved": [], "tracksModified": [],
        }),
    );
    assert!(matches!(
        &a[..],
        [
            EventKind::RemoteStreamsChanged { .. },
            EventKind::StreamUnpublished { stream: StreamId(7), .. },
            EventKind::StreamUpdated { .. },
        ]
    ));
    assert_eq!(a[2], b[0]);
    let left = json!({ "streamRoomId": "r", "streamId": 7, "userId": "u" });
    assert_eq!(facts("streamLeft", left.clone())[1..], facts("streamRoomLeft", left.clone())[..],);
    assert_eq!(facts("streamLeft", left.clone())[..1], facts("streamUnpublished", left)[..]);
    let offer = json!({
        "videoroom": "updated", "room": "r", "sessionId": 5, "jsep": { "type": "offer", "sdp": "" },
        "streams": [{ "type": "audio", "active": true, "mindex": 0, "mid": "0", "ready": true,
            "send": true, "feed_id": 7, "feed_mid": "0", "feed_display": "u" }],
    });
    let Payload::StreamsUpdated(data) = event("streamsUpdated", offer).unwrap().payload else {
        panic!("another payload");
    };
    assert_eq!((data.session_id, data.streams[0].feed_id), (5, Some(7)));
    let status = json!({ "contextId": "c", "users": [
        { "userId": "a", "pubKey": "k", "action": "login" },
        { "userId": "b", "pubKey": "l", "action": "logout" },
    ]});
    assert_eq!(facts("contextUserStatusChanged", status).len(), 2);
}

#[test]
fn absent_closed_means_closed_and_unknown_members_are_ignored() {
    let room = transcript()
        .into_iter()
        .find(|(_, line)| line["method"] == "stream.streamRoomGet" && line["result"].is_object())
        .map(|(_, line)| line["result"]["streamRoom"].clone())
        .unwrap();
    let mut bare = room.clone();
    bare.as_object_mut().unwrap().remove("closed");
    bare.as_object_mut().unwrap().remove("policy");
    bare["novelty"] = json!({});
    bare["resourceId"] = Json::Null;
    let bare: StreamRoom = serde_json::from_value(bare).unwrap();
    let room: StreamRoom = serde_json::from_value(room).unwrap();
    assert!(bare.closed && !room.closed);
    assert_eq!(bare.resource_id, None);
    let model = room.to_model(vec![1], vec![2], 0);
    assert_eq!(model.stream_room_id.as_str(), room.id);
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn any_json_is_taken_or_refused(value in any_value(), index in 0..CALLS.len()) {
        let json = value.to_json().unwrap_or_default();
        let _ = (CALLS[index].params)(json.clone());
        let _ = (CALLS[index].answer)(json.clone());
        let _ = Event::parse(json);
    }

    #[test]
    fn recorded_lines_with_a_foreign_member_never_panic(
        line in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        value in any_value(),
    ) {
        let lines = transcript();
        let mut line = lines[line.index(lines.len())].1.clone();
        let foreign = value.to_json().unwrap_or_default();
        let part = if line["event"].is_string() { "data" } else { "params" };
        if let Some(members) = line[part].as_object_mut().filter(|members| !members.is_empty()) {
            let at = at.index(members.len());
            *members.values_mut().nth(at).unwrap() = foreign;
        }
        if let Some(kind) = line["event"].as_str() {
            let _ = Payload::parse(kind, line["data"].clone()).map(Payload::facts);
        } else {
            let _ = (call(line["method"].as_str().unwrap()).params)(line["params"].clone());
        }
    }
}
