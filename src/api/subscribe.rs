//! The subscribing half of a joined room: one task that negotiates, and one that forwards
//! what arrives.
//!
//! The bridge offers, we answer: **every** offer, also those that come with an unsubscribe
//! or by event, because a bridge that waits for an answer makes no further offers
//! (streams.md §9.5). The task carries out one negotiation after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::crypto::frame::FrameCryptor;
use crate::media::pipeline::AudioReceiver;
use crate::media::pipeline::VideoPacket;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamSubscription;
use crate::model::TrackId;
use crate::model::TrackKind;
use crate::rtc::Subscriber;
use crate::rtc::SubscriberEvent;
use crate::wire::dto::signal::SessionDescription;
use crate::wire::dto::signal::StreamAcceptOffer;
use crate::wire::dto::stream;
use crate::wire::dto::stream::StreamsModifyRemoteSubscriptions;
use crate::wire::dto::stream::StreamsSubscribeToRemote;
use crate::wire::dto::stream::StreamsUnsubscribeFromRemote;
use crate::wire::dto::stream::SubscribeAnswer;

use super::audio::TrackKey;
use super::error::ApiError;
use super::joined::Room;
use super::listener::RemoteStreamEvent;
use super::publish::media;
use super::video::NewTrack;

/// Commands from the façade and the room's keeper to the task; when full, they wait.
pub(super) const COMMANDS: usize = 64;
/// Lines whose publishers are to be asked for a key frame, from the decoder to the forwarder.
/// When full, the newest is not asked for now but a little later.
const REQUESTS: usize = 32;

/// What the task is asked for.
pub(super) enum SubscribeCommand {
    /// Change what is subscribed to.
    Change {
        add: Vec<StreamSubscription>,
        remove: Vec<StreamSubscription>,
        reply: oneshot::Sender<Result<(), ApiError>>,
    },
    /// Answer an offer that came by event.
    Reoffer { session: Option<SessionId>, sdp: String },
    /// Begin anew after a reconnection: nothing is subscribed to.
    Reset { reply: oneshot::Sender<()> },
    /// The media session, once there is one.
    Session { reply: oneshot::Sender<Option<SessionId>> },
    /// Subscribe to what was subscribed to before the last reset, whose streams live on.
    Restore { reply: oneshot::Sender<Result<(), ApiError>> },
    /// Close the connection and end.
    Close,
}

/// The task.
pub(super) struct SubscribeTask {
    room: Arc<Room>,
    commands: mpsc::Receiver<SubscribeCommand>,
    subscriber: Option<Arc<Subscriber>>,
    session: Option<i64>,
    /// What was asked for and not withdrawn since the last reset, and before it.
    subscribed: Vec<StreamSubscription>,
    before: Vec<StreamSubscription>,
    /// What arrives on the connection; it ends with it.
    tracks: Arc<Tracks>,
    /// Forwards what arrives on the connection and watches over it: at most one of each.
    forwarders: JoinSet<()>,
}

impl SubscribeTask {
    pub(super) fn new(room: Arc<Room>, commands: mpsc::Receiver<SubscribeCommand>) -> Self {
        Self {
            room,
            commands,
            subscriber: None,
            session: None,
            subscribed: Vec::new(),
            before: Vec::new(),
            tracks: Arc::default(),
            forwarders: JoinSet::new(),
        }
    }

    /// Runs until told to close, or until the room is dropped.
    pub(super) async fn run(mut self) {
        while let Some(command) = self.commands.recv().await {
            match command {
                SubscribeCommand::Change { add, remove, reply } => {
                    // A caller that went away does not want its answer.
                    let _ = reply.send(self.change(&add, &remove).await);
                }
                SubscribeCommand::Reoffer { session, sdp } => {
                    let session = session.map(|session| session.0).or(self.session);
                    if let Some(session) = session
                        && let Err(error) = self.accept(session, &sdp).await
                    {
                        tracing::warn!(%error, "an offer could not be answered");
                    }
                }
                SubscribeCommand::Reset { reply } => {
                    self.close().await;
                    self.before = std::mem::take(&mut self.subscribed);
                    let _ = reply.send(());
                }
                SubscribeCommand::Session { reply } => {
                    let _ = reply.send(self.session.map(SessionId));
                }
                SubscribeCommand::Restore { reply } => {
                    let before = std::mem::take(&mut self.before);
                    let nothing = before.is_empty();
                    let done = if nothing { Ok(()) } else { self.change(&before, &[]).await };
                    let _ = reply.send(done);
                }
                SubscribeCommand::Close => break,
            }
        }
        self.close().await;
    }

