//! What official bridges get wrong (streams.md §14.1), and ours must not: one test per defect
//! that concerns a bridge, named after it.

use conclave::rtc::PeerConfig;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use serde_json::Value;
use serde_json::json;

use super::world::Client;
use super::world::World;
use super::world::config;
use super::world::key;
use super::world::keys;
use super::world::text;

fn peer() -> PeerConfig {
    PeerConfig { loopback: true, ..PeerConfig::default() }
}

fn here(room: &str) -> Value {
    json!({"streamRoomId": room})
}

/// Subscribes to everything in the words of both generations.
async fn listen(client: &mut Client, world: &World) {
    client.connect(&world.bridge).await;
    client.subscribe(&["streamroom", "streamroom/internal", "streamroom/internal/reoffer"]).await;
}

/// Alice manages a room with bob; both listen.
async fn meeting(world: &World) -> (Client, Client, String) {
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    let room = world.room(&mut alice, &["alice", "bob"]).await;
    listen(&mut alice, world).await;
    listen(&mut bob, world).await;
    (alice, bob, room)
}

async fn publish(client: &mut Client, room: &str) -> (Publisher, Value) {
    let publisher = Publisher::new(&peer()).unwrap();
    publisher.add_audio_track().await.unwrap();
    let offer = json!({"type": "offer", "sdp": publisher.create_offer().await.unwrap()});
    let params = json!({"streamRoomId": room, "offer": offer});
    let answer = client.ws("stream.streamPublish", params).await.unwrap();
    publisher.set_answer(answer["answer"]["sdp"].as_str().unwrap()).await.unwrap();
    (publisher, answer)
}

/// The parameters that make the next version of a room with these users.
fn update(world: &World, room: &str, version: i64, users: &[&str], id: &str) -> Value {
    let mut params = world.room_params(users);
    let object = params.as_object_mut().unwrap();
    object.remove("contextId");
    object.remove("type");
    object.remove("resourceId");
    object.insert("id".into(), json!(room));
    object.insert("version".into(), json!(version));
    object.insert("force".into(), json!(false));
    object.insert("keyId".into(), json!(id));
    object.insert("keys".into(), keys(users, id));
    params
}

