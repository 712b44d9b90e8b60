//! A joined room: what its tasks share, and the keeper that hears what concerns it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

use crate::crypto::data_message::DataCryptor;
use crate::crypto::data_message::DataError;
use crate::model::CallStats;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamRoomId;
use crate::model::SubscriptionId;
use crate::model::Timestamp;
use crate::model::TrackId;
use crate::model::TurnCredentials;
use crate::model::UserId;
use crate::net::session::now;
use crate::rtc::PeerConfig;
use crate::rtc::PeerState;
use crate::rtc::Publisher;
use crate::rtc::Subscriber;
use crate::wire::dto::stream::StreamGetTurnCredentials;
use crate::wire::dto::stream::StreamList;

use super::audio::AudioHandle;
use super::audio::RoomToken;
use super::audio::VersionedKeys;
use super::connection::Core;
use super::dispatch::RoomSignal;
use super::error::ApiError;
use super::key_ring::KeyRing;
use super::key_ring::Refusal;
use super::key_ring::RoomKeyInfo;
use super::key_ring::RoomKeys;
use super::listener::Listeners;
use super::negotiation::is_turn_url;
use super::peer_watch;
use super::publish::PublishCommand;
use super::subscribe::SubscribeCommand;
use super::video::VideoHandle;

/// How often the counters of a room are collected, while somebody watches them.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// TURN credentials are fetched anew when they end sooner than this.
const TURN_MARGIN_MS: i64 = 5 * 60 * 1000;

/// What the tasks of a joined room share.
pub(super) struct Room {
    pub(super) id: StreamRoomId,
    pub(super) me: UserId,
    pub(super) token: RoomToken,
    pub(super) core: Arc<Core>,
    pub(super) audio: AudioHandle,
    pub(super) video: VideoHandle,
    pub(super) listeners: Listeners,
    media: Mutex<Media>,
    publisher: Mutex<Option<Arc<Publisher>>>,
    subscriber: Mutex<Option<Arc<Subscriber>>>,
    publishers: Mutex<HashMap<StreamId, UserId>>,
    turn: Mutex<Vec<TurnCredentials>>,
    key_info: watch::Sender<RoomKeyInfo>,
    /// Why a media connection broke, for whoever restores it.
    broken: watch::Sender<String>,
}

/// Keys, and what is sealed with them besides sound.
struct Media {
    ring: KeyRing,
    data: DataCryptor,
    data_dropped: u64,
}

impl Room {
    pub(super) fn new(
        id: StreamRoomId,
        me: UserId,
        token: RoomToken,
        core: Arc<Core>,
        (audio, video): (AudioHandle, VideoHandle),
        keys: RoomKeys,
    ) -> Self {
        let data = DataCryptor::new(Arc::clone(&keys.frame));
        let key_info = watch::Sender::new(RoomKeyInfo::of(&keys));
        let ring = KeyRing::new(keys);
        Self {
            id,
            me,
            token,
            core,
            audio,
            video,
            listeners: Listeners::default(),
            media: Mutex::new(Media { ring, data, data_dropped: 0 }),
            publisher: Mutex::default(),
            subscriber: Mutex::default(),
            publishers: Mutex::default(),
            turn: Mutex::default(),
            key_info,
            broken: watch::Sender::default(),
        }
    }

    fn media(&self) -> MutexGuard<'_, Media> {
        self.media.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys in force.
    pub(super) fn keys(&self) -> VersionedKeys {
        let media = self.media();
        let keys = media.ring.keys();
        VersionedKeys { version: keys.version, keys: Arc::clone(&keys.frame) }
    }