    async fn change(
        &mut self,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
    ) -> Result<(), ApiError> {
        if self.session.is_none() && !remove.is_empty() {
            return Err(ApiError::NotSubscribed(self.room.id.clone()));
        }
        let answer = self.request(add, remove).await?;
        self.session = Some(answer.session_id);
        // Removing a whole stream removes each of its tracks.
        let is_gone = |held: &StreamSubscription| {
            remove.iter().any(|gone| {
                gone.stream_id == held.stream_id
                    && (gone.stream_track_id.is_none()
                        || gone.stream_track_id == held.stream_track_id)
            })
        };
        self.subscribed.retain(|held| !is_gone(held) && !add.contains(held));
        self.subscribed.extend_from_slice(add);
        match answer.offer {
            Some(offer) => self.accept(answer.session_id, &offer.sdp).await,
            None => Ok(()),
        }
    }

    async fn request(
        &self,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
    ) -> Result<SubscribeAnswer, ApiError> {
        let core = &self.room.core;
        let stream_room_id = self.room.id.0.clone();
        let subscriptions_to_add = wire(add);
        let subscriptions_to_remove = wire(remove);
        if remove.is_empty() {
            core.call(&StreamsSubscribeToRemote { stream_room_id, subscriptions_to_add }).await
        } else if add.is_empty() {
            let call = StreamsUnsubscribeFromRemote { stream_room_id, subscriptions_to_remove };
            core.call(&call).await
        } else {
            core.call(&StreamsModifyRemoteSubscriptions {
                stream_room_id,
                subscriptions_to_add,
                subscriptions_to_remove,
            })
            .await
        }
    }

    async fn accept(&mut self, session_id: i64, offer: &str) -> Result<(), ApiError> {
        let subscriber = self.subscriber().await?;
        let sdp = subscriber.answer(offer).await.map_err(media)?;
        let answer = SessionDescription::answer(sdp);
        self.room.core.call(&StreamAcceptOffer { session_id, answer }).await.map(drop)
    }

    /// The connection, made when it is first needed.
    async fn subscriber(&mut self) -> Result<Arc<Subscriber>, ApiError> {
        if let Some(subscriber) = &self.subscriber {
            return Ok(Arc::clone(subscriber));
        }
        let config = self.room.peer_config().await;
        let (subscriber, events) = Subscriber::new(&config).map_err(media)?;
        let subscriber = Arc::new(subscriber);
        self.forwarders.spawn(forward(Arc::clone(&self.room), Arc::clone(&self.tracks), events));
        let (room, state) = (Arc::clone(&self.room), subscriber.state());
        self.forwarders.spawn(async move { room.watch_peer("receiving", state).await });
        self.room.set_subscriber(Some(Arc::clone(&subscriber)));
        self.subscriber = Some(Arc::clone(&subscriber));
        Ok(subscriber)
    }

    async fn close(&mut self) {
        self.session = None;
        self.room.set_subscriber(None);
        // First those who watch: it is no loss that we close it.
        self.forwarders.abort_all();
        if let Some(subscriber) = self.subscriber.take() {
            subscriber.close().await;
        }
        self.forwarders.shutdown().await;
        // Nobody says so any more, but they have ended with their connection.
        for ((stream, line), kind) in self.tracks.take() {
            end_track(&self.room, stream, line, kind).await;
        }
    }
}

/// The tracks of one connection, from their announcement to their end.
#[derive(Default)]
struct Tracks(Mutex<BTreeMap<(StreamId, TrackId), TrackKind>>);

impl Tracks {
    fn list(&self) -> MutexGuard<'_, BTreeMap<(StreamId, TrackId), TrackKind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, stream: StreamId, line: TrackId, kind: TrackKind) {
        self.list().insert((stream, line), kind);
    }

    fn remove(&self, stream: StreamId, line: &TrackId) {
        self.list().remove(&(stream, line.clone()));
    }

    fn take(&self) -> BTreeMap<(StreamId, TrackId), TrackKind> {
        std::mem::take(&mut self.list())
    }
}

/// A track is not received any more.
async fn end_track(room: &Room, stream: StreamId, line: TrackId, kind: TrackKind) {
    let key = TrackKey { room: room.token, stream, mid: line.clone() };
    match kind {
        TrackKind::Audio => room.audio.remove_track(key).await,
        TrackKind::Video => room.video.remove_track(key),
        TrackKind::Data => {}
    }
    room.listeners.tell(&RemoteStreamEvent::TrackRemoved { stream, line, kind });
}

fn wire(list: &[StreamSubscription]) -> Vec<stream::StreamSubscription> {
    list.iter().map(stream::StreamSubscription::from).collect()
}

