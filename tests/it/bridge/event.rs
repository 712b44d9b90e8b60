//! Every event: on which channel it is told, in which words, to whom of which generation.

use std::collections::BTreeMap;

use conclave::bridge::EventProfile;
use conclave::rtc::PeerConfig;
use conclave::rtc::Subscriber;
use conclave::wire::notification::RawEvent;
use serde_json::Value;
use serde_json::json;

use super::media::publish;
use super::method::set;
use super::world::Client;
use super::world::World;
use super::world::config;
use super::world::key;
use super::world::keys;

/// Channels of a client of 2.42, without those of room events that both know.
const PATHS_A: &[&str] = &[
    "streamroom/internal",
    "streamroom/create",
    "streamroom/update",
    "streamroom/delete",
    "streamroom/streams/join",
    "streamroom/streams/leave",
    "streamroom/streams/publish",
    "streamroom/streams/unpublish",
];
/// Channels of a client of 3.0.
const PATHS_B: &[&str] = &[
    "streamroom/create",
    "streamroom/update",
    "streamroom/delete",
    "streamroom/join",
    "streamroom/leave",
    "streamroom/streams/publish",
    "streamroom/streams/update",
    "streamroom/streams/unpublish",
    "streamroom/subscribers/subscribe",
    "streamroom/subscribers/unsubscribe",
    "streamroom/internal/reoffer",
];

/// Somebody with one subscription per channel, so that events tell where they came from.
struct Ear {
    client: Client,
    paths: BTreeMap<String, &'static str>,
}

impl Ear {
    async fn new(world: &World, name: &str, byte: u8, paths: &[&'static str]) -> Self {
        let client = world.join(name, byte).await;
        Self::of(world, client, paths).await
    }

    async fn of(world: &World, mut client: Client, paths: &[&'static str]) -> Self {
        client.connect(&world.bridge).await;
        let channels: Vec<String> = paths
            .iter()
            .map(|path| match *path {
                // Sent as it is, like the official client does.
                "streamroom/internal" => (*path).to_owned(),
                _ => format!("{path}|contextId={},containerType=stream", world.context),
            })
            .collect();
        let made = client.ws("subscribeToChannels", json!({"channels": channels})).await.unwrap();
        let ids = made["subscriptions"].as_array().unwrap();
        let paths = ids
            .iter()
            .zip(paths)
            .map(|(one, path)| (one["subscriptionId"].as_str().unwrap().to_owned(), *path))
            .collect();
        Self { client, paths }
    }

    fn place(&self, event: &RawEvent) -> String {
        let paths: Vec<&str> =
            event.subscriptions.iter().map(|id| self.paths[id.as_str()]).collect();
        format!("{} on {}", event.kind, paths.join(" and "))
    }

    /// The next event must be of this type, on this channel, and with these data.
    async fn hears(&mut self, kind: &str, path: &str, data: &Value) {
        let event = self.next(kind, path).await;
        assert_eq!(event.data, *data, "{kind}");
    }

    async fn next(&mut self, kind: &str, path: &str) -> RawEvent {
        let event = self.client.event().await;
        assert_eq!(self.place(&event), format!("{kind} on {path}"), "{:?}", event.data);
        assert_eq!(event.version, 2);
        event
    }

    /// Nothing has come beyond what was heard.
    async fn hears_no_more(&mut self) {
        assert_eq!(self.client.kinds().await, Vec::<String>::new());
    }
}

fn here(room: &str) -> Value {
    json!({"streamRoomId": room})
}

fn update_of(create: &Value, room: &str, version: i64) -> Value {
    let mut params = create.clone();
    params
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !["contextId", "type", "resourceId"].contains(&key.as_str()));
    let params = set(&set(&params, "id", json!(room)), "version", json!(version));
    set(&params, "force", json!(false))
}

/// A manager who is no user, an old and a new client among the users, and somebody outside
/// who asks for everything.
struct Scene {
    world: World,
    ana: Ear,
    old: Ear,
    new: Ear,
    eve: Ear,
    create: Value,
}

impl Scene {
    async fn new() -> Self {
        Self::with(World::new().await).await
    }

