//! Everything the tasks of a bridge share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::authority::Authority;
use super::budget::Budget;
use super::config::BridgeConfig;
use super::limit::FailureLimit;
use super::limit::Rates;
use super::media::Media;
use super::metrics::Metrics;
use super::notify::Notifier;
use super::notify::SocketId;
use super::presence::PresenceBook;
use super::recording::EndReason;
use super::recording::Recorder;
use super::rpc::Answer;
use super::service::Caller;
use super::service::MediaCommand;
use super::service::Notice;
use super::service::Outcome;
use super::service::Recipients;
use super::service::ServiceError;
use super::service::media_event;
use super::service::recording;
use super::service::stream;
use super::service::stream::Audience;
use super::service::stream_room;
use super::session::LoginId;
use super::session::Sessions;
use super::sfu::ClientId;
use super::sfu::Departure;
use super::store::QueuedEvent;
use super::store::Store;
use super::store::StoreError;
use super::store::Tx;
use super::turn;
use crate::crypto::key::PrivateKey;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::wire::handshake::server::ServerIdentity;

/// The shared state of one bridge.
#[derive(Debug)]
pub struct Core {
    /// Settings.
    pub config: BridgeConfig,
    /// What must not be forgotten.
    pub store: Store,
    /// Signs login challenges.
    pub identity: ServerIdentity,
    /// Socket sessions and their subscriptions.
    pub notifier: Notifier,
    /// Who is online.
    pub presence: PresenceBook,
    /// Who is in which room.
    pub media: Media,
    /// Writes rooms to the disk.
    pub recorder: Recorder,
    /// Tokens of the management API.
    pub authority: Authority,
    /// Bytes held for connections.
    pub budget: Arc<Budget>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the bridge ends.
    pub ended: CancellationToken,
    sockets: AtomicU64,
    sessions: Mutex<Sessions>,
    failures: Mutex<FailureLimit>,
    rates: Mutex<Rates>,
}

