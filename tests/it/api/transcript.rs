//! What real bridges of both generations were recorded to answer and to tell, given to our
//! client: it shows its application what the official client showed, and asks for it with the
//! same parameters.

use conclave::api::ContextEventType;
use conclave::api::EventSelector;
use conclave::api::NewStreamRoom;
use conclave::api::StreamApi;
use conclave::api::StreamEventType;
use conclave::api::context_query;
use conclave::crypto::key::PrivateKey;
use conclave::model::ContextId;
use conclave::model::EventKind;
use conclave::model::PagingQuery;
use conclave::model::SortOrder;
use conclave::model::StreamRoom;
use conclave::model::StreamRoomId;
use conclave::model::UserWithPubKey;
use serde_json::Value;
use serde_json::json;

use super::stand_in::Generation;
use super::stand_in::StandIn;
use super::world::soon;

struct Recorded {
    transcript: Value,
}

impl Recorded {
    fn of(server: &str) -> Self {
        let all: Value = serde_json::from_str(include_str!("../../data/endpoint.json")).unwrap();
        Self { transcript: all["transcripts"][server].clone() }
    }

    fn key(&self, user: &str) -> PrivateKey {
        let wif = self.transcript["users"][user]["wif"].as_str().unwrap();
        PrivateKey::from_wif(wif).unwrap()
    }

    fn steps(&self, user: &str) -> Vec<Value> {
        self.transcript["users"][user]["wire"].as_array().unwrap().clone()
    }

    /// Everything that a method was answered with, in order.
    fn results(&self, user: &str, method: &str) -> Vec<Value> {
        let steps = self.steps(user).into_iter().filter(|step| step["method"] == method);
        steps.filter_map(|step| step.get("result").cloned()).collect()
    }

    fn params(&self, user: &str, method: &str) -> Vec<Value> {
        let steps = self.steps(user).into_iter().filter(|step| step["method"] == method);
        steps.map(|step| step["params"].clone()).collect()
    }

    /// Events as they came over the wire.
    fn events(&self, user: &str) -> Vec<Value> {
        let steps = self.steps(user).into_iter().filter(|step| step.get("event").is_some());
        steps
            .map(|mut step| {
                step["type"] = step["event"].clone();
                step.as_object_mut().unwrap().remove("event");
                step
            })
            .collect()
    }

    /// What the official client showed for a version of the room.
    fn is_shown(&self, user: &str, room: &StreamRoom) -> bool {
        let names = |ids: &[conclave::model::UserId]| -> Vec<Value> {
            ids.iter().map(|id| json!(id.as_str())).collect()
        };
        let shown = self.transcript["users"][user]["clientDecrypted"].as_array().unwrap();
        shown.iter().any(|shown| {
            shown["streamRoomId"] == room.stream_room_id.as_str()
                && shown["version"] == room.version
                && shown["statusCode"] == room.status_code
                && shown["closed"] == room.closed
                && shown["publicMeta"].as_str().map(str::as_bytes) == Some(&room.public_meta)
                && shown["privateMeta"].as_str().map(str::as_bytes) == Some(&room.private_meta)
                && shown["users"] == json!(names(&room.users))
                && shown["managers"] == json!(names(&room.managers))
        })
    }
}

/// The fact that an event has to become.
fn is_fact(event: &Value, fact: &EventKind) -> bool {
    let data = &event["data"];
    match (event["type"].as_str().unwrap(), fact) {
        ("contextUserStatusChanged", EventKind::ContextUserStatusChanged { user, active, .. }) => {
            let told = data["users"].as_array().unwrap();
            told.iter().any(|one| {
                one["userId"] == user.user_id.as_str()
                    && one["pubKey"] == user.pub_key
                    && (one["action"] == "login") == *active
            })
        }
        ("streamRoomCreated", EventKind::StreamRoomCreated(room))
        | ("streamRoomUpdated", EventKind::StreamRoomUpdated(room)) => {
            data["id"] == room.stream_room_id.as_str() && data["version"] == room.version
        }
        ("streamPublished", EventKind::StreamPublished(published)) => {
            let tracks = data["stream"]["tracks"].as_array().unwrap();
            data["stream"]["id"] == published.stream.id.0
                && data["userId"] == published.user_id.as_str()
                && tracks.len() == published.stream.tracks.len()
        }
        ("streamUnpublished", EventKind::StreamUnpublished { stream, user, .. }) => {
            data["streamId"] == stream.0
                && data["userId"].as_str() == user.as_ref().map(|user| user.as_str())
        }
        _ => false,
    }
}

