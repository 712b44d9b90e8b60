//! The connection that sends: we offer, the SFU answers (streams.md §9.2, §10.2).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI16;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use rtc::peer_connection::transport::RTCDtlsRole;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::data::DataSink;
use super::driver::Inputs;
use super::driver::Task;
use super::engine::Engine;
use super::error::RtcError;
use super::outbox::Outbox;
use super::peer;
use super::peer::PeerConfig;
use super::peer::PeerState;
use super::publishing::Command;
use super::publishing::NewTrack;
use super::publishing::Publishing;
use super::publishing::Reply;
use super::stats::PeerStats;
use super::video::EncodedVideo;
use super::video::VideoFeedback;
use super::video::VideoSink;
use crate::model::Level;
use crate::model::TrackId;
use crate::model::VideoContent;

/// Commands from the handle to the task; when full, callers wait.
const COMMANDS: usize = 16;
/// Frames from all sinks to the task: 1.28 s of one microphone. When full, the newest is
/// refused, which the sink's caller sees.
const FRAMES: usize = 64;
/// Messages from the data sink to the task; when full, senders wait.
const MESSAGES: usize = 64;
/// Tracks of one publisher, removed ones included until their m-line is reused.
pub const MAX_TRACKS: usize = 32;
/// Stands for "no level known" in [`AudioSink`].
const NO_LEVEL: i16 = i16::MIN;

/// One encoded (and sealed) 20 ms of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedAudio {
    /// RTP payload.
    pub payload: Bytes,
    /// RTP timestamp, 48000 per second.
    pub timestamp: u32,
    /// First frame after a pause.
    pub marker: bool,
}

/// A frame on its way to the task.
pub(super) struct Frame {
    pub(super) track: u64,
    pub(super) content: Content,
}

/// What it holds.
pub(super) enum Content {
    Audio(EncodedAudio, Option<u8>),
    Video(EncodedVideo),
}

/// What can be sent and withdrawn: a sink of either kind.
pub trait TrackSink {
    /// The number of its track within its publisher.
    fn number(&self) -> u64;
}

impl TrackSink for AudioSink {
    fn number(&self) -> u64 {
        self.track
    }
}

impl TrackSink for VideoSink {
    fn number(&self) -> u64 {
        self.track
    }
}

/// Where the frames of one audio track go.
#[derive(Clone)]
pub struct AudioSink {
    track: u64,
    frames: mpsc::Sender<Frame>,
    level: Arc<AtomicI16>,
}

impl AudioSink {
    /// Queues one frame. Never waits: sound that cannot be sent now is not worth sending.
    ///
    /// Frames written before the connection is up are dropped silently.
    ///
    /// # Errors
    ///
    /// [`RtcError::QueueFull`] if the task is behind, [`RtcError::Closed`] if it is gone.
    pub fn write(&self, audio: EncodedAudio) -> Result<(), RtcError> {
        let level = u8::try_from(self.level.load(Ordering::Relaxed)).ok();
        let frame = Frame { track: self.track, content: Content::Audio(audio, level) };
        self.frames.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RtcError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => RtcError::Closed,
        })
    }

    /// Tells the SFU how loud the following frames are (RFC 6464); `None` stops telling.
    ///
    /// The SFU can read it, as it can read the level byte of the frame (streams.md §11.4).
    pub fn set_level(&self, level: Option<Level>) {
        // 0 is the loudest and 127 is silence.
        let value = level.map_or(NO_LEVEL, |level| (-level.dbfs()).round() as i16);
        self.level.store(value, Ordering::Relaxed);
    }
}

impl fmt::Debug for AudioSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioSink").field("track", &self.track).finish_non_exhaustive()
    }
}

/// The connection that sends. Dropping it closes it without waiting.
pub struct Publisher {
    commands: mpsc::Sender<Command>,
    frames: mpsc::Sender<Frame>,
    messages: mpsc::Sender<Bytes>,
    state: watch::Receiver<PeerState>,
    loss: watch::Receiver<u8>,
    moves: watch::Receiver<u64>,
    task: Task,
}

impl Publisher {
    /// Binds sockets and starts the task. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`RtcError::NoAddress`] or [`RtcError::Socket`] if nothing can be bound.
    pub fn new(config: &PeerConfig) -> Result<Self, RtcError> {
        let sockets = peer::bind(config)?;
        let addresses: Vec<_> = sockets.iter().map(|listening| listening.address).collect();
        // The answerer decides who begins the handshake; what we would answer never matters.
        let engine = Engine::new(Instant::now(), &addresses, RTCDtlsRole::Client)?;
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (frames, frame_queue) = mpsc::channel(FRAMES);
        let (messages, message_queue) = mpsc::channel(MESSAGES);
        let (state_sender, state) = watch::channel(PeerState::New);
        let (loss_sender, loss) = watch::channel(0);
        let (moves_sender, moves) = watch::channel(0);
        let role = Publishing::new(engine, state_sender, loss_sender, moves_sender);
        let inputs = Inputs {
            commands: command_queue,
            frames: Some(frame_queue),
            messages: Some(message_queue),
        };
        let task = Task::spawn(role, sockets, config, inputs, Outbox::new(None));
        Ok(Self { commands, frames, messages, state, loss, moves, task })
    }

