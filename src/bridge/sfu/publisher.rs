//! A publisher: answers its offers, and knows its tracks and who receives them
//! (streams.md §10.2).

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use str0m::bwe::Bitrate;
use str0m::change::SdpOffer;
use str0m::media::KeyframeRequestKind;
use str0m::media::Mid;
use str0m::rtp::RtpPacket;

use super::connection::Connection;
use super::connection::Endpoint;
use super::error::SfuError;
use super::keyframe::KeyframeRation;
use super::record::Recorded;
use super::sdp::Description;
use super::sdp::LineKind;
use super::sdp::MediaKind;
use super::sdp::Negotiated;
use super::sdp::OfferedLine;
use super::sdp::PublisherOffer;
use super::sdp::Setup;
use super::subscriber::Feed;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamTrackInfo;
use crate::model::TrackId;
use crate::model::TrackKind;
use crate::model::UserId;

/// Different SSRCs of one connection beyond which it is taken for an attack: each one leaves a
/// trace in the library for as long as the connection lives.
const MAX_SSRCS: usize = 256;

/// Tracks of one connection in its whole life: the library never forgets one. Clients use the
/// line of a track that ended for the next one.
const MAX_LIBRARY_LINES: usize = 256;

/// Data channels that a client may open on one connection (streams.md §10.2).
const MAX_CHANNELS: usize = 150;

/// How often a video publisher is told its bit rate (streams.md §10.2).
const BITRATE_INTERVAL: Duration = Duration::from_secs(5);

/// Somebody who receives a track: the session and the index of its m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) session: SessionId,
    pub(super) line: usize,
}

/// State of one publisher.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) user: UserId,
    pub(super) stream: StreamId,
    /// Subscribers may come: the connection has been up.
    pub(super) announced: bool,
    /// Who wants the messages.
    pub(super) listeners: Vec<SessionId>,
    /// The lines of the last offer.
    lines: Vec<OfferedLine>,
    /// Every supported line in the order in which the library met them.
    library_lines: Vec<OfferedLine>,
    negotiated: Negotiated,
    setup: Option<Setup>,
    version: u64,
    media: HashMap<Mid, Media>,
    mids: HashMap<u32, Mid>,
    ssrcs: HashSet<u32>,
    channels: usize,
}

/// One track that carries RTP.
#[derive(Debug)]
struct Media {
    kind: LineKind,
    /// Where its packets come from now: another source after the track was replaced.
    source: Option<u32>,
    legs: Vec<Leg>,
    ration: KeyframeRation,
    bitrate_told_at: Option<Instant>,
}

impl Publisher {
    pub(super) fn new(user: UserId, stream: StreamId) -> Self {
        Self {
            user,
            stream,
            announced: false,
            listeners: Vec::new(),
            lines: Vec::new(),
            library_lines: Vec::new(),
            negotiated: Negotiated::default(),
            setup: None,
            version: 0,
            media: HashMap::new(),
            mids: HashMap::new(),
            ssrcs: HashSet::new(),
            channels: 0,
        }
    }

    /// Takes an offer, the first or a later one, and answers it.
    pub(super) fn answer(
        &mut self,
        description: &Description<'_>,
        session: SessionId,
        connection: &mut Connection,
        endpoint: &Endpoint,
        now: Instant,
    ) -> Result<String, SfuError> {
        let mut negotiated = self.negotiated.clone();
        let offer =
            PublisherOffer::read(description, &mut negotiated).map_err(SfuError::InvalidSdp)?;
        let library_lines = self.merge(&offer.lines)?;
        let setup = *self.setup.get_or_insert_with(|| offer.setup());
        let reduced = offer.write_reduced(&library_lines, setup);
        let before = connection.credentials().ufrag;
        let accepted = connection.run(|rtc| {
            let parsed = SdpOffer::from_sdp_string(&reduced).map_err(|_| ())?;
            rtc.sdp_api().accept_offer(parsed).map_err(|error| {
                tracing::debug!(%error, "offer refused by the library");
            })
        });
        match accepted {
            Some(Ok(_)) => {}
            Some(Err(())) => return Err(SfuError::InvalidSdp("refused by the media library")),
            None => return Err(SfuError::InvalidSdp("breaks the media library")),
        }
        connection.expect(now);
        if connection.credentials().ufrag != before {
            connection.expect_path(now, true);
        }
        self.negotiated = negotiated;
        self.library_lines = library_lines;
        self.lines.clone_from(&offer.lines);
        self.version += 1;
        self.refresh_media();
        let local = connection.local(endpoint, setup);
        Ok(offer.write_answer(&local, session.0, self.version))
    }