async fn replay(server: &str, generation: Generation) {
    const ALICE: &str = "user-alice";
    let recorded = Recorded::of(server);
    let names = ["user-alice", "user-bob", "user-carol"];
    let keys = names.map(|name| (name.to_owned(), recorded.key(name)));
    let bridge = StandIn::with_keys(generation, keys.into()).await;
    for method in [
        "context.contextList",
        "context.contextGet",
        "context.contextListUsers",
        "stream.streamRoomCreate",
        "stream.streamRoomList",
        "stream.streamRoomGet",
        "stream.streamGetTurnCredentials",
        "stream.streamRoomJoin",
        "stream.streamList",
        "stream.streamTrickle",
        "stream.streamRoomLeave",
        "stream.streamRoomDelete",
    ] {
        bridge.answer(method, recorded.results(ALICE, method));
    }
    let connection = bridge.connect(ALICE).await;
    let api = connection.create_stream_api();
    let context = ContextId(recorded.transcript["contextId"].as_str().unwrap().to_owned());

    // Contexts and users.
    let contexts = connection.list_contexts(&PagingQuery::default()).await.unwrap();
    assert_eq!(contexts.items[0].context_id, context);
    assert_eq!(contexts.items[0].user_id.as_str(), ALICE);
    let users = connection.list_users(&context, &PagingQuery::default()).await.unwrap();
    assert_eq!(users.items.iter().map(|u| u.user.user_id.as_str()).collect::<Vec<_>>(), names);

    // Rooms.
    let members = || -> Vec<UserWithPubKey> {
        users.items.iter().take(2).map(|info| info.user.clone()).collect()
    };
    let new = NewStreamRoom {
        context_id: context.clone(),
        users: members(),
        managers: members()[..1].to_vec(),
        public_meta: b"{}".to_vec(),
        private_meta: b"private".to_vec(),
        policy: None,
    };
    let room = api.create_stream_room(&new).await.unwrap();
    let created = &bridge.calls("stream.streamRoomCreate")[0].params;
    let theirs = &recorded.params(ALICE, "stream.streamRoomCreate")[0];
    let members_of =
        |params: &Value| -> Vec<String> { params.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(members_of(created), members_of(theirs), "the same parameters");
    assert_eq!(members_of(&created["data"]), members_of(&theirs["data"]), "and contents");
    let shown = api.get_stream_room(&room).await.unwrap();
    assert!(recorded.is_shown(ALICE, &shown), "{shown:?}");
    let query = PagingQuery { limit: 10, sort_order: SortOrder::Descending, ..Default::default() };
    let list = api.list_stream_rooms(&context, &query).await.unwrap();
    assert_eq!(list.total_available, 1);
    assert!(recorded.is_shown(ALICE, &list.items[0]));
    assert_eq!(
        bridge.calls("stream.streamRoomList")[0].params,
        recorded.params(ALICE, "stream.streamRoomList")[0]
    );
    let turn = api.get_turn_credentials().await.unwrap();
    assert_eq!(turn[0].url, "turn:127.0.0.1:3478");

    // Presence, and everything that was told to alice and to bob.
    let user_status = context_query(&ContextEventType::UserStatus, &context).unwrap();
    connection.subscribe_for(&[user_status]).await.unwrap();
    let queries = subscribe(&api, &room).await;
    api.join_stream_room(&room).await.unwrap();
    assert_eq!(
        bridge.calls("stream.streamRoomJoin")[0].params,
        recorded.params(ALICE, "stream.streamRoomJoin")[0]
    );
    assert_eq!(bridge.calls("stream.streamRoomJoin")[0].user, ALICE);
    assert_eq!(api.list_streams(&room).await.unwrap(), []);
    let mut events = connection.events();
    let mut compared = 0;
    for event in recorded.events(ALICE).iter().chain(&recorded.events("user-bob")) {
        bridge.emit_raw(event);
        let kind = event["type"].as_str().unwrap();
        // Bob's copy is wrapped for bob, and some facts alice and bob were both told.
        if kind == "streamRoomCreated" {
            let fact = soon(kind, events.next_event()).await.unwrap();
            let EventKind::StreamRoomCreated(room) = fact.kind else { panic!("{fact:?}") };
            assert_ne!(room.status_code, 0, "a room whose keys are not ours");
            continue;
        }
        if kind == "streamUpdated" {
            // Nothing had changed, so there is nothing to tell.
            continue;
        }
        let told = tokio::time::timeout(std::time::Duration::from_millis(500), events.next_event());
        let Ok(fact) = told.await else {
            assert!(kind.starts_with("streamPublished") || kind.starts_with("streamUnpublished"));
            continue;
        };
        let fact = fact.unwrap();
        assert!(is_fact(event, &fact.kind), "{event} became {fact:?}");
        assert!(!fact.subscriptions.is_empty());
        if let EventKind::StreamRoomUpdated(room) = &fact.kind {
            assert!(recorded.is_shown(ALICE, room), "{room:?}");
        }
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");

    // A room that emptied is closed for good, on bridges of both generations.
    let gone = recorded.results(ALICE, "stream.streamRoomGet").pop().unwrap();
    bridge.answer("stream.streamRoomGet", [gone]);
    let shown = api.get_stream_room(&room).await.unwrap();
    assert!(shown.closed && shown.status_code == 0);
    api.unsubscribe_from(&queries).await.unwrap();
    api.leave_stream_room(&room).await.unwrap();
    api.delete_stream_room(&room).await.unwrap();
    for method in ["stream.streamRoomLeave", "stream.streamRoomDelete"] {
        assert_eq!(bridge.calls(method)[0].params, recorded.params(ALICE, method)[0], "{method}");
    }

    // Carol is a member only later, and no manager.
    let carol = bridge.connect("user-carol").await.create_stream_api();
    bridge.answer("stream.streamRoomGet", recorded.results("user-carol", "stream.streamRoomGet"));
    let shown = carol.get_stream_room(&room).await.unwrap();
    assert!(recorded.is_shown("user-carol", &shown), "{shown:?}");
    let steps = recorded.steps("user-carol");
    let refusal = steps.iter().find_map(|step| step.get("error")).unwrap();
    let code = refusal["data"]["error"]["code"].as_i64().unwrap();
    bridge.fail_next("stream.streamRoomDelete", code);
    let error = carol.delete_stream_room(&room).await.unwrap_err();
    assert_eq!(error.code(), Some(0x30));
    carol.connection().disconnect().await;
    connection.disconnect().await;
    bridge.shutdown().await;
}

/// Subscribes to everything that the official client subscribed to in the recording.
async fn subscribe(api: &StreamApi, room: &StreamRoomId) -> Vec<conclave::model::SubscriptionId> {
    let selector = EventSelector::StreamRoom(room.clone());
    let mut queries = Vec::new();
    for event in [
        StreamEventType::RoomUpdate,
        StreamEventType::RoomDelete,
        StreamEventType::Join,
        StreamEventType::Leave,
        StreamEventType::Publish,
        StreamEventType::Unpublish,
    ] {
        queries.extend(api.build_subscription_query(event, &selector).unwrap());
    }
    api.subscribe_for(&queries).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_events_of_a_2_42_bridge_are_understood() {
    replay("bridge-2.42.1", Generation::A).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_events_of_a_3_0_bridge_are_understood() {
    replay("bridge-3.0.0", Generation::B).await;
}