/// Brings what arrives on the connection to the audio engine and the listeners.
async fn forward(
    room: Arc<Room>,
    tracks: Arc<Tracks>,
    mut events: mpsc::Receiver<SubscriberEvent>,
) {
    // Questions to the bridge about whose tracks these are; sound goes on meanwhile.
    let mut questions = JoinSet::new();
    let (ask, mut asked) = mpsc::channel(REQUESTS);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            Some(line) = asked.recv() => {
                let room = Arc::clone(&room);
                questions.spawn(async move { room.request_keyframe(&line).await });
                continue;
            }
        };
        let Some(event) = event else { break };
        while questions.try_join_next().is_some() {}
        match event {
            SubscriberEvent::Rtp {
                stream_id,
                mid,
                kind,
                seq,
                timestamp,
                marker,
                payload,
                arrival,
            } => {
                if kind == TrackKind::Video {
                    let key = TrackKey { room: room.token, stream: stream_id, mid };
                    let packet = VideoPacket { seq, timestamp, marker, payload };
                    room.video.packet(key, packet, arrival);
                } else if kind == TrackKind::Audio {
                    if room.listeners.shows_broken_frames() {
                        show_if_broken(&room, stream_id, &mid, &payload);
                    }
                    let key = TrackKey { room: room.token, stream: stream_id, mid };
                    room.audio.packet(key, seq, timestamp, payload, arrival);
                }
            }
            SubscriberEvent::Track { stream_id, track, mid, kind } => {
                tracks.add(stream_id, mid.clone(), kind);
                let key = TrackKey { room: room.token, stream: stream_id, mid };
                if begin_track(&room, key.clone(), (track, kind), &ask).await {
                    questions.spawn(name_track(Arc::clone(&room), key));
                }
            }
            SubscriberEvent::TrackEnded { stream_id, mid, kind } => {
                end_track(&room, stream_id, mid.clone(), kind).await;
                tracks.remove(stream_id, &mid);
            }
            SubscriberEvent::Data { stream_id, payload } => {
                room.listeners.tell(&open_data(&room, stream_id, &payload));
            }
            SubscriberEvent::State(state) => {
                tracing::debug!(?state, "subscriber connection");
            }
        }
    }
}

/// A track is received from now on; returns whether it is unknown whose sound it is.
async fn begin_track(
    room: &Arc<Room>,
    key: TrackKey,
    (track, kind): (TrackId, TrackKind),
    ask: &mpsc::Sender<TrackId>,
) -> bool {
    let (stream, line) = (key.stream, key.mid.clone());
    let unknown = match kind {
        TrackKind::Audio => add_track(room, key).await,
        TrackKind::Video => {
            let (keys, requests, of) = (room.keys(), ask.clone(), Arc::downgrade(room));
            room.video.add_track(NewTrack { key, track, room: of, keys, requests });
            false
        }
        TrackKind::Data => false,
    };
    room.listeners.tell(&RemoteStreamEvent::TrackAdded { stream, line, kind });
    unknown
}

/// Makes a track heard; returns whether it is unknown whose it is.
async fn add_track(room: &Room, key: TrackKey) -> bool {
    let user = room.known_publisher(key.stream);
    let unknown = user.is_none();
    let keys = room.keys();
    match AudioReceiver::new(Arc::clone(&keys.keys)) {
        Ok(receiver) => room.audio.add_track(key, user.unwrap_or_default(), receiver, keys).await,
        Err(error) => tracing::warn!(%error, "a track cannot be heard"),
    }
    unknown
}

async fn name_track(room: Arc<Room>, key: TrackKey) {
    let user = room.publisher_of(key.stream).await;
    room.audio.set_user(key, user).await;
}

/// Shows a frame to the listeners if it cannot be opened. It is dropped all the same.
fn show_if_broken(room: &Room, stream: StreamId, line: &TrackId, frame: &[u8]) {
    let cryptor = FrameCryptor::new(room.keys().keys);
    if let Err(error) = cryptor.open(TrackKind::Audio, frame) {
        room.listeners.tell(&RemoteStreamEvent::BrokenFrame {
            stream,
            line: line.clone(),
            frame: frame.to_vec(),
            reason: error.to_string(),
        });
    }
}

fn open_data(room: &Room, stream: StreamId, message: &[u8]) -> RemoteStreamEvent {
    match room.open_data(stream, message) {
        Ok(data) => RemoteStreamEvent::Data { stream, data },
        Err(error) => {
            let (status, native_code) = (error.status(), error.code());
            RemoteStreamEvent::DataRefused { stream, status, native_code }
        }
    }
}
