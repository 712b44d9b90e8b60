//! `stream.*` about live media: joining, publishing, subscribing, negotiating, listing.

use serde_json::Value;
use serde_json::json;

use super::super::media::as_b;
use super::super::media::publish;
use super::super::world::World;
use super::super::world::config;
use super::CAST;
use super::Cast;
use super::DENIED;
use super::INVALID;
use super::Make;
use super::Method;
use super::alone;
use super::bad_ids;
use super::set;
use super::without;

fn here(room: &str, _: &World) -> Value {
    json!({"streamRoomId": room})
}

fn offer() -> Value {
    json!({"type": "offer", "sdp": "v=0"})
}

fn answer() -> Value {
    json!({"type": "answer", "sdp": "v=0"})
}

/// Bad values of a session description.
fn bad_descriptions(key: &'static str, good: &Value) -> Vec<(&'static str, Value)> {
    let kind = if good["type"] == "offer" { "answer" } else { "offer" };
    vec![
        (key, set(good, "type", json!(kind))),
        (key, set(good, "type", json!("rollback"))),
        (key, set(good, "type", Value::Null)),
        (key, set(good, "sdp", json!(1))),
        (key, set(good, "sdp", Value::Null)),
        (key, set(good, "more", json!(1))),
        (key, without(good, "sdp")),
        (key, without(good, "type")),
        (key, json!([good["type"], "v=0"])),
        (key, set(good, "sdp", json!("x".repeat(256 * 1024 + 1)))),
    ]
}

/// Bad values of a list of subscriptions.
fn bad_subscriptions(key: &'static str) -> Vec<(&'static str, Value)> {
    vec![
        (key, json!([1])),
        (key, json!([{}])),
        (key, json!([{"streamId": 0}])),
        (key, json!([{"streamId": -1}])),
        (key, json!([{"streamId": 1.5}])),
        (key, json!([{"streamId": "1"}])),
        (key, json!([{"streamId": null}])),
        (key, json!([{"streamId": 1, "streamTrackId": null}])),
        (key, json!([{"streamId": 1, "streamTrackId": 1}])),
        (key, json!([{"streamId": 1, "trackId": "0"}])),
        (key, json!([[1, "0"]])),
        (key, json!(vec![json!({"streamId": 1}); 16_385])),
    ]
}

fn of_room(name: &str) -> Method<'_> {
    Method { name, good: json!({"streamRoomId": "r"}), optional: &[], any: &[] }
}

