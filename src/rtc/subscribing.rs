//! What a subscriber's task does: the step function behind [`Subscriber`](super::Subscriber).
//!
//! An m-line belongs to whoever its `msid` names in the last offer, and that changes: lines go
//! inactive and come back for somebody else. So every offer is read anew, tracks begin and end
//! with what it says, and packets are placed by `mid` and source, never by what the engine
//! remembers of a line.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use rtc::peer_connection::transport::RTCDtlsRole;
use tokio::sync::oneshot;
use tokio::sync::watch;
use webrtc::data_channel::RTCDataChannelId;
use webrtc::peer_connection::RTCSessionDescription;

use super::data::CHANNEL_LABEL;
use super::driver::Role;
use super::engine::Engine;
use super::engine::EngineEvent;
use super::error::RtcError;
use super::filter;
use super::outbox::Outbox;
use super::peer::PeerState;
use super::publisher::Frame;
use super::rtp::sequence::SequenceExtender;
use super::rtp::tap::Inbound;
use super::signal::MediaLine;
use super::signal::SessionFacts;
use super::signal::Setup;
use super::stats::PeerStats;
use super::subscriber::SubscriberEvent;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackKind;

/// Sources whose line is remembered. Beyond it a packet needs the `mid` extension to be placed.
const MAX_SOURCES: usize = 512;
/// Data channels whose stream is remembered; Janus opens up to 150.
const MAX_CHANNELS: usize = 256;

pub(super) type Reply<T> = oneshot::Sender<Result<T, RtcError>>;

/// What the handle asks of the task.
pub(super) enum Command {
    Answer { offer: String, reply: Reply<String> },
    RequestKeyframe { mid: TrackId, reply: Reply<()> },
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

/// The state of a subscriber.
pub(super) struct Subscribing {
    engine: Option<Engine>,
    addresses: Vec<SocketAddr>,
    /// Relayed addresses known before the first offer; at most one per server.
    relays: Vec<SocketAddr>,
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
    pub(super) fn new(addresses: Vec<SocketAddr>, state: watch::Sender<PeerState>) -> Self {
        Self {
            engine: None,
            addresses,
            relays: Vec::new(),
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
            None => {
                let engine = fresh.insert(start(now, &self.addresses, &facts)?);
                self.relays.iter().for_each(|relay| engine.add_relay(*relay));
                engine
            }
        };
        let answer = negotiate(engine, now, offer)?;
        let answer = filter::answer_for_peer(&answer, &facts);
        let answered = SessionFacts::parse(&answer)?;
        let video = answered.lines.iter().filter(|line| line.kind == TrackKind::Video);
        let video_types = video.flat_map(|line| line.payload_types.iter().copied());
        engine.configure_rtp(video_types, facts.reduced_rtcp());
        let flows = facts.lines.iter().flat_map(|line| line.repairs.iter().copied());
        let types = answered.lines.iter().flat_map(|line| line.repair_types.iter().copied());
        engine.configure_repair(flows.take(MAX_SOURCES).collect(), types.collect());
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
                bound.payload_types = answer.map(media_types).unwrap_or_default();
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
            let track = bound.owner.as_ref().map(|(_, track)| TrackId(track.clone()));
            let track = track.unwrap_or_default();
            out.must(SubscriberEvent::Track { stream_id, track, mid, kind });
        }
    }

    fn route(&mut self, inbound: Inbound) -> Option<SubscriberEvent> {
        let header = &inbound.packet.header;
        let mid = self.find_line(header)?;
        let line = self.lines.get_mut(&mid)?;
        let (stream_id, _) = line.owner.as_ref()?;
        // Of video, padding counts: its number would be missed.
        let padding = inbound.packet.payload.is_empty() && line.kind != TrackKind::Video;
        if !line.payload_types.contains(&header.payload_type) || padding {
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
            // The SFU is in control of this path, and sees it as well.
            EngineEvent::Moved => {}
        }
    }

