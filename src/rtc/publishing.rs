//! What a publisher's task does: the step function behind [`Publisher`](super::Publisher).

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use bytes::BytesMut;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodingParameters;
use rtc::rtp_transceiver::rtp_sender::RTCRtpEncodingParameters;
use rtc::rtp_transceiver::rtp_sender::RTCRtpRtxParameters;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::oneshot;
use tokio::sync::watch;
use webrtc::data_channel::RTCDataChannelId;
use webrtc::media_stream::MediaStreamTrack;
use webrtc::peer_connection::RTCSessionDescription;
use webrtc::rtp_transceiver::RTCRtpTransceiverDirection;
use webrtc::rtp_transceiver::RTCRtpTransceiverInit;

use super::data::CHANNEL_LABEL;
use super::driver::Role;
use super::engine::Engine;
use super::engine::EngineEvent;
use super::error::RtcError;
use super::filter;
use super::outbox::Outbox;
use super::pacer::Pacer;
use super::peer::PeerState;
use super::publisher::Content;
use super::publisher::EncodedAudio;
use super::publisher::Frame;
use super::publisher::MAX_TRACKS;
use super::settings;
use super::settings::OPUS_TYPE;
use super::settings::VP8_TYPE;
use super::signal::SessionFacts;
use super::stats::PeerStats;
use super::uplink::Uplink;
use super::video::EncodedVideo;
use super::video::VideoFeedback;
use crate::model::TrackId;
use crate::model::TrackKind;
use crate::model::VideoContent;

/// Bytes handed to SCTP and not yet acknowledged; beyond it, messages wait in their queue.
const MAX_OUTSTANDING: usize = 256 * 1024;

pub(super) type Reply<T> = oneshot::Sender<Result<T, RtcError>>;

/// What the handle asks of the task.
pub(super) enum Command {
    AddTrack(NewTrack, Reply<u64>),
    RemoveTrack(u64, Reply<()>),
    TrackId(u64, Reply<Option<TrackId>>),
    AddChannel(Reply<()>),
    Offer { restart: bool, reply: Reply<String> },
    Answer { sdp: String, reply: Reply<()> },
    Stats(Reply<PeerStats>),
}

/// A track to be added.
pub(super) enum NewTrack {
    Audio,
    Video(VideoContent, Arc<VideoFeedback>),
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
    /// Set for video.
    feedback: Option<Arc<VideoFeedback>>,
}

impl LocalTrack {
    fn want_key_frame(&self) {
        if let Some(feedback) = &self.feedback {
            feedback.want_key_frame();
        }
    }
}

/// The state of a publisher.
pub(super) struct Publishing {
    engine: Engine,
    state: watch::Sender<PeerState>,
    loss: Uplink,
    moves: watch::Sender<u64>,
    tracks: HashMap<u64, LocalTrack>,
    /// M-lines made so far; they are reused, never removed.
    lines: HashMap<TrackKind, usize>,
    /// Numbers given to tracks so far.
    named: u64,
    channel: Option<RTCDataChannelId>,
    channel_open: bool,
    offering: bool,
    /// What the last answer said.
    answered: SessionFacts,
    /// Packets of pictures on their way, each with the name of its track.
    pacer: Pacer<(String, rtc::rtp::Packet)>,
    dropped: u64,
}

impl Publishing {
    pub(super) fn new(
        engine: Engine,
        state: watch::Sender<PeerState>,
        loss: watch::Sender<u8>,
        moves: watch::Sender<u64>,
    ) -> Self {
        Self {
            engine,
            state,
            loss: Uplink::new(loss),
            moves,
            tracks: HashMap::new(),
            lines: HashMap::new(),
            named: 0,
            channel: None,
            channel_open: false,
            offering: false,
            answered: SessionFacts::default(),
            pacer: Pacer::new(),
            dropped: 0,
        }
    }