/// A method that takes a room and nothing else.
async fn checks_a_room(name: &str) {
    let (world, mut alice) = alone().await;
    let method = of_room(name);
    method.refuses(&mut alice, &bad_ids().map(|id| ("streamRoomId", id))).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

/// Who has lost their way, and who comes too late.
async fn checks_the_room_first(
    cast: &mut Cast,
    method: &str,
    params: impl Fn(&str, &World) -> Value,
) {
    cast.may(method, [0x6122; 5], |_, world| params("nowhere", world)).await;
    let room = cast.room(json!({})).await;
    let close = json!({"streamRoomId": room});
    cast.clients[0].ws("stream.streamRoomClose", close).await.unwrap();
    let codes = {
        let mut codes = Vec::new();
        for client in &mut cast.clients {
            codes.push(client.ws_refused(method, params(&room, &cast.world)).await);
        }
        codes
    };
    assert_eq!(codes, [0x6208; 5], "{method}: closed comes before access");
}

/// A method that works over WebSockets only.
async fn needs_a_socket(cast: &mut Cast, method: &str, params: impl Fn(&str, &World) -> Value) {
    let params = params("r", &cast.world);
    let owner = &mut cast.clients[0];
    let error = owner.call(method, params).await.unwrap_err();
    let expected = (0x6136, "Method callable with WebSocket only");
    assert_eq!((error.code, error.message.as_str()), expected, "{method}");
}

#[tokio::test]
async fn method_stream_room_join_checks_parameters() {
    checks_a_room("stream.streamRoomJoin").await;
}

#[tokio::test]
async fn method_stream_room_join_is_for_members() {
    let mut cast = Cast::new().await;
    let method = "stream.streamRoomJoin";
    needs_a_socket(&mut cast, method, here).await;
    cast.may(method, [0, 0, 0, DENIED, DENIED], here).await;
    checks_the_room_first(&mut cast, method, here).await;
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_leave_checks_parameters() {
    checks_a_room("stream.streamRoomLeave").await;
}

#[tokio::test]
async fn method_stream_room_leave_is_for_members_and_works_in_closed_rooms() {
    let mut cast = Cast::new().await;
    let method = "stream.streamRoomLeave";
    needs_a_socket(&mut cast, method, here).await;
    cast.may(method, [0, 0, 0, DENIED, DENIED], here).await;
    cast.may(method, [0x6122; 5], |_, world| here("nowhere", world)).await;
    let room = cast.room(json!({})).await;
    let params = json!({"streamRoomId": room});
    cast.clients[0].ws("stream.streamRoomClose", params.clone()).await.unwrap();
    assert_eq!(cast.clients[2].ws(method, params).await.unwrap(), "OK");
    cast.end().await;
}

#[tokio::test]
async fn method_stream_list_checks_parameters() {
    checks_a_room("stream.streamList").await;
}

#[tokio::test]
async fn method_stream_list_is_for_members_and_over_http_too() {
    let mut cast = Cast::new().await;
    let method = "stream.streamList";
    cast.may(method, [0, 0, 0, DENIED, DENIED], here).await;
    checks_the_room_first(&mut cast, method, here).await;
    let room = cast.room(json!({})).await;
    let list = cast.clients[2].call(method, json!({"streamRoomId": room})).await.unwrap();
    assert_eq!(list, json!({"list": []}));
    cast.end().await;
}

#[tokio::test]
async fn method_stream_room_enable_recording_checks_parameters() {
    checks_a_room("stream.streamRoomEnableRecording").await;
}

#[tokio::test]
async fn method_stream_room_enable_recording_is_for_managers_who_joined() {
    let mut cast = Cast::new().await;
    let method = "stream.streamRoomEnableRecording";
    needs_a_socket(&mut cast, method, here).await;
    cast.may(method, [0x6207, 0x6207, DENIED, DENIED, DENIED], here).await;
    checks_the_room_first(&mut cast, method, here).await;
    cast.end().await;
}

#[tokio::test]
async fn method_stream_publish_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"streamRoomId": "r", "offer": offer()});
    let method = Method { name: "stream.streamPublish", good, optional: &[], any: &[] };
    let mut cases = bad_descriptions("offer", &offer());
    cases.extend(bad_ids().map(|id| ("streamRoomId", id)));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_publish_is_for_members() {
    let mut cast = Cast::new().await;
    let method = "stream.streamPublish";
    let params = |room: &str, _: &World| json!({"streamRoomId": room, "offer": offer()});
    needs_a_socket(&mut cast, method, params).await;
    // The offer is none, which only those are told who may make one.
    cast.may(method, [0x6211, 0x6211, 0x6211, DENIED, DENIED], params).await;
    checks_the_room_first(&mut cast, method, params).await;
    cast.end().await;
}

#[tokio::test]
async fn method_stream_publish_happens_once() {
    let (world, mut alice) = alone().await;
    let room = world.room(&mut alice, &["alice"]).await;
    let (publisher, _) = publish(&mut alice, &room).await;
    let params = json!({"streamRoomId": room, "offer": offer()});
    let error = alice.ws("stream.streamPublish", params).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (0x6210, "Stream already published"));
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_update_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"streamRoomId": "r", "offer": offer()});
    let method = Method { name: "stream.streamUpdate", good, optional: &[], any: &[] };
    let mut cases = bad_descriptions("offer", &offer());
    cases.extend(bad_ids().map(|id| ("streamRoomId", id)));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_update_is_for_those_who_joined() {
    let mut cast = Cast::new().await;
    let method = "stream.streamUpdate";
    let params = |room: &str, _: &World| json!({"streamRoomId": room, "offer": offer()});
    needs_a_socket(&mut cast, method, params).await;
    cast.may(method, [0x6202, 0x6202, 0x6202, DENIED, DENIED], params).await;
    checks_the_room_first(&mut cast, method, params).await;
    cast.end().await;
}

