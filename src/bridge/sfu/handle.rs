//! The handle through which the bridge drives the SFU, and the events that come back.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::config::SfuConfig;
use super::driver;
use super::error::SfuError;
use super::record::RecordSink;
use super::stats::SfuStats;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamRoomId;
use crate::model::StreamSubscription;
use crate::model::StreamTrackInfo;
use crate::model::UserId;

/// From the handles to the driver; a caller waits while it is full.
pub(super) const COMMAND_CAPACITY: usize = 256;

/// From the driver to the bridge. While it is full, events wait in the driver, which goes on
/// carrying media; there are at most a few per connection.
pub(super) const EVENT_CAPACITY: usize = 1024;

/// One session on one WebSocket: whose media sessions live and die with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What publishing or updating came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishAnswer {
    /// The publisher's media session.
    pub session_id: SessionId,
    /// The stream, as allocated when the client joined.
    pub stream_id: StreamId,
    /// The answer to the offer.
    pub answer_sdp: String,
    /// Every track of the stream, disabled ones included.
    pub tracks: Vec<StreamTrackInfo>,
}

/// What subscribing, modifying or unsubscribing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeAnswer {
    /// The subscriber's media session.
    pub session_id: SessionId,
    /// An offer to answer; `None` if nothing changed or an earlier one is still unanswered.
    pub offer: Option<String>,
}

/// What a client took with it when it left a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The room.
    pub room: StreamRoomId,
    /// Who left.
    pub user: UserId,
    /// The stream id that it had since it joined.
    pub stream: StreamId,
    /// It was publishing, connected or not.
    pub published: bool,
    /// It had a subscriber session, receiving these tracks.
    pub subscriptions: Vec<StreamSubscription>,
}

/// Something that happened without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SfuEvent {
    /// A publisher's connection is up: its stream can be subscribed to. Once per publish.
    PublisherConnected {
        /// The room.
        room: StreamRoomId,
        /// The publisher.
        client: ClientId,
        /// Its user.
        user: UserId,
        /// Its media session.
        session_id: SessionId,
        /// The stream with its tracks as they are now.
        stream: StreamInfo,
    },
    /// A publisher's connection failed; the client is still joined and may publish again.
    /// Not sent for `unpublish`, `leave` and `remove_room`, whose caller knows.
    PublisherGone {
        /// The room.
        room: StreamRoomId,
        /// The publisher.
        client: ClientId,
        /// Its user.
        user: UserId,
        /// The media session that ended; by now the client may have another.
        session_id: SessionId,
        /// The stream that ended.
        stream: StreamId,
        /// It had been announced by `PublisherConnected`.
        announced: bool,
    },
    /// A subscriber has to answer a new offer.
    Reoffer {
        /// The room.
        room: StreamRoomId,
        /// The subscriber.
        client: ClientId,
        /// Its media session.
        session_id: SessionId,
        /// The offer.
        offer_sdp: String,
    },
    /// A subscriber's connection failed; its next subscribe starts a new session.
    SubscriberGone {
        /// The room.
        room: StreamRoomId,
        /// The subscriber.
        client: ClientId,
        /// The session that ended.
        session_id: SessionId,
    },
}

/// Starts the SFU.
#[derive(Debug)]
pub struct Sfu;

impl Sfu {
    /// Opens the media port and starts the driver.
    ///
    /// # Errors
    ///
    /// [`SfuError::Bind`] if the port can't be opened.
    pub async fn start(
        config: SfuConfig,
    ) -> Result<(SfuHandle, mpsc::Receiver<SfuEvent>), SfuError> {
        let (commands, inbox) = mpsc::channel(COMMAND_CAPACITY);
        let (outbox, events) = mpsc::channel(EVENT_CAPACITY);
        let started = driver::spawn(config, inbox, outbox).await?;
        let handle = SfuHandle {
            commands,
            local_addr: started.local_addr,
            task: Arc::new(Mutex::new(Some(started.task))),
        };
        Ok((handle, events))
    }
}

pub(super) type Reply<T> = oneshot::Sender<T>;