    /// The library's lines after an offer of `lines`: those known, silenced where they are
    /// gone, and then those that are new.
    fn merge(&self, lines: &[OfferedLine]) -> Result<Vec<OfferedLine>, SfuError> {
        let mut merged = Vec::with_capacity(lines.len());
        for known in &self.library_lines {
            let same = lines.iter().find(|line| line.mid == known.mid);
            if same.is_some_and(|line| line.kind != known.kind) {
                return Err(SfuError::InvalidSdp("m-line changes its kind"));
            }
            match same.filter(|line| line.is_supported()) {
                Some(line) => merged.push(line.clone()),
                None => merged.push(known.silenced()),
            }
        }
        let unknown = |line: &&OfferedLine| {
            line.is_supported() && !self.library_lines.iter().any(|known| known.mid == line.mid)
        };
        merged.extend(lines.iter().filter(unknown).cloned());
        if merged.len() > MAX_LIBRARY_LINES {
            return Err(SfuError::InvalidSdp("too many m-lines over time"));
        }
        if merged.is_empty() {
            return Err(SfuError::InvalidSdp("nothing that can be published"));
        }
        Ok(merged)
    }

    fn refresh_media(&mut self) {
        let lines = &self.lines;
        let live = |mid: &Mid| {
            lines.iter().any(|line| line.is_live() && Mid::from(line.mid.as_str()) == *mid)
        };
        self.media.retain(|mid, _| live(mid));
        self.mids.clear();
        for line in self.lines.iter().filter(|line| line.is_live()) {
            let Some(kind) = line_kind(line).filter(|kind| *kind != LineKind::Data) else {
                continue;
            };
            self.media.entry(Mid::from(line.mid.as_str())).or_insert_with(|| Media {
                kind,
                source: None,
                legs: Vec::new(),
                ration: KeyframeRation::default(),
                bitrate_told_at: None,
            });
        }
    }

    /// Every m-line as a track, in order.
    pub(super) fn tracks(&self) -> Vec<StreamTrackInfo> {
        let tracks = self.lines.iter().zip(0_i64..).filter_map(|(line, mindex)| {
            let kind = match line.kind {
                MediaKind::Audio => TrackKind::Audio,
                MediaKind::Video => TrackKind::Video,
                MediaKind::Application => TrackKind::Data,
                MediaKind::Other => return None,
            };
            let codec = line.codec.as_ref().and(match kind {
                TrackKind::Audio => Some("opus"),
                TrackKind::Video => Some("vp8"),
                TrackKind::Data => None,
            });
            Some(StreamTrackInfo {
                disabled: !line.is_live(),
                codec: codec.map(str::to_owned),
                description: line.content.map(|content| content.label().to_owned()),
                ..StreamTrackInfo::new(kind, mindex, TrackId(line.mid.clone()))
            })
        });
        tracks.collect()
    }

    /// The stream as others see it.
    pub(super) fn info(&self) -> StreamInfo {
        StreamInfo::new(self.stream, self.user.clone(), self.tracks())
    }

    /// What can be subscribed to.
    pub(super) fn feeds(&self, session: SessionId) -> impl Iterator<Item = Feed> {
        self.lines.iter().filter(|line| line.is_live()).filter_map(move |line| {
            Some(Feed {
                stream: self.stream,
                track: TrackId(line.mid.clone()),
                publisher: session,
                kind: line_kind(line)?,
                audio_level: line.has_audio_level(),
            })
        })
    }

    /// Forgets who receives what.
    pub(super) fn clear_legs(&mut self) {
        self.listeners.clear();
        for media in self.media.values_mut() {
            media.legs.clear();
        }
    }

    /// Somebody receives a track.
    pub(super) fn add_leg(&mut self, track: &TrackId, leg: Leg) {
        if let Some(media) = self.media.get_mut(&Mid::from(track.as_str())) {
            media.legs.push(leg);
        }
    }

