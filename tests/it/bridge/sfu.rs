//! The SFU with the clients of this crate: real sockets, another WebRTC library on the far side.

use std::net::Ipv4Addr;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::bridge::sfu::ClientId;
use conclave::bridge::sfu::Sfu;
use conclave::bridge::sfu::SfuConfig;
use conclave::bridge::sfu::SfuEvent;
use conclave::bridge::sfu::SfuHandle;
use conclave::model::SessionId;
use conclave::model::StreamId;
use conclave::model::StreamRoomId;
use conclave::model::StreamSubscription;
use conclave::model::TrackKind;
use conclave::model::UserId;
use conclave::rtc::AudioSink;
use conclave::rtc::DataSink;
use conclave::rtc::EncodedAudio;
use conclave::rtc::PeerConfig;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use tokio::sync::mpsc;
use tokio::time;

/// Longer than anything here takes; what isn't there by then never comes.
const PATIENCE: Duration = Duration::from_secs(10);

struct World {
    sfu: SfuHandle,
    events: mpsc::Receiver<SfuEvent>,
    room: StreamRoomId,
}

struct Speaker {
    client: ClientId,
    stream: StreamId,
    publisher: Publisher,
    sink: AudioSink,
    data: DataSink,
}

struct Listener {
    client: ClientId,
    session: SessionId,
    subscriber: Subscriber,
    events: mpsc::Receiver<SubscriberEvent>,
}

fn loopback() -> PeerConfig {
    PeerConfig { loopback: true, ..PeerConfig::default() }
}

fn whole(stream: StreamId) -> StreamSubscription {
    StreamSubscription { stream_id: stream, stream_track_id: None }
}

impl World {
    async fn new() -> Self {
        let config = SfuConfig { bind: (Ipv4Addr::LOCALHOST, 0).into(), ..SfuConfig::default() };
        let (sfu, events) = Sfu::start(config).await.unwrap();
        Self { sfu, events, room: "room".into() }
    }

    async fn event(&mut self) -> SfuEvent {
        time::timeout(PATIENCE, self.events.recv()).await.expect("an event").unwrap()
    }

    /// Joins, publishes sound and data, and waits until the SFU announces it.
    async fn speaker(&mut self, number: u64) -> Speaker {
        let client = ClientId(number);
        let user = UserId(format!("user{number}"));
        let stream = self.sfu.join(&self.room, client, &user).await.unwrap();
        let publisher = Publisher::new(&loopback()).unwrap();
        let sink = publisher.add_audio_track().await.unwrap();
        let data = publisher.add_data_channel().await.unwrap();
        let offer = publisher.create_offer().await.unwrap();
        let answer = self.sfu.publish(&self.room, client, offer).await.unwrap();
        let kinds: Vec<_> = answer.tracks.iter().map(|track| track.kind).collect();
        assert_eq!(kinds, [TrackKind::Audio, TrackKind::Data]);
        publisher.set_answer(&answer.answer_sdp).await.unwrap();
        let event = self.event().await;
        assert!(
            matches!(&event, SfuEvent::PublisherConnected { stream: s, .. } if s.id == stream),
            "{event:?}"
        );
        Speaker { client, stream, publisher, sink, data }
    }

    async fn listener(&self, number: u64, streams: &[StreamId]) -> Listener {
        let client = ClientId(number);
        let user = UserId(format!("user{number}"));
        self.sfu.join(&self.room, client, &user).await.unwrap();
        let (subscriber, events) = Subscriber::new(&loopback()).unwrap();
        let add = streams.iter().map(|stream| whole(*stream)).collect();
        let answer = self.sfu.subscribe(&self.room, client, add).await.unwrap();
        let listener = Listener { client, session: answer.session_id, subscriber, events };
        self.negotiate(&listener, &answer.offer.unwrap()).await;
        let mut state = listener.subscriber.state();
        let up = state.wait_for(|state| *state == PeerState::Connected);
        time::timeout(PATIENCE, up).await.expect("a connection").unwrap();
        listener
    }

    async fn negotiate(&self, listener: &Listener, offer: &str) {
        let answer = listener.subscriber.answer(offer).await.unwrap();
        self.sfu.accept_offer(listener.client, listener.session, answer).await.unwrap();
    }

    async fn modify(
        &self,
        listener: &Listener,
        add: Vec<StreamSubscription>,
        remove: Vec<StreamSubscription>,
    ) {
        let answer = self.sfu.modify(&self.room, listener.client, add, remove).await.unwrap();
        self.negotiate(listener, &answer.offer.unwrap()).await;
    }

    /// Answers the offer that comes by event.
    async fn renegotiate(&mut self, listener: &Listener) {
        match self.event().await {
            SfuEvent::Reoffer { client, offer_sdp, .. } => {
                assert_eq!(client, listener.client);
                self.negotiate(listener, &offer_sdp).await;
            }
            event => panic!("{event:?}"),
        }
    }
}

impl Speaker {
    fn say(&self, number: u32) {
        let payload = Bytes::from(format!("sealed {} {number}", self.stream));
        let audio = EncodedAudio { payload, timestamp: number * 960, marker: number == 0 };
        self.sink.write(audio).unwrap();
    }
}