/// What a handle asks of the driver.
#[derive(Debug)]
pub(super) enum Command {
    Join(StreamRoomId, ClientId, UserId, Reply<Result<StreamId, SfuError>>),
    Publish(StreamRoomId, ClientId, String, Reply<Result<PublishAnswer, SfuError>>),
    Update(StreamRoomId, ClientId, String, Reply<Result<PublishAnswer, SfuError>>),
    Unpublish(StreamRoomId, ClientId, Reply<Result<StreamId, SfuError>>),
    Subscribe(
        StreamRoomId,
        ClientId,
        Vec<StreamSubscription>,
        Reply<Result<SubscribeAnswer, SfuError>>,
    ),
    Modify(
        StreamRoomId,
        ClientId,
        Vec<StreamSubscription>,
        Vec<StreamSubscription>,
        Reply<Result<SubscribeAnswer, SfuError>>,
    ),
    AcceptOffer(ClientId, SessionId, String, Reply<Result<(), SfuError>>),
    Trickle(ClientId, SessionId, Reply<Result<(), SfuError>>),
    Leave(StreamRoomId, ClientId, Reply<Option<Departure>>),
    LeaveAll(ClientId, Reply<Vec<Departure>>),
    List(StreamRoomId, Reply<Vec<StreamInfo>>),
    RemoveRoom(StreamRoomId, Reply<Vec<ClientId>>),
    Record(StreamRoomId, Option<RecordSink>, Reply<()>),
    Stats(Reply<SfuStats>),
    Shutdown,
}

