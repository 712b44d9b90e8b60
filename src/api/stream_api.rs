//! The interface to Stream Rooms: the façade. What is not a line long is delegated.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::sleep;
use uuid::Uuid;

use crate::device;
use crate::device::AudioInput;
use crate::device::DeviceSpec;
use crate::device::video::VideoSpec;
use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::model::CallTiming;
use crate::model::ContextId;
use crate::model::LocalTrackId;
use crate::model::PagingList;
use crate::model::PagingQuery;
use crate::model::ResourceId;
use crate::model::StreamHandle;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamPublishResult;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::model::StreamSubscription;
use crate::model::SubscriptionId;
use crate::model::VideoContent;
use crate::wire::dto::Call as _;
use crate::wire::dto::stream_room;
use crate::wire::dto::stream_room::StreamRoomDelete;
use crate::wire::dto::stream_room::StreamRoomGet;
use crate::wire::dto::stream_room::StreamRoomLeave;
use crate::wire::dto::stream_room::StreamRoomList;
use crate::wire::rpc::code;

use super::audio::AudioEngine;
use super::audio::AudioHandle;
use super::connection::Connection;
use super::connection::Core;
use super::error::ApiError;
use super::event_queue::EventQueue;
use super::joined;
use super::joined::Joined;
use super::joined::Room;
use super::listener::RemoteStreamListener;
use super::presence::Place;
use super::presence::untrusted;
use super::publish;
use super::publish::PublishCommand;
use super::publish::PublishTask;
use super::publish::Source;
use super::publish::media;
use super::query;
use super::query::EventSelector;
use super::query::StreamEventType;
use super::room;
use super::room::NewStreamRoom;
use super::room::Opened;
use super::room::StreamRoomChange;
use super::room_state::LocalStreams;
use super::rooms;
use super::subscribe::SubscribeCommand;
use super::video::VideoHandle;
use super::video::content_of;
use super::video::open_video;

/// How long subscribing to a stream whose publisher is still connecting is tried.
pub const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(5);

/// The first wait between two such attempts; it doubles.
const SUBSCRIBE_PAUSE: Duration = Duration::from_millis(50);

/// Something to send.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LocalTrack {
    /// Sound of a microphone, or of what stands in for one.
    Microphone(DeviceSpec),
    /// Pictures of a camera, or of what stands in for one; of a screen if the source is one.
    Video(VideoSpec),
    /// Pictures of a screen, a window, or what stands in for them: fewer, larger and sharper.
    Desktop(VideoSpec),
    /// Messages, sent with [`StreamApi::send_data`].
    Data,
}

struct Inner {
    connection: Connection,
    audio: AudioHandle,
    video: VideoHandle,
    engine: Mutex<Option<JoinHandle<()>>>,
    local: Mutex<LocalStreams>,
    /// `None` while a room is being joined.
    rooms: Mutex<HashMap<StreamRoomId, Option<Arc<Joined>>>>,
    /// What rooms that are joined later do with frames that cannot be opened.
    shows_broken_frames: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The engine ends with the handles to it, which rooms hold as well.
        let rooms = self.rooms.get_mut().unwrap_or_else(PoisonError::into_inner);
        for joined in rooms.drain().filter_map(|(_, joined)| joined) {
            self.connection.core.unregister_room(&joined.room.id);
        }
    }
}

/// Stream Rooms: containers of metadata that are also places to meet. Cheap to clone.
///
/// The methods are those of the PrivMX StreamApi. A room is read and changed without being
/// in it; publishing and subscribing need [`join_stream_room`](Self::join_stream_room).
/// Everything is end-to-end encrypted with the keys of the room. For a whole call with one
/// line, see [`Call`](super::Call).
#[derive(Clone)]
pub struct StreamApi {
    inner: Arc<Inner>,
}

impl fmt::Debug for StreamApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamApi").field("connection", &self.inner.connection).finish()
    }
}