/// A method that takes a session and something else.
async fn checks_a_session(name: &str, good: Value, mut cases: Vec<(&'static str, Value)>) {
    let (world, mut alice) = alone().await;
    let method = Method { name, good, optional: &[], any: &[] };
    cases.extend([
        ("sessionId", json!(-1)),
        ("sessionId", json!(0.5)),
        ("sessionId", json!(i64::MAX)),
        // Well-formed, but nobody's.
        ("sessionId", json!(77)),
        ("sessionId", json!(77.0)),
    ]);
    method.refuses(&mut alice, &cases).await;
    world.bridge.shutdown().await;
}

/// A session belongs to the connection that made it.
async fn is_for_the_owner_of_the_session(method: &str, params: impl Fn(&Value) -> Value) {
    let mut cast = Cast::new().await;
    needs_a_socket(&mut cast, method, |_, _| params(&json!(77))).await;
    let room = cast.room(json!({})).await;
    let (publisher, answer) = publish(&mut cast.clients[2], &room).await;
    for index in [0, 1, 3, 4] {
        let error = cast.clients[index].ws(method, params(&answer["sessionId"])).await.unwrap_err();
        assert_eq!(error.code, INVALID, "{method}: {}", CAST[index]);
    }
    publisher.close().await;
    cast.end().await;
}

#[tokio::test]
async fn method_stream_unpublish_checks_parameters() {
    checks_a_session("stream.streamUnpublish", json!({"sessionId": 1}), Vec::new()).await;
}

#[tokio::test]
async fn method_stream_unpublish_is_for_the_owner_of_the_session() {
    is_for_the_owner_of_the_session("stream.streamUnpublish", |id| json!({"sessionId": id})).await;
}

#[tokio::test]
async fn method_stream_unpublish_keeps_the_stream_id() {
    let mut cast = Cast::new().await;
    let room = cast.room(json!({})).await;
    // A plain member: who may publish may stop.
    let user = &mut cast.clients[2];
    let (first, answer) = publish(user, &room).await;
    let params = json!({"sessionId": answer["sessionId"]});
    assert_eq!(user.ws("stream.streamUnpublish", params.clone()).await.unwrap(), "OK");
    assert_eq!(user.ws_refused("stream.streamUnpublish", params).await, INVALID);
    let (second, again) = publish(user, &room).await;
    let id = |answer: &Value| answer["publishedData"]["stream"]["id"].clone();
    assert_eq!(id(&again), id(&answer));
    assert_ne!(again["sessionId"], answer["sessionId"]);
    first.close().await;
    second.close().await;
    cast.end().await;
}

#[tokio::test]
async fn method_stream_accept_offer_checks_parameters() {
    let good = json!({"sessionId": 1, "answer": answer()});
    checks_a_session("stream.streamAcceptOffer", good, bad_descriptions("answer", &answer())).await;
}

#[tokio::test]
async fn method_stream_accept_offer_is_for_the_owner_of_the_session() {
    let params = |id: &Value| json!({"sessionId": id, "answer": answer()});
    is_for_the_owner_of_the_session("stream.streamAcceptOffer", params).await;
}

#[tokio::test]
async fn method_stream_set_new_offer_checks_parameters() {
    let good = json!({"sessionId": 1, "offer": offer()});
    checks_a_session("stream.streamSetNewOffer", good, bad_descriptions("offer", &offer())).await;
}

#[tokio::test]
async fn method_stream_set_new_offer_is_for_the_owner_of_the_session() {
    let params = |id: &Value| json!({"sessionId": id, "offer": offer()});
    is_for_the_owner_of_the_session("stream.streamSetNewOffer", params).await;
}

fn candidate() -> Value {
    json!({
        "candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "address": "127.0.0.1",
        "foundation": "1", "sdpMid": "0", "relatedAddress": null, "usernameFragment": "u",
        "port": 9, "priority": 1, "relatedPort": null, "sdpMLineIndex": 0, "component": "rtp",
        "protocol": "udp", "tcpType": null, "type": "host",
    })
}

#[tokio::test]
async fn method_stream_trickle_checks_parameters() {
    let key = "rtcCandidate";
    let mut cases = vec![(key, json!("candidate:1")), (key, set(&candidate(), "more", json!(1)))];
    for (name, value) in candidate().as_object().unwrap() {
        cases.push((key, without(&candidate(), name)));
        let wrong = if value.is_number() || name == "relatedPort" { json!("x") } else { json!(1) };
        cases.push((key, set(&candidate(), name, wrong)));
    }
    cases.extend([
        (key, set(&candidate(), "candidate", Value::Null)),
        (key, set(&candidate(), "component", json!("data"))),
        (key, set(&candidate(), "protocol", json!("sctp"))),
        (key, set(&candidate(), "tcpType", json!("none"))),
        (key, set(&candidate(), "type", json!("srv"))),
        (key, set(&candidate(), "candidate", json!("x".repeat(1025)))),
    ]);
    let good = json!({"sessionId": 1, key: candidate()});
    checks_a_session("stream.streamTrickle", good, cases).await;
}

#[tokio::test]
async fn method_stream_trickle_is_for_the_owner_of_the_session() {
    let params = |id: &Value| json!({"sessionId": id, "rtcCandidate": candidate()});
    is_for_the_owner_of_the_session("stream.streamTrickle", params).await;
}

#[tokio::test]
async fn method_stream_trickle_takes_candidates_with_nulls() {
    let (world, mut alice) = alone().await;
    let room = world.room(&mut alice, &["alice"]).await;
    let (publisher, answer) = publish(&mut alice, &room).await;
    let mut nulls = candidate();
    for (key, value) in nulls.as_object_mut().unwrap() {
        if key != "candidate" {
            *value = Value::Null;
        }
    }
    let tcp = set(&candidate(), "tcpType", json!("passive"));
    for candidate in [candidate(), nulls, tcp] {
        let params = json!({"sessionId": answer["sessionId"], "rtcCandidate": candidate});
        assert_eq!(alice.ws("stream.streamTrickle", params).await.unwrap(), "OK");
    }
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_streams_subscribe_to_remote_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({
        "streamRoomId": "r", "subscriptionsToAdd": [{"streamId": 1, "streamTrackId": "0"}],
    });
    let method = Method { name: "stream.streamsSubscribeToRemote", good, optional: &[], any: &[] };
    let mut cases = bad_subscriptions("subscriptionsToAdd");
    cases.extend(bad_ids().map(|id| ("streamRoomId", id)));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_streams_subscribe_to_remote_is_for_those_who_joined() {
    let mut cast = Cast::new().await;
    let method = "stream.streamsSubscribeToRemote";
    let params = |room: &str, _: &World| json!({"streamRoomId": room, "subscriptionsToAdd": [{"streamId": 1}]});
    needs_a_socket(&mut cast, method, params).await;
    cast.may(method, [0x6202, 0x6202, 0x6202, DENIED, DENIED], params).await;
    checks_the_room_first(&mut cast, method, params).await;
    let room = cast.room(json!({})).await;
    let user = &mut cast.clients[2];
    user.ws("stream.streamRoomJoin", json!({"streamRoomId": room})).await.unwrap();
    assert_eq!(user.ws_refused(method, params(&room, &cast.world)).await, 0x6215);
    cast.end().await;
}

#[tokio::test]
async fn method_streams_modify_remote_subscriptions_checks_parameters() {
    let (world, mut alice) = alone().await;
    let list = json!([{"streamId": 1, "streamTrackId": "0"}]);
    let good = json!({
        "streamRoomId": "r", "subscriptionsToAdd": list, "subscriptionsToRemove": list,
    });
    let name = "stream.streamsModifyRemoteSubscriptions";
    let method = Method { name, good, optional: &[], any: &[] };
    let mut cases = bad_subscriptions("subscriptionsToAdd");
    cases.extend(bad_subscriptions("subscriptionsToRemove"));
    cases.extend(bad_ids().map(|id| ("streamRoomId", id)));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_streams_unsubscribe_from_remote_checks_parameters() {
    let (world, mut alice) = alone().await;
    let list = json!([{"streamId": 1, "streamTrackId": "0"}]);
    let good = json!({"streamRoomId": "r", "subscriptionsToRemove": list});
    let name = "stream.streamsUnsubscribeFromRemote";
    let method = Method { name, good, optional: &[], any: &[] };
    let mut cases = bad_subscriptions("subscriptionsToRemove");
    cases.extend(bad_ids().map(|id| ("streamRoomId", id)));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_streams_modify_and_unsubscribe_need_a_subscription() {
    let mut cast = Cast::new().await;
    let list = json!([{"streamId": 1}]);
    let modify = |room: &str, _: &World| json!({"streamRoomId": room, "subscriptionsToAdd": list, "subscriptionsToRemove": list});
    let unsubscribe =
        |room: &str, _: &World| json!({"streamRoomId": room, "subscriptionsToRemove": list});
    let methods: [(&str, Make<'_>); 2] = [
        ("stream.streamsModifyRemoteSubscriptions", &modify),
        ("stream.streamsUnsubscribeFromRemote", &unsubscribe),
    ];
    for (method, params) in methods {
        needs_a_socket(&mut cast, method, params).await;
        cast.may(method, [0x6202, 0x6202, 0x6202, DENIED, DENIED], params).await;
        checks_the_room_first(&mut cast, method, params).await;
        let room = cast.room(json!({})).await;
        let user = &mut cast.clients[2];
        user.ws("stream.streamRoomJoin", json!({"streamRoomId": room})).await.unwrap();
        assert_eq!(user.ws_refused(method, params(&room, &cast.world)).await, 0x6203, "{method}");
    }
    cast.end().await;
}

#[tokio::test]
async fn method_streams_modify_with_nothing_to_do_is_refused() {
    let (world, mut alice) = alone().await;
    let room = world.room(&mut alice, &["alice"]).await;
    as_b(&mut alice, &world).await;
    let (publisher, answer) = publish(&mut alice, &room).await;
    alice.event_of("streamPublished").await;
    let own = json!([{"streamId": answer["publishedData"]["stream"]["id"]}]);
    let subscribe = json!({"streamRoomId": room, "subscriptionsToAdd": own});
    let subscribed = alice.ws("stream.streamsSubscribeToRemote", subscribe).await.unwrap();
    assert_eq!(subscribed["offer"]["type"], "offer");
    let method = "stream.streamsModifyRemoteSubscriptions";
    let params =
        json!({"streamRoomId": room, "subscriptionsToAdd": [], "subscriptionsToRemove": []});
    assert_eq!(alice.ws_refused(method, params).await, 0x6210);
    let params = json!({"streamRoomId": room, "subscriptionsToRemove": []});
    assert_eq!(alice.ws_refused("stream.streamsUnsubscribeFromRemote", params).await, 0x6210);
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_stream_get_turn_credentials_needs_a_session_only() {
    let mut cast = Cast::new().await;
    let method = "stream.streamGetTurnCredentials";
    let good = Method { name: method, good: json!({}), optional: &[], any: &[] };
    good.refuses(&mut cast.clients[0], &[]).await;
    cast.may(method, [0; 5], |_, _| json!({})).await;
    cast.end().await;
}

#[tokio::test]
async fn method_names_of_streams_are_unknown_where_streams_are_off() {
    let mut config = config();
    config.streams = false;
    let world = World::with(config).await;
    let mut alice = world.join("alice", 1).await;
    let page = json!({"contextId": world.context, "skip": 0, "limit": 1, "sortOrder": "asc"});
    for method in ["streamRoomList", "streamRoomCreate", "streamGetTurnCredentials", "nonsense"] {
        let code = alice.refused(&format!("stream.{method}"), page.clone()).await;
        assert_eq!(code, -32601, "{method}");
    }
    let get = json!({"id": world.context});
    assert!(alice.call("context.contextGet", get).await.is_ok());
    world.bridge.shutdown().await;
}
