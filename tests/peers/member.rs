//! A client of ours in a room of Janus: both connections, sealed sound, sealed messages.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use conclave::crypto::data_message::DataCryptor;
use conclave::media::pipeline::AudioSender;
use conclave::model::StreamId;
use conclave::rtc::AudioSink;
use conclave::rtc::DataSink;
use conclave::rtc::EncodedAudio;
use conclave::rtc::PeerConfig;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::janus::Janus;
use crate::janus::PATIENCE;
use crate::room::Seat;
use crate::room::Track;
use crate::sound::Heard;
use crate::sound::Packet;
use crate::sound::keys;
use crate::sound::tone;

/// The byte of which everybody's room key is made.
pub const KEY: u8 = 7;
/// Packets of a line that are listened to: 1.2 s of sound.
const ENOUGH: usize = 60;

/// A tone that is spoken into a track until told otherwise.
pub struct Talker {
    pub sink: AudioSink,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Talker {
    pub fn start(sink: AudioSink, hertz: f64) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(talk(sink.clone(), hertz, stop.clone()));
        Self { sink, stop, task }
    }

    pub async fn stop(self) -> AudioSink {
        self.stop.cancel();
        self.task.await.unwrap();
        self.sink
    }
}

async fn talk(sink: AudioSink, hertz: f64, stop: CancellationToken) {
    let mut sender = AudioSender::new(keys(KEY), rand::random()).unwrap();
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let mut frames = Vec::new();
    for from in (0..).step_by(960) {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = clock.tick() => {}
        }
        sender.handle_samples(&tone(hertz, from, 960), &mut rand::rng(), &mut frames).unwrap();
        sink.set_level(Some(sender.level()));
        for frame in frames.drain(..) {
            let audio = EncodedAudio {
                payload: frame.payload,
                timestamp: frame.timestamp,
                marker: frame.marker,
            };
            // A queue that is full drops, as it does for microphones.
            let _ = sink.write(audio);
        }
    }
}

/// One line of the subscriber: whose it is, and what came on it since.
#[derive(Default)]
struct Line {
    owner: Option<i64>,
    packets: Vec<Packet>,
}

/// A participant.
pub struct Member {
    pub seat: Seat,
    pub publisher: Publisher,
    pub subscriber: Subscriber,
    pub data: DataSink,
    cryptor: DataCryptor,
    opener: DataCryptor,
    events: mpsc::Receiver<SubscriberEvent>,
    lines: HashMap<String, Line>,
    messages: Vec<(i64, Vec<u8>)>,
    state: PeerState,
}

impl Member {
    /// Joins and publishes one audio and one data track.
    pub async fn enter(janus: &Janus, room: &Value, name: &str, hertz: f64) -> (Self, Talker) {
        let mut seat = Seat::join(janus, room, name).await;
        let config = PeerConfig::default();
        let (publisher, sink, data) = publish(&mut seat, &config).await;
        let (subscriber, events) = Subscriber::new(&config).unwrap();
        let member = Self {
            seat,
            publisher,
            subscriber,
            data,
            cryptor: DataCryptor::new(keys(KEY)),
            opener: DataCryptor::new(keys(KEY)),
            events,
            lines: HashMap::new(),
            messages: Vec::new(),
            state: PeerState::New,
        };
        (member, Talker::start(sink, hertz))
    }

    pub fn stream(&self) -> i64 {
        self.seat.stream
    }

    /// A new connection in place of the one that Janus has closed.
    pub async fn publish_again(&mut self, hertz: f64) -> Talker {
        self.publisher.close().await;
        let (publisher, sink, data) = offer(&mut self.seat, &PeerConfig::default()).await;
        (self.publisher, self.data) = (publisher, data);
        // Janus 1.1.2 now and then leaves a connection unanswered that it makes in place of
        // another one. As in a call, the way out is to look for a path again.
        let mut state = self.publisher.state();
        let ended = |state: &PeerState| matches!(state, PeerState::Connected | PeerState::Failed);
        let state = timeout(PATIENCE, state.wait_for(ended)).await.map(|state| *state.unwrap());
        if state == Ok(PeerState::Failed) {
            println!("Janus has not answered on the new connection: looking for a path again");
            self.restart_ice().await;
        }
        until_state(self.publisher.state(), PeerState::Connected).await;
        self.seat.published().await;
        Talker::start(sink, hertz)
    }

    /// Re-offers the publisher's connection; answers the tracks as Janus lists them.
    pub async fn update(&mut self) -> Vec<Value> {
        let offer = self.publisher.create_offer().await.unwrap();
        let (answer, tracks) = self.seat.update(&offer).await;
        self.publisher.set_answer(&answer).await.unwrap();
        tracks
    }

    /// The same with a search for a new path.
    pub async fn restart_ice(&mut self) {
        let offer = self.publisher.create_restart_offer().await.unwrap();
        let (answer, _) = self.seat.update(&offer).await;
        self.publisher.set_answer(&answer).await.unwrap();
    }

    /// Changes subscriptions and answers the offer that this leads to.
    pub async fn modify(&mut self, add: &[Track], remove: &[Track]) -> Option<String> {
        let offer = self.seat.modify(add, remove).await?;
        self.accept(&offer).await;
        Some(offer)
    }

    /// Answers the next offer that Janus makes by itself.
    pub async fn follow(&mut self) -> String {
        let offer = self.seat.reoffer().await;
        self.accept(&offer).await;
        offer
    }

