//! The publishing half of a joined room: one task that owns the local stream.
//!
//! It stages tracks, offers them to the bridge, and hands microphones to the audio engine
//! once there is somewhere to send to. Commands are carried out one after the other, so
//! there is never more than one negotiation under way.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::device::AudioInput;
use crate::device::video::VideoFormat;
use crate::device::video::VideoSource;
use crate::media::pipeline::AudioSender;
use crate::model::LocalTrackId;
use crate::model::PublishedStreamData;
use crate::model::SessionId;
use crate::model::StreamHandle;
use crate::model::StreamPublishResult;
use crate::model::VideoContent;
use crate::rtc::AudioSink;
use crate::rtc::DataSink;
use crate::rtc::PeerState;
use crate::rtc::Publisher;
use crate::rtc::RtcError;
use crate::rtc::VideoSink;
use crate::wire::dto::signal::SessionDescription;
use crate::wire::dto::stream::Published;
use crate::wire::dto::stream::StreamPublish;
use crate::wire::dto::stream::StreamUnpublish;
use crate::wire::dto::stream::StreamUpdate;
use crate::wire::rpc::code;

use super::audio::Microphone;
use super::error::ApiError;
use super::joined::Room;
use super::peer_watch;
use super::peer_watch::Trouble;
use super::stream_api::ask;
use super::video::LocalVideo;

/// Commands from the façade to the task; when full, callers wait.
pub(super) const COMMANDS: usize = 16;

/// How often another path is looked for, 15 s each time, before the connection is given up.
const SEARCHES: u32 = 4;

type Reply<T> = oneshot::Sender<Result<T, ApiError>>;

/// What the façade asks for.
pub(super) enum PublishCommand {
    /// Stage a track.
    Add { source: Source, muted: bool, reply: Reply<LocalTrackId> },
    /// Stage the removal of a track.
    Remove { track: LocalTrackId, reply: Reply<()> },
    /// Offer what is staged for the first time.
    Publish { reply: Reply<StreamPublishResult> },
    /// Offer what was staged since.
    Update { reply: Reply<StreamPublishResult> },
    /// Look for another path to the SFU, on the same connection.
    Restart { reply: Reply<()> },
    /// Publish the same again on a new connection, after a reconnection.
    Republish { reply: Reply<StreamPublishResult> },
    /// Withdraw the stream.
    Unpublish { reply: Reply<()> },
    /// The data channel, if there is one.
    Data { reply: Reply<DataSink> },
    /// How the media connection is, now and from now on.
    State { reply: Reply<watch::Receiver<PeerState>> },
    /// The media session, once there is one.
    Session { reply: Reply<Option<SessionId>> },
    /// Close the connection and end.
    Close,
}

/// Where a track's content comes from.
pub(super) enum Source {
    /// An open microphone.
    Microphone(Box<dyn AudioInput>),
    /// An open source of pictures.
    Video(VideoInput),
    /// Messages of the application.
    Data,
}

/// An open source of pictures, what they show, and how they were asked for.
pub(super) struct VideoInput {
    pub(super) source: Box<dyn VideoSource>,
    pub(super) content: VideoContent,
    pub(super) format: VideoFormat,
}

enum Content {
    /// Waits for its first publication.
    Waiting {
        input: Box<dyn AudioInput>,
        muted: bool,
    },
    /// In the hands of the audio engine.
    Audio(AudioSink),
    /// Waits for its first publication.
    WaitingVideo(VideoInput),
    /// With threads of its own.
    Video(LocalVideo, VideoContent),
    Data(Option<DataSink>),
}

/// A track that was added to the connection and waits for the answer, by its place in the list.
enum Attached {
    Audio(usize, AudioSink),
    Video(usize, VideoSink),
}

struct LocalTrackState {
    id: LocalTrackId,
    content: Content,
    /// To be removed with the next update.
    removed: bool,
}

/// The task.
pub(super) struct PublishTask {
    room: Arc<Room>,
    handle: StreamHandle,
    commands: mpsc::Receiver<PublishCommand>,
    /// For those who watch over the connection.
    itself: mpsc::WeakSender<PublishCommand>,
    publisher: Option<Arc<Publisher>>,
    /// Watch over the connection.
    watch: JoinSet<()>,
    session: Option<i64>,
    /// Of the connection, through all the connections that there are one after the other.
    state: watch::Sender<PeerState>,
    tracks: Vec<LocalTrackState>,
    tracks_made: u64,
}