impl StreamApi {
    pub(super) fn new(connection: Connection) -> Self {
        let (audio, engine) = AudioEngine::spawn();
        let inner = Inner {
            connection,
            audio,
            video: VideoHandle::default(),
            engine: Mutex::new(Some(engine)),
            local: Mutex::default(),
            rooms: Mutex::default(),
            shows_broken_frames: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The connection that this interface uses.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.inner.connection.core
    }

    pub(super) fn audio(&self) -> &AudioHandle {
        &self.inner.audio
    }

    pub(super) fn video(&self) -> &VideoHandle {
        &self.inner.video
    }

    pub(super) fn local(&self) -> MutexGuard<'_, LocalStreams> {
        self.inner.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rooms(&self) -> MutexGuard<'_, HashMap<StreamRoomId, Option<Arc<Joined>>>> {
        self.inner.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn joined(&self, room: &StreamRoomId) -> Result<Arc<Joined>, ApiError> {
        let joined = self.rooms().get(room).cloned().flatten();
        joined.ok_or_else(|| ApiError::NotJoined(room.clone()))
    }

    fn joined_of(&self, handle: StreamHandle) -> Result<Arc<Joined>, ApiError> {
        let room = self.local().room(handle)?;
        self.joined(&room)
    }

    // Rooms.

    /// Creates a room and returns its id. Its key is made here and wrapped for every member.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Invalid`] if a member's key is none, or the metadata is too long.
    /// - [`ApiError::Net`] if the bridge refuses: policy, unknown users (code 9).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the room from being created.
    pub async fn create_stream_room(&self, new: &NewStreamRoom) -> Result<StreamRoomId, ApiError> {
        let core = self.core();
        let user = core.own_id(&new.context_id).await?;
        let resource = ResourceId(Uuid::new_v4().to_string());
        let call = room::seal_new(&core.author(&user), new, resource, &mut rand::rng())?;
        Ok(core.call(&call).await?.stream_room_id.into())
    }

    /// Replaces a room's members and metadata.
    ///
    /// When somebody loses access, the room gets a new key, which everybody in it seals
    /// with at once; newcomers get all keys made so far.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Untrusted`] if the room as it is does not verify; nothing is sent.
    /// - [`ApiError::Crypto`] if one of its keys does not belong to it.
    /// - [`ApiError::Net`] with code 0x30 if policy forbids it or the version is not current.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the update.
    pub async fn update_stream_room(&self, change: &StreamRoomChange) -> Result<(), ApiError> {
        let core = self.core();
        let (sealed, opened) = self.fetch(&change.stream_room_id).await?;
        let trusted = opened.trusted.ok_or_else(|| untrusted(&opened.room))?;
        let user = core.own_id(&opened.room.context_id).await?;
        let author = core.author(&user);
        let call = room::seal_change(&author, change, &sealed, &trusted, &mut rand::rng())?;
        core.call(&call).await?;
        self.apply_own_update(&change.stream_room_id).await;
        Ok(())
    }

    /// Seals with the key of an update of our own at once, without waiting for its event.
    async fn apply_own_update(&self, id: &StreamRoomId) {
        let Ok(joined) = self.joined(id) else { return };
        match self.fetch(id).await.map(|(_, opened)| opened) {
            Ok(Opened { room, trusted: Some(trusted) }) => {
                // What is outdated already was overtaken by the event.
                let _ = joined.room.set_keys(trusted.room_keys(room.version)).await;
            }
            Ok(_) => tracing::warn!(room = %id, "the room does not verify after its update"),
            // The event brings the key as well.
            Err(error) => tracing::info!(%error, "the room was not read after its update"),
        }
    }

    /// What never changes about a room, however often it is updated: SHA-256 of a secret
    /// that its members know and the bridge does not. An application that keeps it can tell
    /// at the next visit whether the bridge shows the same room.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Untrusted`] if the room does not verify, or is another one than before
    ///   in this process.
    /// - else as [`get_stream_room`](Self::get_stream_room).
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn room_anchor(&self, room: &StreamRoomId) -> Result<[u8; 32], ApiError> {
        let (_, opened) = self.fetch(room).await?;
        let trusted = opened.trusted.as_ref().ok_or_else(|| untrusted(&opened.room))?;
        Ok(trusted.anchor())
    }

    /// Lists the rooms of a Context that this user is a member of. A room that can't be
    /// verified is listed with its `status_code` and without metadata.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Invalid`] if `query_as_json` is no JSON object.
    /// - [`ApiError::Net`] if the bridge can't be reached or refuses.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn list_stream_rooms(
        &self,
        context: &ContextId,
        query: &PagingQuery,
    ) -> Result<PagingList<StreamRoom>, ApiError> {
        let call = StreamRoomList::new(context.as_str(), rooms::list_params(query)?);
        Ok(self.open_page(self.core().call(&call).await?).await)
    }

