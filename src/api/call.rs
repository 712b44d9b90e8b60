//! A whole call with one line: join a room, be heard, hear everybody.
//!
//! [`Call`] is what the terminal client and the command line use; it needs nothing that
//! [`StreamApi`] does not offer to everybody.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::device::AudioInput;
use crate::device::DeviceSpec;
use crate::device::video::VideoSpec;
use crate::media::terminal;
use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::model::CallTiming;
use crate::model::StreamHandle;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::UserId;
use crate::model::VideoContent;

use super::call_task::CallTask;
use super::error::ApiError;
use super::joined::Room;
use super::listener::RemoteStreamEvent;
use super::listener::RemoteStreamListener;
use super::publish::Source;
use super::publish::VideoInput;
use super::roster::Person;
use super::roster::Roster;
use super::stream_api;
use super::stream_api::StreamApi;
use super::terminal::Terminals;
use super::video;
use super::video::Shown;
use super::video::Wanted;

/// How to join a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallConfig {
    /// The room.
    pub room: StreamRoomId,
    /// What to be heard with; `None` only listens.
    pub microphone: Option<DeviceSpec>,
    /// What to hear the others with.
    pub speaker: DeviceSpec,
    /// Begin muted.
    pub muted: bool,
    /// Be able to send messages.
    pub data: bool,
    /// What to be seen with; `None` is not seen.
    pub camera: Option<VideoSpec>,
    /// What to show besides.
    pub screen: Option<VideoSpec>,
}

impl CallConfig {
    /// A call in `room` with the system's default devices, not muted, with messages.
    #[must_use]
    pub const fn new(room: StreamRoomId) -> Self {
        let (microphone, speaker) = (Some(DeviceSpec::Default), DeviceSpec::Default);
        let (camera, screen) = (None, None);
        Self { room, microphone, speaker, muted: false, data: true, camera, screen }
    }

    /// Uses this microphone; `None` only listens.
    #[must_use]
    pub fn with_microphone(mut self, microphone: Option<DeviceSpec>) -> Self {
        self.microphone = microphone;
        self
    }

    /// Shows pictures of this camera.
    #[must_use]
    pub fn with_camera(mut self, camera: Option<VideoSpec>) -> Self {
        self.camera = camera;
        self
    }

    /// Shows this screen, or what stands in for one.
    #[must_use]
    pub fn with_screen(mut self, screen: Option<VideoSpec>) -> Self {
        self.screen = screen;
        self
    }

    /// Uses this loudspeaker.
    #[must_use]
    pub fn with_speaker(mut self, speaker: DeviceSpec) -> Self {
        self.speaker = speaker;
        self
    }

    /// Begins muted or not.
    #[must_use]
    pub const fn with_muted(mut self, muted: bool) -> Self {
        self.muted = muted;
        self
    }

    /// Is able to send messages or not.
    #[must_use]
    pub const fn with_data(mut self, data: bool) -> Self {
        self.data = data;
        self
    }
}

/// How a call is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallStatus {
    /// It works.
    Active,
    /// The connection was lost; the call is restored as soon as it is back.
    Reconnecting {
        /// Why, in words for a person.
        reason: String,
    },
    /// It is over: left, or the room is gone.
    Ended {
        /// Why, in words for a person.
        reason: String,
    },
}

/// What the call could not do as it was asked to; the call goes on without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// Why this process only listens although a microphone was asked for.
    pub microphone: Option<String>,
    /// Why nothing can be heard although a loudspeaker was asked for.
    pub speaker: Option<String>,
    /// Why this process is not seen although a camera was asked for.
    pub camera: Option<String>,
    /// Why no screen is shown although one was asked for.
    pub screen: Option<String>,
}

/// A message of another participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallMessage {
    /// Who sent it: the publisher of the stream that it came on, as the bridge says. All
    /// members seal with the same key, so a member could send in another's name if the
    /// bridge helped.
    pub user: UserId,
    /// The stream that it came on.
    pub stream: StreamId,
    /// The message.
    pub data: Vec<u8>,
}

