//! The rest of the public interface against the embedded bridge: what the other tests of this
//! folder do not happen to call.

use std::time::Duration;

use conclave::api::ApiError;
use conclave::api::DeleteOutcome;
use conclave::api::DesktopType;
use conclave::api::EventSelector;
use conclave::api::IceCandidate;
use conclave::api::LocalTrack;
use conclave::api::NewStreamRoom;
use conclave::api::PeerState;
use conclave::api::RoomScope;
use conclave::api::StreamEventType;
use conclave::api::room_event_query;
use conclave::model::ContainerPolicy;
use conclave::model::EventKind;
use conclave::model::PagingQuery;
use conclave::model::SessionId;
use conclave::model::SortKey;
use conclave::model::SortOrder;
use conclave::model::StreamRoomId;
use conclave::wire::rpc::code;

use super::generation::delivered;
use super::generation::publish;
use super::generation::tone;
use super::generation::whole;
use super::world::World;
use super::world::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_listed_by_part_closed_and_deleted_together() {
    let world = World::with_users(&["ana", "ben"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let first = world.room(&ana, &["ana", "ben"]).await;
    let second = world.room(&ana, &["ana"]).await;
    let bens = world.room(&ben, &["ben", "ana"]).await;
    let context = &world.context;
    let all = PagingQuery::default();
    let ids = |list: conclave::model::PagingList<conclave::model::StreamRoom>| {
        list.items.into_iter().map(|room| room.stream_room_id).collect::<Vec<_>>()
    };
    let of = |scope| ana.list_stream_rooms_of(context, scope, &all);
    let everything = [first.clone(), second.clone(), bens.clone()];
    assert_eq!(ids(of(RoomScope::Member).await.unwrap()), everything);
    assert_eq!(ids(of(RoomScope::User).await.unwrap()), everything);
    assert_eq!(ids(of(RoomScope::Manager).await.unwrap()), everything[..2]);
    assert_eq!(ids(of(RoomScope::Owner).await.unwrap()), everything[..2]);
    assert_eq!(of(RoomScope::All).await.unwrap_err().code(), Some(code::ACCESS_DENIED));
    let refused = ana.list_all_stream_rooms(context, &all).await.unwrap_err();
    assert_eq!(refused.code(), Some(code::ACCESS_DENIED), "policy says none");
    let newest = PagingQuery {
        sort_by: Some(SortKey::LastModificationDate),
        sort_order: SortOrder::Descending,
        skip: 1,
        limit: 1,
        ..PagingQuery::default()
    };
    let page = ana.list_stream_rooms(context, &newest).await.unwrap();
    assert_eq!((page.total_available, ids(page)), (3, vec![second.clone()]));
    let bad = PagingQuery { query_as_json: Some("[1]".to_owned()), ..PagingQuery::default() };
    let refused = ana.list_stream_rooms(context, &bad).await;
    assert!(matches!(refused, Err(ApiError::Invalid { what: "query_as_json", .. })));

    let refused = ben.close_stream_room(&first).await.unwrap_err();
    assert_eq!(refused.code(), Some(code::ACCESS_DENIED));
    ana.close_stream_room(&first).await.unwrap();
    assert!(ben.get_stream_room(&first).await.unwrap().closed);
    assert!(matches!(ben.join_stream_room(&first).await, Err(ApiError::RoomClosed(_))));
    assert_eq!(ben.list_streams(&first).await.unwrap_err().code(), Some(code::STREAM_ROOM_CLOSED));

    let nowhere = StreamRoomId::from("nowhere");
    let outcomes =
        ana.delete_stream_rooms(&[first.clone(), nowhere.clone(), bens.clone()]).await.unwrap();
    let expected = [
        (first, DeleteOutcome::Deleted),
        (nowhere, DeleteOutcome::NotFound),
        (bens, DeleteOutcome::AccessDenied),
    ];
    assert_eq!(outcomes, expected);
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_of_a_room_are_set_and_hold() {
    let world = World::with_users(&["ana", "ben"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let policy = ContainerPolicy {
        update: Some("user".to_owned()),
        delete: Some("none".to_owned()),
        ..ContainerPolicy::default()
    };
    let new = NewStreamRoom {
        context_id: world.context.clone(),
        users: world.users(&["ana", "ben"]),
        managers: world.users(&["ana"]),
        public_meta: br#"{"share":0.1,"sum":0.30000000000000004,"tiny":5e-324}"#.to_vec(),
        private_meta: Vec::new(),
        policy: Some(policy.clone()),
    };
    let id = ana.create_stream_room(&new).await.unwrap();
    let room = ben.get_stream_room(&id).await.unwrap();
    assert_eq!(room.status_code, 0, "fractions survive to the last digit");
    assert_eq!((room.policy, room.public_meta), (policy, new.public_meta));
    ben.close_stream_room(&id).await.unwrap();
    let refused = ana.delete_stream_room(&id).await.unwrap_err();
    assert_eq!(refused.code(), Some(code::ACCESS_DENIED));
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_a_room_reach_its_members_sealed_and_signed() {
    let world = World::with_users(&["ana", "ben", "chi"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let chi = world.connect("chi").await.create_stream_api();
    let room = world.room(&ana, &["ana", "ben"]).await;
    let of_room = room_event_query("news/today", &EventSelector::StreamRoom(room.clone())).unwrap();
    let everywhere =
        room_event_query("news/today", &EventSelector::Context(world.context.clone())).unwrap();
    let mut events = ben.connection().events();
    ben.subscribe_for(&[of_room]).await.unwrap();
    chi.subscribe_for(std::slice::from_ref(&everywhere)).await.unwrap();
    let mut chis = chi.connection().events();
    ana.send_stream_room_event(&room, "news/today", b"we have news", None).await.unwrap();
    let event = soon("the message", events.next_event()).await.unwrap();
    let EventKind::StreamRoomCustom { room: of, channel, author, data } = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!((of, channel.as_str()), (room.clone(), "news/today"));
    assert_eq!((author, data.as_slice()), (world.user("ana"), &b"we have news"[..]));
    let chi_only = ["chi".into()];
    let to_chi = ana.send_stream_room_event(&room, "news/today", b"x", Some(&chi_only));
    assert_eq!(
        to_chi.await.unwrap_err().code(),
        Some(code::USER_DOES_NOT_HAVE_ACCESS_TO_CONTAINER)
    );
    let of_chi = chi.send_stream_room_event(&room, "news/today", b"x", None).await.unwrap_err();
    assert_eq!(of_chi.code(), Some(code::ACCESS_DENIED));
    let name = ana.send_stream_room_event(&room, "no spaces", b"x", None).await;
    assert!(matches!(name, Err(ApiError::Invalid { what: "channel", .. })));
    assert_eq!(chis.try_next_event(), None);
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_subscribed_to_and_unsubscribed_from() {
    let world = World::with_users(&["ana", "ben"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let room = world.room(&ana, &["ana", "ben"]).await;
    let context = EventSelector::Context(world.context.clone());
    let mut events = ben.connection().events();
    let mut subscribed = Vec::new();
    for event in [
        StreamEventType::Join,
        StreamEventType::Leave,
        StreamEventType::Publish,
        StreamEventType::Unpublish,
        StreamEventType::Update,
        StreamEventType::Subscribe,
        StreamEventType::Unsubscribe,
    ] {
        let queries = ben.build_subscription_query(event, &context).unwrap();
        let ids = ben.subscribe_for(&queries).await.unwrap();
        assert_eq!(ids.len(), queries.len(), "{event:?}");
        subscribed.extend(ids);
    }
    let selector = EventSelector::StreamRoom(room.clone());
    let refused = ben.build_subscription_query(StreamEventType::RoomCreate, &selector);
    assert!(matches!(refused, Err(ApiError::Invalid { .. })));

    ana.join_stream_room(&room).await.unwrap();
    let (handle, stream, _) = publish(&ana, &room, &[LocalTrack::Data]).await;
    let mut state = ana.stream_state(handle).await.unwrap();
    let up = |state: &PeerState| *state == PeerState::Connected;
    soon("the connection", state.wait_for(up)).await.unwrap();
    ana.subscribe_to_remote_streams(&room, &whole(stream)).await.unwrap();
    ana.add_stream_track(handle, tone()).await.unwrap();
    ana.update_stream(handle).await.unwrap();
    ana.unsubscribe_from_remote_streams(&room, &whole(stream)).await.unwrap();
    ana.unpublish_stream(handle).await.unwrap();
    ana.leave_stream_room(&room).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 7 {
        let event = soon("all facts", events.next_event()).await.unwrap();
        assert!(!event.subscriptions.is_empty());
        assert!(event.subscriptions.iter().all(|id| subscribed.contains(id)));
        told.push(match event.kind {
            EventKind::StreamRoomJoined { .. } => "joined",
            EventKind::StreamPublished(_) => "published",
            EventKind::StreamSubscriptionsChanged { subscribed: true, subscriptions, .. } => {
                assert_eq!(subscriptions, whole(stream));
                "subscribed"
            }
            EventKind::StreamUpdated { .. } => "updated",
            EventKind::StreamSubscriptionsChanged { subscribed: false, .. } => "unsubscribed",
            EventKind::StreamUnpublished { user, .. } => {
                assert_eq!(user, Some("ana".into()));
                "unpublished"
            }
            EventKind::StreamRoomLeft { .. } => "left",
            other => panic!("{other:?}"),
        });
    }
    let order =
        ["joined", "published", "subscribed", "updated", "unsubscribed", "unpublished", "left"];
    assert_eq!(told, order);
    ben.unsubscribe_from(&subscribed).await.unwrap();
    ana.join_stream_room(&room).await.unwrap();
    ana.list_streams(&room).await.unwrap();
    ben.list_streams(&room).await.unwrap();
    assert_eq!(events.try_next_event(), None);
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_and_tracks_are_checked() {
    let world = World::with_users(&["ana"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let room = world.room(&ana, &["ana"]).await;
    assert!(matches!(ana.create_stream(&room), Err(ApiError::NotJoined(_))));
    assert!(matches!(ana.leave_stream_room(&room).await, Err(ApiError::NotJoined(_))));
    ana.join_stream_room(&room).await.unwrap();
    let handle = ana.create_stream(&room).unwrap();
    assert!(matches!(ana.create_stream(&room), Err(ApiError::StreamExists(_))));
    assert!(matches!(ana.update_stream(handle).await, Err(ApiError::NotPublished(_))));
    assert!(matches!(ana.send_data(handle, b"x").await, Err(ApiError::NoDataTrack(_))));
    let track = ana.add_stream_track(handle, LocalTrack::Data).await.unwrap();
    ana.remove_stream_track(handle, &track).await.unwrap();
    let gone = ana.remove_stream_track(handle, &track).await;
    assert!(matches!(gone, Err(ApiError::UnknownTrack(_))));
    ana.add_stream_track(handle, LocalTrack::Data).await.unwrap();
    let mut state = ana.stream_state(handle).await.unwrap();
    assert_eq!(*state.borrow(), PeerState::New);
    assert!(ana.publish_stream(handle).await.unwrap().published);
    assert!(matches!(ana.publish_stream(handle).await, Err(ApiError::AlreadyPublished(_))));
    let up = |state: &PeerState| *state == PeerState::Connected;
    soon("the connection", state.wait_for(up)).await.unwrap();
    // The SFU notices by itself, a little later than we do.
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let listed = soon("the stream in the list", async {
        loop {
            tick.tick().await;
            if let Some(stream) = ana.list_streams(&room).await.unwrap().first() {
                break stream.id;
            }
        }
    });
    let mine = whole(listed.await);
    let nothing = ana.unsubscribe_from_remote_streams(&room, &mine).await;
    assert!(matches!(nothing, Err(ApiError::NotSubscribed(_))));
    // What one publishes oneself can be listened to as well.
    let mut listener = ana.add_remote_stream_listener(&room, None).unwrap();
    ana.subscribe_to_remote_streams(&room, &mine).await.unwrap();
    delivered(&ana, handle, &mut listener, b"to myself").await;
    let long = vec![0; 100_000];
    let refused = ana.send_data(handle, &long).await;
    assert!(matches!(refused, Err(ApiError::MessageTooLong { .. })), "{refused:?}");
    ana.unpublish_stream(handle).await.unwrap();
    assert!(matches!(ana.unpublish_stream(handle).await, Err(ApiError::UnknownHandle(_))));
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lower_half_can_be_called_by_itself() {
    let world = World::with_users(&["ana"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let room = world.room(&ana, &["ana"]).await;
    ana.join_stream_room(&room).await.unwrap();
    assert_eq!(ana.get_turn_credentials().await.unwrap(), []);
    let before = ana.media_sessions(&room).await.unwrap();
    assert_eq!((before.publisher, before.subscriber), (None, None));
    publish(&ana, &room, &[LocalTrack::Data]).await;
    let session = ana.media_sessions(&room).await.unwrap().publisher.unwrap();
    let candidate = IceCandidate {
        candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".to_owned(),
        sdp_mid: "0".to_owned(),
        sdp_m_line_index: 0,
        username_fragment: None,
    };
    ana.trickle(session, &candidate).await.unwrap();
    let nobody = SessionId(77);
    let refused = [
        ana.trickle(nobody, &candidate).await,
        ana.accept_offer_on_reconfigure(nobody, "v=0").await,
        ana.set_new_offer_on_reconfigure(nobody, "v=0").await,
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().code(), Some(code::INVALID_PARAMS));
    }
    let unusable = ana.set_new_offer_on_reconfigure(session, "v=0").await.unwrap_err();
    assert_eq!(unusable.code(), Some(code::MEDIA_INVALID_SDP));
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_listed() {
    let world = World::with_users(&["ana"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let devices = ana.get_audio_devices().await.unwrap();
    println!("{} microphones on this machine", devices.len());
    assert_eq!(devices.len(), ana.devices().await.unwrap().inputs.len());
    let cameras = ana.get_video_devices().await.unwrap();
    println!("{} cameras on this machine", cameras.len());
    assert!(cameras.iter().all(|camera| camera.video_spec().is_some()));
    for kind in [DesktopType::Screen, DesktopType::Window] {
        // What a display shows is tested where there is one of our own.
        match ana.get_desktop_devices(kind).await {
            Ok(found) => println!("{} of {kind:?}", found.len()),
            Err(error) => {
                println!("none of {kind:?}: {error}");
                assert!(error.to_string().contains("; "), "says what to do: {error}");
            }
        }
    }
    world.bridge.shutdown().await;
}