impl PublishTask {
    pub(super) fn new(
        room: Arc<Room>,
        handle: StreamHandle,
        (sender, commands): (&mpsc::Sender<PublishCommand>, mpsc::Receiver<PublishCommand>),
    ) -> Self {
        Self {
            room,
            handle,
            commands,
            itself: sender.downgrade(),
            publisher: None,
            watch: JoinSet::new(),
            session: None,
            state: watch::Sender::default(),
            tracks: Vec::new(),
            tracks_made: 0,
        }
    }

    /// Runs until told to close, or until the room is dropped. That a caller went away
    /// meanwhile is no error, so refused replies are ignored throughout.
    pub(super) async fn run(mut self) {
        while let Some(command) = self.commands.recv().await {
            match command {
                PublishCommand::Add { source, muted, reply } => {
                    let _ = reply.send(self.add(source, muted));
                }
                PublishCommand::Remove { track, reply } => {
                    let _ = reply.send(self.remove(&track));
                }
                PublishCommand::Publish { reply } => {
                    let result = self.publish().await;
                    if result.is_err() {
                        self.close_connection().await;
                    }
                    let _ = reply.send(result);
                }
                PublishCommand::Update { reply } => {
                    let _ = reply.send(self.update().await);
                }
                PublishCommand::Restart { reply } => {
                    let _ = reply.send(self.restart().await);
                }
                PublishCommand::Republish { reply } => {
                    self.close_connection().await;
                    let _ = reply.send(self.publish().await);
                }
                PublishCommand::Unpublish { reply } => {
                    let _ = reply.send(self.unpublish().await);
                    break;
                }
                PublishCommand::Data { reply } => {
                    let _ = reply.send(self.data());
                }
                PublishCommand::State { reply } => {
                    let _ = reply.send(Ok(self.state.subscribe()));
                }
                PublishCommand::Session { reply } => {
                    let _ = reply.send(Ok(self.session.map(SessionId)));
                }
                PublishCommand::Close => break,
            }
        }
        self.room.audio.remove_microphone(self.handle).await;
        self.close_connection().await;
    }

    fn add(&mut self, source: Source, muted: bool) -> Result<LocalTrackId, ApiError> {
        let is_data =
            |track: &LocalTrackState| !track.removed && matches!(track.content, Content::Data(_));
        let content = match source {
            Source::Microphone(input) => Content::Waiting { input, muted },
            Source::Video(input) => Content::WaitingVideo(input),
            Source::Data if self.tracks.iter().any(is_data) => {
                return Err(ApiError::DataTrackExists(self.handle));
            }
            Source::Data => Content::Data(None),
        };
        self.tracks_made = self.tracks_made.saturating_add(1);
        let id = LocalTrackId(format!("{}-{}", self.handle, self.tracks_made));
        self.tracks.push(LocalTrackState { id: id.clone(), content, removed: false });
        Ok(id)
    }

    fn remove(&mut self, id: &LocalTrackId) -> Result<(), ApiError> {
        let track = self.tracks.iter_mut().find(|track| track.id == *id && !track.removed);
        track.ok_or(ApiError::UnknownTrack(self.handle))?.removed = true;
        Ok(())
    }

    fn data(&self) -> Result<DataSink, ApiError> {
        let mut sinks = self.tracks.iter().filter_map(|track| match &track.content {
            Content::Data(sink) => sink.clone(),
            _ => None,
        });
        sinks.next_back().ok_or(ApiError::NoDataTrack(self.handle))
    }

    async fn publish(&mut self) -> Result<StreamPublishResult, ApiError> {
        self.tracks.retain(|track| !track.removed);
        let config = self.room.peer_config().await;
        let publisher = Arc::new(Publisher::new(&config).map_err(media)?);
        self.room.set_publisher(Some(Arc::clone(&publisher)));
        self.publisher = Some(Arc::clone(&publisher));
        self.watch.spawn(mirror(publisher.state(), self.state.clone()));
        self.watch.spawn(watch_over(
            Arc::clone(&self.room),
            self.itself.clone(),
            (publisher.state(), publisher.moves()),
        ));
        self.follow_loss(&publisher);
        let attached = self.attach(&publisher, true).await?;
        let offer = SessionDescription::offer(publisher.create_offer().await.map_err(media)?);
        let stream_room_id = self.room.id.0.clone();
        let answer = self.room.core.call(&StreamPublish { stream_room_id, offer }).await?;
        self.finish(&publisher, answer, attached).await
    }