    /// Reads one room; the same holds for a room that can't be verified.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] with code 0x6122 if there is no such room, 0x30 if it is not this
    /// user's.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn get_stream_room(&self, room: &StreamRoomId) -> Result<StreamRoom, ApiError> {
        Ok(self.fetch(room).await?.1.room)
    }

    /// Deletes a room for all its members.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] with code 0x30 if policy forbids it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the deletion.
    pub async fn delete_stream_room(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        self.core().call(&StreamRoomDelete { id: room.0.clone() }).await.map(drop)
    }

    pub(super) async fn fetch(
        &self,
        id: &StreamRoomId,
    ) -> Result<(stream_room::StreamRoom, Opened), ApiError> {
        let answer = self.core().call(&StreamRoomGet::new(id.as_str())).await?;
        let sealed = answer.stream_room;
        if sealed.id != id.0 {
            let reason = "another room than the one asked for".to_owned();
            return Err(ApiError::UnexpectedAnswer { method: StreamRoomGet::METHOD, reason });
        }
        let opened = self.core().open(&sealed).await;
        Ok((sealed, opened))
    }

    // Presence.

    /// Enters a room: from now on its streams can be subscribed to, and one can be published.
    ///
    /// # Errors
    ///
    /// - [`ApiError::AlreadyJoined`] if this interface is in it already.
    /// - [`ApiError::RoomClosed`] if it was closed for good.
    /// - [`ApiError::Untrusted`] if it does not verify; nothing is ever sent to such a room.
    /// - [`ApiError::Net`] if the bridge can't be reached or refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave this user shown in the room until
    /// [`leave_stream_room`](Self::leave_stream_room) or the end of the connection.
    pub async fn join_stream_room(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        let mut place = Place::take(self, room)?;
        let joined = self.enter(room).await?;
        let shown = self.inner.shows_broken_frames.load(Ordering::Relaxed);
        joined.room.listeners.show_broken_frames(shown);
        place.fill(joined);
        Ok(())
    }

    /// Leaves a room: unpublishes, unsubscribes, closes the microphone and both connections.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotJoined`] if this interface is not in it.
    /// - [`ApiError::Net`] if the bridge could not be told. Here the room is left all the
    ///   same, and the bridge finds out when the connection ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave this user shown in the room until the connection ends.
    pub async fn leave_stream_room(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        let joined = self.joined(room)?;
        self.rooms().remove(room);
        self.local().remove_room(room);
        let core = self.core();
        joined.close().await;
        let leave = StreamRoomLeave { stream_room_id: room.0.clone() };
        let unsubscribe = core.session.unsubscribe(joined.subscriptions.clone());
        let (left, unsubscribed) = tokio::join!(core.call(&leave), unsubscribe);
        left?;
        Ok(unsubscribed?)
    }

    /// Restores a joined room after the connection was lost and came back: enters it again,
    /// reads its keys, and publishes the same tracks on a new connection. Nothing is
    /// subscribed to afterwards; stream ids have changed, so list and subscribe anew.
    ///
    /// # Errors
    ///
    /// - [`ApiError::RoomClosed`] if the room was closed because everybody was gone.
    /// - as [`join_stream_room`](Self::join_stream_room) and
    ///   [`publish_stream`](Self::publish_stream).
    ///
    /// # Cancel safety
    ///
    /// Call it again after dropping the future.
    pub async fn rejoin_stream_room(
        &self,
        room: &StreamRoomId,
    ) -> Result<Option<StreamPublishResult>, ApiError> {
        self.reenter(room, false).await
    }

    /// Lists the streams published in a room, this user's own included. The room need not
    /// be joined.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the bridge can't be reached or refuses.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn list_streams(&self, room: &StreamRoomId) -> Result<Vec<StreamInfo>, ApiError> {
        match self.joined(room) {
            Ok(joined) => joined.room.list_streams().await,
            Err(_) => joined::list_streams(self.core(), room).await,
        }
    }

    // Publishing.

    /// Makes the local stream of a joined room. Nothing is sent before it is published.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotJoined`] if the room is not joined.
    /// - [`ApiError::StreamExists`] if it has a local stream already.
    pub fn create_stream(&self, room: &StreamRoomId) -> Result<StreamHandle, ApiError> {
        let joined = self.joined(room)?;
        let handle = self.local().create(room)?;
        let (sender, commands) = mpsc::channel(publish::COMMANDS);
        let room = Arc::clone(&joined.room);
        joined.spawn(PublishTask::new(room, handle, (&sender, commands)).run());
        joined.set_publisher(Some(sender));
        Ok(handle)
    }

    /// Stages a track. Its device is opened now, so that it is ready when it is published.
    /// A published stream sends it after [`update_stream`](Self::update_stream).
    ///
    /// # Errors
    ///
    /// - [`ApiError::UnknownHandle`] or [`ApiError::NotJoined`] if there is no such stream.
    /// - [`ApiError::Device`] if the device can't be opened; the text says what to do.
    /// - [`ApiError::DataTrackExists`] if the stream has a data track.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the track staged.
    pub async fn add_stream_track(
        &self,
        handle: StreamHandle,
        track: LocalTrack,
    ) -> Result<LocalTrackId, ApiError> {
        self.joined_of(handle)?;
        let source = match track {
            LocalTrack::Microphone(spec) => Source::Microphone(open_input(spec).await?),
            LocalTrack::Video(spec) => {
                let content = content_of(&spec);
                Source::Video(open_video(spec, content).await?)
            }
            LocalTrack::Desktop(spec) => {
                Source::Video(open_video(spec, VideoContent::Screen).await?)
            }
            LocalTrack::Data => Source::Data,
        };
        self.stage(handle, source, false).await
    }

    pub(super) async fn stage(
        &self,
        handle: StreamHandle,
        source: Source,
        muted: bool,
    ) -> Result<LocalTrackId, ApiError> {
        let publish = self.publisher(handle)?;
        ask(&publish, |reply| PublishCommand::Add { source, muted, reply }).await
    }

    /// Stages the removal of a track. It ends with the next
    /// [`update_stream`](Self::update_stream).
    ///
    /// # Errors
    ///
    /// [`ApiError::UnknownTrack`] if the stream has no such track.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the removal staged.
    pub async fn remove_stream_track(
        &self,
        handle: StreamHandle,
        track: &LocalTrackId,
    ) -> Result<(), ApiError> {
        let publish = self.publisher(handle)?;
        let track = track.clone();
        ask(&publish, |reply| PublishCommand::Remove { track, reply }).await
    }

    /// Publishes the tracks staged on `handle` and returns once the bridge has accepted them.
    /// Sound flows as soon as the media connection is up, usually within 300 ms.
    ///
    /// # Errors
    ///
    /// - [`ApiError::AlreadyPublished`] if it is, or is about to be.
    /// - [`ApiError::Media`] if the media connection can't be set up.
    /// - [`ApiError::Net`] if the bridge refuses. The tracks stay staged.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the publication; its outcome is lost.
    pub async fn publish_stream(
        &self,
        handle: StreamHandle,
    ) -> Result<StreamPublishResult, ApiError> {
        let publish = self.publisher(handle)?;
        self.local().begin_publish(handle)?;
        let result = ask(&publish, |reply| PublishCommand::Publish { reply }).await;
        self.local().end_publish(handle, result.is_ok());
        result
    }

    /// Puts into force what was staged since the stream was published.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotPublished`], else as [`publish_stream`](Self::publish_stream).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the update; its outcome is lost.
    pub async fn update_stream(
        &self,
        handle: StreamHandle,
    ) -> Result<StreamPublishResult, ApiError> {
        let publish = self.publisher(handle)?;
        self.local().require_published(handle)?;
        ask(&publish, |reply| PublishCommand::Update { reply }).await
    }

    /// Withdraws a stream and forgets its handle; the room stays joined.
    ///
    /// # Errors
    ///
    /// - [`ApiError::UnknownHandle`] if there is no such stream.
    /// - [`ApiError::Net`] if the bridge could not be told; the media ends all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop it.
    pub async fn unpublish_stream(&self, handle: StreamHandle) -> Result<(), ApiError> {
        let joined = self.joined_of(handle)?;
        let publish = self.publisher(handle)?;
        self.local().remove(handle);
        joined.set_publisher(None);
        match ask(&publish, |reply| PublishCommand::Unpublish { reply }).await {
            // Official bridges let only managers unpublish, but anybody leave (streams.md §15).
            Err(error) if error.code() == Some(code::ACCESS_DENIED) => {
                self.leave_and_return(&joined.room.id).await
            }
            result => result,
        }
    }

    /// Sends a message of up to about 16 kB on a published stream's data track, sealed like
    /// the media. Messages arrive in order.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NoDataTrack`] if the stream has none, or it is not published.
    /// - [`ApiError::MessageTooLong`] beyond the limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready means that the message is not sent.
    pub async fn send_data(&self, handle: StreamHandle, data: &[u8]) -> Result<(), ApiError> {
        let joined = self.joined_of(handle)?;
        let publish = self.publisher(handle)?;
        let sink = ask(&publish, |reply| PublishCommand::Data { reply }).await?;
        let message = joined.room.seal_data(data)?;
        sink.send(Bytes::from(message)).await.map_err(media)
    }

    /// Mutes or unmutes the microphone of a stream. Muted sound never leaves the process.
    ///
    /// # Errors
    ///
    /// [`ApiError::UnknownHandle`] if there is no such stream.
    ///
    /// # Cancel safety
    ///
    /// Safe: it happens at once or not at all.
    pub async fn set_muted(&self, handle: StreamHandle, muted: bool) -> Result<(), ApiError> {
        self.local().room(handle)?;
        self.inner.audio.set_muted(handle, muted).await;
        Ok(())
    }

    /// Exchanges the microphone of a published stream for another one, without a gap in
    /// the stream.
    ///
    /// # Errors
    ///
    /// - [`ApiError::UnknownHandle`] if there is no such stream.
    /// - [`ApiError::Device`] if it can't be opened; then the old one goes on.
    ///
    /// # Cancel safety
    ///
    /// Safe: it happens at once or not at all.
    pub async fn set_microphone(
        &self,
        handle: StreamHandle,
        microphone: DeviceSpec,
    ) -> Result<(), ApiError> {
        self.local().room(handle)?;
        let input = open_input(microphone).await?;
        self.inner.audio.set_input(handle, input).await;
        Ok(())
    }

    /// Chooses the loudspeaker on which all joined rooms are heard. Without one, nothing is
    /// decoded.
    ///
    /// # Errors
    ///
    /// [`ApiError::Device`] if it can't be opened; then the old one goes on.
    ///
    /// # Cancel safety
    ///
    /// Safe: it happens at once or not at all.
    pub async fn set_speaker(&self, speaker: &DeviceSpec) -> Result<(), ApiError> {
        let spec = speaker.clone();
        let patient = matches!(spec, DeviceSpec::Null | DeviceSpec::File(_));
        let opening = tokio::task::spawn_blocking(move || device::open_output(&spec));
        let output = opening.await.map_err(|_| ApiError::Closed)?;
        let output = output.map_err(|error| ApiError::Device(error.to_string()))?;
        self.inner.audio.set_speaker(output, patient).await;
        Ok(())
    }

    pub(super) fn publisher(
        &self,
        handle: StreamHandle,
    ) -> Result<mpsc::Sender<PublishCommand>, ApiError> {
        self.joined_of(handle)?.publisher().ok_or(ApiError::UnknownHandle(handle))
    }

    // Subscribing.

    /// Subscribes to streams or single tracks. What is subscribed to is heard on the
    /// loudspeaker; messages go to the listeners. A stream whose publisher is still
    /// connecting is tried for up to 5 s.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotJoined`] if the room is not joined.
    /// - [`ApiError::Net`] with code 0x6215 if a stream does not exist (any more).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the subscription.
    pub async fn subscribe_to_remote_streams(
        &self,
        room: &StreamRoomId,
        subscriptions: &[StreamSubscription],
    ) -> Result<(), ApiError> {
        self.modify_remote_streams_subscriptions(room, subscriptions, &[]).await
    }

    /// Adds and removes subscriptions in one step.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotSubscribed`] if something is to be removed and nothing was ever
    ///   subscribed to.
    /// - else as [`subscribe_to_remote_streams`](Self::subscribe_to_remote_streams).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the change.
    pub async fn modify_remote_streams_subscriptions(
        &self,
        room: &StreamRoomId,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
    ) -> Result<(), ApiError> {
        let give_up = Instant::now() + SUBSCRIBE_PATIENCE;
        let mut pause = SUBSCRIBE_PAUSE;
        loop {
            let result = self.change_once(room, add, remove).await;
            let not_yet = result.as_ref().is_err_and(is_not_yet);
            if !not_yet || Instant::now() + pause > give_up {
                return result;
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// Changes subscriptions without patience for publishers that are still connecting.
    pub(super) async fn change_once(
        &self,
        room: &StreamRoomId,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
    ) -> Result<(), ApiError> {
        let joined = self.joined(room)?;
        let (reply, answer) = oneshot::channel();
        let command =
            SubscribeCommand::Change { add: add.to_vec(), remove: remove.to_vec(), reply };
        joined.subscribe.send(command).await.map_err(|_| ApiError::Closed)?;
        answer.await.map_err(|_| ApiError::Closed)?
    }

    /// Notes who publishes what in a joined room.
    pub(super) fn learn(&self, room: &StreamRoomId, streams: &[StreamInfo]) {
        if let Ok(joined) = self.joined(room) {
            joined.room.learn(streams);
        }
    }

    /// What the tasks of a joined room share.
    pub(super) fn room(&self, room: &StreamRoomId) -> Result<Arc<Room>, ApiError> {
        Ok(Arc::clone(&self.joined(room)?.room))
    }

    pub(super) fn is_in_any_room(&self) -> bool {
        !self.rooms().is_empty()
    }

    /// Ends subscriptions.
    ///
    /// # Errors
    ///
    /// As [`modify_remote_streams_subscriptions`](Self::modify_remote_streams_subscriptions).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the change.
    pub async fn unsubscribe_from_remote_streams(
        &self,
        room: &StreamRoomId,
        subscriptions: &[StreamSubscription],
    ) -> Result<(), ApiError> {
        self.modify_remote_streams_subscriptions(room, &[], subscriptions).await
    }

    /// Listens to what arrives on the streams of a room, or on one of them, besides sound:
    /// tracks that come and go, messages, and pictures. Any number of listeners, each until dropped.
    /// Listeners of one stream follow its publisher, who gets another stream after a
    /// reconnection.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the room is not joined.
    pub fn add_remote_stream_listener(
        &self,
        room: &StreamRoomId,
        stream: Option<StreamId>,
    ) -> Result<RemoteStreamListener, ApiError> {
        Ok(self.joined(room)?.room.listeners.add(stream, true))
    }

    /// Says what is done with sound of a room that cannot be opened: with `true`, as from the
    /// beginning, it is dropped and counted; with `false` it is shown to the listeners as well
    /// ([`RemoteStreamEvent::BrokenFrame`](super::RemoteStreamEvent::BrokenFrame)), for
    /// diagnostics. It is never decoded. Rooms that are joined later begin as set last.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the room is not joined.
    pub fn drop_broken_frames(&self, room: &StreamRoomId, enable: bool) -> Result<(), ApiError> {
        self.joined(room)?.room.listeners.show_broken_frames(!enable);
        self.inner.shows_broken_frames.store(!enable, Ordering::Relaxed);
        Ok(())
    }

    /// Levels of everybody who is heard and of this process's microphones, at most every
    /// 100 ms and only when they changed.
    #[must_use]
    pub fn audio_levels(&self) -> watch::Receiver<AudioLevels> {
        self.inner.audio.levels()
    }

    /// When the microphone and the loudspeaker of this interface began to work, and when
    /// somebody else was first heard.
    #[must_use]
    pub fn call_timing(&self) -> watch::Receiver<CallTiming> {
        self.inner.audio.timing()
    }

    /// The last failure of a microphone or loudspeaker, in words for a person.
    #[must_use]
    pub fn device_fault(&self) -> watch::Receiver<Option<String>> {
        self.inner.audio.fault()
    }

    /// Counters of a joined room, once a second while somebody holds a receiver.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the room is not joined.
    pub fn call_stats(&self, room: &StreamRoomId) -> Result<watch::Receiver<CallStats>, ApiError> {
        Ok(self.joined(room)?.stats.clone())
    }

    // Events.

    /// The query texts for events about rooms and streams; pass all of them to
    /// [`subscribe_for`](Self::subscribe_for).
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if the pair makes no sense or an id can't stand in a query.
    pub fn build_subscription_query(
        &self,
        event: StreamEventType,
        selector: &EventSelector,
    ) -> Result<Vec<String>, ApiError> {
        query::stream_queries(event, selector)
    }

    /// As [`Connection::subscribe_for`].
    ///
    /// # Errors
    ///
    /// As [`Connection::subscribe_for`].
    ///
    /// # Cancel safety
    ///
    /// As [`Connection::subscribe_for`].
    pub async fn subscribe_for(&self, queries: &[String]) -> Result<Vec<SubscriptionId>, ApiError> {
        self.core().subscribe_for(queries).await
    }

    /// As [`Connection::unsubscribe_from`].
    ///
    /// # Errors
    ///
    /// As [`Connection::unsubscribe_from`].
    ///
    /// # Cancel safety
    ///
    /// As [`Connection::unsubscribe_from`].
    pub async fn unsubscribe_from(&self, ids: &[SubscriptionId]) -> Result<(), ApiError> {
        self.core().unsubscribe_from(ids).await
    }

    /// Everything this process hears about a joined room, whether subscribed to or not.
    #[must_use]
    pub fn room_events(&self, room: &StreamRoomId) -> EventQueue {
        self.inner.connection.room_events(room)
    }

    /// Leaves all rooms, closes all devices and waits for it. Other clones find no rooms.
    ///
    /// # Cancel safety
    ///
    /// Call it again after dropping the future.
    pub async fn close(&self) {
        let rooms: Vec<_> = self.rooms().keys().cloned().collect();
        for room in rooms {
            if let Err(error) = self.leave_stream_room(&room).await {
                tracing::info!(%room, %error, "a room was not left properly");
            }
        }
        self.inner.audio.finish_speaker().await;
        let engine = self.inner.engine.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(engine) = engine {
            // It ends with its last handle; those of clones may live on, but it has nothing to do.
            drop(engine);
        }
    }
}

/// Opens a microphone where waiting is allowed.
pub(super) async fn open_input(spec: DeviceSpec) -> Result<Box<dyn AudioInput>, ApiError> {
    let opening = tokio::task::spawn_blocking(move || device::open_input(&spec));
    let input = opening.await.map_err(|_| ApiError::Closed)?;
    input.map_err(|error| ApiError::Device(error.to_string()))
}

/// Sends a command to a publishing task and waits for its answer.
pub(super) async fn ask<T>(
    task: &mpsc::Sender<PublishCommand>,
    command: impl FnOnce(oneshot::Sender<Result<T, ApiError>>) -> PublishCommand,
) -> Result<T, ApiError> {
    let (reply, answer) = oneshot::channel();
    task.send(command(reply)).await.map_err(|_| ApiError::Closed)?;
    answer.await.map_err(|_| ApiError::Closed)?
}

/// The publisher's own connection is not up yet (streams.md §5.4).
fn is_not_yet(error: &ApiError) -> bool {
    error.code() == Some(code::MEDIA_FEED_NOT_FOUND)
}
