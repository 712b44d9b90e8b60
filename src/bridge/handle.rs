//! Starting and ending a bridge.

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::config::BridgeConfig;
use super::core::Core;
use super::error::BridgeError;
use super::listener::Listener;
use super::media::Media;
use super::metrics;
use super::metrics_port;
use super::presence;
use super::recording::EndReason;
use super::recording::Ended;
use super::recording::Recorder;
use super::service::ServiceError;
use super::service::media_event;
use super::service::provision;
use super::service::recording;
use super::sfu::Sfu;
use super::sfu::SfuConfig;
use super::sfu::SfuEvent;
use super::sfu::SfuHandle;
use super::sfu::SfuLimits;
use super::store::ApiKeyRecord;
use super::store::Store;
use super::store::StoreError;
use super::store::Tx;
use crate::crypto::key::PrivateKey;
use crate::crypto::key::PublicKey;
use crate::model::Secret;
use crate::model::StreamRoomId;

/// How long the end of a bridge waits for calls that are under way.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Where recordings are kept within the data directory.
const RECORDINGS: &str = "recordings";
/// How often recordings are asked whether anybody is still there to be recorded.
const LOOK_AT_RECORDINGS: Duration = Duration::from_secs(1);
/// Where the identity key is kept in the store.
const IDENTITY: &str = "identity";

/// Starts bridges.
#[derive(Debug)]
pub struct Bridge;

/// A running bridge. It serves until [`shutdown`](Self::shutdown); dropping the handle tells
/// it to end without waiting.
#[derive(Debug)]
pub struct BridgeHandle {
    core: Arc<Core>,
    tasks: JoinSet<()>,
    local_addr: SocketAddr,
    metrics_addr: Option<SocketAddr>,
}

/// An API key that was made without asking over the network.
#[derive(Debug)]
pub struct LocalApiKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Secret<String>,
}

impl Bridge {
    /// Opens the database and the ports and begins to serve.
    ///
    /// # Errors
    ///
    /// [`BridgeError`] says which of the three failed, and why.
    pub async fn start(config: BridgeConfig) -> Result<BridgeHandle, BridgeError> {
        let store = open_store(&config).await?;
        let identity = load_identity(&store).await?;
        let listen = config.listen;
        let fail = |source| BridgeError::Listen { address: listen, source };
        let socket = TcpListener::bind(listen).await.map_err(fail)?;
        let local_addr = socket.local_addr().map_err(fail)?;
        let metrics = bind_metrics(config.metrics).await?;
        let metrics_addr = metrics.as_ref().and_then(|socket| socket.local_addr().ok());
        let (sfu, events) = start_sfu(&config, local_addr).await?;
        let media = Media::new(sfu, config.close_empty_rooms);
        let (recorder, ended) = open_recorder(&config).await?;
        let core = Arc::new(Core::new(config, store, identity, media, recorder));
        let mut tasks = JoinSet::new();
        if let Some(socket) = metrics {
            tasks.spawn(metrics_port::run(Arc::clone(&core), socket));
        }
        if core.config.close_empty_rooms {
            tasks.spawn(closing_loop(Arc::clone(&core)));
        }
        tasks.spawn(Listener::new(Arc::clone(&core), socket).run());
        tasks.spawn(presence_loop(Arc::clone(&core)));
        tasks.spawn(media_loop(Arc::clone(&core), events));
        tasks.spawn(recording_loop(Arc::clone(&core), ended));
        tracing::info!(%local_addr, "bridge started");
        Ok(BridgeHandle { core, tasks, local_addr, metrics_addr })
    }
}

async fn open_store(config: &BridgeConfig) -> Result<Store, StoreError> {
    if config.volatile {
        return Store::open_in_memory();
    }
    let dir = config.data_dir.clone();
    tokio::task::spawn_blocking(move || Store::open(&dir)).await.unwrap_or(Err(StoreError::Closed))
}

async fn bind_metrics(address: Option<SocketAddr>) -> Result<Option<TcpListener>, BridgeError> {
    let Some(address) = address else { return Ok(None) };
    let socket = TcpListener::bind(address).await;
    socket.map(Some).map_err(|source| BridgeError::Metrics { address, source })
}

async fn open_recorder(
    config: &BridgeConfig,
) -> Result<(Recorder, mpsc::Receiver<Ended>), BridgeError> {
    let root = (!config.volatile).then(|| config.data_dir.join(RECORDINGS));
    let limits = config.recording.clone();
    let opened = tokio::task::spawn_blocking(move || Recorder::open(root, limits)).await;
    opened.unwrap_or_else(|error| Err(error.into())).map_err(BridgeError::Recordings)
}

