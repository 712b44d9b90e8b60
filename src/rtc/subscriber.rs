//! The connection that receives: the SFU offers, we answer (streams.md §9.5, §9.6, §10.3).
//!
//! An m-line belongs to whoever its `msid` names in the last offer, and that changes: lines go
//! inactive and come back for somebody else. So every offer is read anew, tracks begin and end
//! with what it says, and packets are placed by `mid` and source, never by what the engine
//! remembers of a line.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::RTCDtlsRole;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::data::CHANNEL_LABEL;
use super::driver::Inputs;
use super::driver::Outbox;
use super::driver::Role;
use super::driver::Task;
use super::engine::Engine;
use super::engine::EngineEvent;
use super::error::RtcError;
use super::peer;
use super::peer::PeerConfig;
use super::peer::PeerState;
use super::publisher::Frame;
use super::rtp::sequence::SequenceExtender;
use super::rtp::tap::Inbound;
use super::signal;
use super::signal::MediaLine;
use super::signal::SessionFacts;
use super::signal::Setup;
use super::stats::PeerStats;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackKind;

/// Commands from the handle to the task; when full, callers wait.
const COMMANDS: usize = 16;
/// Events from the task to the application: 0.4 s of 50 speakers. When full, packets are dropped
/// (and counted), data channels make their senders wait, and everything else waits its turn.
const EVENTS: usize = 1024;
/// Sources whose line is remembered. Beyond it a packet needs the `mid` extension to be placed.
const MAX_SOURCES: usize = 512;
/// Data channels whose stream is remembered; Janus opens up to 150.
const MAX_CHANNELS: usize = 256;

/// What a subscriber tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriberEvent {
    /// A line carries this stream from now on.
    Track {
        /// Whose media it is.
        stream_id: StreamId,
        /// The line.
        mid: TrackId,
        /// What it carries.
        kind: TrackKind,
    },
    /// A line does not carry this stream any more.
    TrackEnded {
        /// Whose media it was.
        stream_id: StreamId,
        /// The line.
        mid: TrackId,
        /// What it carried.
        kind: TrackKind,
    },
    /// One packet, in order of arrival.
    Rtp {
        /// Whose media it is.
        stream_id: StreamId,
        /// The line.
        mid: TrackId,
        /// What it is.
        kind: TrackKind,
        /// Sequence number, extended to 64 bits, increasing over the life of the line.
        seq: u64,
        /// RTP timestamp.
        timestamp: u32,
        /// RTP marker: first of a talk spurt, last of a picture.
        marker: bool,
        /// RTP payload.
        payload: Bytes,
        /// When it arrived.
        arrival: Instant,
    },
    /// One data message.
    Data {
        /// Who sent it.
        stream_id: StreamId,
        /// The message.
        payload: Bytes,
    },
    /// The connection changed its state.
    State(PeerState),
}

/// The connection that receives. Dropping it closes it without waiting.
pub struct Subscriber {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<PeerState>,
    task: Task,
}

impl Subscriber {
    /// Binds sockets and starts the task. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`RtcError::NoAddress`] or [`RtcError::Socket`] if nothing can be bound.
    pub fn new(config: &PeerConfig) -> Result<(Self, mpsc::Receiver<SubscriberEvent>), RtcError> {
        let sockets = peer::bind(config)?;
        let addresses = sockets.iter().map(|listening| listening.address).collect();
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (events, event_queue) = mpsc::channel(EVENTS);
        let (state_sender, state) = watch::channel(PeerState::New);
        let role = Subscribing::new(addresses, state_sender);
        let inputs = Inputs { commands: command_queue, frames: None, messages: None };
        let task = Task::spawn(role, sockets, inputs, Outbox::new(Some(events)));
        Ok((Self { commands, state, task }, event_queue))
    }