    fn request_keyframe(&mut self, now: Instant, mid: &TrackId) -> Result<(), RtcError> {
        let line = self.lines.get(mid.as_str()).ok_or(RtcError::UnknownTrack)?;
        if let (Some(source), Some(engine)) = (line.source, &mut self.engine) {
            engine.request_keyframe(now, source);
        }
        Ok(())
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

/// The payload types of a line without those of repeated packets.
fn media_types(line: &MediaLine) -> Vec<u8> {
    let repair = |kind: &u8| line.repair_types.iter().any(|(repair, _)| repair == kind);
    line.payload_types.iter().copied().filter(|kind| !repair(kind)).collect()
}

fn negotiate(engine: &mut Engine, now: Instant, offer: &str) -> Result<String, RtcError> {
    let description = RTCSessionDescription::offer(filter::offer_for_engine(offer));
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

    fn add_relay(&mut self, address: SocketAddr) {
        match &mut self.engine {
            Some(engine) => engine.add_relay(address),
            None => self.relays.push(address),
        }
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
            Command::RequestKeyframe { mid, reply } => {
                drop(reply.send(self.request_keyframe(now, &mid)));
            }
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
}

impl Drop for Subscribing {
    fn drop(&mut self) {
        // However the task ended, whoever watches must learn that it did.
        self.state.send_replace(PeerState::Closed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use tokio::sync::mpsc;

    use super::*;
    use crate::rtc::signal::Direction;
    use crate::rtc::signal::tests::OFFER;
    use crate::rtc::signal::tests::mutated;

    fn role() -> Subscribing {
        let address = SocketAddr::from(([127, 0, 0, 1], 40_000));
        Subscribing::new(vec![address], watch::channel(PeerState::New).0)
    }

    #[test]
    fn an_offer_of_janus_is_answered_line_by_line() {
        let (events, mut received) = mpsc::channel(16);
        let mut out = Outbox::new(Some(events));
        let mut role = role();
        let answer = role.answer(Instant::now(), OFFER, &mut out).unwrap();
        let facts = SessionFacts::parse(&answer).unwrap();
        let lines: Vec<_> =
            facts.lines.iter().map(|line| (&line.mid[..], line.direction)).collect();
        let expected = [
            ("0", Direction::RecvOnly),
            ("1", Direction::RecvOnly),
            ("2", Direction::Inactive),
            ("3", Direction::SendRecv),
        ];
        assert_eq!(lines, expected, "{answer}");
        assert_eq!(facts.lines[0].payload_types, [111]);
        assert_eq!(facts.lines[1].repair_types, [(97, 96)], "what is sent again is understood");
        assert_eq!(facts.setup, Setup::Active);
        for (mid, kind, track) in [("0", TrackKind::Audio, "mic"), ("1", TrackKind::Video, "cam")] {
            let (stream_id, mid, track) = (StreamId(4711), mid.into(), track.into());
            let event = SubscriberEvent::Track { stream_id, track, mid, kind };
            assert_eq!(received.try_recv(), Ok(event));
        }
        assert!(received.try_recv().is_err());
    }

    #[test]
    fn padding_is_passed_on_where_its_number_counts() {
        let mut role = role();
        role.answer(Instant::now(), OFFER, &mut Outbox::new(None)).unwrap();
        let mut passes = |ssrc, payload_type, payload: &'static [u8]| {
            let header = rtc::rtp::Header { ssrc, payload_type, ..rtc::rtp::Header::default() };
            let packet = rtc::rtp::Packet { header, payload: Bytes::from_static(payload) };
            role.route(Inbound { packet, arrival: Instant::now() }).is_some()
        };
        assert!(passes(200, 96, b"picture") && passes(200, 96, b""));
        assert!(passes(100, 111, b"sound") && !passes(100, 111, b""));
    }

    proptest! {
        #[test]
        fn no_offer_makes_the_engine_panic(first in mutated(), second in mutated()) {
            let mut out = Outbox::new(None);
            let mut role = role();
            let now = Instant::now();
            let _ = role.answer(now, &first, &mut out);
            let _ = role.answer(now, &second, &mut out);
            let answered = role.answer(now, OFFER, &mut out);
            // What was refused must not stand in the way of what is right, unless an earlier
            // offer was taken and this one contradicts it.
            if role.lines.is_empty() {
                prop_assert!(answered.is_ok(), "{answered:?}");
            }
        }

        #[test]
        fn no_datagram_makes_the_engine_panic(
            datagrams in prop::collection::vec((0u8..255, prop::collection::vec(any::<u8>(), 0..200)), 0..40),
        ) {
            let mut out = Outbox::new(None);
            let mut role = role();
            let now = Instant::now();
            role.answer(now, OFFER, &mut out).unwrap();
            let from = SocketAddr::from(([192, 0, 2, 1], 40_000));
            let to = role.addresses[0];
            for (first, mut datagram) in datagrams {
                // Mostly what looks like STUN, DTLS, RTP or RTCP from outside.
                let kinds = [0u8, 1, 20, 22, 23, 128, 129, first];
                datagram.insert(0, kinds[usize::from(first) % kinds.len()]);
                let engine = role.engine.as_mut().unwrap();
                engine.handle_datagram(now, to, from, &datagram);
                engine.handle_timeout(now);
                role.pump(now, &mut out);
                while role.engine.as_mut().unwrap().poll_transmit().is_some() {}
            }
        }
    }
}