    async fn with(world: World) -> Self {
        let ana = Ear::new(&world, "ana", 1, PATHS_B).await;
        let old = Ear::new(&world, "old", 2, PATHS_A).await;
        let new = Ear::new(&world, "new", 3, PATHS_B).await;
        let eve = Ear::new(&world, "eve", 4, PATHS_B).await;
        let create =
            set(&world.room_params(&["ana", "old", "new"]), "users", json!(["old", "new"]));
        Self { world, ana, old, new, eve, create }
    }

    fn members(&mut self) -> [&mut Ear; 3] {
        [&mut self.ana, &mut self.old, &mut self.new]
    }

    async fn room(&mut self) -> String {
        let create = set(&self.create, "resourceId", json!(uuid::Uuid::new_v4().to_string()));
        let made = self.ana.client.call("stream.streamRoomCreate", create).await.unwrap();
        let room = made["streamRoomId"].as_str().unwrap().to_owned();
        for ear in self.members() {
            ear.next("streamRoomCreated", "streamroom/create").await;
        }
        room
    }

    async fn end(mut self) {
        for ear in [&mut self.ana, &mut self.old, &mut self.new, &mut self.eve] {
            ear.hears_no_more().await;
        }
        self.world.bridge.shutdown().await;
    }
}

#[tokio::test]
async fn event_stream_room_created_updated_deleted_show_the_room_as_each_sees_it() {
    let mut scene = Scene::new().await;
    let made = scene.ana.client.call("stream.streamRoomCreate", scene.create.clone()).await;
    let room = made.unwrap()["streamRoomId"].as_str().unwrap().to_owned();
    let names = ["ana", "old", "new"];
    for (ear, name) in scene.members().into_iter().zip(names) {
        let event = ear.next("streamRoomCreated", "streamroom/create").await;
        let got = ear.client.call("stream.streamRoomGet", json!({"id": room})).await.unwrap();
        assert_eq!(event.data, got["streamRoom"]);
        assert_eq!(event.data["keys"], json!([{"keyId": "k1", "data": format!("{name}/k1")}]));
        assert_eq!(event.data["type"], "stream");
        assert_eq!(event.data["closed"], false);
    }
    let update = set(&update_of(&scene.create, &room, 1), "keys", json!([]));
    scene.ana.client.call("stream.streamRoomUpdate", update).await.unwrap();
    for ear in scene.members() {
        let event = ear.next("streamRoomUpdated", "streamroom/update").await;
        assert_eq!((&event.data["version"], &event.data["id"]), (&json!(2), &json!(room)));
        assert_eq!(event.data["data"].as_array().unwrap().len(), 2);
    }
    let close = here(&room);
    scene.ana.client.call("stream.streamRoomClose", close).await.unwrap();
    for ear in scene.members() {
        let event = ear.next("streamRoomUpdated", "streamroom/update").await;
        assert_eq!(event.data["closed"], true);
    }
    scene.ana.client.call("stream.streamRoomDelete", json!({"id": room})).await.unwrap();
    let gone = json!({"streamRoomId": room, "type": "stream"});
    for ear in scene.members() {
        ear.hears("streamRoomDeleted", "streamroom/delete", &gone).await;
    }
    scene.end().await;
}

#[tokio::test]
async fn event_stream_room_updated_reaches_a_removed_member_at_once() {
    let mut scene = Scene::new().await;
    let room = scene.room().await;
    let update = set(&update_of(&scene.create, &room, 1), "users", json!(["new"]));
    let update = set(&set(&update, "keyId", json!("k2")), "keys", keys(&["ana", "new"], "k2"));
    scene.ana.client.call("stream.streamRoomUpdate", update).await.unwrap();
    for ear in scene.members() {
        let event = ear.next("streamRoomUpdated", "streamroom/update").await;
        assert_eq!(event.data["users"], json!(["new"]));
    }
    scene.end().await;
}

#[tokio::test]
async fn event_stream_room_updated_waits_for_a_removed_member_who_is_away() {
    let mut scene = Scene::new().await;
    let room = scene.room().await;
    let update = |version: i64, key: &str, users: &[&str]| {
        let params = set(&update_of(&scene.create, &room, version), "users", json!(users));
        let holders: Vec<&str> = std::iter::once("ana").chain(users.iter().copied()).collect();
        set(&set(&params, "keyId", json!(key)), "keys", keys(&holders, key))
    };
    let (away, back, removed) =
        (update(1, "k2", &["new"]), update(2, "k2", &["old", "new"]), update(3, "k3", &["new"]));
    scene.old.client.ws("unauthorizeWebSocket", json!({})).await.unwrap();
    let method = "stream.streamRoomUpdate";
    // Removed, taken back and removed again: only the last counts.
    for params in [away, back, removed] {
        scene.ana.client.call(method, params).await.unwrap();
        scene.ana.next("streamRoomUpdated", "streamroom/update").await;
        scene.new.next("streamRoomUpdated", "streamroom/update").await;
    }
    let mut old = scene.world.login(&key(2)).await.unwrap();
    old.connect(&scene.world.bridge).await;
    old.subscribe(&["streamroom/delete", "context/custom/x"]).await;
    assert_eq!(old.kinds().await, Vec::<String>::new(), "nothing that was asked for");
    old.subscribe(&["streamroom/update"]).await;
    let event = old.event_of("streamRoomUpdated").await;
    assert_eq!((&event.data["version"], &event.data["keys"]), (&json!(4), &json!([])));
    old.subscribe(&["streamroom"]).await;
    assert_eq!(old.kinds().await, Vec::<String>::new(), "told once");
    scene.old = Ear { client: old, paths: BTreeMap::new() };
    scene.end().await;
}

#[tokio::test]
async fn event_streams_of_a_call_in_both_generations() {
    let mut scene = Scene::new().await;
    let room = scene.room().await;
    // The old client is in the room, and with that hears what only those do.
    scene.old.client.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let joined = json!({"streamRoomId": room, "userId": "old"});
    scene.ana.hears("streamRoomJoined", "streamroom/join", &joined).await;
    scene.new.hears("streamRoomJoined", "streamroom/join", &joined).await;
    let own = scene.old.next("streamJoined", "streamroom/streams/join").await;
    assert_eq!(own.data["userId"], "old");

    let (publisher, answer) = publish(&mut scene.ana.client, &room).await;
    let stream = answer["publishedData"]["stream"].clone();
    let joined = json!({"streamRoomId": room, "userId": "ana"});
    let published = json!({"streamRoomId": room, "stream": stream, "userId": "ana"});
    for ear in [&mut scene.ana, &mut scene.new] {
        ear.hears("streamRoomJoined", "streamroom/join", &joined).await;
        ear.hears("streamPublished", "streamroom/streams/publish", &published).await;
    }
    let joined = json!({"streamRoomId": room, "streamIds": [stream["id"]], "userId": "ana"});
    scene.old.hears("streamJoined", "streamroom/streams/join", &joined).await;
    scene.old.hears("streamPublished", "streamroom/streams/publish", &published).await;
    let changed = json!({"room": room, "streams": [stream]});
    scene.old.hears("remoteStreamsChanged", "streamroom/update", &changed).await;

    // The old client subscribes: the others learn of it.
    let peer = PeerConfig { ice_servers: Vec::new(), loopback: true, relay_only: false };
    let (subscriber, _events) = Subscriber::new(&peer).unwrap();
    let list = json!([{"streamId": stream["id"]}]);
    let params = json!({"streamRoomId": room, "subscriptionsToAdd": list});
    let offered = scene.old.client.ws("stream.streamsSubscribeToRemote", params).await.unwrap();
    let subscribed = json!({"streamRoomId": room, "userId": "old", "subscriptions": list});
    for ear in [&mut scene.ana, &mut scene.new] {
        ear.hears("streamSubscribed", "streamroom/subscribers/subscribe", &subscribed).await;
    }
    let sdp = subscriber.answer(offered["offer"]["sdp"].as_str().unwrap()).await.unwrap();
    let accept = json!({
        "sessionId": offered["sessionId"], "answer": {"type": "answer", "sdp": sdp},
    });
    scene.old.client.ws("stream.streamAcceptOffer", accept).await.unwrap();

    // One more track: told in two shapes, each on its channel.
    publisher.add_audio_track().await.unwrap();
    let offer = json!({"type": "offer", "sdp": publisher.create_offer().await.unwrap()});
    let params = json!({"streamRoomId": room, "offer": offer});
    let updated = scene.ana.client.ws("stream.streamUpdate", params).await.unwrap();
    publisher.set_answer(updated["answer"]["sdp"].as_str().unwrap()).await.unwrap();
    let tracks = &updated["publishedData"]["stream"]["tracks"];
    let added = &tracks[1];
    let shape_b = json!({
        "streamRoomId": room, "streamId": stream["id"], "userId": "ana",
        "tracksAdded": [added], "tracksRemoved": [], "tracksModified": [],
    });
    for ear in [&mut scene.ana, &mut scene.new] {
        ear.hears("streamUpdated", "streamroom/streams/update", &shape_b).await;
    }
    let shape_a = json!({
        "streamRoomId": room, "streamsAdded": [], "streamsRemoved": [],
        "streamsModified": [{"streamId": stream["id"], "tracks": [{"after": added}]}],
    });
    scene.old.hears("streamUpdated", "streamroom/update", &shape_a).await;
    let changed = scene.old.next("remoteStreamsChanged", "streamroom/update").await;
    assert_eq!(changed.data["streams"][0]["tracks"], *tracks);

    // It ends: the subscriber has to answer an offer.
    let params = json!({"sessionId": answer["sessionId"]});
    scene.ana.client.ws("stream.streamUnpublish", params).await.unwrap();
    let ended = json!({"streamRoomId": room, "streamId": stream["id"], "userId": "ana"});
    for ear in [&mut scene.ana, &mut scene.new] {
        ear.hears("streamUnpublished", "streamroom/streams/unpublish", &ended).await;
    }
    let (mut unpublished, mut reoffered) = (None, None);
    while unpublished.is_none() || reoffered.is_none() {
        let event = scene.old.client.event().await;
        match scene.old.place(&event).as_str() {
            "streamUnpublished on streamroom/streams/unpublish" => unpublished = Some(event),
            "streamsUpdated on streamroom/internal" => reoffered = Some(event),
            other => panic!("{other}"),
        }
    }
    assert_eq!(unpublished.unwrap().data, ended);
    let reoffer = reoffered.unwrap().data;
    assert_eq!((&reoffer["videoroom"], &reoffer["room"]), (&json!("updated"), &json!(room)));
    assert_eq!(reoffer["sessionId"], offered["sessionId"]);
    assert_eq!(reoffer["jsep"]["type"], "offer");
    let line = &reoffer["streams"][0];
    let names = ["active", "codec", "mid", "mindex", "ready", "send", "type"];
    assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), names);
    assert_eq!((&line["active"], &line["codec"]), (&json!(false), &json!("opus")));

    // Ana leaves, then the old one.
    scene.ana.client.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    let left = json!({"streamRoomId": room, "userId": "ana"});
    for ear in [&mut scene.ana, &mut scene.new] {
        ear.hears("streamRoomLeft", "streamroom/leave", &left).await;
    }
    let left = json!({"streamRoomId": room, "streamId": stream["id"], "userId": "ana"});
    scene.old.hears("streamLeft", "streamroom/streams/leave", &left).await;
    scene.old.client.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    let left = json!({"streamRoomId": room, "userId": "old"});
    for ear in [&mut scene.ana, &mut scene.new] {
        ear.hears("streamRoomLeft", "streamroom/leave", &left).await;
    }
    scene.old.next("streamLeft", "streamroom/streams/leave").await;
    publisher.close().await;
    subscriber.close().await;
    scene.end().await;
}

