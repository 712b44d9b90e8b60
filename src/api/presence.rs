//! Entering a room and coming back to it after the connection was lost (streams.md §9.1, §9.8).

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::crypto::CryptoError;
use crate::model::CallStats;
use crate::model::StreamPublishResult;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::model::SubscriptionId;
use crate::wire::dto::stream_room::StreamRoomJoin;
use crate::wire::dto::stream_room::StreamRoomLeave;
use crate::wire::rpc::code;

use super::audio::RoomToken;
use super::dispatch;
use super::error::ApiError;
use super::joined::Joined;
use super::joined::Keeper;
use super::joined::Room;
use super::key_ring::Refusal;
use super::key_ring::RoomKeys;
use super::publish::PublishCommand;
use super::query;
use super::room::Opened;
use super::stream_api::StreamApi;
use super::stream_api::ask;
use super::subscribe;
use super::subscribe::SubscribeCommand;
use super::subscribe::SubscribeTask;

/// Names joined rooms in the audio engine; unique within the process.
static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

impl StreamApi {
    /// Enters a room and starts its tasks; nothing is left behind if that fails.
    pub(super) async fn enter(&self, id: &StreamRoomId) -> Result<Arc<Joined>, ApiError> {
        let core = self.core();
        let (signals, signal_queue) = mpsc::channel(dispatch::ROOM_SIGNALS);
        let channels = query::room_channels(id)?;
        core.register_room(id.clone(), signals);
        // First the events, then the room: nobody who comes meanwhile is missed.
        let subscribing = core.session.subscribe(channels);
        let (fetched, subscribed) = tokio::join!(self.fetch(id), subscribing);
        let subscriptions = subscribed.inspect_err(|_| core.unregister_room(id))?;
        let entered = async {
            let (_, opened) = fetched?;
            let keys = keys_of(&opened)?;
            let me = core.own_id(&opened.room.context_id).await?;
            self.tell_join(id).await?;
            Ok((me, keys))
        };
        match entered.await {
            Ok((me, keys)) => {
                let token = RoomToken(NEXT_TOKEN.fetch_add(1, Ordering::Relaxed));
                let media = (self.audio().clone(), self.video().clone());
                let room = Room::new(id.clone(), me, token, Arc::clone(core), media, keys);
                Ok(Arc::new(start(room, subscriptions, signal_queue)))
            }
            Err(error) => {
                core.unregister_room(id);
                if let Err(error) = core.session.unsubscribe(subscriptions).await {
                    tracing::debug!(%error, "subscriptions are left behind");
                }
                Err(error)
            }
        }
    }

    async fn tell_join(&self, id: &StreamRoomId) -> Result<(), ApiError> {
        let joining = self.core().call(&StreamRoomJoin { stream_room_id: id.0.clone() }).await;
        joining.map(drop).map_err(|error| {
            let closed = error.code() == Some(code::STREAM_ROOM_CLOSED);
            if closed { ApiError::RoomClosed(id.clone()) } else { error }
        })
    }

    /// Enters a room again and publishes the same as before on a new connection. Within a
    /// session of the bridge it has to be left first, so that the bridge drops the old one.
    pub(super) async fn reenter(
        &self,
        room: &StreamRoomId,
        leave_first: bool,
    ) -> Result<Option<StreamPublishResult>, ApiError> {
        let joined = self.joined(room)?;
        let (reply, reset) = oneshot::channel();
        let reset_command = SubscribeCommand::Reset { reply };
        let resetting = async {
            joined.subscribe.send(reset_command).await.map_err(|_| ApiError::Closed)?;
            reset.await.map_err(|_| ApiError::Closed)
        };
        let (fetched, done) = tokio::join!(self.fetch(room), resetting);
        done?;
        let (_, opened) = fetched?;
        match joined.room.set_keys(keys_of(&opened)?).await {
            Ok(()) | Err(Refusal::Outdated) => {}
            Err(Refusal::AnotherRoom | Refusal::Replayed) => {
                let status = CryptoError::RoomKeyValidation.code();
                return Err(ApiError::Untrusted { room: room.clone(), status });
            }
        }
        if leave_first {
            let leave = StreamRoomLeave { stream_room_id: room.0.clone() };
            if let Err(error) = self.core().call(&leave).await {
                tracing::debug!(%error, "the bridge has nothing to leave");
            }
        }
        self.tell_join(room).await?;
        match joined.publisher() {
            Some(publish) if self.local().is_published(room) => {
                ask(&publish, |reply| PublishCommand::Republish { reply }).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Leaves a room for a moment and enters it again: whatever was published has ended then.
    /// What was subscribed to is subscribed to again.
    pub(super) async fn leave_and_return(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        let joined = self.joined(room)?;
        self.reenter(room, true).await?;
        let (reply, restored) = oneshot::channel();
        let restore = SubscribeCommand::Restore { reply };
        joined.subscribe.send(restore).await.map_err(|_| ApiError::Closed)?;
        restored.await.map_err(|_| ApiError::Closed)?
    }
}

/// Keeps a room from being joined twice; gives the place back if joining fails.
pub(super) struct Place<'a> {
    api: &'a StreamApi,
    room: &'a StreamRoomId,
    filled: bool,
}

impl<'a> Place<'a> {
    pub(super) fn take(api: &'a StreamApi, room: &'a StreamRoomId) -> Result<Self, ApiError> {
        let mut rooms = api.rooms();
        if rooms.contains_key(room) {
            return Err(ApiError::AlreadyJoined(room.clone()));
        }
        rooms.insert(room.clone(), None);
        drop(rooms);
        Ok(Self { api, room, filled: false })
    }

    pub(super) fn fill(&mut self, joined: Arc<Joined>) {
        self.api.rooms().insert(self.room.clone(), Some(joined));
        self.filled = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.api.rooms().remove(self.room);
        }
    }
}

/// Starts the tasks of a room that was entered.
fn start(
    room: Room,
    subscriptions: Vec<SubscriptionId>,
    signals: mpsc::Receiver<dispatch::RoomSignal>,
) -> Joined {
    let room = Arc::new(room);
    let (subscribe, commands) = mpsc::channel(subscribe::COMMANDS);
    let (stats_sender, stats) = watch::channel(CallStats::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(SubscribeTask::new(Arc::clone(&room), commands).run());
    let keeper = Keeper {
        room: Arc::clone(&room),
        signals,
        subscribe: subscribe.downgrade(),
        stats: stats_sender,
    };
    tasks.spawn(keeper.run());
    let (publish, tasks) = (Mutex::default(), Mutex::new(tasks));
    Joined { room, subscriptions, subscribe, publish, stats, tasks }
}

fn keys_of(opened: &Opened) -> Result<RoomKeys, ApiError> {
    let trusted = opened.trusted.as_ref().ok_or_else(|| untrusted(&opened.room))?;
    if opened.room.closed {
        return Err(ApiError::RoomClosed(opened.room.stream_room_id.clone()));
    }
    Ok(trusted.room_keys(opened.room.version))
}

pub(super) fn untrusted(room: &StreamRoom) -> ApiError {
    ApiError::Untrusted { room: room.stream_room_id.clone(), status: room.status_code }
}