impl Core {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        config: BridgeConfig,
        store: Store,
        identity: PrivateKey,
        media: Media,
        recorder: Recorder,
    ) -> Self {
        let identity = ServerIdentity {
            key: identity,
            host: config.host.clone(),
            version: config.server_version.clone(),
        };
        let failures = FailureLimit::new(config.limits.failures_per_minute);
        let rates = Rates::new(&config.limits);
        let metrics = Arc::<Metrics>::default();
        Self {
            notifier: Notifier::new(
                config.event_profile,
                config.limits.sessions_per_key,
                Arc::clone(&metrics),
            ),
            budget: Budget::new(config.limits.held_bytes),
            metrics,
            store,
            identity,
            presence: PresenceBook::default(),
            media,
            recorder,
            authority: Authority::default(),
            config,
            ended: CancellationToken::new(),
            sockets: AtomicU64::new(0),
            sessions: Mutex::new(Sessions::new(rand::random())),
            failures: Mutex::new(failures),
            rates: Mutex::new(rates),
        }
    }

    /// The time by this machine's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    /// A name for a new WebSocket.
    #[must_use]
    pub fn next_socket(&self) -> SocketId {
        SocketId(self.sockets.fetch_add(1, Ordering::Relaxed))
    }

    /// Login sessions; not to be held across an await.
    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, FailureLimit> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rates of addresses and keys; not to be held across an await.
    pub fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request of an address, whatever is in it.
    ///
    /// # Errors
    ///
    /// How long it has to wait; it was not counted then.
    pub fn admit_request(&self, address: IpAddr) -> Result<(), Duration> {
        let admitted = self.rates().request(address, self.now());
        if admitted.is_err() {
            self.metrics.throttled.count();
        }
        admitted
    }

    /// Whether an address may try to authorise or redeem.
    #[must_use]
    pub fn may_try(&self, address: IpAddr) -> bool {
        self.failures().allows(address, self.now())
    }

    /// Counts a failure of an address.
    pub fn failed(&self, address: IpAddr) {
        self.failures().failed(address, self.now());
    }

    /// A new id in the form of the official server: 24 hex digits, the first eight the time.
    #[must_use]
    pub fn new_id(&self) -> String {
        let seconds = u32::try_from(self.now().0 / 1000).unwrap_or(u32::MAX);
        format!("{seconds:08x}{}", hex::encode(rand::random::<[u8; 8]>()))
    }

    /// A new room id.
    #[must_use]
    pub fn new_room_id(&self) -> StreamRoomId {
        StreamRoomId(self.new_id())
    }

    /// Credentials for the configured TURN servers.
    #[must_use]
    pub fn turn_credentials(&self, pub_key: &str) -> Vec<Value> {
        let now = self.now();
        let (servers, ttl) = (&self.config.turn, self.config.turn_ttl);
        servers.iter().map(|server| turn::credentials(server, ttl, pub_key, now)).collect()
    }

    /// Members of a room and how to tell them something.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Internal`] if the store fails.
    pub async fn audience(&self, room: &StreamRoomId) -> Result<Option<Audience>, ServiceError> {
        let room = room.clone();
        self.store.read(move |tx| stream::audience(tx, &room)).await
    }

    /// Keeps notices for those who have no ear for them now.
    async fn keep(&self, notices: &[Notice]) {
        let mut waiting = Vec::new();
        for notice in notices.iter().filter(|notice| notice.keep) {
            let (Recipients::Keys(keys), Some(room)) = (&notice.to, &notice.target.container)
            else {
                continue;
            };
            let deaf = keys.iter().filter(|key| !self.notifier.hears(key, notice));
            waiting.extend(deaf.map(|key| QueuedEvent {
                pub_key: key.clone(),
                context: notice.target.context.clone(),
                room: room.clone(),
                container_type: notice.target.container_type.clone(),
                data: notice.data.clone(),
            }));
        }
        if waiting.is_empty() {
            return;
        }
        let work = move |tx: &mut Tx<'_>| {
            waiting.iter().try_for_each(|event| tx.queue_event(event)).map_err(ServiceError::from)
        };
        if let Err(error) = self.store.write(work).await {
            // A room that is gone by now has nothing to tell.
            tracing::debug!(%error, "events were not kept");
        }
    }

    /// What waited for the caller and matches what they have just subscribed to; it is theirs
    /// from now on.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Internal`] if the store fails.
    pub async fn kept_for(
        &self,
        client: ClientId,
        caller: &Caller,
    ) -> Result<Vec<Notice>, ServiceError> {
        let pub_key = caller.pub_key.clone();
        let kept = self.store.read(move |tx| stream_room::kept(tx, &pub_key)).await?;
        let mut notices = Vec::new();
        for mut notice in kept {
            if self.notifier.client_hears(client, &notice) {
                notice.to = Recipients::Clients(vec![client]);
                notices.push(notice);
            }
        }
        if !notices.is_empty() {
            let rooms: Vec<StreamRoomId> =
                notices.iter().filter_map(|notice| notice.target.container.clone()).collect();
            let pub_key = caller.pub_key.clone();
            let work = move |tx: &mut Tx<'_>| {
                let mut rooms = rooms.iter();
                rooms.try_for_each(|room| tx.unqueue_event(&pub_key, room))
            };
            self.store.write(work).await.map_err(|error: StoreError| ServiceError::from(error))?;
        }
        Ok(notices)
    }

    /// Carries out what a committed outcome asks of the media plane.
    pub async fn settle(&self, outcome: Outcome) -> Answer {
        let mut notices = outcome.notify;
        self.keep(&notices).await;
        for command in &outcome.media {
            for (_, departure) in self.media.carry_out(command).await {
                notices.extend(self.departed(&departure).await);
            }
            if let MediaCommand::EndRoom(room) = command {
                notices.extend(self.end_recordings(room).await);
            }
        }
        Answer { reply: outcome.reply, notices, turn: None }
    }

    /// Ends the recording of a room. What members are told, or `None` if there was nothing to
    /// end.
    pub async fn stop_recording(
        &self,
        room: &StreamRoomId,
        reason: EndReason,
    ) -> Option<Vec<Notice>> {
        // First the source: what came before this is in the recording, and nothing after it.
        // An SFU that is gone sends nothing either.
        drop(self.media.sfu.record(room, None).await);
        let ended = self.recorder.end(room, reason).await?;
        let audience = self.audience(room).await.ok().flatten();
        let told = |audience| vec![recording::stopped(&audience, &ended.id, reason.as_str())];
        Some(audience.map_or_else(Vec::new, told))
    }

    /// A room was closed or deleted: its recording ends, and goes with it if it is gone.
    async fn end_recordings(&self, room: &StreamRoomId) -> Vec<Notice> {
        let notices = self.stop_recording(room, EndReason::Room).await.unwrap_or_default();
        // Nobody can read recordings without the keys that were deleted with the room.
        if matches!(self.audience(room).await, Ok(None)) {
            for recording in self.recorder.list(room) {
                if let Err(error) = self.recorder.remove(&recording.id).await {
                    tracing::warn!(recording = %recording.id, %error, "a recording stays behind");
                }
            }
        }
        notices
    }

    /// What members are told when somebody is gone.
    pub async fn departed(&self, departure: &Departure) -> Vec<Notice> {
        match self.audience(&departure.room).await {
            Ok(Some(audience)) => media_event::left(&audience, departure),
            // A deleted room has nobody left to tell.
            _ => Vec::new(),
        }
    }

    /// Ends a socket session: subscriptions, presence and media go with it.
    pub async fn end_client(&self, client: ClientId) {
        if let Some(caller) = self.notifier.remove(client) {
            self.presence.went(&caller.pub_key, self.now());
        }
        for departure in self.media.leave_all(client).await {
            let notices = self.departed(&departure).await;
            self.notifier.fan_out(&notices, self.now());
        }
    }

    /// Ends a login session with all its tickets and socket sessions.
    pub async fn logout(&self, login: LoginId) {
        self.sessions().close(login);
        for client in self.notifier.of_login(login) {
            self.end_client(client).await;
        }
    }
}