    /// Adds an Opus track. It is sent once an offer made after this has been answered.
    ///
    /// # Errors
    ///
    /// [`RtcError::TooManyTracks`], or [`RtcError::Closed`].
    pub async fn add_audio_track(&self) -> Result<AudioSink, RtcError> {
        let track = self.call(|reply| Command::AddTrack(NewTrack::Audio, reply)).await?;
        let level = Arc::new(AtomicI16::new(NO_LEVEL));
        Ok(AudioSink { track, frames: self.frames.clone(), level })
    }

    /// Adds a VP8 track. It is sent once an offer made after this has been answered.
    ///
    /// # Errors
    ///
    /// [`RtcError::TooManyTracks`], or [`RtcError::Closed`].
    pub async fn add_video_track(&self, content: VideoContent) -> Result<VideoSink, RtcError> {
        let feedback = Arc::new(VideoFeedback::default());
        feedback.want_key_frame();
        let new = NewTrack::Video(content, Arc::clone(&feedback));
        let track = self.call(|reply| Command::AddTrack(new, reply)).await?;
        let (frames, loss) = (self.frames.clone(), self.loss.clone());
        Ok(VideoSink { track, frames, feedback, loss })
    }

    /// Opens the data channel, of which there is one; later calls give the same one.
    ///
    /// # Errors
    ///
    /// [`RtcError::Closed`], or what the engine objects to.
    pub async fn add_data_channel(&self) -> Result<DataSink, RtcError> {
        self.call(Command::AddChannel).await?;
        Ok(DataSink { messages: self.messages.clone() })
    }

    /// Stops sending a track. The SFU learns of it with the next offer.
    ///
    /// # Errors
    ///
    /// [`RtcError::UnknownTrack`] if it was removed before.
    pub async fn remove_track(&self, sink: &impl TrackSink) -> Result<(), RtcError> {
        let track = sink.number();
        self.call(|reply| Command::RemoveTrack(track, reply)).await
    }

    /// The track's id in the room: the `mid` of its m-line, once an offer was made with it.
    ///
    /// # Errors
    ///
    /// [`RtcError::UnknownTrack`] if it was removed.
    pub async fn track_id(&self, sink: &impl TrackSink) -> Result<Option<TrackId>, RtcError> {
        let track = sink.number();
        self.call(|reply| Command::TrackId(track, reply)).await
    }

    /// Makes an offer with everything added so far and all candidates in it.
    ///
    /// An earlier offer that was not answered is withdrawn. On a connection that is up this is a
    /// re-offer: path and keys stay.
    ///
    /// # Errors
    ///
    /// [`RtcError::Engine`] if there is nothing to offer, [`RtcError::Closed`].
    pub async fn create_offer(&self) -> Result<String, RtcError> {
        self.call(|reply| Command::Offer { restart: false, reply }).await
    }

    /// Makes an offer that also looks for a new path (ICE restart).
    ///
    /// # Errors
    ///
    /// As [`create_offer`](Self::create_offer).
    pub async fn create_restart_offer(&self) -> Result<String, RtcError> {
        self.call(|reply| Command::Offer { restart: true, reply }).await
    }

    /// Applies the SFU's answer to the last offer.
    ///
    /// # Errors
    ///
    /// [`RtcError::Sdp`] or [`RtcError::Engine`] if it does not fit; [`RtcError::OutOfTurn`] if
    /// there is no open offer.
    pub async fn set_answer(&self, sdp: &str) -> Result<(), RtcError> {
        let sdp = sdp.to_owned();
        self.call(|reply| Command::Answer { sdp, reply }).await
    }

    /// State of the connection.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<PeerState> {
        self.state.clone()
    }

    /// Percent of the packets sent that the SFU says it misses, held for some seconds.
    #[must_use]
    pub fn loss(&self) -> watch::Receiver<u8> {
        self.loss.clone()
    }

    /// Counts how often the SFU began to see us at another address than before. What it sends
    /// may still go to the old one: an ICE restart helps.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moves.clone()
    }

    /// Counters so far.
    ///
    /// # Errors
    ///
    /// [`RtcError::Closed`].
    pub async fn stats(&self) -> Result<PeerStats, RtcError> {
        self.call(Command::Stats).await
    }

    /// Takes leave of the SFU and ends the task; its sockets are closed when this returns.
    pub async fn close(&self) {
        self.task.close().await;
    }

    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, RtcError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RtcError::Closed)?;
        answer.await.map_err(|_| RtcError::Closed)?
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