#[tokio::test]
async fn event_stream_unsubscribed_and_reoffer_of_a_new_client() {
    let mut scene = Scene::new().await;
    let room = scene.room().await;
    let (publisher, answer) = publish(&mut scene.ana.client, &room).await;
    let stream = answer["publishedData"]["stream"]["id"].clone();
    scene.new.next("streamRoomJoined", "streamroom/join").await;
    scene.new.next("streamPublished", "streamroom/streams/publish").await;
    scene.new.client.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    scene.new.next("streamRoomJoined", "streamroom/join").await;
    let peer = PeerConfig { ice_servers: Vec::new(), loopback: true, relay_only: false };
    let (subscriber, _events) = Subscriber::new(&peer).unwrap();
    let list = json!([{"streamId": stream, "streamTrackId": "0"}]);
    let params = json!({"streamRoomId": room, "subscriptionsToAdd": list});
    let offered = scene.new.client.ws("stream.streamsSubscribeToRemote", params).await.unwrap();
    let data = json!({"streamRoomId": room, "userId": "new", "subscriptions": list});
    scene.new.hears("streamSubscribed", "streamroom/subscribers/subscribe", &data).await;
    let sdp = subscriber.answer(offered["offer"]["sdp"].as_str().unwrap()).await.unwrap();
    let accept = |sdp: &str| {
        json!({
            "sessionId": offered["sessionId"], "answer": {"type": "answer", "sdp": sdp},
        })
    };
    scene.new.client.ws("stream.streamAcceptOffer", accept(&sdp)).await.unwrap();

    // The publisher ends: an offer, once, in the words of the new generation.
    let params = json!({"sessionId": answer["sessionId"]});
    scene.ana.client.ws("stream.streamUnpublish", params).await.unwrap();
    let (mut unpublished, mut reoffered) = (None, None);
    while unpublished.is_none() || reoffered.is_none() {
        let event = scene.new.client.event().await;
        match scene.new.place(&event).as_str() {
            "streamUnpublished on streamroom/streams/unpublish" => unpublished = Some(event),
            "streamRoomReoffer on streamroom/internal/reoffer" => reoffered = Some(event),
            other => panic!("{other}"),
        }
    }
    let reoffer = reoffered.unwrap().data;
    assert_eq!(
        (&reoffer["streamRoomId"], &reoffer["sessionId"]),
        (&json!(room), &offered["sessionId"])
    );
    assert_eq!(reoffer["jsep"]["type"], "offer");
    let sdp = subscriber.answer(reoffer["jsep"]["sdp"].as_str().unwrap()).await.unwrap();
    scene.new.client.ws("stream.streamAcceptOffer", accept(&sdp)).await.unwrap();

    let params = json!({"streamRoomId": room, "subscriptionsToRemove": list});
    scene.new.client.ws("stream.streamsUnsubscribeFromRemote", params).await.unwrap();
    scene.new.hears("streamUnsubscribed", "streamroom/subscribers/unsubscribe", &data).await;
    scene.ana.client.kinds().await;
    scene.old.client.kinds().await;
    publisher.close().await;
    subscriber.close().await;
    scene.end().await;
}