    fn add_track(&mut self, new: NewTrack) -> Result<u64, RtcError> {
        if self.tracks.len() >= MAX_TRACKS {
            return Err(RtcError::TooManyTracks { max: MAX_TRACKS });
        }
        let (kind, codec_kind, codec, word, feedback) = match new {
            NewTrack::Audio => {
                (TrackKind::Audio, RtpCodecKind::Audio, settings::codec(OPUS_TYPE), "track", None)
            }
            NewTrack::Video(content, feedback) => {
                let (codec, word) = (settings::codec(VP8_TYPE), content.label());
                (TrackKind::Video, RtpCodecKind::Video, codec, word, Some(feedback))
            }
        };
        self.named += 1;
        // It stands in the description as well, where an SFU may read what the track shows.
        let name = format!("{word}-{}", self.named);
        let ssrc = rand::random_range(1..u32::MAX - 1);
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                rtx: feedback.is_some().then_some(RTCRtpRtxParameters { ssrc: ssrc + 1 }),
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
        let (mid, payload_type) = (None, None);
        let track = LocalTrack { kind, index, name, ssrc, sequence, mid, payload_type, feedback };
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
            self.engine.release_data(now);
            self.offering = false;
        }
        let offer = self.engine.offer(now, restart)?;
        self.offering = true;
        if !self.answered.has_data() && SessionFacts::parse(&offer)?.has_data() {
            self.engine.hold_data();
        }
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
        let description = RTCSessionDescription::answer(filter::answer_for_engine(sdp));
        self.engine.set_remote(now, description)?;
        self.engine.release_data(now);
        self.offering = false;
        self.engine.configure_rtp(std::iter::once(VP8_TYPE), facts.reduced_rtcp());
        for track in self.tracks.values_mut() {
            let mid = track.mid.as_ref().and_then(|mid| std::str::from_utf8(mid).ok());
            let line = mid.and_then(|mid| facts.line(mid)).filter(|line| !line.rejected);
            track.payload_type = line
                .filter(|line| line.direction.receives())
                .and_then(|line| line.payload_types.first().copied());
            track.want_key_frame();
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

    /// Sends a picture, unless too much is on its way already.
    fn send_picture(&mut self, now: Instant, track: u64, picture: EncodedVideo) -> bool {
        let fits = self.pacer.has_room(picture.payloads.len());
        let last = picture.payloads.len().saturating_sub(1);
        let mut sent = fits;
        for (index, payload) in picture.payloads.into_iter().enumerate().filter(|_| fits) {
            let (timestamp, marker) = (picture.timestamp, index == last);
            match self.packet(track, (payload, timestamp, marker), None) {
                Some(packet) => self.pacer.push(packet),
                None => sent = false,
            }
        }
        if !sent && let Some(track) = self.tracks.get(&track) {
            track.want_key_frame();
        }
        self.pace(now);
        sent
    }

    fn pace(&mut self, now: Instant) {
        while let Some((track, packet)) = self.pacer.poll(now) {
            self.engine.send_rtp(now, track, packet);
        }
    }

    fn hear_wishes(&self) {
        let wishes = self.engine.poll_wishes();
        // What the SFU takes is for all pictures together.
        let videos = self.tracks.values().filter(|track| track.feedback.is_some()).count();
        for track in self.tracks.values() {
            if wishes.key_frames.contains(&track.ssrc) {
                track.want_key_frame();
            }
            if let (Some(feedback), Some(bitrate)) = (&track.feedback, wishes.bitrate) {
                feedback.set_bitrate(bitrate / videos as f32);
            }
        }
    }

    fn packet(
        &mut self,
        track: u64,
        (payload, timestamp, marker): (Bytes, u32, bool),
        level: Option<u8>,
    ) -> Option<(String, rtc::rtp::Packet)> {
        let track = self.tracks.get_mut(&track)?;
        let mut header = rtc::rtp::Header {
            version: 2,
            marker,
            payload_type: track.payload_type?,
            sequence_number: track.sequence,
            timestamp,
            ssrc: track.ssrc,
            ..rtc::rtp::Header::default()
        };
        let level = level.map(|level| Bytes::copy_from_slice(&[level.min(127)]));
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
        Some((track.name.clone(), rtc::rtp::Packet { header, payload }))
    }
}

impl Role for Publishing {
    type Command = Command;
    type Event = Infallible;

    fn engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine)
    }

    fn add_relay(&mut self, address: SocketAddr) {
        self.engine.add_relay(address);
    }

    fn handle_command(&mut self, now: Instant, command: Command, _: &mut Outbox<Infallible>) {
        // A caller that went away does not want its answer.
        match command {
            Command::AddTrack(new, reply) => drop(reply.send(self.add_track(new))),
            Command::RemoveTrack(track, reply) => drop(reply.send(self.remove_track(track))),
            Command::TrackId(track, reply) => drop(reply.send(self.track_id(track))),
            Command::AddChannel(reply) => drop(reply.send(self.add_channel())),
            Command::Offer { restart, reply } => drop(reply.send(self.offer(now, restart))),
            Command::Answer { sdp, reply } => drop(reply.send(self.answer(now, &sdp))),
            Command::Stats(reply) => drop(reply.send(Ok(self.stats(now)))),
        }
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) {
        let Frame { track, content } = frame;
        let sent = self.is_up()
            && match content {
                Content::Audio(EncodedAudio { payload, timestamp, marker }, level) => {
                    match self.packet(track, (payload, timestamp, marker), level) {
                        Some((track, packet)) => {
                            self.engine.send_rtp(now, track, packet);
                            true
                        }
                        None => false,
                    }
                }
                Content::Video(picture) => self.send_picture(now, track, picture),
            };
        if !sent {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.pacer.due()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.pace(now);
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
                    // What was written before it was up is lost, and others refer to it.
                    self.tracks.values().for_each(LocalTrack::want_key_frame);
                    self.state.send_replace(state);
                }
                EngineEvent::ChannelOpen(id) if self.channel == Some(id) => {
                    self.channel_open = true
                }
                EngineEvent::ChannelClosed(id) if self.channel == Some(id) => {
                    self.channel_open = false;
                }
                EngineEvent::ChannelOpen(_) | EngineEvent::ChannelClosed(_) => {}
                EngineEvent::Moved => self.moves.send_modify(|moves| *moves += 1),
            }
        }
        self.hear_wishes();
        let totals = self.engine.totals();
        self.loss.observe(totals.remote_reports, totals.remote_fraction);
        // An SFU sends nothing to a publisher; were it to, it must not pile up.
        while self.engine.poll_rtp().is_some() {}
        while self.engine.poll_message().is_some() {}
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        // However the task ended, whoever watches must learn that it did.
        self.state.send_replace(PeerState::Closed);
    }
}
