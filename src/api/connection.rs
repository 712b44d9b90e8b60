//! A connection to a bridge: contexts, users, messages between users, and events.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::crypto::CryptoError;
use crate::crypto::dio::BridgeIdentity;
use crate::crypto::dio::Place;
use crate::crypto::event as custom_event;
use crate::crypto::key::PrivateKey;
use crate::crypto::key::PublicKey;
use crate::model::Context;
use crate::model::ContextId;
use crate::model::PagingList;
use crate::model::PagingQuery;
use crate::model::ResourceId;
use crate::model::StreamRoomId;
use crate::model::SubscriptionId;
use crate::model::UserId;
use crate::model::UserInfo;
use crate::model::UserWithPubKey;
use crate::net::session::Session;
use crate::net::session::SessionEvent;
use crate::net::session::SessionState;
use crate::net::session::now;
use crate::wire::dto::Call;
use crate::wire::dto::ListParams;
use crate::wire::dto::context::ContextGet;
use crate::wire::dto::context::ContextList;
use crate::wire::dto::context::ContextListUsers;
use crate::wire::dto::context::ContextSendCustomEvent;
use crate::wire::dto::context::UserKey;
use crate::wire::dto::stream_room;

use super::anchors::Anchors;
use super::dispatch::Dispatcher;
use super::dispatch::RoomSignal;
use super::error::ApiError;
use super::event_queue::EventHub;
use super::event_queue::EventQueue;
use super::event_queue::Filter;
use super::query;
use super::room;
use super::room::Author;
use super::room::Opened;
use super::rpc::rpc;
use super::stream_api::StreamApi;
use super::users::UserDirectory;

/// Whether a connection can be used now.
pub type ConnectionState = SessionState;

/// What all clones of a connection and its tasks share.
pub(super) struct Core {
    pub(super) session: Session,
    pub(super) key: Arc<PrivateKey>,
    pub(super) bridge: BridgeIdentity,
    pub(super) hub: EventHub,
    pub(super) users: UserDirectory,
    /// The bridge is on this machine.
    pub(super) loopback: bool,
    /// Media takes relayed paths only.
    pub(super) relay_only: bool,
    /// Subscriptions that the application made, as opposed to those of joined rooms.
    application: Mutex<HashSet<SubscriptionId>>,
    /// What never changes about each room, as it was first seen.
    anchors: Anchors,
    /// Who this key is in each Context.
    own_ids: Mutex<HashMap<ContextId, UserId>>,
    /// Joined rooms that want to hear of re-offers, keys and reconnections.
    rooms: Mutex<HashMap<StreamRoomId, mpsc::Sender<RoomSignal>>>,
}

impl Core {
    pub(super) async fn call<C: Call>(&self, call: &C) -> Result<C::Answer, ApiError> {
        rpc(&self.session, call).await
    }

    /// Who this key is in a Context.
    pub(super) async fn own_id(&self, context: &ContextId) -> Result<UserId, ApiError> {
        let known =
            self.own_ids.lock().unwrap_or_else(PoisonError::into_inner).get(context).cloned();
        if let Some(user) = known {
            return Ok(user);
        }
        let answer = self.call(&ContextGet { id: context.0.clone() }).await?;
        let user = UserId(answer.context.user_id);
        let mut ids = self.own_ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(context.clone(), user.clone());
        Ok(user)
    }

    /// Opens a room. One that is not what it was when it was first seen does not verify:
    /// somebody who does not know its secret has replaced it.
    pub(super) async fn open(&self, sealed: &stream_room::StreamRoom) -> Opened {
        let context = ContextId(sealed.context_id.clone());
        self.users.prepare(&self.session, &context, &room::authors(sealed)).await;
        let opened = room::open(sealed, &self.key, |request| self.users.accepts(request));
        let Some(trusted) = &opened.trusted else { return opened };
        if self.anchors.accepts(&opened.room, trusted.anchor()) {
            return opened;
        }
        let id = &opened.room.stream_room_id;
        tracing::warn!(room = %id, "the bridge shows another room under the id of a known one");
        room::refused(sealed, &CryptoError::RoomKeyValidation)
    }