#[tokio::test]
async fn event_stream_room_left_comes_when_a_socket_closes() {
    let mut scene = Scene::new().await;
    let room = scene.room().await;
    scene.old.client.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    scene.new.next("streamRoomJoined", "streamroom/join").await;
    drop(scene.old.client.socket.take());
    let left = json!({"streamRoomId": room, "userId": "old"});
    scene.new.hears("streamRoomLeft", "streamroom/leave", &left).await;
    // The same when the session alone goes, and its socket stays.
    let mut old = scene.world.login(&key(2)).await.unwrap();
    old.connect(&scene.world.bridge).await;
    old.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    scene.new.next("streamRoomJoined", "streamroom/join").await;
    old.ws("unauthorizeWebSocket", json!({})).await.unwrap();
    scene.new.hears("streamRoomLeft", "streamroom/leave", &left).await;
    scene.old.client = old;
    scene.old.client.connect(&scene.world.bridge).await;
    scene.ana.client.kinds().await;
    scene.end().await;
}

#[tokio::test]
async fn event_stream_room_left_comes_at_once_for_whoever_is_removed_or_deleted() {
    let mut scene = Scene::new().await;
    let room = scene.room().await;
    let left = |name: &str| json!({"streamRoomId": room, "userId": name});
    for name in ["old", "new"] {
        let client = if name == "old" { &mut scene.old.client } else { &mut scene.new.client };
        client.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
        scene.ana.hears("streamRoomJoined", "streamroom/join", &left(name)).await;
    }
    // Out of the room, then out of the context; the reply comes first, the events right behind.
    let update = set(&update_of(&scene.create, &room, 1), "users", json!(["new"]));
    let update = set(&set(&update, "keyId", json!("k2")), "keys", keys(&["ana", "new"], "k2"));
    scene.ana.client.ws("stream.streamRoomUpdate", update).await.unwrap();
    scene.ana.next("streamRoomUpdated", "streamroom/update").await;
    scene.ana.hears("streamRoomLeft", "streamroom/leave", &left("old")).await;
    let who = json!({"contextId": scene.world.context, "userId": "new"});
    scene.world.manage("context/removeUserFromContext", who).await.unwrap();
    scene.ana.hears("streamRoomLeft", "streamroom/leave", &left("new")).await;
    for client in [&mut scene.old.client, &mut scene.new.client] {
        assert_eq!(client.ws_refused("stream.streamRoomJoin", here(&room)).await, 0x30);
        client.kinds().await;
    }
    scene.end().await;
}