impl Listener {
    async fn next(&mut self) -> SubscriberEvent {
        loop {
            let event = time::timeout(PATIENCE, self.events.recv()).await.expect("an event");
            match event.unwrap() {
                SubscriberEvent::State(_) => {}
                event => return event,
            }
        }
    }

    /// Receives `count` packets of `speaker` while it speaks, and checks each of them.
    async fn hear(&mut self, speaker: &Speaker, count: u32) {
        let mut pace = time::interval(Duration::from_millis(5));
        let (mut said, mut heard, mut last) = (0, 0, None);
        let deadline = Instant::now() + PATIENCE;
        while heard < count {
            assert!(Instant::now() < deadline, "heard {heard} of {said}");
            tokio::select! {
                _ = pace.tick() => {
                    speaker.say(said);
                    said += 1;
                }
                event = self.events.recv() => {
                    let SubscriberEvent::Rtp { stream_id, payload, seq, .. } = event.unwrap()
                    else {
                        continue;
                    };
                    // Each payload says whose it is, and the line must never disagree, even
                    // about the last words of whoever spoke before.
                    let text = format!("sealed {stream_id} ");
                    assert!(payload.starts_with(text.as_bytes()), "{stream_id}: {payload:?}");
                    if stream_id != speaker.stream {
                        continue;
                    }
                    assert!(last.is_none_or(|last| seq > last));
                    last = Some(seq);
                    heard += 1;
                }
            }
        }
    }
}

#[tokio::test]
async fn sound_and_messages_reach_a_listener() {
    let mut world = World::new().await;
    let alice = world.speaker(1).await;
    let mut bob = world.listener(2, &[alice.stream]).await;
    let event = bob.next().await;
    assert!(
        matches!(event, SubscriberEvent::Track { stream_id, .. } if stream_id == alice.stream),
        "{event:?}"
    );
    bob.hear(&alice, 50).await;
    alice.data.send(Bytes::from_static(b"first")).await.unwrap();
    alice.data.send(Bytes::from_static(b"second")).await.unwrap();
    let mut messages = Vec::new();
    while messages.len() < 2 {
        if let SubscriberEvent::Data { stream_id, payload } = bob.next().await {
            assert_eq!(stream_id, alice.stream);
            messages.push(payload);
        }
    }
    assert_eq!(messages, ["first", "second"]);
    alice.publisher.close().await;
    bob.subscriber.close().await;
    world.sfu.shutdown().await;
}

#[tokio::test]
async fn lines_follow_people_who_come_and_go() {
    let mut world = World::new().await;
    let alice = world.speaker(1).await;
    let mut carol = world.listener(3, &[alice.stream]).await;
    carol.hear(&alice, 5).await;

    // A second line, while the first one goes on.
    let bob = world.speaker(2).await;
    world.modify(&carol, vec![whole(bob.stream)], vec![]).await;
    carol.hear(&bob, 5).await;
    carol.hear(&alice, 5).await;

    // Alice leaves; her line goes to dave.
    world.sfu.leave(&world.room, alice.client).await.unwrap();
    world.renegotiate(&carol).await;
    let dave = world.speaker(4).await;
    world.modify(&carol, vec![whole(dave.stream)], vec![]).await;
    carol.hear(&dave, 5).await;
    carol.hear(&bob, 5).await;
    dave.data.send(Bytes::from_static(b"from dave")).await.unwrap();
    loop {
        if let SubscriberEvent::Data { stream_id, payload } = carol.next().await {
            assert_eq!((stream_id, &payload[..]), (dave.stream, &b"from dave"[..]));
            break;
        }
    }

    // Everything is given up and taken again.
    world.modify(&carol, vec![], vec![whole(dave.stream), whole(bob.stream)]).await;
    world.modify(&carol, vec![whole(bob.stream)], vec![]).await;
    carol.hear(&bob, 5).await;
    world.sfu.shutdown().await;
}

#[tokio::test]
async fn speaker_mutes_by_removing_its_track_and_restarts_ice() {
    let mut world = World::new().await;
    let alice = world.speaker(1).await;
    let mut bob = world.listener(2, &[alice.stream]).await;
    bob.hear(&alice, 5).await;

    let offer = alice.publisher.create_restart_offer().await.unwrap();
    let answer = world.sfu.update(&world.room, alice.client, offer).await.unwrap();
    alice.publisher.set_answer(&answer.answer_sdp).await.unwrap();
    bob.hear(&alice, 5).await;

    alice.publisher.remove_track(&alice.sink).await.unwrap();
    let offer = alice.publisher.create_offer().await.unwrap();
    let answer = world.sfu.update(&world.room, alice.client, offer).await.unwrap();
    alice.publisher.set_answer(&answer.answer_sdp).await.unwrap();
    assert!(answer.tracks[0].disabled && !answer.tracks[1].disabled);
    world.renegotiate(&bob).await;
    alice.data.send(Bytes::from_static(b"still here")).await.unwrap();
    loop {
        match bob.next().await {
            SubscriberEvent::Data { payload, .. } => break assert_eq!(payload, "still here"),
            SubscriberEvent::TrackEnded { stream_id, .. } => assert_eq!(stream_id, alice.stream),
            _ => {}
        }
    }
    world.sfu.shutdown().await;
}
