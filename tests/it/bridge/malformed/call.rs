//! A call that goes on while the bridge is under fire, and knows which packets it misses.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::rtc::AudioSink;
use conclave::rtc::EncodedAudio;
use conclave::rtc::PeerConfig;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::world::Client;
use super::super::world::PATIENCE;
use super::super::world::World;

/// One packet of sound in samples, and in time.
const SAMPLES: u32 = 960;
const PACE: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    /// Longest time without a packet, in milliseconds.
    gap_ms: AtomicU64,
    over: AtomicBool,
}

/// Two people in a room, one of whom speaks.
pub struct LiveCall {
    counts: Arc<Counts>,
    speaker: JoinHandle<()>,
    listener: JoinHandle<()>,
    publisher: Publisher,
    subscriber: Subscriber,
    _clients: (Client, Client),
}

impl LiveCall {
    pub async fn start(world: &World) -> Self {
        let mut ana = world.join("ana", 1).await;
        let mut ben = world.join("ben", 2).await;
        let room = world.room(&mut ana, &["ana", "ben"]).await;
        for client in [&mut ana, &mut ben] {
            client.connect(&world.bridge).await;
            client.ws("stream.streamRoomJoin", json!({"streamRoomId": room})).await.unwrap();
        }
        let peers = PeerConfig { loopback: true, ..PeerConfig::default() };
        let publisher = Publisher::new(&peers).unwrap();
        let sink = publisher.add_audio_track().await.unwrap();
        let sdp = publisher.create_offer().await.unwrap();
        let params = json!({"streamRoomId": room, "offer": {"type": "offer", "sdp": sdp}});
        let published = ana.ws("stream.streamPublish", params).await.unwrap();
        publisher.set_answer(published["answer"]["sdp"].as_str().unwrap()).await.unwrap();
        let stream = &published["publishedData"]["stream"]["id"];
        // Subscribing works from the moment the publisher is connected.
        let wanted = json!({"streamRoomId": room, "subscriptionsToAdd": [{"streamId": stream}]});
        let deadline = Instant::now() + PATIENCE;
        let offered = loop {
            match ben.ws("stream.streamsSubscribeToRemote", wanted.clone()).await {
                Ok(offered) => break offered,
                Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
            }
            tokio::time::sleep(PACE).await;
        };
        let (subscriber, events) = Subscriber::new(&peers).unwrap();
        let sdp = subscriber.answer(offered["offer"]["sdp"].as_str().unwrap()).await.unwrap();
        let accept = json!({"sessionId": offered["sessionId"],
            "answer": {"type": "answer", "sdp": sdp}});
        ben.ws("stream.streamAcceptOffer", accept).await.unwrap();
        let counts = Arc::new(Counts::default());
        let speaker = tokio::spawn(speak(sink, Arc::clone(&counts)));
        let listener = tokio::spawn(listen(events, Arc::clone(&counts)));
        let call = Self { counts, speaker, listener, publisher, subscriber, _clients: (ana, ben) };
        call.heard(call.counts.received.load(Ordering::Relaxed)).await;
        // What was said before anybody listened is not missing.
        let received = call.counts.received.load(Ordering::Relaxed);
        call.counts.sent.store(received, Ordering::Relaxed);
        call.counts.gap_ms.store(0, Ordering::Relaxed);
        call
    }

    /// Waits until something arrives that was not there before.
    async fn heard(&self, before: u64) {
        let hearing = async {
            while self.counts.received.load(Ordering::Relaxed) <= before {
                tokio::time::sleep(PACE).await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, hearing).await;
        heard.unwrap_or_else(|_| panic!("the call is over: {}", self.state()));
    }

    /// Packets that were sent and have not arrived, those on the way included.
    pub fn missing(&self) -> u64 {
        let received = self.counts.received.load(Ordering::Relaxed);
        self.counts.sent.load(Ordering::Relaxed).saturating_sub(received)
    }

    /// How the call is doing: the longest silence so far and both connections.
    pub fn state(&self) -> String {
        format!(
            "longest gap {} ms, {:?} and {:?}",
            self.counts.gap_ms.load(Ordering::Relaxed),
            *self.publisher.state().borrow(),
            *self.subscriber.state().borrow(),
        )
    }

    /// Checks that sound still arrives, and hangs up.
    pub async fn finish(mut self) -> String {
        let before = self.counts.received.load(Ordering::Relaxed);
        self.heard(before).await;
        self.counts.over.store(true, Ordering::Relaxed);
        (&mut self.speaker).await.unwrap();
        // The last packets are still on their way.
        let arriving = async {
            while self.missing() > 0 {
                tokio::time::sleep(PACE).await;
            }
        };
        let complete = tokio::time::timeout(Duration::from_secs(2), arriving).await.is_ok();
        let missing = self.missing();
        let sent = self.counts.sent.load(Ordering::Relaxed);
        self.publisher.close().await;
        self.subscriber.close().await;
        self.listener.await.unwrap();
        assert_eq!(complete, missing == 0);
        format!(
            "{sent} packets sent, {missing} lost, longest gap {} ms",
            self.counts.gap_ms.load(Ordering::Relaxed)
        )
    }
}

async fn speak(sink: AudioSink, counts: Arc<Counts>) {
    let mut pace = tokio::time::interval(PACE);
    let mut timestamp = 0_u32;
    while !counts.over.load(Ordering::Relaxed) {
        pace.tick().await;
        timestamp = timestamp.wrapping_add(SAMPLES);
        let payload = Bytes::from(vec![7; 80]);
        if sink.write(EncodedAudio { payload, timestamp, marker: false }).is_ok() {
            counts.sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn listen(mut events: mpsc::Receiver<SubscriberEvent>, counts: Arc<Counts>) {
    let mut last = Instant::now();
    while let Some(event) = events.recv().await {
        if let SubscriberEvent::Rtp { arrival, .. } = event {
            let gap = u64::try_from(arrival.saturating_duration_since(last).as_millis());
            counts.gap_ms.fetch_max(gap.unwrap_or(u64::MAX), Ordering::Relaxed);
            last = arrival;
            counts.received.fetch_add(1, Ordering::Relaxed);
        }
    }
}
