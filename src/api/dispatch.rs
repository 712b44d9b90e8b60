//! Brings what the bridge tells to whoever wants it: opens what is sealed, drops what comes
//! twice, feeds the joined rooms, and hands the rest to the event queues.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::crypto::event as custom_event;
use crate::crypto::event::ReceivedEvent;
use crate::crypto::key::PublicKey;
use crate::model::ContextId;
use crate::model::Event;
use crate::model::EventKind;
use crate::model::SessionId;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::model::UserId;
use crate::model::UserWithPubKey;
use crate::net::session::Notification;
use crate::net::session::SessionEvent;
use crate::net::session::now;
use crate::wire::dto;
use crate::wire::dto::event::Custom;
use crate::wire::dto::event::Payload;

use super::connection::Core;
use super::dedup::Deduplicator;
use super::key_ring::RoomKeys;
use super::room;
use super::room_event;

/// Signals from the dispatcher to one joined room. When full, the dispatcher waits: the
/// room's task only ever forwards them.
pub(super) const ROOM_SIGNALS: usize = 64;

/// What concerns a joined room.
#[derive(Debug)]
pub(super) enum RoomSignal {
    /// The bridge wants an answer to a new offer for our subscriptions.
    Reoffer {
        /// For which session; newer bridges leave it out.
        session: Option<SessionId>,
        /// What it offers.
        sdp: String,
    },
    /// A verified update of the room: its keys now. Seal with the current one at once.
    Keys(Box<RoomKeys>),
}

/// The task.
pub(super) struct Dispatcher {
    core: Arc<Core>,
    events: mpsc::Receiver<SessionEvent>,
    dedup: Deduplicator,
}

impl Dispatcher {
    pub(super) fn new(core: Arc<Core>, events: mpsc::Receiver<SessionEvent>) -> Self {
        Self { core, events, dedup: Deduplicator::default() }
    }

    /// Runs until the session's driver is gone.
    pub(super) async fn run(mut self) {
        while let Some(event) = self.events.recv().await {
            match event {
                SessionEvent::Reconnected => self.local(EventKind::Connected),
                SessionEvent::Disconnected { reason } => {
                    self.local(EventKind::Disconnected { reason });
                }
                SessionEvent::Notification(notification) => self.handle(*notification).await,
            }
        }
        self.core.hub.close();
    }

    fn local(&self, kind: EventKind) {
        let event = Event { timestamp: now(), subscriptions: Vec::new(), kind };
        self.core.hub.publish(&event, true);
    }

    async fn handle(&mut self, notification: Notification) {
        let Notification { event, channels } = notification;
        let dto::event::Event { timestamp, subscriptions, payload } = event;
        let subscriptions = self.core.application_only(&subscriptions);
        for kind in self.facts(payload, &channels).await {
            if self.dedup.is_new(&kind, timestamp) {
                let wanted = !subscriptions.is_empty();
                let event = Event { timestamp, subscriptions: subscriptions.clone(), kind };
                self.core.hub.publish(&event, wanted);
            }
        }
    }

    async fn facts(&self, payload: Payload, channels: &[String]) -> Vec<EventKind> {
        match payload {
            Payload::StreamRoomCreated(room) => {
                vec![EventKind::StreamRoomCreated(self.open_room(&room).await)]
            }
            Payload::StreamRoomUpdated(room) => {
                vec![EventKind::StreamRoomUpdated(self.open_room(&room).await)]
            }
            Payload::StreamsUpdated(data) => {
                let session = Some(SessionId(data.session_id));
                self.reoffer(data.room.into(), session, data.jsep.map(|jsep| jsep.sdp)).await;
                Vec::new()
            }
            Payload::StreamRoomReoffer(data) => {
                let (room, session) = (data.stream_room_id.into(), data.session_id.map(SessionId));
                self.reoffer(room, session, data.jsep.map(|jsep| jsep.sdp)).await;
                Vec::new()
            }
            Payload::Custom(custom) => {
                self.open_custom(&custom, channels).await.into_iter().collect()
            }
            other => other.facts(),
        }
    }

    /// Opens a room; if it is joined, its keys take effect before anything else is done.
    async fn open_room(&self, sealed: &dto::stream_room::StreamRoom) -> StreamRoom {
        let core = &self.core;
        let opened = core.open(sealed).await;
        if let Some(trusted) = &opened.trusted
            && let Some(signals) = core.room_signals(&opened.room.stream_room_id)
        {
            let keys = Box::new(trusted.room_keys(opened.room.version));
            // A room that is being left needs no keys.
            let _ = signals.send(RoomSignal::Keys(keys)).await;
        }
        opened.room
    }

    async fn reoffer(&self, room: StreamRoomId, session: Option<SessionId>, sdp: Option<String>) {
        // Without an offer there is nothing to answer, and a room that was left owes none.
        if let (Some(sdp), Some(signals)) = (sdp, self.core.room_signals(&room)) {
            let _ = signals.send(RoomSignal::Reoffer { session, sdp }).await;
        }
    }

    /// Opens a message from another user; one that does not verify is dropped.
    async fn open_custom(&self, custom: &Custom, channels: &[String]) -> Option<EventKind> {
        let core = &self.core;
        if let Some(key) = &custom.key_id {
            let channel = channel_under("stream/custom/", channels)?;
            return room_event::open(core, custom, key, channel).await;
        }
        let channel = channel_under("context/custom/", channels)?;
        let context = ContextId(custom.id.clone());
        let user = UserId(custom.author.id.clone());
        let author = PublicKey::from_base58(&custom.author.pub_key).ok()?;
        let received = ReceivedEvent {
            context: &context,
            user: &user,
            author: &author,
            key: custom.key.as_deref()?,
            data: &custom.event_data,
        };
        let opened = match custom_event::open(&core.key, &received) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::info!(%error, "a custom event is dropped");
                return None;
            }
        };
        // Events between programs of other kinds are not for people (streams.md §11.3).
        if opened.kind.is_some() {
            return None;
        }
        core.users.prepare(&core.session, &context, &[user.as_str()]).await;
        if !core.users.accepts(&room::request(&opened.dio)) {
            tracing::info!(%user, "a custom event of an unverified author is dropped");
            return None;
        }
        let author = UserWithPubKey { user_id: user, pub_key: custom.author.pub_key.clone() };
        Some(EventKind::Custom { context, channel, author, data: opened.payload })
    }
}

/// The name of a custom channel, out of the channels that an event came on.
fn channel_under(prefix: &str, channels: &[String]) -> Option<String> {
    channels.iter().find_map(|channel| {
        let path = channel.split('|').next()?;
        path.strip_prefix(prefix).map(str::to_owned)
    })
}
