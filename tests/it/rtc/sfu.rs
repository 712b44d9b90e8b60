//! Publisher, SFU, subscriber: our connections with the SFU of the embedded bridge between them.
//!
//! The SFU is built on another WebRTC library, so this is interoperation and not agreement
//! with ourselves.

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
use conclave::model::StreamTrackInfo;
use conclave::rtc::AudioSink;
use conclave::rtc::EncodedAudio;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use tokio::sync::mpsc;

use super::loopback;
use super::until;

/// What the product promises from joining to the first sound, on one machine.
const FIRST_AUDIO: Duration = Duration::from_millis(300);
pub(super) const ANA: ClientId = ClientId(1);
pub(super) const BEN: ClientId = ClientId(2);

pub(super) struct World {
    pub(super) sfu: SfuHandle,
    notices: mpsc::Receiver<SfuEvent>,
    room: StreamRoomId,
}

impl World {
    async fn new() -> Self {
        let bind = (Ipv4Addr::LOCALHOST, 0).into();
        Self::with(SfuConfig { bind, ..SfuConfig::default() }).await
    }

    pub(super) async fn with(config: SfuConfig) -> Self {
        let (sfu, notices) = Sfu::start(config).await.unwrap();
        Self { sfu, notices, room: StreamRoomId::from("room") }
    }

    pub(super) async fn join(&self, client: ClientId) -> StreamId {
        let user = format!("user{}", client.0).into();
        self.sfu.join(&self.room, client, &user).await.unwrap()
    }

    pub(super) async fn publish(&mut self, client: ClientId, publisher: &Publisher) {
        let offer = publisher.create_offer().await.unwrap();
        let answer = self.sfu.publish(&self.room, client, offer).await.unwrap();
        publisher.set_answer(&answer.answer_sdp).await.unwrap();
        let notice = self.notice().await;
        assert!(matches!(notice, SfuEvent::PublisherConnected { .. }), "{notice:?}");
    }

    /// What others are told about the tracks of a room.
    pub(super) async fn tracks(&self) -> Vec<StreamTrackInfo> {
        let streams = self.sfu.list(&self.room).await.unwrap();
        streams.into_iter().flat_map(|stream| stream.tracks).collect()
    }

    pub(super) async fn update(&self, client: ClientId, publisher: &Publisher, restart: bool) {
        let offer = match restart {
            true => publisher.create_restart_offer().await.unwrap(),
            false => publisher.create_offer().await.unwrap(),
        };
        let answer = self.sfu.update(&self.room, client, offer).await.unwrap();
        publisher.set_answer(&answer.answer_sdp).await.unwrap();
    }

    pub(super) async fn subscribe(
        &self,
        client: ClientId,
        streams: &[StreamId],
        listener: &mut Listener,
    ) {
        let add = streams.iter().map(|id| whole(*id)).collect();
        let answer = self.sfu.subscribe(&self.room, client, add).await.unwrap();
        listener.session = answer.session_id;
        if let Some(offer) = answer.offer {
            self.negotiate(client, listener, &offer).await;
        }
    }

    pub(super) async fn negotiate(&self, client: ClientId, listener: &Listener, offer: &str) {
        let answer = listener.subscriber.answer(offer).await.unwrap();
        self.sfu.accept_offer(client, listener.session, answer).await.unwrap();
    }

    pub(super) async fn notice(&mut self) -> SfuEvent {
        let wait = tokio::time::timeout(Duration::from_secs(10), self.notices.recv());
        wait.await.expect("a notice within 10 s").unwrap()
    }
}

pub(super) struct Listener {
    pub(super) subscriber: Subscriber,
    pub(super) events: mpsc::Receiver<SubscriberEvent>,
    session: SessionId,
}

impl Listener {
    pub(super) fn new() -> Self {
        let (subscriber, events) = Subscriber::new(&loopback()).unwrap();
        Self { subscriber, events, session: SessionId(0) }
    }