/// Receives the messages of a call.
pub struct CallMessages {
    listener: RemoteStreamListener,
    room: Arc<Room>,
}

impl CallMessages {
    /// Waits for the next message; `None` once the call was left and all is read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future while it waits loses nothing.
    pub async fn next_message(&mut self) -> Option<CallMessage> {
        loop {
            if let RemoteStreamEvent::Data { stream, data } = self.listener.next_event().await?
                && !terminal::is_ours(&data)
            {
                let user = self.room.publisher_of(stream).await;
                return Some(CallMessage { user, stream, data });
            }
        }
    }
}

impl fmt::Debug for CallMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallMessages").field("room", &self.room.id).finish_non_exhaustive()
    }
}

/// A room that this process is in: its microphone is published, everybody is subscribed to,
/// now and later, and what ends is dropped. After a lost connection all of that is restored.
///
/// Ended by [`leave`](Self::leave). A call that is dropped without it stops following what
/// happens, while the room stays joined in its [`StreamApi`].
pub struct Call {
    pub(super) api: StreamApi,
    pub(super) room: StreamRoomId,
    pub(super) handle: Option<StreamHandle>,
    limits: CallLimits,
    muted: AtomicBool,
    has_microphone: AtomicBool,
    /// What this process shows; held while that is being changed.
    pub(super) shown: tokio::sync::Mutex<Shown>,
    pub(super) looked_at: watch::Sender<Vec<Wanted>>,
    people: watch::Receiver<Vec<Person>>,
    status: watch::Receiver<CallStatus>,
    pub(super) terminals: Terminals,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Call {
    /// Joins a call and returns once this process is published and has asked for everybody
    /// who is there. A microphone or loudspeaker that can't be opened does not prevent it:
    /// see [`limits`](Self::limits).
    ///
    /// # Errors
    ///
    /// As [`StreamApi::join_stream_room`] and [`StreamApi::publish_stream`]. The room is
    /// left again then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the room joined; leave it with the [`StreamApi`].
    pub async fn join(api: StreamApi, config: CallConfig) -> Result<Self, ApiError> {
        let room = config.room.clone();
        // First the queue, then the room: nobody who comes meanwhile is missed.
        let events = api.room_events(&room);
        let (inputs, limits) = enter(&api, &config).await?;
        let has_microphone = inputs.microphone.is_some();
        let begun = begin(&api, &config, inputs).await;
        let (handle, shown, roster) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                // The first error is the one that counts.
                let _ = api.leave_stream_room(&room).await;
                return Err(error);
            }
        };
        let (people_sender, people) = watch::channel(roster.people());
        let (status_sender, status) = watch::channel(CallStatus::Active);
        let stop = CancellationToken::new();
        let (looked_at, looked_at_seen) = watch::channel(Vec::new());
        let shown = tokio::sync::Mutex::new(shown);
        let task = CallTask::new(
            api.clone(),
            room.clone(),
            (roster, events),
            (people_sender, status_sender),
            looked_at_seen,
            stop.clone(),
        );
        let data = handle.filter(|_| config.data);
        let terminals = Terminals::follow(&api, &room, data, people.clone())?;
        let task = Mutex::new(Some(tokio::spawn(task.run())));
        let muted = AtomicBool::new(config.muted);
        let has_microphone = AtomicBool::new(has_microphone);
        Ok(Self {
            api,
            room,
            handle,
            limits,
            muted,
            has_microphone,
            shown,
            looked_at,
            people,
            status,
            terminals,
            stop,
            task,
        })
    }

    /// The room.
    #[must_use]
    pub const fn room(&self) -> &StreamRoomId {
        &self.room
    }

    /// What the call could not do as it was asked to.
    #[must_use]
    pub const fn limits(&self) -> &CallLimits {
        &self.limits
    }

    /// How the call is doing, now and from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<CallStatus> {
        self.status.clone()
    }

    /// Everybody in the call, this process first. Who only listens is known from the moment
    /// at which they come after us.
    #[must_use]
    pub fn people(&self) -> watch::Receiver<Vec<Person>> {
        self.people.clone()
    }

    /// Levels of the own microphone and of everybody who is heard.
    #[must_use]
    pub fn levels(&self) -> watch::Receiver<AudioLevels> {
        self.api.audio_levels()
    }

    /// Counters, once a second while somebody holds a receiver.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the call was left.
    pub fn stats(&self) -> Result<watch::Receiver<CallStats>, ApiError> {
        self.api.call_stats(&self.room)
    }

    /// There is no microphone: none was asked for, or it could not be opened.
    #[must_use]
    pub fn is_listen_only(&self) -> bool {
        !self.has_microphone.load(Ordering::Relaxed)
    }

    /// When sound began to flow in this process.
    #[must_use]
    pub fn timing(&self) -> watch::Receiver<CallTiming> {
        self.api.call_timing()
    }

    /// The last failure of a microphone or loudspeaker during the call.
    #[must_use]
    pub fn device_fault(&self) -> watch::Receiver<Option<String>> {
        self.api.device_fault()
    }

    /// Nothing is said at the moment, because of [`set_muted`](Self::set_muted) or because
    /// there is no microphone.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.muted.load(Ordering::Relaxed) || !self.has_microphone.load(Ordering::Relaxed)
    }

    /// Mutes or unmutes the microphone. Muted sound never leaves the process.
    ///
    /// # Errors
    ///
    /// [`ApiError::UnknownHandle`] if the call was left.
    ///
    /// # Cancel safety
    ///
    /// Safe: it happens at once or not at all.
    pub async fn set_muted(&self, muted: bool) -> Result<(), ApiError> {
        self.muted.store(muted, Ordering::Relaxed);
        match self.handle {
            Some(handle) => self.api.set_muted(handle, muted).await,
            None => Ok(()),
        }
    }

    /// Exchanges the microphone, or begins to speak if there was none.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Device`] if it can't be opened; then the old one goes on.
    /// - [`ApiError::UnknownHandle`] if the call was joined without anything to publish.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the exchange.
    pub async fn set_microphone(&self, microphone: DeviceSpec) -> Result<(), ApiError> {
        let handle = self.handle.ok_or(ApiError::UnknownHandle(StreamHandle(0)))?;
        if self.has_microphone.load(Ordering::Relaxed) {
            return self.api.set_microphone(handle, microphone).await;
        }
        let input = stream_api::open_input(microphone).await?;
        let muted = self.muted.load(Ordering::Relaxed);
        self.api.stage(handle, Source::Microphone(input), muted).await?;
        self.api.update_stream(handle).await?;
        self.has_microphone.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Exchanges the loudspeaker.
    ///
    /// # Errors
    ///
    /// [`ApiError::Device`] if it can't be opened; then the old one goes on.
    ///
    /// # Cancel safety
    ///
    /// Safe: it happens at once or not at all.
    pub async fn set_speaker(&self, speaker: &DeviceSpec) -> Result<(), ApiError> {
        self.api.set_speaker(speaker).await
    }

    /// Sends a message to everybody in the call who listens to messages.
    ///
    /// # Errors
    ///
    /// As [`StreamApi::send_data`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready means that the message is not sent.
    pub async fn send_message(&self, data: &[u8]) -> Result<(), ApiError> {
        let handle = self.handle.ok_or(ApiError::NoDataTrack(StreamHandle(0)))?;
        self.api.send_data(handle, data).await
    }

    /// Receives the messages of the others from now on.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the call was left.
    pub fn messages(&self) -> Result<CallMessages, ApiError> {
        let room = self.api.room(&self.room)?;
        Ok(CallMessages { listener: room.listeners.add(None, false), room })
    }

    /// Terminals that are shared in the call; shares one.
    #[must_use]
    pub const fn terminals(&self) -> &Terminals {
        &self.terminals
    }

    /// Leaves the call: unpublishes, unsubscribes, closes the microphone, and completes what
    /// the loudspeaker was given. Other rooms of the same [`StreamApi`] are not touched.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the bridge could not be told; here the call is over all the same.
    ///
    /// # Cancel safety
    ///
    /// Call it again after dropping the future.
    pub async fn leave(&self) -> Result<(), ApiError> {
        self.terminals.close().await;
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It ends as soon as it is told.
            let _ = task.await;
        }
        let left = match self.api.leave_stream_room(&self.room).await {
            // Left before, or never restored after a lost connection.
            Err(ApiError::NotJoined(_)) => Ok(()),
            left => left,
        };
        if !self.api.is_in_any_room() {
            self.api.audio().finish_speaker().await;
        }
        left
    }
}