async fn load_identity(store: &Store) -> Result<PrivateKey, BridgeError> {
    let stored: Option<Vec<u8>> = store.read(|tx| tx.meta(IDENTITY)).await?;
    if let Some(bytes) = stored {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| BridgeError::Identity)?;
        return PrivateKey::from_bytes(&bytes).map_err(|_| BridgeError::Identity);
    }
    let key = PrivateKey::generate(&mut rand::rng());
    let bytes = key.to_bytes();
    store.write(move |tx| tx.set_meta(IDENTITY, bytes.expose())).await?;
    Ok(key)
}

async fn start_sfu(
    config: &BridgeConfig,
    tcp: SocketAddr,
) -> Result<(SfuHandle, mpsc::Receiver<SfuEvent>), BridgeError> {
    let settings = |port: u16| SfuConfig {
        bind: SocketAddr::new(tcp.ip(), port),
        advertise: config.advertise.clone(),
        limits: SfuLimits {
            participants_per_room: config.limits.participants_per_room,
            ..SfuLimits::default()
        },
        tap: config.tap.clone(),
    };
    let first = Sfu::start(settings(config.media_port.unwrap_or_else(|| tcp.port()))).await;
    match first {
        // Nobody asked for this very number, and as a UDP port it may be taken.
        Err(_) if config.media_port.is_none() && config.listen.port() == 0 => {
            Ok(Sfu::start(settings(0)).await?)
        }
        result => Ok(result?),
    }
}

impl BridgeHandle {
    /// Where HTTP and WebSocket are served.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where media is served, over UDP.
    #[must_use]
    pub fn media_addr(&self) -> SocketAddr {
        self.core.media.sfu.local_addr()
    }

    /// Where `/metrics` is served, if anywhere.
    #[must_use]
    pub const fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// What `/metrics` would say now.
    pub async fn metrics(&self) -> String {
        metrics::render(&self.core).await
    }

    /// Answers `known` if it is an API key of this bridge that still works, and otherwise makes
    /// one of this name with all rights, in the place of an earlier one of the name.
    ///
    /// Whoever holds the handle owns the store, so nothing has to be proved; an owner who has
    /// lost the key, or was killed before writing it down, gets another one.
    ///
    /// # Errors
    ///
    /// [`BridgeError::Store`] if the store fails.
    pub async fn local_api_key(
        &self,
        name: &str,
        known: Option<LocalApiKey>,
    ) -> Result<LocalApiKey, BridgeError> {
        if let Some(known) = known {
            let (id, secret) = (known.id.clone(), known.secret.expose().clone());
            let works = self.core.store.read(move |tx| provision::authenticate(tx, &id, &secret));
            if works.await.is_ok() {
                return Ok(known);
            }
        }
        let key = LocalApiKey {
            id: hex::encode(rand::random::<[u8; 16]>()),
            secret: Secret::new(hex::encode(rand::random::<[u8; 16]>())),
        };
        let record = ApiKeyRecord {
            id: key.id.clone(),
            name: name.to_owned(),
            secret: Secret::new(key.secret.expose().clone()),
            public_key: None,
            scope: provision::FIRST_SCOPE.iter().map(|scope| (*scope).to_owned()).collect(),
            created: self.core.now(),
            enabled: true,
        };
        let work = move |tx: &mut Tx<'_>| {
            tx.delete_api_keys_named(&record.name)?;
            tx.put_api_key(&record)
        };
        self.core.store.write(work).await?;
        Ok(key)
    }

    /// The URL for a client on this machine.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.local_addr;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        format!("http://{address}")
    }

    /// The key that signs login challenges: what clients pin.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.core.identity.key.public_key().clone()
    }

    /// Ends all connections, finishes what is under way and closes the database.
    pub async fn shutdown(mut self) {
        self.core.ended.cancel();
        let tasks = std::mem::take(&mut self.tasks);
        if tokio::time::timeout(SHUTDOWN, tasks.join_all()).await.is_err() {
            tracing::warn!("some calls did not end in time");
        }
        self.core.media.sfu.shutdown().await;
        self.core.recorder.shutdown().await;
        self.core.store.shutdown().await;
        tracing::info!("bridge ended");
    }
}

impl Drop for BridgeHandle {
    fn drop(&mut self) {
        self.core.ended.cancel();
    }
}