/// Sends requests to a running SFU; cheap to clone. The SFU ends with its last handle or by
/// [`shutdown`](Self::shutdown).
///
/// Every method may be cancelled: the request is then carried out, and its result lost.
#[derive(Clone, Debug)]
pub struct SfuHandle {
    commands: mpsc::Sender<Command>,
    local_addr: SocketAddr,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl SfuHandle {
    /// The address of the media port.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Enters a room and allocates the stream id; entering twice answers the same id.
    ///
    /// # Errors
    ///
    /// [`SfuError::RoomFull`], [`SfuError::Closed`].
    pub async fn join(
        &self,
        room: &StreamRoomId,
        client: ClientId,
        user: &UserId,
    ) -> Result<StreamId, SfuError> {
        self.ask(|reply| Command::Join(room.clone(), client, user.clone(), reply)).await?
    }

    /// Starts publishing: answers the offer of a new connection.
    ///
    /// The stream becomes visible with [`SfuEvent::PublisherConnected`].
    ///
    /// # Errors
    ///
    /// [`SfuError::NotJoined`], [`SfuError::AlreadyPublishing`], [`SfuError::InvalidSdp`],
    /// [`SfuError::TooManyPeers`], [`SfuError::Closed`].
    pub async fn publish(
        &self,
        room: &StreamRoomId,
        client: ClientId,
        offer_sdp: String,
    ) -> Result<PublishAnswer, SfuError> {
        self.ask(|reply| Command::Publish(room.clone(), client, offer_sdp, reply)).await?
    }

    /// Answers a new offer on the publisher's connection: other tracks, or an ICE restart.
    ///
    /// # Errors
    ///
    /// [`SfuError::NotJoined`], [`SfuError::NotPublishing`], [`SfuError::InvalidSdp`],
    /// [`SfuError::Closed`].
    pub async fn update(
        &self,
        room: &StreamRoomId,
        client: ClientId,
        offer_sdp: String,
    ) -> Result<PublishAnswer, SfuError> {
        self.ask(|reply| Command::Update(room.clone(), client, offer_sdp, reply)).await?
    }

    /// Stops publishing; the client stays in the room and keeps its stream id.
    ///
    /// # Errors
    ///
    /// [`SfuError::NotJoined`], [`SfuError::NotPublishing`], [`SfuError::Closed`].
    pub async fn unpublish(
        &self,
        room: &StreamRoomId,
        client: ClientId,
    ) -> Result<StreamId, SfuError> {
        self.ask(|reply| Command::Unpublish(room.clone(), client, reply)).await?
    }

    /// Adds subscriptions; the first call makes the subscriber session.
    ///
    /// All or nothing: on an error no subscription was added.
    ///
    /// # Errors
    ///
    /// [`SfuError::NotJoined`], [`SfuError::FeedNotFound`], [`SfuError::TooManyTracks`],
    /// [`SfuError::TooManyPeers`], [`SfuError::NothingToModify`], [`SfuError::Closed`].
    pub async fn subscribe(
        &self,
        room: &StreamRoomId,
        client: ClientId,
        add: Vec<StreamSubscription>,
    ) -> Result<SubscribeAnswer, SfuError> {
        self.ask(|reply| Command::Subscribe(room.clone(), client, add, reply)).await?
    }

    /// Removes and then adds subscriptions of an existing subscriber session.
    ///
    /// What isn't subscribed to can be removed without effect.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe), and [`SfuError::NoSubscriptions`] without a session.
    pub async fn modify(
        &self,
        room: &StreamRoomId,
        client: ClientId,
        add: Vec<StreamSubscription>,
        remove: Vec<StreamSubscription>,
    ) -> Result<SubscribeAnswer, SfuError> {
        self.ask(|reply| Command::Modify(room.clone(), client, add, remove, reply)).await?
    }

    /// Takes the answer to the last offer; changes made meanwhile follow as
    /// [`SfuEvent::Reoffer`].
    ///
    /// # Errors
    ///
    /// [`SfuError::UnknownSession`], [`SfuError::NoOfferPending`], [`SfuError::InvalidSdp`],
    /// [`SfuError::Closed`].
    pub async fn accept_offer(
        &self,
        client: ClientId,
        session_id: SessionId,
        answer_sdp: String,
    ) -> Result<(), SfuError> {
        self.ask(|reply| Command::AcceptOffer(client, session_id, answer_sdp, reply)).await?
    }

    /// Takes a candidate and needs none: clients are found by their connectivity checks, so
    /// that nobody can make the SFU send packets to an address that hasn't spoken first.
    ///
    /// # Errors
    ///
    /// [`SfuError::UnknownSession`], [`SfuError::Closed`].
    pub async fn trickle(
        &self,
        client: ClientId,
        session_id: SessionId,
        _candidate: String,
    ) -> Result<(), SfuError> {
        self.ask(|reply| Command::Trickle(client, session_id, reply)).await?
    }

    /// Leaves a room: ends both media sessions. `None` if the client wasn't there.
    ///
    /// # Errors
    ///
    /// [`SfuError::Closed`].
    pub async fn leave(
        &self,
        room: &StreamRoomId,
        client: ClientId,
    ) -> Result<Option<Departure>, SfuError> {
        self.ask(|reply| Command::Leave(room.clone(), client, reply)).await
    }

    /// Leaves every room that the client is in.
    ///
    /// # Errors
    ///
    /// [`SfuError::Closed`].
    pub async fn leave_all(&self, client: ClientId) -> Result<Vec<Departure>, SfuError> {
        self.ask(|reply| Command::LeaveAll(client, reply)).await
    }

    /// The streams whose publishers are connected.
    ///
    /// # Errors
    ///
    /// [`SfuError::Closed`].
    pub async fn list(&self, room: &StreamRoomId) -> Result<Vec<StreamInfo>, SfuError> {
        self.ask(|reply| Command::List(room.clone(), reply)).await
    }

    /// Ejects everybody from a room and forgets it; answers who was in it.
    ///
    /// # Errors
    ///
    /// [`SfuError::Closed`].
    pub async fn remove_room(&self, room: &StreamRoomId) -> Result<Vec<ClientId>, SfuError> {
        self.ask(|reply| Command::RemoveRoom(room.clone(), reply)).await
    }

    /// Hands everything that is published in a room, now and later, to `sink`; `None` ends it:
    /// once this has returned, nothing more comes.
    ///
    /// # Errors
    ///
    /// [`SfuError::Closed`].
    pub async fn record(
        &self,
        room: &StreamRoomId,
        sink: Option<RecordSink>,
    ) -> Result<(), SfuError> {
        self.ask(|reply| Command::Record(room.clone(), sink, reply)).await
    }

    /// Counters since the start.
    ///
    /// # Errors
    ///
    /// [`SfuError::Closed`].
    pub async fn stats(&self) -> Result<SfuStats, SfuError> {
        self.ask(Command::Stats).await
    }

    /// Ends every connection and waits until the driver has stopped.
    pub async fn shutdown(&self) {
        // A closed channel means that the driver is ending already.
        let _ = self.commands.send(Command::Shutdown).await;
        if let Some(task) = self.task.lock().await.take() {
            // The driver's panic, if any, has been reported by the runtime.
            let _ = task.await;
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, SfuError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| SfuError::Closed)?;
        answer.await.map_err(|_| SfuError::Closed)
    }
}