    /// Puts the keys of a newer version of the room in force, for sound and for messages.
    /// What is no continuation of the room as it is known changes nothing.
    pub(super) async fn set_keys(&self, keys: RoomKeys) -> Result<(), Refusal> {
        let (version, frame) = (keys.version, Arc::clone(&keys.frame));
        let info = RoomKeyInfo::of(&keys);
        {
            let mut media = self.media();
            if let Err(refusal) = media.ring.accept(keys) {
                if refusal != Refusal::Outdated {
                    tracing::warn!(
                        room = %self.id, version, reason = %refusal,
                        "the bridge offers keys that are not accepted"
                    );
                }
                return Err(refusal);
            }
            media.data.set_keys(Arc::clone(&frame));
        }
        self.key_info.send_if_modified(|told| {
            let changed = *told != info;
            *told = info;
            changed
        });
        let keys = VersionedKeys { version, keys: frame };
        self.video.set_keys(self.token, &keys);
        self.audio.set_keys(self.token, keys).await;
        Ok(())
    }

    /// Seals a message under the current key.
    pub(super) fn seal_data(&self, data: &[u8]) -> Result<Vec<u8>, ApiError> {
        let sealed = self.media().data.seal(&mut rand::rng(), data);
        sealed.map_err(|error| ApiError::Crypto(error.to_string()))
    }

    /// Which keys are in force, and all later ones.
    pub(super) fn key_info(&self) -> watch::Receiver<RoomKeyInfo> {
        self.key_info.subscribe()
    }

    /// Opens a message; the error has the status codes of official clients.
    pub(super) fn open_data(&self, stream: StreamId, message: &[u8]) -> Result<Vec<u8>, DataError> {
        let mut media = self.media();
        match media.data.open(stream, message) {
            Ok(opened) => Ok(opened.data),
            Err(error) => {
                media.data_dropped = media.data_dropped.saturating_add(1);
                Err(error)
            }
        }
    }

    pub(super) fn set_publisher(&self, publisher: Option<Arc<Publisher>>) {
        *self.publisher.lock().unwrap_or_else(PoisonError::into_inner) = publisher;
    }

    /// Asks the publisher behind a line for a key frame.
    pub(super) async fn request_keyframe(&self, line: &TrackId) {
        let subscriber = self.subscriber.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(subscriber) = subscriber
            && let Err(error) = subscriber.request_keyframe(line).await
        {
            tracing::debug!(%error, "nobody to ask for a key frame");
        }
    }

    pub(super) fn set_subscriber(&self, subscriber: Option<Arc<Subscriber>>) {
        *self.subscriber.lock().unwrap_or_else(PoisonError::into_inner) = subscriber;
    }

    /// Tells of media connections that break from now on, and why.
    pub(super) fn broken(&self) -> watch::Receiver<String> {
        self.broken.subscribe()
    }

    /// Watches a media connection and tells when it is lost for good.
    pub(super) async fn watch_peer(self: Arc<Self>, what: &str, state: watch::Receiver<PeerState>) {
        if peer_watch::is_lost(state).await {
            self.report_broken(what);
        }
    }

    /// Tells whoever restores the room that a media connection is lost for good.
    pub(super) fn report_broken(&self, what: &str) {
        tracing::info!(room = %self.id, what, "a media connection is lost");
        self.broken.send_replace(format!("the connection for {what} is lost"));
    }

    /// Notes who publishes what.
    pub(super) fn learn(&self, streams: &[StreamInfo]) {
        let mut publishers = self.publishers.lock().unwrap_or_else(PoisonError::into_inner);
        publishers.extend(streams.iter().map(|stream| (stream.id, stream.user_id.clone())));
    }

    /// Who publishes a stream, asking the bridge if need be; the empty id if it is gone.
    pub(super) async fn publisher_of(&self, stream: StreamId) -> UserId {
        if let Some(user) = self.known_publisher(stream) {
            return user;
        }
        if let Err(error) = self.list_streams().await {
            tracing::info!(%error, "the streams of a room could not be listed");
        }
        self.known_publisher(stream).unwrap_or_default()
    }