    /// This user as an author of signed statements.
    pub(super) fn author<'a>(&'a self, user: &'a UserId) -> Author<'a> {
        Author { key: &self.key, user, bridge: &self.bridge, now: now() }
    }

    /// Those of `ids` that the application subscribed to.
    pub(super) fn application_only(&self, ids: &[SubscriptionId]) -> Vec<SubscriptionId> {
        let application = self.application.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter(|id| application.contains(*id)).cloned().collect()
    }

    /// Lets a joined room hear of what concerns it.
    pub(super) fn register_room(&self, room: StreamRoomId, signals: mpsc::Sender<RoomSignal>) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.insert(room, signals);
    }

    pub(super) fn unregister_room(&self, room: &StreamRoomId) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).remove(room);
    }

    pub(super) fn room_signals(&self, room: &StreamRoomId) -> Option<mpsc::Sender<RoomSignal>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).get(room).cloned()
    }

    pub(super) async fn subscribe_for(
        &self,
        queries: &[String],
    ) -> Result<Vec<SubscriptionId>, ApiError> {
        let channels = queries.iter().map(|query| query::to_channel(query)).collect();
        let ids = self.session.subscribe(channels).await?;
        let mut application = self.application.lock().unwrap_or_else(PoisonError::into_inner);
        application.extend(ids.iter().cloned());
        Ok(ids)
    }

    pub(super) async fn unsubscribe_from(&self, ids: &[SubscriptionId]) -> Result<(), ApiError> {
        {
            let mut application = self.application.lock().unwrap_or_else(PoisonError::into_inner);
            for id in ids {
                application.remove(id);
            }
        }
        Ok(self.session.unsubscribe(ids.to_vec()).await?)
    }
}

/// The dispatcher's task, stopped with the last clone of the connection.
struct Guard {
    session: Session,
    dispatcher: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The driver says goodbye by itself; the dispatcher ends when it has.
        self.session.stop();
    }
}

/// A connection to a bridge as one user. Cheap to clone; all clones are the same connection.
///
/// It reconnects by itself: calls made while the bridge cannot be reached wait for up to
/// 10 s, subscriptions are made again, and [`EventQueue`]s tell of both ends of the gap.
/// It is closed by [`disconnect`](Self::disconnect) or with its last clone.
#[derive(Clone)]
pub struct Connection {
    pub(super) core: Arc<Core>,
    guard: Arc<Guard>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("bridge", &self.core.bridge.url).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn start(
        session: Session,
        events: mpsc::Receiver<SessionEvent>,
        key: Arc<PrivateKey>,
        bridge: BridgeIdentity,
        (users, anchors): (UserDirectory, Anchors),
        loopback: bool,
        relay_only: bool,
    ) -> Self {
        let core = Arc::new(Core {
            session: session.clone(),
            key,
            bridge,
            hub: EventHub::default(),
            users,
            loopback,
            relay_only,
            application: Mutex::default(),
            anchors,
            own_ids: Mutex::default(),
            rooms: Mutex::default(),
        });
        let task = tokio::spawn(Dispatcher::new(Arc::clone(&core), events).run());
        let guard = Arc::new(Guard { session, dispatcher: Mutex::new(Some(task)) });
        Self { core, guard }
    }

