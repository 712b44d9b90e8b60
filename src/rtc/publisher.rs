//! The connection that sends: we offer, the SFU answers (streams.md §9.2, §10.2).

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI16;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use bytes::BytesMut;
use rtc::data_channel::RTCDataChannelId;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp_transceiver::RTCRtpTransceiverDirection;
use rtc::rtp_transceiver::RTCRtpTransceiverInit;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodingParameters;
use rtc::rtp_transceiver::rtp_sender::RTCRtpEncodingParameters;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::data::CHANNEL_LABEL;
use super::data::DataSink;
use super::driver::Inputs;
use super::driver::Outbox;
use super::driver::Role;
use super::driver::Task;
use super::engine;
use super::engine::Engine;
use super::engine::EngineEvent;
use super::engine::OPUS_TYPE;
use super::engine::VP8_TYPE;
use super::error::RtcError;
use super::peer;
use super::peer::PeerConfig;
use super::peer::PeerState;
use super::signal;
use super::signal::SessionFacts;
use super::stats::PeerStats;
use crate::model::Level;
use crate::model::TrackId;
use crate::model::TrackKind;

/// Commands from the handle to the task; when full, callers wait.
const COMMANDS: usize = 16;
/// Frames from all sinks to the task: 1.28 s of one microphone. When full, the newest is
/// refused, which the sink's caller sees.
const FRAMES: usize = 64;
/// Messages from the data sink to the task; when full, senders wait.
const MESSAGES: usize = 64;
/// Bytes handed to SCTP and not yet acknowledged; beyond it, messages wait in their queue.
const MAX_OUTSTANDING: usize = 256 * 1024;
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
    track: u64,
    audio: EncodedAudio,
    level: Option<u8>,
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
        let frame = Frame { track: self.track, audio, level };
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
        let role = Publishing::new(engine, state_sender);
        let inputs = Inputs {
            commands: command_queue,
            frames: Some(frame_queue),
            messages: Some(message_queue),
        };
        let task = Task::spawn(role, sockets, inputs, Outbox::new(None));
        Ok(Self { commands, frames, messages, state, task })
    }

    /// Adds an Opus track. It is sent once an offer made after this has been answered.
    ///
    /// # Errors
    ///
    /// [`RtcError::TooManyTracks`], or [`RtcError::Closed`].
    pub async fn add_audio_track(&self) -> Result<AudioSink, RtcError> {
        let track = self.call(|reply| Command::AddTrack(TrackKind::Audio, reply)).await?;
        let level = Arc::new(AtomicI16::new(NO_LEVEL));
        Ok(AudioSink { track, frames: self.frames.clone(), level })
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
    pub async fn remove_track(&self, sink: &AudioSink) -> Result<(), RtcError> {
        let track = sink.track;
        self.call(|reply| Command::RemoveTrack(track, reply)).await
    }

    /// The track's id in the room: the `mid` of its m-line, once an offer was made with it.
    ///
    /// # Errors
    ///
    /// [`RtcError::UnknownTrack`] if it was removed.
    pub async fn track_id(&self, sink: &AudioSink) -> Result<Option<TrackId>, RtcError> {
        let track = sink.track;
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

type Reply<T> = oneshot::Sender<Result<T, RtcError>>;

enum Command {
    AddTrack(TrackKind, Reply<u64>),
    RemoveTrack(u64, Reply<()>),
    TrackId(u64, Reply<Option<TrackId>>),
    AddChannel(Reply<()>),
    Offer { restart: bool, reply: Reply<String> },
    Answer { sdp: String, reply: Reply<()> },
    Stats(Reply<PeerStats>),
}

struct LocalTrack {
    kind: TrackKind,
    /// Index of the engine's transceiver.
    index: usize,
    /// The engine's name for it.
    name: String,
    ssrc: u32,
    sequence: u16,
    mid: Option<Bytes>,
    /// As answered; `None` until then, and while the SFU does not want it.
    payload_type: Option<u8>,
}

struct Publishing {
    engine: Engine,
    state: watch::Sender<PeerState>,
    tracks: HashMap<u64, LocalTrack>,
    /// M-lines made so far; they are reused, never removed.
    lines: HashMap<TrackKind, usize>,
    /// Numbers given to tracks so far.
    named: u64,
    channel: Option<RTCDataChannelId>,
    channel_open: bool,
    offering: bool,
    /// What our last offer said.
    offered: SessionFacts,
    answered: SessionFacts,
    dropped: u64,
}

impl Publishing {
    fn new(engine: Engine, state: watch::Sender<PeerState>) -> Self {
        Self {
            engine,
            state,
            tracks: HashMap::new(),
            lines: HashMap::new(),
            named: 0,
            channel: None,
            channel_open: false,
            offering: false,
            offered: SessionFacts::default(),
            answered: SessionFacts::default(),
            dropped: 0,
        }
    }

    fn add_track(&mut self, kind: TrackKind) -> Result<u64, RtcError> {
        if self.tracks.len() >= MAX_TRACKS {
            return Err(RtcError::TooManyTracks { max: MAX_TRACKS });
        }
        let (codec_kind, codec) = match kind {
            TrackKind::Audio => (RtpCodecKind::Audio, engine::codec(OPUS_TYPE)),
            TrackKind::Video => (RtpCodecKind::Video, engine::codec(VP8_TYPE)),
            TrackKind::Data => return Err(RtcError::UnknownTrack),
        };
        self.named += 1;
        let name = format!("track-{}", self.named);
        let ssrc = rand::random_range(1..u32::MAX);
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec: codec.rtp_codec,
            active: true,
            ..RTCRtpEncodingParameters::default()
        };
        let stream = "conclave".to_owned();
        let track =
            MediaStreamTrack::new(stream, name.clone(), name.clone(), codec_kind, vec![coding]);
        let index = self.place(kind, track)?;
        let sequence = rand::random_range(0..0x8000);
        let track = LocalTrack { kind, index, name, ssrc, sequence, mid: None, payload_type: None };
        self.tracks.insert(self.named, track);
        Ok(self.named)
    }

    /// Puts the track on an m-line that an earlier one has left, or on a new one.
    fn place(&mut self, kind: TrackKind, track: MediaStreamTrack) -> Result<usize, RtcError> {
        let connection = &mut self.engine.connection;
        let used = self.tracks.values().filter(|other| other.kind == kind).count();
        let lines = self.lines.entry(kind).or_default();
        if *lines > used {
            let sender = connection.add_track(track).map_err(RtcError::engine("reuse m-line"))?;
            return Ok(sender.into());
        }
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: Vec::new(),
            send_encodings: Vec::new(),
        };
        let index = connection
            .add_transceiver_from_track(track, Some(init))
            .map_err(RtcError::engine("new m-line"))?;
        *lines += 1;
        Ok(index)
    }

    fn remove_track(&mut self, track: u64) -> Result<(), RtcError> {
        let track = self.tracks.remove(&track).ok_or(RtcError::UnknownTrack)?;
        self.engine
            .connection
            .remove_track(track.index.into())
            .map_err(RtcError::engine("remove track"))
    }

    fn track_id(&self, track: u64) -> Result<Option<TrackId>, RtcError> {
        let track = self.tracks.get(&track).ok_or(RtcError::UnknownTrack)?;
        let text = track.mid.as_ref().map(|mid| String::from_utf8_lossy(mid).into_owned());
        Ok(text.map(TrackId))
    }

    fn add_channel(&mut self) -> Result<(), RtcError> {
        if self.channel.is_some() {
            return Ok(());
        }
        let channel = self
            .engine
            .connection
            .create_data_channel(CHANNEL_LABEL, None)
            .map_err(RtcError::engine("data channel"))?;
        self.channel = Some(channel.id());
        Ok(())
    }

    fn offer(&mut self, now: Instant, restart: bool) -> Result<String, RtcError> {
        if self.offering {
            self.engine.roll_back(now)?;
            self.offering = false;
        }
        let offer = self.engine.offer(now, restart)?;
        self.offering = true;
        self.offered = SessionFacts::parse(&offer)?;
        for track in self.tracks.values_mut() {
            let line = self.engine.connection.rtp_transceiver(track.index);
            track.mid = line.and_then(|line| line.mid().clone()).map(Bytes::from);
        }
        Ok(offer)
    }

    fn answer(&mut self, now: Instant, sdp: &str) -> Result<(), RtcError> {
        if !self.offering {
            return Err(RtcError::OutOfTurn("an answer without an offer"));
        }
        let facts = SessionFacts::parse(sdp)?;
        let description = RTCSessionDescription::answer(signal::answer_for_engine(sdp));
        self.engine.set_remote(now, description)?;
        self.offering = false;
        self.engine.configure_rtp(std::iter::once(VP8_TYPE), facts.reduced_rtcp());
        for track in self.tracks.values_mut() {
            let mid = track.mid.as_ref().and_then(|mid| std::str::from_utf8(mid).ok());
            let line = mid.and_then(|mid| facts.line(mid)).filter(|line| !line.rejected);
            track.payload_type = line
                .filter(|line| line.direction.receives())
                .and_then(|line| line.payload_types.first().copied());
        }
        self.answered = facts;
        Ok(())
    }

    fn stats(&mut self, now: Instant) -> PeerStats {
        let rtt = self.engine.ice_rtt(now);
        PeerStats::new(self.engine.totals(), self.dropped, rtt)
    }

    fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), PeerState::Connected | PeerState::Disconnected)
    }

    fn packet(&mut self, frame: Frame) -> Option<(String, rtc::rtp::Packet)> {
        let track = self.tracks.get_mut(&frame.track)?;
        let mut header = rtc::rtp::Header {
            version: 2,
            marker: frame.audio.marker,
            payload_type: track.payload_type?,
            sequence_number: track.sequence,
            timestamp: frame.audio.timestamp,
            ssrc: track.ssrc,
            ..rtc::rtp::Header::default()
        };
        let level = frame.level.map(|level| Bytes::copy_from_slice(&[level.min(127)]));
        let extensions = [
            (self.answered.mid_extension, track.mid.clone()),
            (self.answered.level_extension, level),
        ];
        for (id, value) in extensions {
            if let (Some(id), Some(value)) = (id, value) {
                header.set_extension(id, value).ok()?;
            }
        }
        track.sequence = track.sequence.wrapping_add(1);
        Some((track.name.clone(), rtc::rtp::Packet { header, payload: frame.audio.payload }))
    }
}

