//! What official programs get wrong (streams.md §14), and ours must not: one test per defect
//! that concerns a client, named after it. Those of the cryptography and of sound are next to
//! what they concern.

use std::time::Duration;

use conclave::api::ApiError;
use conclave::api::DeviceSpec;
use conclave::api::LocalTrack;
use conclave::api::PeerState;
use conclave::api::RemoteStreamEvent;
use conclave::api::StreamRoomChange;
use conclave::model::EventKind;
use conclave::model::StreamId;
use conclave::model::TrackKind;
use conclave::wire::rpc::code;
use serde_json::json;

use super::generation::Pair;
use super::generation::added;
use super::generation::delivered;
use super::generation::event;
use super::generation::make_room;
use super::generation::publish;
use super::generation::remote;
use super::generation::removed;
use super::generation::tone;
use super::generation::whole;
use super::stand_in::Generation;
use super::world::soon;

const PUBLISH: &str = "stream.streamPublish";
const ACCEPT: &str = "stream.streamAcceptOffer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_1_b10_offers_by_event_need_no_session_id() {
    // 3.0 leaves it out, 2.42 has it; the stand-in sends each in the shape of its generation.
    for generation in [Generation::A, Generation::B] {
        let pair = Pair::joined(generation).await;
        let Pair { bridge, ana, ben, room } = &pair;
        let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
        let (handle, stream, ids) = publish(ana, room, &[tone(), LocalTrack::Data]).await;
        ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
        remote(&mut listener, "sound", added(stream, TrackKind::Audio)).await;
        let answers = bridge.calls(ACCEPT).len();
        let session = ben.media_sessions(room).await.unwrap().subscriber.unwrap();
        ana.remove_stream_track(handle, &ids[0]).await.unwrap();
        ana.update_stream(handle).await.unwrap();
        bridge.called(ACCEPT, answers + 1).await;
        let answer = &bridge.calls(ACCEPT)[answers].params;
        assert_eq!(answer["sessionId"], session.0, "{generation:?}");
        pair.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_1_b11_a_stream_announced_too_early_is_subscribed_to_with_patience() {
    let pair = Pair::joined(Generation::B).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let (_, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
    for _ in 0..2 {
        bridge.fail_next("stream.streamsSubscribeToRemote", code::MEDIA_FEED_NOT_FOUND);
    }
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    assert!(bridge.calls("stream.streamsSubscribeToRemote").len() >= 3);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_1_b12_a_departure_told_once_per_session_is_one_fact() {
    let pair = Pair::joined(Generation::A).await;
    let mut events = pair.ben.room_events(&pair.room);
    let data = json!({"streamRoomId": pair.room.as_str(), "streamId": 9, "userId": "chi"});
    for _ in 0..3 {
        pair.bridge.emit("streamLeft", "streamroom/streams/leave", pair.room.as_str(), &data);
    }
    let data = json!({"streamRoomId": pair.room.as_str(), "streamId": 10, "userId": "chi"});
    pair.bridge.emit(
        "streamUnpublished",
        "streamroom/streams/unpublish",
        pair.room.as_str(),
        &data,
    );
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(soon("a fact", events.next_event()).await.unwrap().kind);
    }
    assert!(matches!(told[0], EventKind::StreamUnpublished { stream: StreamId(9), .. }));
    assert!(matches!(told[1], EventKind::StreamRoomLeft { .. }));
    assert!(matches!(told[2], EventKind::StreamUnpublished { stream: StreamId(10), .. }));
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_1_b23_a_request_that_another_one_broke_is_made_again() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, room, .. } = &pair;
    let (handle, ..) = publish(ana, room, &[LocalTrack::Data]).await;
    bridge.fail_next("stream.streamList", code::ERROR_DURING_REQUEST_TO_MEDIA_SERVER);
    assert!(ana.list_streams(room).await.is_ok());
    ana.add_stream_track(handle, tone()).await.unwrap();
    bridge.fail_next("stream.streamUpdate", code::ERROR_DURING_REQUEST_TO_MEDIA_SERVER);
    assert!(ana.update_stream(handle).await.unwrap().published);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c1_all_candidates_are_in_offers_and_answers() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let (_, stream, _) = publish(ana, room, &[tone()]).await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    let offer = bridge.calls(PUBLISH)[0].params["offer"]["sdp"].as_str().unwrap().to_owned();
    let answer = bridge.calls(ACCEPT)[0].params["answer"]["sdp"].as_str().unwrap().to_owned();
    for sdp in [offer, answer] {
        assert!(sdp.contains("\r\na=candidate:"), "{sdp}");
    }
    assert!(bridge.calls("stream.streamTrickle").is_empty());
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c2_the_offer_of_an_unsubscribe_is_answered() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    let (_, stream, _) = publish(ana, room, &[tone()]).await;
    for round in 1..=2 {
        ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
        remote(&mut listener, "sound", added(stream, TrackKind::Audio)).await;
        ben.unsubscribe_from_remote_streams(room, &whole(stream)).await.unwrap();
        remote(&mut listener, "no sound", removed(stream, TrackKind::Audio)).await;
        assert_eq!(bridge.calls(ACCEPT).len(), 2 * round, "one answer per offer");
    }
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c3_everything_is_sealed_with_the_newest_key_at_once() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    let (handle, stream, _) = publish(ana, room, &[tone(), LocalTrack::Data]).await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    let sent = delivered(ana, handle, &mut listener, b"under the first key").await;
    let first = ana.room_keys(room).unwrap().borrow().clone();
    assert_eq!((first.epoch, first.accepted.len()), (1, 1));

    // Chi comes and goes: her departure makes a new key without anybody asking for it.
    let mut change = StreamRoomChange {
        stream_room_id: room.clone(),
        users: bridge.users(&["ana", "ben", "chi"]),
        managers: bridge.users(&["ana"]),
        version: 1,
        ..StreamRoomChange::default()
    };
    ana.update_stream_room(&change).await.unwrap();
    assert_eq!(ana.room_keys(room).unwrap().borrow().current, first.current, "nobody lost access");
    (change.users, change.version) = (bridge.users(&["ana", "ben"]), 2);
    let mut bens = ben.room_keys(room).unwrap();
    ana.update_stream_room(&change).await.unwrap();
    let second = ana.room_keys(room).unwrap().borrow().clone();
    assert_ne!(second.current, first.current);
    assert_eq!((second.epoch, second.version), (2, 3));
    assert!(second.accepted.contains(&first.current), "what is under way can still be opened");
    soon("ben's new key", bens.wait_for(|keys| keys.current == second.current)).await.unwrap();

    delivered(ana, handle, &mut listener, b"under the second key").await;
    let names =
        |bytes: &[u8], key: &str| bytes.windows(key.len()).any(|part| part == key.as_bytes());
    let is_new = |bytes: &[u8]| names(bytes, second.current.as_str());
    let of_kind = |kind| {
        let payloads = bridge.payloads.lock().unwrap();
        let of_kind = payloads.iter().filter(|(of, _)| *of == kind);
        of_kind.map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>()
    };
    // Messages carry their number after the version.
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[1..5].try_into().unwrap());
    let messages = of_kind(TrackKind::Data);
    let later: Vec<_> = messages.iter().filter(|bytes| number(bytes) > sent).collect();
    assert!(!later.is_empty() && later.iter().all(|bytes| is_new(bytes)), "{later:?}");
    soon("sound under the new key", async {
        while !of_kind(TrackKind::Audio).iter().any(|bytes| is_new(bytes)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // What was sealed before may still have been under way: it comes first, and then no more.
    let frames = of_kind(TrackKind::Audio);
    assert!(frames.iter().map(|bytes| is_new(bytes)).is_sorted(), "the old key came back");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c4_a_failed_join_leaves_nothing_behind() {
    let pair = Pair::new(Generation::B).await;
    let Pair { bridge, ana, room, .. } = &pair;
    let steps = ["stream.streamRoomJoin", "stream.streamRoomGet", "subscribeToChannels"];
    for method in steps {
        bridge.fail_next(method, code::MEDIA_SERVER_ERROR);
        let error = ana.join_stream_room(room).await.unwrap_err();
        assert_eq!(error.code(), Some(code::MEDIA_SERVER_ERROR), "{method}");
        assert!(matches!(ana.create_stream(room), Err(ApiError::NotJoined(_))), "{method}");
    }
    ana.join_stream_room(room).await.unwrap();
    let again = ana.join_stream_room(room).await;
    assert!(matches!(again, Err(ApiError::AlreadyJoined(_))));
    let made: usize = bridge
        .calls("subscribeToChannels")
        .iter()
        .map(|call| call.params["channels"].as_array().unwrap().len())
        .sum();
    let ended: usize = bridge
        .calls("unsubscribeFromChannels")
        .iter()
        .map(|call| call.params["subscriptionsIds"].as_array().unwrap().len())
        .sum();
    // Of four attempts one was refused by the bridge, and the last holds.
    assert_eq!((made, ended), (4 * 8, 2 * 8), "subscriptions of failed attempts are ended");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c5_a_lost_connection_leaves_everything_usable() {
    let pair = Pair::joined(Generation::B).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let mut events = ben.connection().events();
    let mut of_room = ben.room_events(room);
    bridge.cut();
    event(&mut events, "the loss", |kind| {
        matches!(kind, EventKind::Disconnected { .. }).then_some(())
    })
    .await;
    event(&mut events, "the return", |kind| matches!(kind, EventKind::Connected).then_some(()))
        .await;
    let mut anas = ana.connection().state();
    let back = |state: &conclave::api::ConnectionState| {
        matches!(state, conclave::api::ConnectionState::Connected)
    };
    soon("ana's return", anas.wait_for(back)).await.unwrap();
    ben.rejoin_stream_room(room).await.unwrap();
    ana.rejoin_stream_room(room).await.unwrap();
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    let (handle, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
    event(&mut of_room, "the stream", |kind| match kind {
        EventKind::StreamPublished(data) => (data.stream.id == stream).then_some(()),
        _ => None,
    })
    .await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    delivered(ana, handle, &mut listener, b"still here").await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c7_the_first_message_has_number_one() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, room, .. } = &pair;
    let (handle, ..) = publish(ana, room, &[LocalTrack::Data]).await;
    ana.send_data(handle, b"first").await.unwrap();
    soon("the message", async {
        while bridge.payloads.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let first = bridge.payloads.lock().unwrap()[0].1.clone();
    assert_eq!(first[..5], [1, 0, 0, 0, 1], "version 1, number 1");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c9_one_data_track_and_listeners_of_both_kinds_hear_everything() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { ana, ben, room, .. } = &pair;
    let handle = ana.create_stream(room).unwrap();
    let sound = ana.add_stream_track(handle, tone()).await.unwrap();
    ana.add_stream_track(handle, LocalTrack::Data).await.unwrap();
    let second = ana.add_stream_track(handle, LocalTrack::Data).await;
    assert!(matches!(second, Err(ApiError::DataTrackExists(_))), "{second:?}");
    let stream = ana.publish_stream(handle).await.unwrap().data.unwrap().stream.id;
    let mut of_room = ben.add_remote_stream_listener(room, None).unwrap();
    let mut of_stream = ben.add_remote_stream_listener(room, Some(stream)).unwrap();
    let mut of_another = ben.add_remote_stream_listener(room, Some(StreamId(1))).unwrap();
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    delivered(ana, handle, &mut of_room, b"to all").await;
    ana.remove_stream_track(handle, &sound).await.unwrap();
    ana.update_stream(handle).await.unwrap();
    remote(&mut of_room, "the end of the sound", removed(stream, TrackKind::Audio)).await;
    let data = |event| matches!(event, RemoteStreamEvent::Data { .. }).then_some(());
    remote(&mut of_stream, "the message", data).await;
    remote(&mut of_stream, "the end of the sound", removed(stream, TrackKind::Audio)).await;
    let nothing = tokio::time::timeout(Duration::from_millis(1), of_another.next_event()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c12_every_publication_has_a_connection_of_its_own() {
    for generation in [Generation::A, Generation::B] {
        let pair = Pair::joined(generation).await;
        let Pair { bridge, ana, ben, room } = &pair;
        let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
        for text in [b"one", b"two"] {
            let (handle, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
            let mut state = ana.stream_state(handle).await.unwrap();
            let up = |state: &PeerState| *state == PeerState::Connected;
            soon("the connection", state.wait_for(up)).await.unwrap();
            ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
            delivered(ana, handle, &mut listener, text).await;
            ana.unpublish_stream(handle).await.unwrap();
            let closed = |state: &PeerState| *state == PeerState::Closed;
            soon("its end", state.wait_for(closed)).await.unwrap();
        }
        let ufrag = |index: usize| {
            let offer = bridge.calls(PUBLISH)[index].params["offer"]["sdp"].clone();
            let text = offer.as_str().unwrap().to_owned();
            text.lines().find(|line| line.starts_with("a=ice-ufrag:")).unwrap().to_owned()
        };
        assert_ne!(ufrag(0), ufrag(1));
        pair.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_2_c13_offers_for_rooms_that_were_left_are_ignored() {
    let pair = Pair::joined(Generation::B).await;
    let Pair { bridge, ben, room, .. } = &pair;
    let mut events = ben.room_events(room);
    let jsep = json!({"type": "offer", "sdp": "v=0"});
    let data = json!({"room": "elsewhere", "sessionId": 4, "streams": [], "jsep": jsep});
    let a = json!({"type": "streamsUpdated", "data": data, "timestamp": 5, "version": 2});
    let data = json!({"streamRoomId": "elsewhere", "jsep": jsep});
    let b = json!({"type": "streamRoomReoffer", "data": data, "timestamp": 5, "version": 2});
    // Nor does an unusable offer for this room do any harm.
    let data = json!({"room": room.as_str(), "sessionId": 4, "streams": [], "jsep": jsep});
    let c = json!({"type": "streamsUpdated", "data": data, "timestamp": 5, "version": 2});
    for event in [a, b, c] {
        bridge.emit_raw(&event);
    }
    let data = json!({"streamRoomId": room.as_str(), "userId": "chi"});
    bridge.emit("streamRoomJoined", "streamroom/join", room.as_str(), &data);
    let told = soon("what comes after", events.next_event()).await.unwrap();
    assert!(matches!(told.kind, EventKind::StreamRoomJoined { .. }), "{told:?}");
    assert!(bridge.calls(ACCEPT).is_empty());
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j2_rooms_have_media_sessions_of_their_own_that_end_with_them() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let other = make_room(bridge, ana, &["ana", "ben"]).await;
    ana.join_stream_room(&other).await.unwrap();
    ben.join_stream_room(&other).await.unwrap();
    let mut sessions = Vec::new();
    for room in [room, &other] {
        let (_, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
        ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
        let anas = ana.media_sessions(room).await.unwrap();
        let bens = ben.media_sessions(room).await.unwrap();
        assert_eq!((anas.subscriber, bens.publisher), (None, None));
        sessions.extend([anas.publisher.unwrap(), bens.subscriber.unwrap()]);
    }
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), 4);
    for room in [room, &other] {
        ana.leave_stream_room(room).await.unwrap();
        ben.leave_stream_room(room).await.unwrap();
    }
    assert_eq!(bridge.sfu().stats().await.unwrap().peers, 0, "connections are closed");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j4_a_change_of_one_stream_leaves_the_others_alone() {
    let pair = Pair::joined(Generation::B).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let other = make_room(bridge, ana, &["ana", "ben"]).await;
    ana.join_stream_room(&other).await.unwrap();
    let (first, stream, ids) = publish(ana, room, &[tone(), LocalTrack::Data]).await;
    publish(ana, &other, &[tone()]).await;
    // The data track, added to what is published, is part of the difference, too.
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    delivered(ana, first, &mut listener, b"still published").await;
    ana.remove_stream_track(first, &ids[0]).await.unwrap();
    let updated = ana.update_stream(first).await.unwrap().data.unwrap().stream;
    let live: Vec<_> = updated.tracks.iter().filter(|t| !t.disabled).map(|t| t.kind).collect();
    assert_eq!(live, [TrackKind::Data]);
    delivered(ana, first, &mut listener, b"and updated").await;
    let others = ana.list_streams(&other).await.unwrap();
    assert!(others.iter().flat_map(|stream| &stream.tracks).all(|track| !track.disabled));
    let gone = ana.remove_stream_track(first, &ids[0]).await;
    assert!(matches!(gone, Err(ApiError::UnknownTrack(_))), "{gone:?}");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j5_messages_need_no_media() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { ana, ben, room, .. } = &pair;
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    let (handle, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    delivered(ana, handle, &mut listener, b"nothing but text").await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j6_changes_made_at_once_each_get_their_own_result() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let chi = bridge.connect("chi").await.create_stream_api();
    let change = StreamRoomChange {
        stream_room_id: room.clone(),
        users: bridge.users(&["ana", "ben", "chi"]),
        managers: bridge.users(&["ana"]),
        version: 1,
        ..StreamRoomChange::default()
    };
    ana.update_stream_room(&change).await.unwrap();
    chi.join_stream_room(room).await.unwrap();
    let (_, anas, _) = publish(ana, room, &[tone()]).await;
    let (_, chis, _) = publish(&chi, room, &[tone()]).await;
    let mut of_ana = ben.add_remote_stream_listener(room, Some(anas)).unwrap();
    let mut of_chi = ben.add_remote_stream_listener(room, Some(chis)).unwrap();
    let (one, two, nobody) = (whole(anas), whole(chis), whole(StreamId(1)));
    let (one, two, none) = tokio::join!(
        ben.subscribe_to_remote_streams(room, &one),
        ben.subscribe_to_remote_streams(room, &two),
        ben.subscribe_to_remote_streams(room, &nobody),
    );
    one.unwrap();
    two.unwrap();
    assert_eq!(none.unwrap_err().code(), Some(code::MEDIA_FEED_NOT_FOUND));
    remote(&mut of_ana, "ana", added(anas, TrackKind::Audio)).await;
    remote(&mut of_chi, "chi", added(chis, TrackKind::Audio)).await;
    chi.connection().disconnect().await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j7_listeners_come_and_go_as_they_like() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { ana, ben, room, .. } = &pair;
    let (handle, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
    let first = ben.add_remote_stream_listener(room, Some(stream)).unwrap();
    let mut second = ben.add_remote_stream_listener(room, Some(stream)).unwrap();
    drop(first);
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    delivered(ana, handle, &mut second, b"to the second").await;
    let mut third = ben.add_remote_stream_listener(room, None).unwrap();
    delivered(ana, handle, &mut third, b"to both").await;
    ben.leave_stream_room(room).await.unwrap();
    soon("the end", async { while third.next_event().await.is_some() {} }).await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j8_each_room_has_its_own_keys() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let other = make_room(bridge, ana, &["ana", "ben"]).await;
    ana.join_stream_room(&other).await.unwrap();
    ben.join_stream_room(&other).await.unwrap();
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    let (handle, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    let before = ben.room_keys(room).unwrap().borrow().clone();
    let change = StreamRoomChange {
        stream_room_id: other.clone(),
        users: bridge.users(&["ana", "ben"]),
        managers: bridge.users(&["ana"]),
        version: 1,
        force_generate_new_key: true,
        ..StreamRoomChange::default()
    };
    let mut others = ben.room_keys(&other).unwrap();
    ana.update_stream_room(&change).await.unwrap();
    soon("the other room's key", others.wait_for(|keys| keys.epoch == 2)).await.unwrap();
    assert_eq!(*ben.room_keys(room).unwrap().borrow(), before);
    delivered(ana, handle, &mut listener, b"under the old key of this room").await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j9_own_level_is_told_while_nobody_else_is_heard() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { ana, room, .. } = &pair;
    publish(ana, room, &[tone()]).await;
    let mut levels = ana.audio_levels();
    let loud = |levels: &conclave::model::AudioLevels| {
        levels.levels.iter().any(|one| one.stream.is_none() && one.level.dbfs() > -20.0)
    };
    soon("the own level", levels.wait_for(loud)).await.unwrap();
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j11_a_line_that_is_used_again_belongs_to_the_new_stream() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    ben.set_speaker(&DeviceSpec::Null).await.unwrap();
    let line = |of: StreamId| {
        move |event| match event {
            RemoteStreamEvent::TrackAdded { stream, line, .. } if stream == of => Some(line),
            _ => None,
        }
    };
    let (handle, first, _) = publish(ana, room, &[tone()]).await;
    ben.subscribe_to_remote_streams(room, &whole(first)).await.unwrap();
    let used = remote(&mut listener, "the first", line(first)).await;
    ana.leave_stream_room(room).await.unwrap();
    remote(&mut listener, "its end", removed(first, TrackKind::Audio)).await;
    assert!(matches!(ana.unpublish_stream(handle).await, Err(ApiError::UnknownHandle(_))));
    ana.join_stream_room(room).await.unwrap();
    let (_, second, _) = publish(ana, room, &[tone()]).await;
    assert_ne!(first, second, "stream ids belong to one stay in the room");
    ben.subscribe_to_remote_streams(room, &whole(second)).await.unwrap();
    let again = remote(&mut listener, "the second", line(second)).await;
    assert_eq!(used, again, "the line is used again");
    let mut levels = ben.audio_levels();
    let heard = |levels: &conclave::model::AudioLevels| {
        levels.levels.iter().any(|one| one.stream == Some(second) && one.level.dbfs() > -20.0)
    };
    soon("the second one's sound", levels.wait_for(heard)).await.unwrap();
    let _ = bridge;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j14_a_stream_published_again_goes_on_counting() {
    // Where the stream keeps its id, receivers refuse numbers that they have seen.
    let pair = Pair::joined(Generation::B).await;
    let Pair { ana, ben, room, .. } = &pair;
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    let (handle, first, _) = publish(ana, room, &[LocalTrack::Data]).await;
    ben.subscribe_to_remote_streams(room, &whole(first)).await.unwrap();
    delivered(ana, handle, &mut listener, b"one").await;
    ana.unpublish_stream(handle).await.unwrap();
    let (handle, second, _) = publish(ana, room, &[LocalTrack::Data]).await;
    assert_eq!(first, second);
    ben.subscribe_to_remote_streams(room, &whole(second)).await.unwrap();
    let mut refused = ben.add_remote_stream_listener(room, None).unwrap();
    delivered(ana, handle, &mut listener, b"two").await;
    while let Ok(Some(event)) =
        tokio::time::timeout(Duration::from_millis(1), refused.next_event()).await
    {
        assert!(!matches!(event, RemoteStreamEvent::DataRefused { .. }), "{event:?}");
    }
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_3_j15_the_first_frame_is_opened_like_all_others() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { ana, ben, room, .. } = &pair;
    ben.set_speaker(&DeviceSpec::Null).await.unwrap();
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();
    ben.drop_broken_frames(room, false).unwrap();
    let (_, stream, _) = publish(ana, room, &[tone()]).await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    let mut stats = ben.call_stats(room).unwrap();
    let flows = |stats: &conclave::model::CallStats| stats.packets > 20;
    let stats = soon("sound", stats.wait_for(flows)).await.unwrap().clone();
    assert_eq!(stats.dropped_unauthenticated, 0);
    while let Ok(Some(event)) =
        tokio::time::timeout(Duration::from_millis(1), listener.next_event()).await
    {
        assert!(!matches!(event, RemoteStreamEvent::BrokenFrame { .. }), "{event:?}");
    }
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_1_b14_candidates_are_sent_as_old_bridges_accept_them() {
    let pair = Pair::joined(Generation::A).await;
    let Pair { bridge, ana, room, .. } = &pair;
    publish(ana, room, &[LocalTrack::Data]).await;
    let session = ana.media_sessions(room).await.unwrap().publisher.unwrap();
    let candidate = conclave::api::IceCandidate {
        candidate: "candidate:1 1 udp 2122260223 127.0.0.1 40000 typ host".to_owned(),
        sdp_mid: "0".to_owned(),
        sdp_m_line_index: 0,
        username_fragment: Some("abcd".to_owned()),
    };
    ana.trickle(session, &candidate).await.unwrap();
    let sent = bridge.calls("stream.streamTrickle")[0].params["rtcCandidate"].clone();
    assert_eq!((&sent["tcpType"], &sent["sdpMid"]), (&json!("active"), &json!("0")));
    assert_eq!(sent["sdpMLineIndex"], 0);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_1_b4_who_may_not_unpublish_leaves_and_comes_back() {
    let pair = Pair::joined(Generation::B).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let mut bens = ben.add_remote_stream_listener(room, None).unwrap();
    let (anas, anas_stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
    ben.subscribe_to_remote_streams(room, &whole(anas_stream)).await.unwrap();
    delivered(ana, anas, &mut bens, b"before").await;
    // Ben manages nothing, so official bridges refuse; to leave is his right.
    let (handle, ..) = publish(ben, room, &[LocalTrack::Data]).await;
    ben.unpublish_stream(handle).await.unwrap();
    bridge.called("stream.streamRoomLeave", 1).await;
    assert_eq!(bridge.calls("stream.streamRoomLeave")[0].user, "ben");
    // He is back, with his subscriptions, and can publish again.
    bridge.called("stream.streamsSubscribeToRemote", 2).await;
    delivered(ana, anas, &mut bens, b"after").await;
    publish(ben, room, &[LocalTrack::Data]).await;
    pair.end().await;
}