#[tokio::test]
async fn event_profiles_can_be_set_for_everybody() {
    for (profile, paths, kind) in [
        (EventProfile::A, PATHS_B, "streamroom/update"),
        (EventProfile::B, PATHS_A, "streamroom/streams/update"),
    ] {
        let mut config = config();
        config.event_profile = profile;
        let world = World::with(config).await;
        let mut ana = world.join("ana", 1).await;
        // Looks like the other generation, and is told in the words of the setting.
        let mut ear = Ear::new(&world, "ear", 2, paths).await;
        ear.client.subscribe(&["streamroom/streams/update", "streamroom/update"]).await;
        ana.connect(&world.bridge).await;
        let room = world.room(&mut ana, &["ana", "ear"]).await;
        let (publisher, _) = publish(&mut ana, &room).await;
        ear.client.event_of("streamPublished").await;
        publisher.add_audio_track().await.unwrap();
        let offer = json!({"type": "offer", "sdp": publisher.create_offer().await.unwrap()});
        let params = json!({"streamRoomId": room, "offer": offer});
        ana.ws("stream.streamUpdate", params).await.unwrap();
        let event = ear.client.event_of("streamUpdated").await;
        assert_eq!(event.data.get("tracksAdded").is_some(), kind.contains("streams"), "{kind}");
        assert!(ear.client.kinds().await.iter().all(|kind| kind != "streamUpdated"));
        publisher.close().await;
        world.bridge.shutdown().await;
    }
}