/// Closes rooms that the last one has left, for good and without a word, as the official
/// server does (streams.md 10.6).
async fn closing_loop(core: Arc<Core>) {
    loop {
        let emptied = tokio::select! {
            () = core.ended.cancelled() => return,
            emptied = core.media.emptied() => emptied,
        };
        let within = Arc::clone(&core);
        let work = move |tx: &mut Tx<'_>| {
            for id in &emptied {
                // Somebody may have come back meanwhile.
                if let Some(mut room) = tx.room(id)?.filter(|room| !room.closed)
                    && within.media.is_empty(id)
                {
                    room.closed = true;
                    tx.update_room(&room)?;
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = core.store.write(work).await {
            tracing::error!(%error, "empty rooms were not closed");
        }
    }
}

/// Tells who came and went, at most once a second, and a last time at the end.
async fn presence_loop(core: Arc<Core>) {
    loop {
        tokio::select! {
            () = core.ended.cancelled() => break,
            () = core.presence.changed() => {}
        }
        tokio::select! {
            () = core.ended.cancelled() => break,
            () = tokio::time::sleep(presence::COLLECT) => {}
        }
        tell_presence(&core).await;
    }
    tell_presence(&core).await;
}

async fn tell_presence(core: &Core) {
    let changes = core.presence.pending();
    let recorded = changes.clone();
    let notices =
        core.store.write(move |tx| presence::record(tx, &recorded)).await.unwrap_or_default();
    core.presence.told(&changes);
    core.notifier.fan_out(&notices, core.now());
}

/// Tells of recordings that ended by themselves, and ends those of deserted rooms.
async fn recording_loop(core: Arc<Core>, mut ended: mpsc::Receiver<Ended>) {
    let mut look = tokio::time::interval(LOOK_AT_RECORDINGS);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deserted: HashMap<StreamRoomId, Instant> = HashMap::new();
    loop {
        tokio::select! {
            () = core.ended.cancelled() => return,
            Some(ended) = ended.recv() => {
                drop(core.media.sfu.record(&ended.room, None).await);
                if let Ok(Some(audience)) = core.audience(&ended.room).await {
                    let reason = ended.reason.as_str();
                    let notice = recording::stopped(&audience, &ended.recording, reason);
                    core.notifier.fan_out(&[notice], core.now());
                }
            }
            _ = look.tick() => {
                let rooms = core.recorder.rooms();
                deserted.retain(|room, _| rooms.contains(room));
                for room in rooms {
                    if core.media.has_people(&room) {
                        deserted.remove(&room);
                        continue;
                    }
                    let since = deserted.entry(room.clone()).or_insert_with(Instant::now);
                    if since.elapsed() >= core.recorder.limits().empty {
                        let notices = core.stop_recording(&room, EndReason::Empty).await;
                        core.notifier.fan_out(&notices.unwrap_or_default(), core.now());
                    }
                }
            }
        }
    }
}

/// Tells what the SFU reports.
async fn media_loop(core: Arc<Core>, mut events: mpsc::Receiver<SfuEvent>) {
    loop {
        let event = tokio::select! {
            () = core.ended.cancelled() => return,
            event = events.recv() => event,
        };
        let Some(event) = event else { return };
        if let Err(error) = on_media_event(&core, event).await {
            tracing::warn!(%error, "media event was not told");
        }
    }
}

async fn on_media_event(core: &Core, event: SfuEvent) -> Result<(), ServiceError> {
    match event {
        SfuEvent::PublisherConnected { room, client, user: _, session_id, stream } => {
            let _turn = core.media.lock(client, &room).await;
            let current = core.media.update(client, &room, |part| {
                let current = part.main == Some(session_id) && part.stream == stream.id;
                part.announced |= current;
                if current {
                    part.tracks.clone_from(&stream.tracks);
                }
                current
            });
            if current == Some(true)
                && let Some(audience) = core.audience(&room).await?
            {
                let others = core.media.others(client, &room);
                let notices = media_event::published(&audience, &stream, others);
                core.notifier.fan_out(&notices, core.now());
            }
        }
        SfuEvent::PublisherGone { room, client, user, session_id, stream, announced } => {
            let _turn = core.media.lock(client, &room).await;
            core.media.update(client, &room, |part| {
                // A publication that followed meanwhile is none of this one's business.
                if part.main == Some(session_id) {
                    part.main = None;
                    part.announced = false;
                    part.tracks.clear();
                }
            });
            if announced && let Some(audience) = core.audience(&room).await? {
                let notice = media_event::unpublished(&audience, &user, stream);
                core.notifier.fan_out(&[notice], core.now());
            }
        }
        SfuEvent::Reoffer { room, client, session_id, offer_sdp } => {
            if let Some(audience) = core.audience(&room).await? {
                let owners = core.media.owners(&room);
                let notices =
                    media_event::reoffer(&audience, client, session_id, &offer_sdp, &owners);
                core.notifier.fan_out(&notices, core.now());
            }
        }
        SfuEvent::SubscriberGone { room, client, session_id } => {
            core.media.update(client, &room, |part| {
                if part.subscriber == Some(session_id) {
                    part.subscriber = None;
                }
            });
        }
    }
    Ok(())
}