async fn open_microphone(
    spec: Option<DeviceSpec>,
) -> Result<Option<Box<dyn AudioInput>>, ApiError> {
    match spec {
        Some(spec) => stream_api::open_input(spec).await.map(Some),
        None => Ok(None),
    }
}

/// What is published, opened.
struct Inputs {
    microphone: Option<Box<dyn AudioInput>>,
    videos: Vec<VideoInput>,
}

/// Enters the room and opens the devices, all at once; devices that can't be opened are told.
async fn enter(api: &StreamApi, config: &CallConfig) -> Result<(Inputs, CallLimits), ApiError> {
    let (joined, microphone, speaker, camera, screen) = tokio::join!(
        api.join_stream_room(&config.room),
        open_microphone(config.microphone.clone()),
        api.set_speaker(&config.speaker),
        video::open_wanted(config.camera.clone(), VideoContent::Camera),
        video::open_wanted(config.screen.clone(), VideoContent::Screen),
    );
    joined?;
    let mut limits = CallLimits::default();
    if let Err(error) = speaker {
        limits.speaker = Some(error.to_string());
        api.set_speaker(&DeviceSpec::Null).await?;
    }
    let microphone = microphone.unwrap_or_else(|error| {
        limits.microphone = Some(error.to_string());
        None
    });
    let mut videos = Vec::new();
    for (video, limit) in [(camera, &mut limits.camera), (screen, &mut limits.screen)] {
        match video {
            Ok(video) => videos.extend(video),
            Err(error) => *limit = Some(error.to_string()),
        }
    }
    Ok((Inputs { microphone, videos }, limits))
}