    /// Answers an offer of the SFU, the first or a later one.
    ///
    /// Tracks that the offer brings or takes away are announced before this returns; packets of
    /// a track only come after its announcement.
    ///
    /// # Errors
    ///
    /// [`RtcError::Sdp`] or [`RtcError::Engine`] if the offer is unusable; everything stays as it
    /// was. [`RtcError::Closed`].
    pub async fn answer(&self, offer: &str) -> Result<String, RtcError> {
        let offer = offer.to_owned();
        self.call(|reply| Command::Answer { offer, reply }).await
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

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

type Reply<T> = oneshot::Sender<Result<T, RtcError>>;

enum Command {
    Answer { offer: String, reply: Reply<String> },
    Stats(Reply<PeerStats>),
}

/// Who owns a line: stream id and the track part of `msid`.
type Owner = (StreamId, String);

struct Line {
    mid: TrackId,
    kind: TrackKind,
    owner: Option<Owner>,
    /// As answered.
    payload_types: Vec<u8>,
    source: Option<u32>,
    sequence: SequenceExtender,
}

struct Subscribing {
    engine: Option<Engine>,
    addresses: Vec<SocketAddr>,
    state: watch::Sender<PeerState>,
    lines: HashMap<String, Line>,
    /// Source to line, as declared in the last offer or seen in packets since.
    sources: HashMap<u32, String>,
    mid_extension: Option<u8>,
    /// `None` for channels that are nobody's, such as our own bootstrap channel.
    channels: HashMap<RTCDataChannelId, Option<StreamId>>,
    dropped: u64,
}

impl Subscribing {
    fn new(addresses: Vec<SocketAddr>, state: watch::Sender<PeerState>) -> Self {
        Self {
            engine: None,
            addresses,
            state,
            lines: HashMap::new(),
            sources: HashMap::new(),
            mid_extension: None,
            channels: HashMap::new(),
            dropped: 0,
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        offer: &str,
        out: &mut Outbox<SubscriberEvent>,
    ) -> Result<String, RtcError> {
        let facts = SessionFacts::parse(offer)?;
        let mut fresh = None;
        let engine = match &mut self.engine {
            Some(engine) => engine,
            None => fresh.insert(start(now, &self.addresses, &facts)?),
        };
        let answer = negotiate(engine, now, offer)?;
        let answer = signal::answer_for_peer(&answer, &facts);
        let answered = SessionFacts::parse(&answer)?;
        let video = answered.lines.iter().filter(|line| line.kind == TrackKind::Video);
        let video_types = video.flat_map(|line| line.payload_types.iter().copied());
        engine.configure_rtp(video_types, facts.reduced_rtcp());
        if fresh.is_some() {
            self.engine = fresh;
        }
        self.bind(&facts, &answered, out);
        Ok(answer)
    }

    /// Makes lines belong to whom the offer says.
    fn bind(
        &mut self,
        offered: &SessionFacts,
        answered: &SessionFacts,
        out: &mut Outbox<SubscriberEvent>,
    ) {
        self.mid_extension = offered.mid_extension;
        self.sources.clear();
        for line in offered.lines.iter().filter(|line| line.kind != TrackKind::Data) {
            self.rebind(line, out);
            if let Some(bound) = self.lines.get_mut(&line.mid) {
                let answer = answered.line(&line.mid).filter(|line| !line.rejected);
                bound.payload_types =
                    answer.map(|line| line.payload_types.clone()).unwrap_or_default();
            }
            if line.direction.sends() {
                let sources = line.sources.iter().map(|source| (*source, line.mid.clone()));
                self.sources.extend(sources.take(MAX_SOURCES.saturating_sub(self.sources.len())));
            }
        }
        // Lines are never removed (RFC 3264 §8), but a peer that does it must not leave ghosts.
        let gone = |mid: &String| offered.line(mid).is_none();
        for line in self.lines.extract_if(|mid, _| gone(mid)).map(|(_, line)| line) {
            end(&line, out);
        }
    }

    fn rebind(&mut self, line: &MediaLine, out: &mut Outbox<SubscriberEvent>) {
        let track = line.msid.as_ref().map(|(_, track)| track.clone()).unwrap_or_default();
        let owner = line.stream_id().map(|stream_id| (stream_id, track));
        let bound = self.lines.entry(line.mid.clone()).or_insert_with(|| Line {
            mid: TrackId(line.mid.clone()),
            kind: line.kind,
            owner: None,
            payload_types: Vec::new(),
            source: None,
            sequence: SequenceExtender::default(),
        });
        if bound.owner == owner {
            return;
        }
        end(bound, out);
        if let (Some(source), Some(engine)) = (bound.source.take(), &self.engine) {
            engine.forget_source(source);
        }
        bound.owner = owner;
        if let Some((stream_id, _)) = &bound.owner {
            let (stream_id, mid, kind) = (*stream_id, bound.mid.clone(), bound.kind);
            out.must(SubscriberEvent::Track { stream_id, mid, kind });
        }
    }

    fn route(&mut self, inbound: Inbound) -> Option<SubscriberEvent> {
        let header = &inbound.packet.header;
        let mid = self.find_line(header)?;
        let line = self.lines.get_mut(&mid)?;
        let (stream_id, _) = line.owner.as_ref()?;
        if !line.payload_types.contains(&header.payload_type) || inbound.packet.payload.is_empty() {
            return None;
        }
        let same_source = line.source == Some(header.ssrc);
        let replaced = line.source.replace(header.ssrc).is_some_and(|_| !same_source);
        // A new owner or a new source has numbers of its own.
        let seq = if same_source || line.sequence.highest().is_none() {
            line.sequence.extend(header.sequence_number)
        } else {
            line.sequence.restart(header.sequence_number)
        };
        if replaced {
            tracing::debug!(mid, "the source of a line was replaced");
        }
        Some(SubscriberEvent::Rtp {
            stream_id: *stream_id,
            mid: line.mid.clone(),
            kind: line.kind,
            seq,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: inbound.packet.payload,
            arrival: inbound.arrival,
        })
    }

    /// The line of a packet: by its `mid`, by its source, or because only one can carry it.
    fn find_line(&mut self, header: &rtc::rtp::Header) -> Option<String> {
        if let Some(value) = self.mid_extension.and_then(|id| header.get_extension(id))
            && let Some(mid) =
                std::str::from_utf8(&value).ok().filter(|mid| self.lines.contains_key(*mid))
        {
            let room = self.sources.len() < MAX_SOURCES;
            if room && self.sources.get(&header.ssrc).is_none_or(|known| known != mid) {
                self.sources.insert(header.ssrc, mid.to_owned());
            }
            return Some(mid.to_owned());
        }
        if let Some(mid) = self.sources.get(&header.ssrc) {
            return Some(mid.clone());
        }
        let fits = |line: &&Line| {
            line.owner.is_some() && line.payload_types.contains(&header.payload_type)
        };
        let mut candidates = self.lines.values().filter(fits);
        let only = candidates.next()?;
        candidates.next().is_none().then(|| only.mid.0.clone())
    }

    /// Whose messages come on a channel: its label says it (streams.md §10.5).
    fn stream_of(&mut self, channel: RTCDataChannelId) -> Option<StreamId> {
        if let Some(known) = self.channels.get(&channel) {
            return *known;
        }
        let label = self.engine.as_mut()?.connection.data_channel(channel)?.label().to_owned();
        let digits = !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
        let stream = digits.then(|| label.parse().ok().map(StreamId)).flatten();
        if self.channels.len() < MAX_CHANNELS {
            self.channels.insert(channel, stream);
        }
        stream
    }

    fn on_event(&mut self, event: EngineEvent, out: &mut Outbox<SubscriberEvent>) {
        match event {
            EngineEvent::State(state) => {
                self.state.send_replace(state);
                out.must(SubscriberEvent::State(state));
            }
            EngineEvent::ChannelOpen(channel) => {
                self.stream_of(channel);
            }
            EngineEvent::ChannelClosed(channel) => {
                self.channels.remove(&channel);
            }
        }
    }

    fn stats(&mut self, now: Instant, dropped: u64) -> PeerStats {
        let dropped = self.dropped.saturating_add(dropped);
        let Some(engine) = &mut self.engine else {
            return PeerStats::default();
        };
        let rtt = engine.ice_rtt(now);
        PeerStats::new(engine.totals(), dropped, rtt)
    }
}

/// The engine for a first offer, with the bootstrap channel that gets SCTP going.
fn start(now: Instant, addresses: &[SocketAddr], offer: &SessionFacts) -> Result<Engine, RtcError> {
    // Beginning the handshake ourselves is faster. But as its client the engine starts SCTP only
    // right after the handshake, and never listens: without a data line in the first offer, a
    // later one would be dead. So then the SFU has to begin.
    let role = match offer.setup {
        Setup::Active => RTCDtlsRole::Server,
        Setup::Passive => RTCDtlsRole::Client,
        Setup::ActPass if offer.has_data() => RTCDtlsRole::Client,
        Setup::ActPass => RTCDtlsRole::Server,
    };
    let mut engine = Engine::new(now, addresses, role)?;
    engine
        .connection
        .create_data_channel(CHANNEL_LABEL, None)
        .map_err(RtcError::engine("bootstrap channel"))?;
    Ok(engine)
}

fn negotiate(engine: &mut Engine, now: Instant, offer: &str) -> Result<String, RtcError> {
    let description = RTCSessionDescription::offer(signal::offer_for_engine(offer));
    let answer = engine.set_remote(now, description).and_then(|()| engine.answer(now));
    if answer.is_err() {
        // Back to what was agreed last. Where that fails nothing was begun.
        if let Err(error) = engine.roll_back(now) {
            tracing::debug!(%error, "nothing to roll back");
        }
    }
    answer
}

fn end(line: &Line, out: &mut Outbox<SubscriberEvent>) {
    if let Some((stream_id, _)) = &line.owner {
        let (stream_id, mid, kind) = (*stream_id, line.mid.clone(), line.kind);
        out.must(SubscriberEvent::TrackEnded { stream_id, mid, kind });
    }
}

impl Role for Subscribing {
    type Command = Command;
    type Event = SubscriberEvent;

    fn engine(&mut self) -> Option<&mut Engine> {
        self.engine.as_mut()
    }

    fn handle_command(
        &mut self,
        now: Instant,
        command: Command,
        out: &mut Outbox<SubscriberEvent>,
    ) {
        // A caller that went away does not want its answer.
        match command {
            Command::Answer { offer, reply } => drop(reply.send(self.answer(now, &offer, out))),
            Command::Stats(reply) => drop(reply.send(Ok(self.stats(now, out.dropped)))),
        }
    }

    fn handle_frame(&mut self, _now: Instant, _frame: Frame) {}

    fn handle_message(&mut self, _now: Instant, _message: Bytes) {}

    fn takes_messages(&mut self) -> bool {
        false
    }

    fn pump(&mut self, _now: Instant, out: &mut Outbox<SubscriberEvent>) {
        while let Some(event) = self.engine.as_mut().and_then(Engine::poll_event) {
            self.on_event(event, out);
        }
        while let Some(inbound) = self.engine.as_mut().and_then(Engine::poll_rtp) {
            match self.route(inbound) {
                Some(event) => out.may(event),
                None => self.dropped = self.dropped.saturating_add(1),
            }
        }
        while !out.is_blocked()
            && let Some(message) = self.engine.as_mut().and_then(Engine::poll_message)
        {
            if let Some(stream_id) = self.stream_of(message.channel) {
                let payload = message.payload.freeze();
                out.must(SubscriberEvent::Data { stream_id, payload });
            }
        }
    }

    fn on_end(&mut self) {
        self.state.send_replace(PeerState::Closed);
    }
}
