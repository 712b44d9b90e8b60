//! Our client with bridges of both official generations: streams come, change and go, offers
//! arrive in either shape, and everything of streams.md §8 becomes the same facts.

use std::time::Duration;

use conclave::api::ApiError;
use conclave::api::DeviceSpec;
use conclave::api::EventQueue;
use conclave::api::LocalTrack;
use conclave::api::NewStreamRoom;
use conclave::api::RemoteStreamEvent;
use conclave::api::RemoteStreamListener;
use conclave::api::StreamApi;
use conclave::model::EventKind;
use conclave::model::LocalTrackId;
use conclave::model::StreamHandle;
use conclave::model::StreamId;
use conclave::model::StreamRoomId;
use conclave::model::StreamSubscription;
use conclave::model::TrackKind;
use serde_json::json;

use super::stand_in::CONTEXT;
use super::stand_in::Generation;
use super::stand_in::StandIn;
use super::world::soon;

/// Two members of one room, of which ana manages it.
pub(super) struct Pair {
    pub(super) bridge: StandIn,
    pub(super) ana: StreamApi,
    pub(super) ben: StreamApi,
    pub(super) room: StreamRoomId,
}

impl Pair {
    pub(super) async fn new(generation: Generation) -> Self {
        let bridge = StandIn::with_users(generation, &["ana", "ben", "chi"]).await;
        let ana = bridge.connect("ana").await.create_stream_api();
        let ben = bridge.connect("ben").await.create_stream_api();
        let room = make_room(&bridge, &ana, &["ana", "ben"]).await;
        Self { bridge, ana, ben, room }
    }

    /// The same with both in the room.
    pub(super) async fn joined(generation: Generation) -> Self {
        let pair = Self::new(generation).await;
        pair.ana.join_stream_room(&pair.room).await.unwrap();
        pair.ben.join_stream_room(&pair.room).await.unwrap();
        pair
    }

    pub(super) async fn end(self) {
        self.ana.connection().disconnect().await;
        self.ben.connection().disconnect().await;
        self.bridge.shutdown().await;
    }
}

/// A room that the first of `names` manages.
pub(super) async fn make_room(bridge: &StandIn, api: &StreamApi, names: &[&str]) -> StreamRoomId {
    let new = NewStreamRoom {
        context_id: CONTEXT.into(),
        users: bridge.users(names),
        managers: bridge.users(&names[..1]),
        public_meta: b"{}".to_vec(),
        private_meta: b"private".to_vec(),
        policy: None,
    };
    api.create_stream_room(&new).await.unwrap()
}

/// Publishes a stream with these tracks.
pub(super) async fn publish(
    api: &StreamApi,
    room: &StreamRoomId,
    tracks: &[LocalTrack],
) -> (StreamHandle, StreamId, Vec<LocalTrackId>) {
    let handle = api.create_stream(room).unwrap();
    let mut ids = Vec::new();
    for track in tracks {
        ids.push(api.add_stream_track(handle, track.clone()).await.unwrap());
    }
    let result = api.publish_stream(handle).await.unwrap();
    assert!(result.published);
    (handle, result.data.unwrap().stream.id, ids)
}

pub(super) fn whole(stream: StreamId) -> [StreamSubscription; 1] {
    [StreamSubscription { stream_id: stream, stream_track_id: None }]
}

pub(super) fn tone() -> LocalTrack {
    LocalTrack::Microphone(DeviceSpec::Tone(440.0))
}

/// Waits for an event of a room.
pub(super) async fn event<T>(
    events: &mut EventQueue,
    what: &str,
    mut pick: impl FnMut(EventKind) -> Option<T>,
) -> T {
    soon(what, async {
        loop {
            let event = events.next_event().await.unwrap();
            if let Some(found) = pick(event.kind) {
                return found;
            }
        }
    })
    .await
}

/// Waits for something on a listener.
pub(super) async fn remote<T>(
    listener: &mut RemoteStreamListener,
    what: &str,
    mut pick: impl FnMut(RemoteStreamEvent) -> Option<T>,
) -> T {
    soon(what, async {
        loop {
            let event = listener.next_event().await.unwrap();
            if let Some(found) = pick(event) {
                return found;
            }
        }
    })
    .await
}

pub(super) fn added(
    stream: StreamId,
    of: TrackKind,
) -> impl FnMut(RemoteStreamEvent) -> Option<()> {
    move |event| {
        matches!(event, RemoteStreamEvent::TrackAdded { stream: on, kind, .. }
            if on == stream && kind == of)
        .then_some(())
    }
}

pub(super) fn removed(
    stream: StreamId,
    of: TrackKind,
) -> impl FnMut(RemoteStreamEvent) -> Option<()> {
    move |event| {
        matches!(event, RemoteStreamEvent::TrackRemoved { stream: on, kind, .. }
            if on == stream && kind == of)
        .then_some(())
    }
}