    /// Who publishes a stream, as far as it is known without asking.
    pub(super) fn known_publisher(&self, stream: StreamId) -> Option<UserId> {
        let publishers = self.publishers.lock().unwrap_or_else(PoisonError::into_inner);
        publishers.get(&stream).cloned()
    }

    pub(super) async fn list_streams(&self) -> Result<Vec<StreamInfo>, ApiError> {
        let streams = list_streams(&self.core, &self.id).await?;
        self.follow(&streams);
        self.learn(&streams);
        Ok(streams)
    }

    /// Streams get new ids when their publishers come back: listeners go with the publisher,
    /// if it has one stream in the complete `list`.
    fn follow(&self, list: &[StreamInfo]) {
        self.listeners.follow(|stream| {
            let user = self.known_publisher(stream)?;
            let mut theirs = list.iter().filter(|info| info.user_id == user).map(|info| info.id);
            let only = theirs.next()?;
            (only != stream && theirs.next().is_none()).then_some(only)
        });
    }

    /// How to reach the SFU.
    pub(super) async fn peer_config(&self) -> PeerConfig {
        PeerConfig {
            ice_servers: self.turn_servers().await,
            loopback: self.core.loopback,
            relay_only: self.core.relay_only,
        }
    }

    /// TURN servers with credentials, which are fetched when there are none or they end soon.
    async fn turn_servers(&self) -> Vec<TurnCredentials> {
        let known = self.turn.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if will_last(&known, now()) {
            return known;
        }
        let fetched: Vec<_> = match self.core.call(&StreamGetTurnCredentials {}).await {
            // One that is unusable must not keep the others from being used.
            Ok(answer) => answer
                .credentials
                .into_iter()
                .map(TurnCredentials::from)
                .filter(|turn| is_turn_url(&turn.url))
                .collect(),
            Err(error) => {
                // Most networks need none.
                tracing::info!(%error, "no TURN credentials");
                Vec::new()
            }
        };
        fetched.clone_into(&mut self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        fetched
    }

    async fn stats(&self) -> CallStats {
        let publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let subscriber = self.subscriber.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = match publisher {
            Some(publisher) => publisher.stats().await.unwrap_or_default(),
            None => crate::rtc::PeerStats::default(),
        };
        let received = match subscriber {
            Some(subscriber) => subscriber.stats().await.unwrap_or_default(),
            None => crate::rtc::PeerStats::default(),
        };
        let audio = self.audio.room_audio(self.token).await;
        let (video, video_sent) = (self.video.received(self.token), self.video.sent(self.token));
        let not_seen = video.iter().map(|track| track.dropped_unauthenticated);
        let dropped = not_seen.fold(self.media().data_dropped, u64::saturating_add);
        CallStats {
            packets: received.packets_received,
            lost: received.packets_lost,
            concealed_ms: audio.concealed_ms,
            jitter_ms: audio.jitter_ms,
            rtt_ms: sent.rtt.or(received.rtt).map(|rtt| rtt.as_secs_f64() * 1000.0),
            dropped_unauthenticated: audio.dropped_unauthenticated.saturating_add(dropped),
            bytes: received.bytes_received,
            packets_sent: sent.packets_sent,
            bytes_sent: sent.bytes_sent,
            video,
            video_sent,
        }
    }
}

/// Whether credentials will do for another connection.
fn will_last(known: &[TurnCredentials], now: Timestamp) -> bool {
    let least = now.0.saturating_add(TURN_MARGIN_MS);
    !known.is_empty() && known.iter().all(|turn| turn.expiration_time.0 > least)
}

/// The streams published in a room.
pub(super) async fn list_streams(
    core: &Core,
    room: &StreamRoomId,
) -> Result<Vec<StreamInfo>, ApiError> {
    let call = StreamList { stream_room_id: room.0.clone() };
    let answer = match core.call(&call).await {
        // Bridges of the older generation interrupt each other (streams.md §15).
        Err(error) if error.code() == Some(BUSY) => core.call(&call).await?,
        answer => answer?,
    };
    Ok(answer.list.into_iter().map(StreamInfo::from).collect())
}

const BUSY: i64 = crate::wire::rpc::code::ERROR_DURING_REQUEST_TO_MEDIA_SERVER;

/// A joined room as the façade holds it. Its tasks end when told, or with the last sender.
pub(super) struct Joined {
    pub(super) room: Arc<Room>,
    pub(super) subscriptions: Vec<SubscriptionId>,
    pub(super) subscribe: mpsc::Sender<SubscribeCommand>,
    pub(super) publish: Mutex<Option<mpsc::Sender<PublishCommand>>>,
    pub(super) stats: watch::Receiver<CallStats>,
    pub(super) tasks: Mutex<JoinSet<()>>,
}

impl Joined {
    /// The publishing task's sender, if there is a local stream.
    pub(super) fn publisher(&self) -> Option<mpsc::Sender<PublishCommand>> {
        self.publish.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_publisher(&self, sender: Option<mpsc::Sender<PublishCommand>>) {
        *self.publish.lock().unwrap_or_else(PoisonError::into_inner) = sender;
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// Closes both connections and waits for the tasks to end.
    pub(super) async fn close(&self) {
        if let Some(publish) = self.publisher() {
            // A task that is gone is closed.
            let _ = publish.send(PublishCommand::Close).await;
        }
        let _ = self.subscribe.send(SubscribeCommand::Close).await;
        self.room.core.unregister_room(&self.room.id);
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
        self.room.video.remove_room(self.room.token);
        self.room.audio.remove_room(self.room.token).await;
    }
}

/// Hears what concerns the room and acts at once, whatever its other tasks wait for.
pub(super) struct Keeper {
    pub(super) room: Arc<Room>,
    pub(super) signals: mpsc::Receiver<RoomSignal>,
    pub(super) subscribe: mpsc::WeakSender<SubscribeCommand>,
    pub(super) stats: watch::Sender<CallStats>,
}

impl Keeper {
    /// Runs until the room is unregistered.
    pub(super) async fn run(mut self) {
        let mut tick = interval(STATS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                signal = self.signals.recv() => match signal {
                    None => break,
                    Some(RoomSignal::Keys(keys)) => {
                        // A refusal has been noted, and the call goes on with its keys.
                        let _ = self.room.set_keys(*keys).await;
                    }
                    Some(RoomSignal::Reoffer { session, sdp }) => {
                        let Some(subscribe) = self.subscribe.upgrade() else { break };
                        // A task that is gone has nothing to negotiate.
                        let _ = subscribe.send(SubscribeCommand::Reoffer { session, sdp }).await;
                    }
                },
                _ = tick.tick() => self.collect().await,
            }
        }
    }

    /// Collects the counters, if anybody watches.
    async fn collect(&self) {
        // One receiver is the façade's own, from which the others are made.
        if self.stats.receiver_count() <= 1 {
            return;
        }
        let stats = self.room.stats().await;
        self.stats.send_if_modified(|shown| {
            let changed = *shown != stats;
            *shown = stats;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defect_14_2_c11_relay_credentials_are_renewed_before_they_end() {
        let turn = |ends: i64| TurnCredentials {
            url: "turn:relay".to_owned(),
            username: String::new(),
            password: String::new(),
            expiration_time: Timestamp(ends),
        };
        let now = Timestamp(1_000_000);
        let cases = [
            ("none yet", vec![], false),
            ("a day", vec![turn(now.0 + 86_400_000)], true),
            ("one minute", vec![turn(now.0 + 60_000)], false),
            ("over", vec![turn(now.0 - 1)], false),
            ("one of two", vec![turn(now.0 + 86_400_000), turn(now.0)], false),
        ];
        for (name, known, lasts) in cases {
            assert_eq!(will_last(&known, now), lasts, "{name}");
        }
    }
}