    async fn update(&mut self) -> Result<StreamPublishResult, ApiError> {
        let publisher = self.publisher.clone().ok_or(ApiError::NotPublished(self.handle))?;
        // First those that go, so that those that come can take their lines.
        self.detach(&publisher).await?;
        let attached = self.attach(&publisher, false).await?;
        let mut retried = false;
        let answer = loop {
            let offer = SessionDescription::offer(publisher.create_offer().await.map_err(media)?);
            let stream_room_id = self.room.id.0.clone();
            match self.room.core.call(&StreamUpdate { stream_room_id, offer }).await {
                // Bridges of the older generation interrupt each other (streams.md §15).
                Err(error) if is_interrupted(&error) && !retried => retried = true,
                answer => break answer?,
            }
        };
        self.finish(&publisher, answer, attached).await
    }

    /// Adds what is staged to the connection: everything to a new one. Returns the sinks of
    /// what waits for its first publication.
    async fn attach(
        &mut self,
        publisher: &Publisher,
        all: bool,
    ) -> Result<Vec<Attached>, ApiError> {
        let mut waiting = Vec::new();
        for (index, track) in self.tracks.iter_mut().enumerate().filter(|(_, t)| !t.removed) {
            match &mut track.content {
                Content::Waiting { .. } => {
                    let sink = publisher.add_audio_track().await.map_err(media)?;
                    waiting.push(Attached::Audio(index, sink));
                }
                Content::WaitingVideo(input) => {
                    let sink = publisher.add_video_track(input.content).await.map_err(media)?;
                    waiting.push(Attached::Video(index, sink));
                }
                Content::Video(video, content) if all => {
                    video.set_sink(publisher.add_video_track(*content).await.map_err(media)?);
                }
                Content::Audio(sink) if all => {
                    *sink = publisher.add_audio_track().await.map_err(media)?;
                    self.room.audio.set_sink(self.handle, sink.clone()).await;
                }
                Content::Data(sink) if all || sink.is_none() => {
                    *sink = Some(publisher.add_data_channel().await.map_err(media)?);
                }
                Content::Audio(_) | Content::Video(..) | Content::Data(_) => {}
            }
        }
        Ok(waiting)
    }

    async fn detach(&mut self, publisher: &Publisher) -> Result<(), ApiError> {
        for track in self.tracks.extract_if(.., |track| track.removed) {
            match track.content {
                Content::Audio(sink) => {
                    self.room.audio.remove_microphone(self.handle).await;
                    publisher.remove_track(&sink).await.map_err(media)?;
                }
                Content::Video(video, _) => {
                    publisher.remove_track(&video.sink()).await.map_err(media)?;
                }
                Content::Waiting { .. } | Content::WaitingVideo(_) | Content::Data(_) => {}
            }
        }
        Ok(())
    }

    /// Applies the bridge's answer and lets microphones speak and cameras look.
    async fn finish(
        &mut self,
        publisher: &Publisher,
        published: Published,
        attached: Vec<Attached>,
    ) -> Result<StreamPublishResult, ApiError> {
        self.session = Some(published.session_id);
        if let Some(answer) = &published.answer {
            publisher.set_answer(&answer.sdp).await.map_err(media)?;
        }
        for attached in attached {
            match attached {
                Attached::Audio(index, sink) => {
                    let Some(track) = self.tracks.get_mut(index) else { continue };
                    let now = Content::Audio(sink.clone());
                    if let Content::Waiting { input, muted } =
                        std::mem::replace(&mut track.content, now)
                    {
                        self.room.add_microphone(self.handle, input, sink, muted).await?;
                    }
                }
                Attached::Video(index, sink) => self.show(index, sink)?,
            }
        }
        let data = published.published_data.map(PublishedStreamData::from);
        Ok(StreamPublishResult { published: data.is_some(), data })
    }