impl Role for Publishing {
    type Command = Command;
    type Event = Infallible;

    fn engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine)
    }

    fn handle_command(&mut self, now: Instant, command: Command, _: &mut Outbox<Infallible>) {
        // A caller that went away does not want its answer.
        match command {
            Command::AddTrack(kind, reply) => drop(reply.send(self.add_track(kind))),
            Command::RemoveTrack(track, reply) => drop(reply.send(self.remove_track(track))),
            Command::TrackId(track, reply) => drop(reply.send(self.track_id(track))),
            Command::AddChannel(reply) => drop(reply.send(self.add_channel())),
            Command::Offer { restart, reply } => drop(reply.send(self.offer(now, restart))),
            Command::Answer { sdp, reply } => drop(reply.send(self.answer(now, &sdp))),
            Command::Stats(reply) => drop(reply.send(Ok(self.stats(now)))),
        }
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) {
        match self.is_up().then(|| self.packet(frame)).flatten() {
            Some((track, packet)) => self.engine.send_rtp(now, track, packet),
            None => self.dropped = self.dropped.saturating_add(1),
        }
    }

    fn handle_message(&mut self, now: Instant, message: Bytes) {
        let Some(mut channel) = self.channel.and_then(|id| self.engine.connection.data_channel(id))
        else {
            return;
        };
        if let Err(error) = channel.send(now, BytesMut::from(message)) {
            tracing::debug!(%error, "data message refused");
        }
    }

    fn takes_messages(&mut self) -> bool {
        let channel = self.channel.filter(|_| self.channel_open);
        let channel = channel.and_then(|id| self.engine.connection.data_channel(id));
        channel.is_some_and(|channel| channel.outstanding_bytes() < MAX_OUTSTANDING)
    }

    fn pump(&mut self, _now: Instant, _: &mut Outbox<Infallible>) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                EngineEvent::State(state) => {
                    self.state.send_replace(state);
                }
                EngineEvent::ChannelOpen(id) if self.channel == Some(id) => {
                    self.channel_open = true
                }
                EngineEvent::ChannelClosed(id) if self.channel == Some(id) => {
                    self.channel_open = false;
                }
                EngineEvent::ChannelOpen(_) | EngineEvent::ChannelClosed(_) => {}
            }
        }
        // An SFU sends nothing to a publisher; were it to, it must not pile up.
        while self.engine.poll_rtp().is_some() {}
        while self.engine.poll_message().is_some() {}
    }

    fn on_end(&mut self) {
        self.state.send_replace(PeerState::Closed);
    }
}
