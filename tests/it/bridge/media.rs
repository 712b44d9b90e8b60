//! Live media: who may do what, who is told in which words, and who is put out when.

use conclave::rtc::PeerConfig;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use serde_json::Value;
use serde_json::json;

use super::world::Client;
use super::world::World;
use super::world::config;
use super::world::keys;
use super::world::text;

fn peer() -> PeerConfig {
    PeerConfig { loopback: true, ..PeerConfig::default() }
}

fn here(room: &str) -> Value {
    json!({"streamRoomId": room})
}

/// Subscribes like a client of 2.42.
pub async fn as_a(client: &mut Client, world: &World) {
    client.connect(&world.bridge).await;
    let context = &world.context;
    let mut channels = vec!["streamroom/internal".to_owned()];
    for path in ["update", "delete", "streams/join", "streams/leave"] {
        channels.push(format!("streamroom/{path}|contextId={context},containerType=stream"));
    }
    for path in ["streams/publish", "streams/unpublish"] {
        channels.push(format!("streamroom/{path}|contextId={context},containerType=stream"));
    }
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    client.subscribe(&channels).await;
}

/// Subscribes to everything, like our own client.
pub async fn as_b(client: &mut Client, world: &World) {
    client.connect(&world.bridge).await;
    client.subscribe(&["streamroom", "streamroom/internal", "streamroom/internal/reoffer"]).await;
}

pub async fn publish(client: &mut Client, room: &str) -> (Publisher, Value) {
    let publisher = Publisher::new(&peer()).unwrap();
    publisher.add_audio_track().await.unwrap();
    let offer = json!({"type": "offer", "sdp": publisher.create_offer().await.unwrap()});
    let params = json!({"streamRoomId": room, "offer": offer});
    let answer = client.ws("stream.streamPublish", params).await.unwrap();
    publisher.set_answer(answer["answer"]["sdp"].as_str().unwrap()).await.unwrap();
    (publisher, answer)
}