    /// Who receives the track that this packet belongs to, and its kind. Says on the way what
    /// a video publisher has to be told from time to time.
    pub(super) fn legs(
        &mut self,
        packet: &RtpPacket,
        bits_per_second: u64,
        connection: &mut Connection,
    ) -> Option<(LineKind, &[Leg])> {
        let ssrc = *packet.header.ssrc;
        let mid = match self.mids.get(&ssrc) {
            Some(mid) => *mid,
            None => self.learn(ssrc, connection)?,
        };
        let media = self.media.get_mut(&mid)?;
        media.source = Some(ssrc);
        let now = packet.timestamp;
        let told = media.bitrate_told_at.is_some_and(|at| now < at + BITRATE_INTERVAL);
        if media.kind == LineKind::Video && !told {
            media.bitrate_told_at = Some(now);
            connection.run(|rtc| {
                if let Some(stream) = rtc.direct_api().stream_rx(&packet.header.ssrc) {
                    stream.request_remb(Bitrate::bps(bits_per_second));
                }
            });
        }
        Some((media.kind, &media.legs))
    }

    fn learn(&mut self, ssrc: u32, connection: &mut Connection) -> Option<Mid> {
        self.ssrcs.insert(ssrc);
        if self.ssrcs.len() > MAX_SSRCS {
            tracing::debug!("publisher uses too many SSRCs");
            connection.fail();
            return None;
        }
        let mid = connection
            .run(|rtc| rtc.direct_api().stream_rx(&ssrc.into()).map(|stream| stream.mid()))??;
        self.mids.insert(ssrc, mid);
        Some(mid)
    }

    /// A packet of this publisher for a recording.
    pub(super) fn recorded(
        &self,
        session: SessionId,
        kind: LineKind,
        packet: &RtpPacket,
    ) -> Recorded {
        let ssrc = *packet.header.ssrc;
        let mid = self.mids.get(&ssrc).map(|mid| TrackId(mid.to_string()));
        Recorded {
            session,
            stream: self.stream,
            user: self.user.clone(),
            kind: kind.into(),
            track: mid.unwrap_or_default(),
            ssrc,
            arrival: packet.timestamp,
            seq: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload.clone(),
        }
    }

    /// A recording has begun: all video must be readable from here.
    pub(super) fn want_all_keyframes(&mut self) {
        for media in self.media.values_mut().filter(|media| media.kind == LineKind::Video) {
            media.ration.want();
        }
    }

    /// Somebody needs a keyframe of this track.
    pub(super) fn want_keyframe(&mut self, track: &TrackId) {
        let media = self.media.get_mut(&Mid::from(track.as_str()));
        if let Some(media) = media.filter(|media| media.kind == LineKind::Video) {
            media.ration.want();
        }
    }

    /// Asks for the keyframes that are due; whether there were any.
    pub(super) fn ask_keyframes(&mut self, connection: &mut Connection, now: Instant) -> bool {
        let mut asked = false;
        for (mid, media) in &mut self.media {
            if !media.ration.take(now) {
                continue;
            }
            // Not by the line: the library goes on knowing sources that it had before.
            let source = media.source;
            let sent = connection.run(|rtc| {
                let mut api = rtc.direct_api();
                let stream = match source {
                    Some(ssrc) => api.stream_rx(&ssrc.into()),
                    None => api.stream_rx_by_mid(*mid, None),
                };
                stream.map(|stream| stream.request_keyframe(KeyframeRequestKind::Pli)).is_some()
            });
            match sent {
                Some(true) => asked = true,
                // Nothing has come yet on this track, so nobody could be asked: later.
                Some(false) => media.ration.want(),
                None => {}
            }
        }
        asked
    }

    /// When the next keyframe may be asked for.
    pub(super) fn keyframe_due(&self) -> Option<Instant> {
        self.media.values().filter_map(|media| media.ration.due()).min()
    }

    /// The client opened a data channel; its label means nothing.
    pub(super) fn open_channel(&mut self, connection: &mut Connection) {
        self.channels += 1;
        if self.channels > MAX_CHANNELS {
            tracing::debug!("publisher opens too many data channels");
            connection.fail();
        }
    }

    /// The client closed a data channel.
    pub(super) const fn lose_channel(&mut self) {
        self.channels = self.channels.saturating_sub(1);
    }
}

const fn line_kind(line: &OfferedLine) -> Option<LineKind> {
    match line.kind {
        MediaKind::Audio => Some(LineKind::Audio),
        MediaKind::Video => Some(LineKind::Video),
        MediaKind::Application => Some(LineKind::Data),
        MediaKind::Other => None,
    }
}