    /// Answers an offer.
    pub async fn accept(&mut self, offer: &str) {
        let answer = self.subscriber.answer(offer).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error} in\n{offer}"));
        self.seat.accept(&answer).await;
    }

    /// Changes subscriptions while an earlier offer is not answered yet.
    pub async fn modify_unanswered(&mut self, add: &[Track]) -> Option<String> {
        self.seat.modify(add, &[]).await
    }

    /// Sends a sealed message.
    pub async fn say(&mut self, text: &str) {
        let sealed = self.cryptor.seal(&mut rand::rng(), text.as_bytes()).unwrap();
        self.data.send(Bytes::from(sealed)).await.unwrap();
    }

    /// Which line carries a stream now, waiting for one if need be.
    pub async fn line_of(&mut self, stream: i64) -> String {
        self.until("a line for the stream", |member| {
            let mut lines = member.lines.iter();
            let line = lines.find(|(_, line)| line.owner == Some(stream));
            line.map(|(mid, _)| mid.clone())
        })
        .await
    }

    /// The same for its other line, where it has two.
    pub async fn other_line_of(&mut self, stream: i64, known: &str) -> String {
        self.until("another line for the stream", |member| {
            let mut lines = member.lines.iter();
            let line = lines.find(|(mid, line)| line.owner == Some(stream) && *mid != known);
            line.map(|(mid, _)| mid.clone())
        })
        .await
    }

    /// Waits until nobody owns the line.
    pub async fn line_ends(&mut self, mid: &str) {
        let free = |member: &mut Self| {
            let line = member.lines.get(mid)?;
            line.owner.is_none().then_some(())
        };
        self.until("the end of a line", free).await;
    }

    /// Listens to a line for a while from now on.
    pub async fn hear(&mut self, mid: &str) -> Heard {
        Heard::decode(&self.listen(mid).await, keys(KEY))
    }

    /// The packets of a while from now on.
    pub async fn listen(&mut self, mid: &str) -> Vec<Packet> {
        self.drain();
        self.lines.entry(mid.to_owned()).or_default().packets.clear();
        self.until("sound", |member| {
            let packets = &mut member.lines.get_mut(mid)?.packets;
            (packets.len() >= ENOUGH).then(|| std::mem::take(packets))
        })
        .await
    }

    /// The packets of a line since it was listened to last.
    pub fn packets(&mut self, mid: &str) -> Vec<Packet> {
        self.drain();
        self.lines.get_mut(mid).map(|line| std::mem::take(&mut line.packets)).unwrap_or_default()
    }

    /// The next message and whose it is.
    pub async fn message(&mut self) -> (i64, String) {
        let (stream, sealed) = self
            .until("a message", |member| {
                (!member.messages.is_empty()).then(|| member.messages.remove(0))
            })
            .await;
        let opened = self.opener.open(StreamId(stream), &sealed).unwrap();
        (stream, String::from_utf8(opened.data).unwrap())
    }

    /// Waits until both connections are up.
    pub async fn up(&self) {
        until_state(self.publisher.state(), PeerState::Connected).await;
        until_state(self.subscriber.state(), PeerState::Connected).await;
    }

    pub async fn close(self) {
        self.publisher.close().await;
        self.subscriber.close().await;
    }

    async fn until<T>(&mut self, what: &str, mut ready: impl FnMut(&mut Self) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                if let Some(found) = ready(self) {
                    return found;
                }
                let event = self.events.recv().await.expect("the connection lives");
                self.take(event);
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => {
                let lines = self.lines.iter();
                let lines: Vec<_> =
                    lines.map(|(mid, line)| (mid, line.owner, line.packets.len())).collect();
                panic!("{what} did not come; {:?}, lines {lines:?}", self.state)
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
    }

    fn take(&mut self, event: SubscriberEvent) {
        match event {
            SubscriberEvent::Track { stream_id, mid, .. } => {
                let owner = Some(stream_id.0);
                self.lines.insert(mid.0, Line { owner, ..Line::default() });
            }
            SubscriberEvent::TrackEnded { stream_id, mid, .. } => {
                let line = self.lines.get_mut(&mid.0).expect("it was announced");
                assert_eq!(line.owner.take(), Some(stream_id.0));
            }
            SubscriberEvent::Rtp { stream_id, mid, seq, timestamp, payload, .. } => {
                let line = self.lines.get_mut(&mid.0).expect("it was announced");
                assert_eq!(line.owner, Some(stream_id.0));
                line.packets.push(Packet { seq, timestamp, payload });
            }
            SubscriberEvent::Data { stream_id, payload } => {
                self.messages.push((stream_id.0, payload.to_vec()));
            }
            SubscriberEvent::State(state) => self.state = state,
            other => panic!("{other:?}"),
        }
    }
}

async fn publish(seat: &mut Seat, config: &PeerConfig) -> (Publisher, AudioSink, DataSink) {
    let (publisher, sink, data) = offer(seat, config).await;
    until_state(publisher.state(), PeerState::Connected).await;
    seat.published().await;
    (publisher, sink, data)
}

async fn offer(seat: &mut Seat, config: &PeerConfig) -> (Publisher, AudioSink, DataSink) {
    let publisher = Publisher::new(config).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    let data = publisher.add_data_channel().await.unwrap();
    let offer = publisher.create_offer().await.unwrap();
    let (answer, tracks) = seat.publish(&offer).await;
    let kinds: Vec<_> = tracks.iter().map(|track| track["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["audio", "data"], "{tracks:?}");
    publisher.set_answer(&answer).await.unwrap_or_else(|error| panic!("{error} in\n{answer}"));
    (publisher, sink, data)
}

pub async fn until_state(mut state: watch::Receiver<PeerState>, wanted: PeerState) {
    let reached = timeout(PATIENCE, state.wait_for(|state| *state == wanted)).await.is_ok();
    assert!(reached, "{wanted:?} was not reached; it is {:?}", *state.borrow());
}