#[tokio::test]
async fn a_call_is_told_in_both_profiles() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut old = world.join("old", 2).await;
    let mut new = world.join("new", 3).await;
    let room = world.room(&mut alice, &["alice", "old", "new"]).await;
    alice.connect(&world.bridge).await;
    as_a(&mut old, &world).await;
    as_b(&mut new, &world).await;
    old.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    new.event_of("streamRoomJoined").await;
    old.kinds().await;
    assert_eq!(alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap(), "OK");
    assert_eq!(alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap(), "OK");
    let joined = new.event_of("streamRoomJoined").await;
    assert_eq!(joined.data, json!({"streamRoomId": room, "userId": "alice"}));
    let joined = old.event_of("streamJoined").await;
    assert_eq!(joined.data["userId"], "alice");
    let stream = joined.data["streamIds"][0].as_i64().unwrap();

    let (publisher, answer) = publish(&mut alice, &room).await;
    let data = &answer["publishedData"];
    assert_eq!((&data["stream"]["id"], &data["userId"]), (&json!(stream), &json!("alice")));
    for client in [&mut old, &mut new] {
        let event = client.event_of("streamPublished").await;
        assert_eq!(&event.data, data);
    }
    let changed = old.event_of("remoteStreamsChanged").await;
    assert_eq!(changed.data, json!({"room": room, "streams": [data["stream"]]}));
    let list = alice.call("stream.streamList", here(&room)).await.unwrap();
    assert_eq!(list, json!({"list": [data["stream"]]}));

    // The old client receives, and is told of what it must answer in its own words.
    let (subscriber, _events) = Subscriber::new(&peer()).unwrap();
    let wanted = json!([{"streamId": stream}]);
    let params = json!({"streamRoomId": room, "subscriptionsToAdd": wanted});
    let offered = old.ws("stream.streamsSubscribeToRemote", params).await.unwrap();
    let event = new.event_of("streamSubscribed").await;
    assert_eq!(event.data["subscriptions"], wanted);
    let sdp = subscriber.answer(offered["offer"]["sdp"].as_str().unwrap()).await.unwrap();
    let accept = json!({
        "sessionId": offered["sessionId"],
        "answer": {"type": "answer", "sdp": sdp},
    });
    assert_eq!(old.ws("stream.streamAcceptOffer", accept).await.unwrap(), "OK");

    let mine = json!({"sessionId": answer["sessionId"]});
    let theirs = old.ws_refused("stream.streamUnpublish", mine.clone()).await;
    assert_eq!(theirs, -32602, "a session of somebody else");
    assert_eq!(alice.ws("stream.streamUnpublish", mine).await.unwrap(), "OK");
    let ended = json!({"streamRoomId": room, "streamId": stream, "userId": "alice"});
    for client in [&mut old, &mut new] {
        assert_eq!(client.event_of("streamUnpublished").await.data, ended);
    }
    let reoffer = old.event_of("streamsUpdated").await;
    assert_eq!(reoffer.data["sessionId"], offered["sessionId"]);
    assert_eq!(reoffer.data["jsep"]["type"], "offer");
    assert_eq!(reoffer.data["streams"][0]["active"], false);

    alice.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    assert_eq!(new.event_of("streamRoomLeft").await.data["userId"], "alice");
    assert_eq!(old.event_of("streamLeft").await.data["streamId"], stream);
    // Leaving a room that one is not in tells nobody.
    alice.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    assert!(new.kinds().await.iter().all(|kind| kind == "streamLeft"));
    publisher.close().await;
    subscriber.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn media_methods_are_checked_in_order() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut carol = world.join("carol", 3).await;
    let room = world.room(&mut alice, &["alice"]).await;
    let closed = world.room(&mut alice, &["alice"]).await;
    let close = json!({"streamRoomId": closed});
    assert_eq!(alice.call("stream.streamRoomClose", close).await.unwrap(), "OK");
    assert_eq!(alice.refused("stream.streamRoomJoin", here(&room)).await, 0x6136);
    alice.connect(&world.bridge).await;
    carol.connect(&world.bridge).await;
    let offer = json!({"type": "offer", "sdp": "v=0"});
    let answer = json!({"type": "answer", "sdp": "v=0"});
    let wrong = json!({"type": "answer", "sdp": "v=0"});
    let with = |room: &str, key: &str, value: &Value| json!({"streamRoomId": room, key: value});
    let add = json!([{"streamId": 1}]);
    let session = |key: &str, value: &Value| json!({"sessionId": 77, key: value});
    let both = json!({
        "streamRoomId": room, "subscriptionsToAdd": add, "subscriptionsToRemove": [],
    });
    let cases = [
        ("streamRoomJoin", here("nowhere"), 0x6122),
        ("streamRoomJoin", here(&closed), 0x6208),
        ("streamRoomJoin", json!({}), -32602),
        ("streamRoomJoin", json!({"streamRoomId": room, "more": 1}), -32602),
        ("streamList", here(&closed), 0x6208),
        ("streamPublish", with(&room, "offer", &wrong), -32602),
        ("streamPublish", with(&closed, "offer", &offer), 0x6208),
        ("streamUpdate", with(&room, "offer", &offer), 0x6202),
        ("streamUnpublish", json!({"sessionId": 77}), -32602),
        ("streamUnpublish", json!({"sessionId": "77"}), -32602),
        ("streamsSubscribeToRemote", with(&room, "subscriptionsToAdd", &add), 0x6202),
        ("streamsSubscribeToRemote", with(&room, "subscriptionsToAdd", &json!([{}])), -32602),
        (
            "streamsSubscribeToRemote",
            with(&room, "subscriptionsToAdd", &json!([{"streamId": 0}])),
            -32602,
        ),
        ("streamsModifyRemoteSubscriptions", both.clone(), 0x6202),
        ("streamsUnsubscribeFromRemote", with(&room, "subscriptionsToRemove", &add), 0x6202),
        ("streamAcceptOffer", session("answer", &answer), -32602),
        ("streamSetNewOffer", session("offer", &offer), -32602),
        ("streamTrickle", session("rtcCandidate", &json!({"candidate": ""})), -32602),
        ("streamRoomEnableRecording", here(&room), 0x6207),
        ("streamNonsense", json!({}), -32601),
    ];
    for (method, params, code) in cases {
        let method = format!("stream.{method}");
        assert_eq!(alice.ws_refused(&method, params.clone()).await, code, "{method} {params}");
    }
    assert_eq!(carol.ws_refused("stream.streamRoomJoin", here(&room)).await, 0x30);
    let none = json!({"credentials": []});
    assert_eq!(alice.ws("stream.streamGetTurnCredentials", json!({})).await.unwrap(), none);

    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let cases = [
        ("streamPublish", with(&room, "offer", &offer), 0x6211),
        ("streamsSubscribeToRemote", with(&room, "subscriptionsToAdd", &add), 0x6215),
        ("streamsModifyRemoteSubscriptions", both, 0x6203),
        ("streamRoomEnableRecording", here(&room), 0x6210),
    ];
    for (method, params, code) in cases {
        let method = format!("stream.{method}");
        assert_eq!(alice.ws_refused(&method, params.clone()).await, code, "{method} {params}");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_full_room_takes_nobody_more() {
    let mut config = config();
    config.limits.participants_per_room = 1;
    let world = World::with(config).await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    let room = world.room(&mut alice, &["alice", "bob"]).await;
    alice.connect(&world.bridge).await;
    bob.connect(&world.bridge).await;
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    assert_eq!(bob.ws_refused("stream.streamRoomJoin", here(&room)).await, 0x620b);
    // A session that ends makes room, and the room stays open.
    drop(alice.socket.take());
    as_b(&mut alice, &world).await;
    let joined = loop {
        if let Ok(answer) = bob.ws("stream.streamRoomJoin", here(&room)).await {
            break answer;
        }
    };
    assert_eq!(joined, "OK");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn whoever_loses_the_right_is_put_out_at_once() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    let mut dora = world.join("dora", 4).await;
    let create = world.room_params(&["alice", "bob", "dora"]);
    let made = alice.call("stream.streamRoomCreate", create.clone()).await.unwrap();
    let room = text(&made["streamRoomId"]);
    as_b(&mut alice, &world).await;
    bob.connect(&world.bridge).await;
    dora.connect(&world.bridge).await;
    let (bobs, _) = publish(&mut bob, &room).await;
    alice.event_of("streamPublished").await;

    // Out of the room: the update's answer finds nobody publishing any more.
    let mut update = create;
    let object = update.as_object_mut().unwrap();
    object.remove("contextId");
    object.remove("type");
    object.insert("id".into(), json!(room));
    object.insert("version".into(), json!(1));
    object.insert("force".into(), json!(false));
    object.insert("users".into(), json!(["alice", "dora"]));
    object.insert("keyId".into(), json!("k2"));
    object.insert("keys".into(), keys(&["alice", "dora"], "k2"));
    alice.ws("stream.streamRoomUpdate", update).await.unwrap();
    let list = alice.ws("stream.streamList", here(&room)).await.unwrap();
    assert_eq!(list, json!({"list": []}));
    alice.event_of("streamUnpublished").await;
    assert_eq!(alice.event_of("streamRoomLeft").await.data["userId"], "bob");
    assert_eq!(bob.ws_refused("stream.streamRoomJoin", here(&room)).await, 0x30);

    // Out of the context.
    let (doras, _) = publish(&mut dora, &room).await;
    alice.event_of("streamPublished").await;
    let who = json!({"contextId": world.context, "userId": "dora"});
    world.manage("context/removeUserFromContext", who).await.unwrap();
    assert_eq!(alice.event_of("streamRoomLeft").await.data["userId"], "dora");
    let list = alice.ws("stream.streamList", here(&room)).await.unwrap();
    assert_eq!(list, json!({"list": []}));

    // With the room.
    let (alices, answer) = publish(&mut alice, &room).await;
    alice.event_of("streamPublished").await;
    alice.ws("stream.streamRoomDelete", json!({"id": room})).await.unwrap();
    let mine = json!({"sessionId": answer["sessionId"]});
    assert_eq!(alice.ws_refused("stream.streamUnpublish", mine).await, -32602);
    for publisher in [bobs, doras, alices] {
        publisher.close().await;
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_closed_socket_leaves_every_room() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    let room = world.room(&mut alice, &["alice", "bob"]).await;
    as_b(&mut alice, &world).await;
    bob.connect(&world.bridge).await;
    let (publisher, _) = publish(&mut bob, &room).await;
    alice.event_of("streamPublished").await;
    drop(bob.socket.take());
    alice.event_of("streamUnpublished").await;
    assert_eq!(alice.event_of("streamRoomLeft").await.data["userId"], "bob");
    let got = alice.call("stream.streamRoomGet", json!({"id": room})).await.unwrap();
    assert_eq!(got["streamRoom"]["closed"], false);
    publisher.close().await;
    world.bridge.shutdown().await;
}