#[tokio::test]
async fn defect_14_1_b2_rooms_stay_open_when_the_last_one_leaves() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    for _ in 0..2 {
        alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
        alice.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    }
    bob.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    drop(bob.socket.take());
    alice.event_of("streamRoomLeft").await;
    let got = alice.call("stream.streamRoomGet", json!({"id": room})).await.unwrap();
    assert_eq!(got["streamRoom"]["closed"], false);
    assert_eq!(alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap(), "OK");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b3_and_b4_members_unpublish_and_stay() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    bob.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        // Bob manages nothing, and is alone in the room.
        let (publisher, answer) = publish(&mut bob, &room).await;
        alice.event_of("streamPublished").await;
        ids.push(answer["publishedData"]["stream"]["id"].clone());
        let mine = json!({"sessionId": answer["sessionId"]});
        assert_eq!(bob.ws("stream.streamUnpublish", mine).await.unwrap(), "OK");
        alice.event_of("streamUnpublished").await;
        publisher.close().await;
    }
    assert_eq!(ids[0], ids[1], "the stream keeps its id");
    assert!(!alice.kinds().await.contains(&"streamRoomLeft".to_owned()));
    let got = alice.call("stream.streamRoomGet", json!({"id": room})).await.unwrap();
    assert_eq!(got["streamRoom"]["closed"], false);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b5_groups_hold_what_their_names_say() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let room = world.room(&mut alice, &["alice"]).await;
    let cases = [
        ("ALLOW WRITE", None, Some(0x30)),
        ("ALLOW READ", Some(0x30), None),
        ("ALLOW stream/WRITE", None, Some(0x30)),
        ("ALLOW stream/READ", Some(0x30), None),
        ("ALLOW stream/ALL", None, None),
        ("ALLOW WRITE\nALLOW READ", None, None),
    ];
    for (acl, writing, reading) in cases {
        let params = json!({"contextId": world.context, "userId": "alice", "acl": acl});
        world.manage("context/setUserAcl", params).await.unwrap();
        let write = alice.call("stream.streamRoomCreate", world.room_params(&["alice"])).await;
        assert_eq!(write.err().map(|error| error.code), writing, "{acl:?} create");
        let read = alice.call("stream.streamRoomGet", json!({"id": room})).await;
        assert_eq!(read.err().map(|error| error.code), reading, "{acl:?} get");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b6_whoever_is_removed_is_told() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    let params = update(&world, &room, 1, &["alice"], "k2");
    alice.call("stream.streamRoomUpdate", params).await.unwrap();
    let event = bob.event_of("streamRoomUpdated").await;
    assert_eq!(event.data["users"], json!(["alice"]));
    assert_eq!(event.data["keys"], json!([]), "without the new key");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b7_whoever_may_not_stay_is_put_out() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    let (publisher, answer) = publish(&mut bob, &room).await;
    alice.event_of("streamPublished").await;
    let params = update(&world, &room, 1, &["alice"], "k2");
    alice.call("stream.streamRoomUpdate", params).await.unwrap();
    assert_eq!(alice.event_of("streamRoomLeft").await.data["userId"], "bob");
    let list = alice.ws("stream.streamList", here(&room)).await.unwrap();
    assert_eq!(list, json!({"list": []}));
    let mine = json!({"sessionId": answer["sessionId"]});
    assert_eq!(bob.ws_refused("stream.streamUnpublish", mine).await, -32602);
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b8_a_new_offer_is_checked_like_an_update() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    let (publisher, answer) = publish(&mut alice, &room).await;
    bob.event_of("streamPublished").await;
    let session = &answer["sessionId"];
    let offer = |sdp: &str| json!({"sessionId": session, "offer": {"type": "offer", "sdp": sdp}});
    let method = "stream.streamSetNewOffer";
    assert_eq!(bob.ws_refused(method, offer("v=0")).await, -32602, "of somebody else");
    assert_eq!(alice.ws_refused(method, offer("v=0")).await, 0x6211, "no description");
    alice.call("stream.streamRoomClose", here(&room)).await.unwrap();
    let refused = alice.ws_refused(method, offer("v=0")).await;
    assert!([0x6208, -32602].contains(&refused), "the room is closed: {refused:#x}");
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b9_a_failed_join_leaves_nothing_behind() {
    let mut config = config();
    config.limits.participants_per_room = 1;
    let world = World::with(config).await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(bob.ws_refused("stream.streamRoomJoin", here(&room)).await, 0x620b);
    }
    let wanted = json!({"streamRoomId": room, "subscriptionsToAdd": [{"streamId": 1}]});
    assert_eq!(bob.ws_refused("stream.streamsSubscribeToRemote", wanted).await, 0x6202);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b10_offers_by_event_name_their_session() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    let (publisher, answer) = publish(&mut alice, &room).await;
    bob.event_of("streamPublished").await;
    bob.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let (subscriber, _events) = Subscriber::new(&peer()).unwrap();
    let stream = &answer["publishedData"]["stream"]["id"];
    let params = json!({"streamRoomId": room, "subscriptionsToAdd": [{"streamId": stream}]});
    let offered = bob.ws("stream.streamsSubscribeToRemote", params).await.unwrap();
    let sdp = subscriber.answer(offered["offer"]["sdp"].as_str().unwrap()).await.unwrap();
    let accept =
        json!({"sessionId": offered["sessionId"], "answer": {"type": "answer", "sdp": sdp}});
    bob.ws("stream.streamAcceptOffer", accept).await.unwrap();
    let mine = json!({"sessionId": answer["sessionId"]});
    alice.ws("stream.streamUnpublish", mine).await.unwrap();
    let event = bob.event_of("streamRoomReoffer").await;
    assert_eq!(event.data["sessionId"], offered["sessionId"]);
    assert_eq!(event.data["jsep"]["type"], "offer");
    publisher.close().await;
    subscriber.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b11_what_is_announced_can_be_subscribed_to() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    bob.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let (publisher, _) = publish(&mut alice, &room).await;
    let event = bob.event_of("streamPublished").await;
    let wanted = json!([{"streamId": event.data["stream"]["id"]}]);
    let params = json!({"streamRoomId": room, "subscriptionsToAdd": wanted});
    assert!(bob.ws("stream.streamsSubscribeToRemote", params).await.is_ok());
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b12_managers_are_told_and_everybody_once() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    // Alice manages the room and is no user of it.
    let mut params = world.room_params(&["alice", "bob"]);
    params["users"] = json!(["bob"]);
    let made = alice.call("stream.streamRoomCreate", params).await.unwrap();
    let room = text(&made["streamRoomId"]);
    listen(&mut alice, &world).await;
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    listen(&mut bob, &world).await;
    let (publisher, answer) = publish(&mut bob, &room).await;
    assert_eq!(alice.event_of("streamPublished").await.data["userId"], "bob");
    let mine = json!({"sessionId": answer["sessionId"]});
    bob.ws("stream.streamUnpublish", mine).await.unwrap();
    alice.event_of("streamUnpublished").await;
    bob.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    alice.event_of("streamRoomLeft").await;
    let rest = alice.kinds().await;
    let told_again =
        |kind: &&String| ["streamRoomLeft", "streamUnpublished"].contains(&kind.as_str());
    assert_eq!(rest.iter().filter(told_again).count(), 0, "{rest:?}");
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b13_calls_of_a_session_are_carried_out_in_order() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    // Each join and leave finds the state that the call before it has left.
    for _ in 0..20 {
        alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
        alice.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    }
    let mut kinds = bob.kinds().await;
    kinds.retain(|kind| kind == "streamRoomJoined" || kind == "streamRoomLeft");
    let expected = ["streamRoomJoined", "streamRoomLeft"].repeat(20);
    assert_eq!(kinds, expected);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b14_candidates_of_every_kind_are_taken() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    let (publisher, answer) = publish(&mut alice, &room).await;
    bob.event_of("streamPublished").await;
    let full = json!({
        "candidate": "candidate:1 1 udp 2122260223 127.0.0.1 40000 typ host",
        "address": "127.0.0.1", "foundation": "1", "sdpMid": "0", "relatedAddress": null,
        "usernameFragment": "abcd", "port": 40000, "priority": 2_122_260_223_u32,
        "relatedPort": null, "sdpMLineIndex": 0, "component": "rtp", "protocol": "udp",
        "tcpType": null, "type": "host",
    });
    let mut bare = full.clone();
    for (key, value) in bare.as_object_mut().unwrap() {
        if key != "candidate" {
            *value = Value::Null;
        }
    }
    for candidate in [full.clone(), bare] {
        let params = json!({"sessionId": answer["sessionId"], "rtcCandidate": candidate});
        assert_eq!(alice.ws("stream.streamTrickle", params).await.unwrap(), "OK");
    }
    let mut without = full;
    without.as_object_mut().unwrap().remove("sdpMid");
    let params = json!({"sessionId": answer["sessionId"], "rtcCandidate": without});
    assert_eq!(alice.ws_refused("stream.streamTrickle", params).await, -32602);
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b17_room_events_are_for_members() {
    let world = World::new().await;
    let (mut alice, _bob, room) = meeting(&world).await;
    let mut carol = world.join("carol", 3).await;
    let mut manager = world.join("dora", 4).await;
    manager.connect(&world.bridge).await;
    manager.subscribe(&["stream/custom/news"]).await;
    // Dora manages the room and is no user of it.
    let mut params = update(&world, &room, 1, &["alice", "bob", "dora"], "k2");
    params["users"] = json!(["alice", "bob"]);
    params["managers"] = json!(["alice", "dora"]);
    alice.call("stream.streamRoomUpdate", params).await.unwrap();
    let method = "stream.streamRoomSendCustomEvent";
    let event = json!({"streamRoomId": room, "channel": "news", "keyId": "k2", "data": 1});
    assert_eq!(carol.refused(method, event.clone()).await, 0x30);
    let mut unknown = event.clone();
    unknown["keyId"] = json!("k9");
    assert_eq!(alice.refused(method, unknown).await, 0x6015);
    assert_eq!(alice.call(method, event).await.unwrap(), "OK");
    assert_eq!(manager.event_of("custom").await.data["author"]["id"], "alice");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b18_errors_say_what_is_wrong() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let both = |add: Value, remove: Value| json!({"streamRoomId": room, "subscriptionsToAdd": add, "subscriptionsToRemove": remove});
    let modify = "stream.streamsModifyRemoteSubscriptions";
    assert_eq!(alice.ws_refused(modify, both(json!([]), json!([]))).await, 0x6203);
    let (publisher, answer) = publish(&mut bob, &room).await;
    alice.event_of("streamPublished").await;
    let stream = &answer["publishedData"]["stream"]["id"];
    let params = json!({"streamRoomId": room, "subscriptionsToAdd": [{"streamId": stream}]});
    let offered = alice.ws("stream.streamsSubscribeToRemote", params).await.unwrap();
    let missing = json!([{"streamId": 1}]);
    assert_eq!(alice.ws_refused(modify, both(missing, json!([]))).await, 0x6215);
    let bad = json!({"sessionId": offered["sessionId"], "answer": {"type": "answer", "sdp": "v"}});
    assert_eq!(alice.ws_refused("stream.streamAcceptOffer", bad).await, 0x6211);
    let offer = json!({"streamRoomId": room, "offer": {"type": "offer", "sdp": "v"}});
    assert_eq!(alice.ws_refused("stream.streamPublish", offer.clone()).await, 0x6211);
    let again = bob.ws_refused("stream.streamPublish", offer).await;
    assert!([0x620f, 0x6210].contains(&again), "published already: {again:#x}");
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b21_nothing_is_told_where_nothing_happened() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    alice.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    assert_eq!(bob.kinds().await, Vec::<String>::new(), "alice had not joined");
    let (publisher, _) = publish(&mut alice, &room).await;
    bob.event_of("streamPublished").await;
    bob.kinds().await;
    let offer = json!({"type": "offer", "sdp": publisher.create_offer().await.unwrap()});
    let params = json!({"streamRoomId": room, "offer": offer});
    alice.ws("stream.streamUpdate", params).await.unwrap();
    let kinds = bob.kinds().await;
    assert!(!kinds.contains(&"streamUpdated".to_owned()), "the same tracks: {kinds:?}");
    publisher.close().await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b22_listing_streams_disturbs_nobody() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    for _ in 0..5 {
        let list = bob.ws("stream.streamList", here(&room)).await.unwrap();
        assert_eq!(list, json!({"list": []}));
    }
    assert_eq!(alice.kinds().await, Vec::<String>::new());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn defect_14_1_b23_requests_of_many_do_not_break_each_other() {
    let world = World::new().await;
    let (mut alice, mut bob, room) = meeting(&world).await;
    let mut others = Vec::new();
    for byte in 10..14 {
        world.add(&format!("user-{byte}"), &key(byte)).await;
        others.push(world.login(&key(byte)).await.unwrap());
    }
    let creating = async {
        for _ in 0..10 {
            alice.call("stream.streamRoomCreate", world.room_params(&["alice"])).await.unwrap();
        }
    };
    let listing = async {
        for _ in 0..10 {
            bob.ws("stream.streamList", here(&room)).await.unwrap();
        }
    };
    let refused = async {
        for other in &mut others {
            assert_eq!(other.refused("stream.streamList", here(&room)).await, 0x30);
        }
    };
    tokio::join!(creating, listing, refused);
    world.bridge.shutdown().await;
}