/// Publishes and subscribes, both at once.
async fn begin(
    api: &StreamApi,
    config: &CallConfig,
    Inputs { microphone, videos }: Inputs,
) -> Result<(Option<StreamHandle>, Shown, Roster), ApiError> {
    let room = &config.room;
    let mut roster = Roster::new(room.clone(), api.room(room)?.me.clone());
    let publishing = async {
        let mut shown = Shown::default();
        if microphone.is_none() && !config.data && videos.is_empty() {
            return Ok((None, shown, None));
        }
        let handle = api.create_stream(room)?;
        if let Some(input) = microphone {
            api.stage(handle, Source::Microphone(input), config.muted).await?;
        }
        if config.data {
            api.stage(handle, Source::Data, false).await?;
        }
        for video in videos {
            let content = video.content;
            let spec = match content {
                VideoContent::Camera => config.camera.clone(),
                _ => config.screen.clone(),
            };
            let track = api.stage(handle, Source::Video(video), false).await?;
            shown.insert(content, (track, spec));
        }
        let result = api.publish_stream(handle).await?;
        Ok::<_, ApiError>((Some(handle), shown, result.data.map(|data| data.stream.id)))
    };
    let subscribing = async {
        roster.handle_list(api.list_streams(room).await?);
        if let Some(change) = roster.poll_change()
            && let Err(error) = api.change_once(room, &change.add, &change.remove).await
        {
            // The task tries again, stream by stream.
            tracing::info!(%error, "not everybody could be subscribed to at once");
            roster.forget(&change.add);
        }
        Ok(())
    };
    let ((handle, shown, own), ()) = tokio::try_join!(publishing, subscribing)?;
    roster.set_own(own);
    Ok((handle, shown, roster))
}