    /// The key that this connection speaks for.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.core.key.public_key()
    }

    /// Whether the connection can be used, now and from now on.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.core.session.state()
    }

    /// Lists the Contexts that this key is a user of.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the bridge can't be reached or refuses.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn list_contexts(
        &self,
        query: &PagingQuery,
    ) -> Result<PagingList<Context>, ApiError> {
        let page = self.core.call(&ContextList::new(ListParams::from(query))).await?;
        Ok(PagingList {
            total_available: u64::try_from(page.count).unwrap_or_default(),
            items: page.contexts.into_iter().map(Context::from).collect(),
        })
    }

    /// Tells who this key is in a Context.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] with code 0x30 if the Context does not exist or is not this key's.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn get_context(&self, context: &ContextId) -> Result<Context, ApiError> {
        let answer = self.core.call(&ContextGet { id: context.0.clone() }).await?;
        Ok(answer.context.into())
    }

    /// Lists the users of a Context, with their keys and whether they are connected.
    ///
    /// # Errors
    ///
    /// As [`get_context`](Self::get_context).
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn list_users(
        &self,
        context: &ContextId,
        query: &PagingQuery,
    ) -> Result<PagingList<UserInfo>, ApiError> {
        let call = ContextListUsers::new(context.as_str(), ListParams::from(query));
        let page = self.core.call(&call).await?;
        let items: Vec<UserInfo> = page.users.into_iter().map(UserInfo::from).collect();
        let keys = items.iter().map(|info| {
            let UserWithPubKey { user_id, pub_key } = &info.user;
            (user_id.clone(), pub_key.clone())
        });
        self.core.users.learn(context, keys.collect());
        Ok(PagingList { total_available: u64::try_from(page.count).unwrap_or_default(), items })
    }

    /// Sends `data` to `recipients`, sealed so that only they can read it, as an event on
    /// `channel`. Whoever is not connected and subscribed at that moment misses it.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Invalid`] if the channel has an unusable name, a key is none, or the
    ///   data is more than about 11 kB.
    /// - [`ApiError::Net`] if the bridge can't be reached or refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the event from being sent.
    pub async fn send_custom_event(
        &self,
        context: &ContextId,
        channel: &str,
        data: &[u8],
        recipients: &[UserWithPubKey],
    ) -> Result<(), ApiError> {
        query::check_name(channel)?;
        let user = self.core.own_id(context).await?;
        let mut keys = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            keys.push((recipient.user_id.clone(), room::public_key(&recipient.pub_key)?));
        }
        let call = {
            let rng = &mut rand::rng();
            let place = Place { context: context.clone(), resource: ResourceId::default() };
            let origin = self.core.author(&user).origin(place, rng);
            let sealed = custom_event::seal(&self.core.key, &origin, None, data, &keys, rng);
            let users = sealed.keys.into_iter().map(|(id, key)| UserKey { id: id.0, key });
            ContextSendCustomEvent {
                context_id: context.0.clone(),
                channel: channel.to_owned(),
                data: sealed.data,
                users: users.collect(),
            }
        };
        self.core.call(&call).await.map(drop)
    }

    /// Opens a queue of the events that the application subscribes to, by this or any other
    /// clone, and of connections and disconnections. It begins with what happens next.
    #[must_use]
    pub fn events(&self) -> EventQueue {
        self.core.hub.open(Filter::Application)
    }

    /// A queue of everything about one room that this process hears of.
    pub(super) fn room_events(&self, room: &StreamRoomId) -> EventQueue {
        self.core.hub.open(Filter::Room(room.clone()))
    }

    /// Subscribes to events, by query texts as [`stream_queries`](super::stream_queries) and
    /// [`context_query`](super::context_query) make them. The ids are in the same order and
    /// stay valid across reconnections. A connection holds up to 128 subscriptions, of which
    /// each joined room needs eight.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the bridge can't be reached or refuses a text.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave subscriptions that nobody knows the ids of.
    pub async fn subscribe_for(&self, queries: &[String]) -> Result<Vec<SubscriptionId>, ApiError> {
        self.core.subscribe_for(queries).await
    }

    /// Ends subscriptions; ids that are not in force are ignored.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the bridge can't be reached. The events stop all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the bridge sending events that are then dropped here.
    pub async fn unsubscribe_from(&self, ids: &[SubscriptionId]) -> Result<(), ApiError> {
        self.core.unsubscribe_from(ids).await
    }

    /// Makes the interface to Stream Rooms. One is enough for any number of rooms; all
    /// rooms of one interface are heard on one loudspeaker.
    #[must_use]
    pub fn create_stream_api(&self) -> StreamApi {
        StreamApi::new(self.clone())
    }

    /// Says goodbye to the bridge and waits until everything is closed. Calls of all clones
    /// fail from now on; event queues end after what they hold.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest of the work to the background.
    pub async fn disconnect(&self) {
        self.core.session.shutdown().await;
        let task = self.guard.dispatcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It ends by itself once the driver is gone.
            let _ = task.await;
        }
    }
}