    /// Starts the threads of a video track.
    fn show(&mut self, index: usize, sink: VideoSink) -> Result<(), ApiError> {
        let Some(track) = self.tracks.get_mut(index) else { return Ok(()) };
        let id = track.id.clone();
        let content = std::mem::replace(&mut track.content, Content::Data(None));
        let Content::WaitingVideo(VideoInput { source, content, format }) = content else {
            track.content = content;
            return Ok(());
        };
        let (room, keys) = (&self.room, self.room.keys());
        let started = LocalVideo::start(source, (content, format), sink, keys);
        let video = started.map_err(|error| ApiError::Media(error.to_string()))?;
        room.video.register(room.token, id, &video);
        // They may have changed before it was known that there is somebody to tell.
        room.video.set_keys(room.token, &room.keys());
        track.content = Content::Video(video, content);
        Ok(())
    }

    /// Asks for another path (ICE restart): the stream goes on, and nobody else notices.
    async fn restart(&mut self) -> Result<(), ApiError> {
        let publisher = self.publisher.clone().ok_or(ApiError::NotPublished(self.handle))?;
        let offer = publisher.create_restart_offer().await.map_err(media)?;
        let offer = SessionDescription::offer(offer);
        let stream_room_id = self.room.id.0.clone();
        let answer = self.room.core.call(&StreamUpdate { stream_room_id, offer }).await?;
        self.finish(&publisher, answer, Vec::new()).await.map(drop)
    }

    async fn unpublish(&mut self) -> Result<(), ApiError> {
        let Some(session_id) = self.session.take() else { return Ok(()) };
        self.room.core.call(&StreamUnpublish { session_id }).await.map(drop)
    }

    /// Lets the encoder know how much of its sound gets lost.
    fn follow_loss(&mut self, publisher: &Publisher) {
        let (room, handle, mut loss) = (Arc::clone(&self.room), self.handle, publisher.loss());
        self.watch.spawn(async move {
            while loss.changed().await.is_ok() {
                let percent = *loss.borrow_and_update();
                room.audio.set_loss(handle, percent).await;
            }
        });
    }

    async fn close_connection(&mut self) {
        self.session = None;
        self.watch.shutdown().await;
        self.room.set_publisher(None);
        if let Some(publisher) = self.publisher.take() {
            publisher.close().await;
            self.state.send_replace(PeerState::Closed);
        }
    }
}

/// Tells of one connection what is told of all of them.
async fn mirror(mut state: watch::Receiver<PeerState>, told: watch::Sender<PeerState>) {
    loop {
        told.send_replace(*state.borrow_and_update());
        if state.changed().await.is_err() {
            return;
        }
    }
}

impl Room {
    async fn add_microphone(
        &self,
        handle: StreamHandle,
        input: Box<dyn AudioInput>,
        sink: AudioSink,
        muted: bool,
    ) -> Result<(), ApiError> {
        let keys = self.keys();
        let sender = AudioSender::new(Arc::clone(&keys.keys), rand::random());
        let mut sender = sender.map_err(|error| ApiError::Media(error.to_string()))?;
        sender.set_muted(muted);
        let (room, user) = (self.token, self.me.clone());
        let microphone = Microphone { room, user, input, sender, sink };
        self.audio.add_microphone(handle, microphone, keys).await;
        Ok(())
    }
}

/// Looks for other paths as long as the bridge keeps the connection, and says when that does
/// not help.
async fn watch_over(
    room: Arc<Room>,
    task: mpsc::WeakSender<PublishCommand>,
    (mut state, mut moves): (watch::Receiver<PeerState>, watch::Receiver<u64>),
) {
    let mut searches = 0;
    while let Some(trouble) = peer_watch::trouble(&mut state, &mut moves).await {
        if trouble == Trouble::Closed || searches >= SEARCHES {
            room.report_broken("sending");
            return;
        }
        searches += 1;
        let Some(task) = task.upgrade() else { return };
        tracing::info!(room = %room.id, ?trouble, "looking for another path");
        if let Err(error) = ask(&task, |reply| PublishCommand::Restart { reply }).await {
            tracing::info!(%error, "the bridge does not look for another path");
            room.report_broken("sending");
            return;
        }
        if peer_watch::is_found(&mut state).await {
            searches = 0;
        }
    }
}

fn is_interrupted(error: &ApiError) -> bool {
    error.code() == Some(code::ERROR_DURING_REQUEST_TO_MEDIA_SERVER)
}

/// An error of the peer connection for the application.
pub(super) fn media(error: RtcError) -> ApiError {
    match error {
        RtcError::MessageTooLarge { size, max } => ApiError::MessageTooLong { size, limit: max },
        RtcError::Closed => ApiError::Closed,
        other => ApiError::Media(other.to_string()),
    }
}