#[tokio::test]
async fn event_context_user_added_removed_and_status_changed() {
    let world = World::new().await;
    let mut ana = world.join("ana", 1).await;
    ana.connect(&world.bridge).await;
    ana.subscribe(&["context/userAdded", "context/userRemoved", "context/userStatus"]).await;
    let own = ana.event_of("contextUserStatusChanged").await;
    let bob = key(2).public_key().to_base58();
    let mut client = world.join("bob", 2).await;
    let data = json!({"contextId": world.context, "userId": "bob", "pubKey": bob});
    assert_eq!(ana.event_of("contextUserAdded").await.data, data);
    client.connect(&world.bridge).await;
    let status = |action: &str| {
        json!({
            "contextId": world.context,
            "users": [{"userId": "bob", "pubKey": bob, "action": action}],
        })
    };
    assert_eq!(own.data["users"][0]["action"], "login");
    assert_eq!(ana.event_of("contextUserStatusChanged").await.data, status("login"));
    // A refused second authorisation changes nothing about who is there.
    let again = json!({"key": "AAAA", "addWsChannelId": true});
    client.ws_refused("authorizeWebSocket", again).await;
    client.ws("unauthorizeWebSocket", json!({})).await.unwrap();
    assert_eq!(ana.event_of("contextUserStatusChanged").await.data, status("logout"));
    let who = json!({"contextId": world.context, "userId": "bob"});
    world.manage("context/removeUserFromContext", who).await.unwrap();
    assert_eq!(ana.event_of("contextUserRemoved").await.data, data);
    world.bridge.shutdown().await;
}
