//! Rooms: creating, reading, listing, updating, deleting, and the events about it.

use conclave::api::EventSelector;
use conclave::api::StreamEventType;
use conclave::api::StreamRoomChange;
use conclave::model::EventKind;
use conclave::model::PagingQuery;

use super::world::World;
use super::world::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_lives_and_its_members_hear_of_it() {
    let world = World::with_users(&["ana", "ben", "chi"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let mut events = ben.connection().events();
    let context = EventSelector::Context(world.context.clone());
    for event in
        [StreamEventType::RoomCreate, StreamEventType::RoomUpdate, StreamEventType::RoomDelete]
    {
        let queries = ben.build_subscription_query(event, &context).unwrap();
        ben.subscribe_for(&queries).await.unwrap();
    }

    let id = world.room(&ana, &["ana", "ben"]).await;
    let event = soon("creation", events.next_event()).await.unwrap();
    let EventKind::StreamRoomCreated(room) = event.kind else { panic!("{event:?}") };
    assert_eq!((&room.stream_room_id, room.status_code), (&id, 0));
    assert_eq!(room.private_meta, b"about the release");

    let change = StreamRoomChange {
        stream_room_id: id.clone(),
        users: world.users(&["ana", "ben", "chi"]),
        managers: world.users(&["ana"]),
        public_meta: b"{}".to_vec(),
        private_meta: b"about the delay".to_vec(),
        version: 1,
        ..StreamRoomChange::default()
    };
    ana.update_stream_room(&change).await.unwrap();
    let event = soon("update", events.next_event()).await.unwrap();
    let EventKind::StreamRoomUpdated(room) = event.kind else { panic!("{event:?}") };
    assert_eq!((room.version, room.private_meta.as_slice()), (2, b"about the delay".as_slice()));
    assert!(ana.update_stream_room(&change).await.is_err(), "the version is not current");

    let chi = world.connect("chi").await.create_stream_api();
    let list = chi.list_stream_rooms(&world.context, &PagingQuery::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.items[0].private_meta, b"about the delay", "a newcomer reads the room");

    // As much as avatars may take (`profile::room_meta`) gets through.
    let without_ben = StreamRoomChange {
        users: world.users(&["ana", "chi"]),
        private_meta: vec![b'-'; 1600],
        version: 2,
        ..change
    };
    ana.update_stream_room(&without_ben).await.unwrap();
    assert_eq!(chi.get_stream_room(&id).await.unwrap().status_code, 0);
    assert!(ben.get_stream_room(&id).await.is_err(), "ben is a member no more");
    ana.delete_stream_room(&id).await.unwrap();
    assert!(chi.get_stream_room(&id).await.is_err());
    world.bridge.shutdown().await;
}