    /// The next event that `pick` wants.
    pub(super) async fn wait<T>(
        &mut self,
        mut pick: impl FnMut(SubscriberEvent) -> Option<T>,
    ) -> T {
        let wait = async {
            loop {
                if let Some(found) = pick(self.events.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("an event within 10 s")
    }

    /// Speaks into `sink` until a frame spoken from now on arrives; tells whose it is.
    async fn hear(&mut self, sink: &AudioSink, text: &str) -> StreamId {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let speak = async {
            for number in 0.. {
                pace.tick().await;
                sink.write(frame(text, number)).unwrap();
            }
        };
        let listen = self.wait(|event| match event {
            SubscriberEvent::Rtp { stream_id, payload, .. } => {
                (payload == text.as_bytes()).then_some(stream_id)
            }
            _ => None,
        });
        tokio::select! {
            stream = listen => stream,
            () = speak => panic!("it spoke forever"),
        }
    }
}

fn frame(text: &str, number: u32) -> EncodedAudio {
    let payload = Bytes::copy_from_slice(text.as_bytes());
    EncodedAudio { payload, timestamp: 960 * number, marker: number == 0 }
}

fn whole(stream_id: StreamId) -> StreamSubscription {
    StreamSubscription { stream_id, stream_track_id: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_sound_comes_soon_after_joining() {
    let mut world = World::new().await;
    let stream = world.join(ANA).await;
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    world.publish(ANA, &publisher).await;

    let start = Instant::now();
    world.join(BEN).await;
    let mut ben = Listener::new();
    world.subscribe(BEN, &[stream], &mut ben).await;
    until(&mut ben.subscriber.state(), PeerState::Connected).await;
    let connected = start.elapsed();
    assert_eq!(ben.hear(&sink, "hello").await, stream);
    let heard = start.elapsed();
    println!("connected after {connected:?}, heard after {heard:?}");
    assert!(heard < FIRST_AUDIO, "heard after {heard:?}, connected after {connected:?}");
    ben.subscriber.close().await;
    publisher.close().await;
    world.sfu.shutdown().await;
}

#[tokio::test]
async fn sound_and_messages_may_come_one_after_the_other() {
    let mut world = World::new().await;
    let stream = world.join(ANA).await;
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    world.publish(ANA, &publisher).await;
    world.join(BEN).await;
    let mut ben = Listener::new();
    world.subscribe(BEN, &[stream], &mut ben).await;
    assert_eq!(ben.hear(&sink, "hello").await, stream);

    // Data joins a stream that is published and subscribed to without it.
    let data = publisher.add_data_channel().await.unwrap();
    world.update(ANA, &publisher, false).await;
    world.subscribe(BEN, &[stream], &mut ben).await;
    data.send(Bytes::from_static(b"late")).await.unwrap();
    let message = ben
        .wait(|event| match event {
            SubscriberEvent::Data { stream_id, payload } => Some((stream_id, payload)),
            _ => None,
        })
        .await;
    assert_eq!(message, (stream, Bytes::from_static(b"late")));
    assert_eq!(ben.hear(&sink, "still here").await, stream);
    ben.subscriber.close().await;
    publisher.close().await;
    world.sfu.shutdown().await;
}

#[tokio::test]
async fn a_stream_survives_an_ice_restart() {
    let mut world = World::new().await;
    let stream = world.join(ANA).await;
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    world.publish(ANA, &publisher).await;
    world.join(BEN).await;
    let mut ben = Listener::new();
    world.subscribe(BEN, &[stream], &mut ben).await;
    assert_eq!(ben.hear(&sink, "before").await, stream);
    world.update(ANA, &publisher, true).await;
    assert_eq!(ben.hear(&sink, "after").await, stream);
    ben.subscriber.close().await;
    publisher.close().await;
    world.sfu.shutdown().await;
}

#[tokio::test]
async fn a_line_is_passed_on_to_the_next_speaker() {
    let mut world = World::new().await;
    let mut ben = Listener::new();
    world.join(BEN).await;
    for number in 10..13 {
        let client = ClientId(number);
        let stream = world.join(client).await;
        let publisher = Publisher::new(&loopback()).unwrap();
        let sink = publisher.add_audio_track().await.unwrap();
        world.publish(client, &publisher).await;
        world.subscribe(BEN, &[stream], &mut ben).await;
        let mid = ben
            .wait(|event| match event {
                SubscriberEvent::Track { stream_id, mid, .. } if stream_id == stream => Some(mid),
                _ => None,
            })
            .await;
        assert_eq!(mid.as_str(), "0", "the one line is reused");
        assert_eq!(ben.hear(&sink, &format!("speaker {number}")).await, stream);
        world.sfu.leave(&world.room, client).await.unwrap();
        let SfuEvent::Reoffer { offer_sdp, .. } = world.notice().await else {
            panic!("not a re-offer");
        };
        world.negotiate(BEN, &ben, &offer_sdp).await;
        ben.wait(|event| match event {
            SubscriberEvent::TrackEnded { stream_id, .. } => (stream_id == stream).then_some(()),
            _ => None,
        })
        .await;
        publisher.close().await;
    }
    ben.subscriber.close().await;
    world.sfu.shutdown().await;
}