/// Sends a message until it arrives: one that is sent before the receiver's channel is up is
/// not kept by anybody. Returns how often it was sent.
pub(super) async fn delivered(
    sender: &StreamApi,
    handle: StreamHandle,
    listener: &mut RemoteStreamListener,
    text: &[u8],
) -> u32 {
    let sending = async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let mut sent = 0;
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    sender.send_data(handle, text).await.unwrap();
                    sent += 1;
                }
                event = listener.next_event() => match event.unwrap() {
                    RemoteStreamEvent::Data { data, .. } if data == text => return sent,
                    _ => {}
                },
            }
        }
    };
    soon("a message", sending).await
}

fn changed(id: StreamId) -> impl FnMut(EventKind) -> Option<()> {
    move |kind| match kind {
        EventKind::StreamUpdated { stream, .. } if stream == id => Some(()),
        EventKind::RemoteStreamsChanged { streams, .. } => {
            streams.iter().any(|stream| stream.id == id).then_some(())
        }
        _ => None,
    }
}

async fn streams_come_change_and_go(generation: Generation) {
    let pair = Pair::joined(generation).await;
    let Pair { bridge, ana, ben, room } = &pair;
    let mut events = ben.room_events(room);
    let mut listener = ben.add_remote_stream_listener(room, None).unwrap();

    let (handle, stream, ids) = publish(ana, room, &[tone(), LocalTrack::Data]).await;
    event(&mut events, "the stream", |kind| match kind {
        EventKind::StreamPublished(data) if data.stream.id == stream => Some(()),
        _ => None,
    })
    .await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    remote(&mut listener, "sound", added(stream, TrackKind::Audio)).await;
    delivered(ana, handle, &mut listener, b"hello").await;

    // A track goes: the SFU offers by event, in the shape of its generation.
    let answers = bridge.calls("stream.streamAcceptOffer").len();
    ana.remove_stream_track(handle, &ids[0]).await.unwrap();
    assert!(ana.update_stream(handle).await.unwrap().published);
    event(&mut events, "the change", changed(stream)).await;
    remote(&mut listener, "the end of the sound", removed(stream, TrackKind::Audio)).await;
    bridge.called("stream.streamAcceptOffer", answers + 1).await;

    // And comes back, on the same connection.
    ana.add_stream_track(handle, tone()).await.unwrap();
    ana.update_stream(handle).await.unwrap();
    event(&mut events, "the change", changed(stream)).await;
    let list = ben.list_streams(room).await.unwrap();
    let live = |kind| list[0].tracks.iter().filter(move |t| t.kind == kind && !t.disabled);
    let mid = live(TrackKind::Audio).next().unwrap().mid.clone();
    let audio = StreamSubscription { stream_id: stream, stream_track_id: Some(mid) };
    ben.subscribe_to_remote_streams(room, std::slice::from_ref(&audio)).await.unwrap();
    remote(&mut listener, "sound again", added(stream, TrackKind::Audio)).await;

    // Single tracks and whole streams are unsubscribed from, and what is offered is answered.
    ben.unsubscribe_from_remote_streams(room, &[audio]).await.unwrap();
    remote(&mut listener, "no sound", removed(stream, TrackKind::Audio)).await;
    ben.modify_remote_streams_subscriptions(room, &whole(stream), &whole(stream)).await.unwrap();
    remote(&mut listener, "sound once more", added(stream, TrackKind::Audio)).await;

    ana.unpublish_stream(handle).await.unwrap();
    event(&mut events, "the end of the stream", |kind| match kind {
        EventKind::StreamUnpublished { stream: of, .. } if of == stream => Some(()),
        _ => None,
    })
    .await;
    remote(&mut listener, "silence", removed(stream, TrackKind::Audio)).await;

    // The next publication takes a new connection.
    let (handle, stream, _) = publish(ana, room, &[LocalTrack::Data]).await;
    ben.subscribe_to_remote_streams(room, &whole(stream)).await.unwrap();
    delivered(ana, handle, &mut listener, b"hello again").await;

    ana.leave_stream_room(room).await.unwrap();
    let gone = |kind| match kind {
        EventKind::StreamRoomLeft { user, .. } => Some(user),
        _ => None,
    };
    assert_eq!(event(&mut events, "the departure", gone).await, "ana".into());
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_a_2_42_bridge_come_change_and_go() {
    streams_come_change_and_go(Generation::A).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_a_3_0_bridge_come_change_and_go() {
    streams_come_change_and_go(Generation::B).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_of_event_becomes_a_fact() {
    let pair = Pair::joined(Generation::B).await;
    let room = pair.room.as_str();
    let mut events = pair.ben.room_events(&pair.room);
    let track = json!({"type": "audio", "mid": "0", "mindex": 0, "codec": "opus"});
    let stream = json!({"id": 70, "userId": "chi", "tracks": [track]});
    let user = |name: &str| json!({"streamRoomId": room, "userId": name});
    let subscriptions = json!([{"streamId": 70, "streamTrackId": "0"}]);
    let cases = [
        ("streamRoomJoined", "join", user("chi"), "StreamRoomJoined"),
        (
            "streamJoined",
            "streams/join",
            json!({"streamRoomId": room, "streamIds": [3], "userId": "dan"}),
            "StreamRoomJoined",
        ),
        (
            "streamPublished",
            "streams/publish",
            json!({"streamRoomId": room, "stream": stream, "userId": "chi"}),
            "StreamPublished",
        ),
        (
            "remoteStreamsChanged",
            "update",
            json!({"room": room, "streams": [stream]}),
            "RemoteStreamsChanged",
        ),
        (
            "streamUpdated",
            "update",
            json!({"streamRoomId": room, "streamsAdded": [], "streamsRemoved": [], "streamsModified": [{"streamId": 70, "tracks": [{"before": track, "after": track}]}]}),
            "StreamUpdated",
        ),
        (
            "streamUpdated",
            "streams/update",
            json!({"streamRoomId": room, "streamId": 70, "userId": "chi", "tracksAdded": [track], "tracksRemoved": [], "tracksModified": []}),
            "StreamUpdated",
        ),
        (
            "streamSubscribed",
            "subscribers/subscribe",
            json!({"streamRoomId": room, "userId": "chi", "subscriptions": subscriptions}),
            "StreamSubscriptionsChanged",
        ),
        (
            "streamUnsubscribed",
            "subscribers/unsubscribe",
            json!({"streamRoomId": room, "userId": "chi", "subscriptions": subscriptions}),
            "StreamSubscriptionsChanged",
        ),
        (
            "streamUnpublished",
            "streams/unpublish",
            json!({"streamRoomId": room, "streamId": 70, "userId": "chi"}),
            "StreamUnpublished",
        ),
        (
            "streamUnpublished",
            "streams/unpublish",
            json!({"streamRoomId": room, "streamId": 71}),
            "StreamUnpublished",
        ),
        ("streamRoomLeft", "leave", user("chi"), "StreamRoomLeft"),
        (
            "streamLeft",
            "streams/leave",
            json!({"streamRoomId": room, "streamId": 72, "userId": "dan"}),
            "StreamUnpublished",
        ),
        (
            "streamRoomDeleted",
            "delete",
            json!({"streamRoomId": room, "type": "stream"}),
            "StreamRoomDeleted",
        ),
    ];
    for (kind, path, data, fact) in cases {
        pair.bridge.emit(kind, &format!("streamroom/{path}"), room, &data);
        let told = soon(kind, events.next_event()).await.unwrap().kind;
        assert!(format!("{told:?}").starts_with(fact), "{kind} became {told:?}");
        if kind == "streamLeft" {
            let also = soon(kind, events.next_event()).await.unwrap().kind;
            assert!(matches!(also, EventKind::StreamRoomLeft { .. }), "{also:?}");
        }
    }
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_an_event_is_dropped_and_nothing_else() {
    let pair = Pair::joined(Generation::B).await;
    let room = pair.room.as_str();
    let mut events = pair.ben.room_events(&pair.room);
    let unpublished =
        |data| json!({"type": "streamUnpublished", "data": data, "timestamp": 5, "version": 2});
    let bad = [
        (
            "an unknown type",
            json!({"type": "streamSparkled", "data": {}, "timestamp": 5, "version": 2}),
        ),
        (
            "a raw SFU message",
            json!({"type": "janus", "channel": "stream", "data": {"janus": "event"}, "timestamp": 5, "version": 2}),
        ),
        (
            "a lost SFU",
            json!({"type": "janusclose", "channel": "stream", "data": true, "timestamp": 5, "version": 2}),
        ),
        ("a fraction for an integer", unpublished(json!({"streamRoomId": room, "streamId": 7.5}))),
        ("a double for an integer", unpublished(json!({"streamRoomId": room, "streamId": 7.0}))),
        ("text for an integer", unpublished(json!({"streamRoomId": room, "streamId": "7"}))),
        ("null for an integer", unpublished(json!({"streamRoomId": room, "streamId": null}))),
        ("a missing member", unpublished(json!({"streamId": 7}))),
        ("data of another kind", unpublished(json!([1, 2]))),
        (
            "another container type",
            json!({"type": "streamRoomDeleted", "data": {"streamRoomId": room, "type": "thread"}, "timestamp": 5, "version": 2}),
        ),
        ("no data", json!({"type": "streamUnpublished", "timestamp": 5, "version": 2})),
        (
            "keys of the removed mode",
            json!({"type": "custom", "data": {"id": CONTEXT, "author": {"id": "ana", "pub": "x"}, "key": "a", "eventData": {"type": "StreamKeyManagementEvent", "version": 5}}, "timestamp": 5, "version": 2}),
        ),
        (
            "a renegotiation without offer",
            json!({"type": "streamRoomReoffer", "data": {"streamRoomId": room}, "timestamp": 5, "version": 2}),
        ),
    ];
    for (what, event) in &bad {
        pair.bridge.emit_raw(event);
        let _ = what;
    }
    let good = json!({"streamRoomId": room, "streamId": 8, "surplus": {"a": [1.5]}});
    pair.bridge.emit_raw(&unpublished(good));
    let told = soon("the good one", events.next_event()).await.unwrap().kind;
    let EventKind::StreamUnpublished { stream, .. } = told else { panic!("{told:?}") };
    assert_eq!(stream, StreamId(8), "nothing came of the bad ones");
    assert_eq!(events.try_next_event(), None);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_another_shape_are_errors() {
    let pair = Pair::joined(Generation::B).await;
    let Pair { bridge, ana, room, .. } = &pair;
    let listed = |id| json!({"list": [{"id": id, "userId": "ana", "tracks": []}]});
    let bad = [
        ("a double", listed(json!(1.0))),
        ("a fraction", listed(json!(1.5))),
        ("text", listed(json!("1"))),
        ("nothing", listed(json!(null))),
        ("no list", json!({})),
        ("another kind", json!([])),
    ];
    for (what, answer) in bad {
        bridge.answer("stream.streamList", [answer]);
        let error = ana.list_streams(room).await.unwrap_err();
        assert!(matches!(error, ApiError::UnexpectedAnswer { .. }), "{what}: {error}");
    }
    let known = json!({"list": [{
        "id": 4_910_609_543_473_632_i64, "userId": "ana", "dummy": true, "talking": false,
        "surplus": 1.5,
        "tracks": [
            {"type": "audio", "mid": "0", "mindex": 0, "codec": "opus", "fec": true,
             "audiolevel_ext_id": 1, "talking": true},
            {"type": "video", "mid": "1", "mindex": 1, "codec": "vp8", "simulcast": true,
             "svc": true, "moderated": true, "description": "screen"},
            {"type": "data", "mid": "2", "mindex": 2},
            {"type": "video", "mid": "3", "mindex": 3, "disabled": true},
            {"type": "smell", "mid": "4", "mindex": 4},
        ],
    }]});
    bridge.answer("stream.streamList", [known]);
    let list = ana.list_streams(room).await.unwrap();
    let stream = &list[0];
    assert_eq!(
        (stream.id.0, stream.dummy, stream.talking),
        (4_910_609_543_473_632, true, Some(false))
    );
    assert_eq!(stream.tracks.len(), 4, "a kind that nobody knows is left out");
    let video = &stream.tracks[1];
    assert!(video.simulcast && video.svc && video.moderated && !video.disabled);
    assert_eq!(video.description.as_deref(), Some("screen"));
    assert!(stream.tracks[3].disabled && stream.tracks[3].codec.is_none());
    assert_eq!(stream.tracks[0].talking, Some(true));
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_reaches_the_application() {
    use conclave::wire::rpc::code;
    let pair = Pair::new(Generation::B).await;
    for (code, name, _) in code::ALL {
        pair.bridge.fail_next("stream.streamRoomGet", *code);
        let result = pair.ana.get_stream_room(&pair.room).await;
        let error = result.unwrap_err();
        assert_eq!(error.code(), Some(*code), "{name}: {error}");
        let low = u32::try_from(code & 0xffff).unwrap();
        let high = if *code < 0 { 0xffff_0000 } else { 0xf000_0000 };
        assert_eq!(error.endpoint_code(), Some(high | low), "{name}");
    }
    let cases = [
        ("closed", code::STREAM_ROOM_CLOSED),
        ("full", code::MEDIA_ROOM_FULL),
        ("refused", code::ACCESS_DENIED),
    ];
    for (name, code) in cases {
        pair.bridge.fail_next("stream.streamRoomJoin", code);
        let error = pair.ana.join_stream_room(&pair.room).await.unwrap_err();
        match code {
            code::STREAM_ROOM_CLOSED => {
                assert!(matches!(error, ApiError::RoomClosed(_)), "{name}: {error}");
            }
            _ => assert_eq!(error.code(), Some(code), "{name}"),
        }
    }
    pair.end().await;
}
