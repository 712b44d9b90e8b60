//! What we read from session descriptions, and the little that we change in them.
//!
//! The engine negotiates; this module reads the facts that Streams attaches meaning to: which
//! m-line carries which stream (`msid`, streams.md §10.3), whether it is live, and how to tell
//! its packets apart. It also bounds what a peer can make the engine work on: lines, sources and
//! candidates beyond a limit are an error or are left out, before the engine sees anything.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashSet;

use crate::model::StreamId;
use crate::model::TrackKind;

/// Longest description, in bytes. Janus needs about 2 KiB per m-line.
pub const MAX_SDP_LEN: usize = 512 * 1024;
/// Most m-lines: 50 publishers with a microphone, a camera and a screen, and room for reuse gaps.
pub const MAX_LINES: usize = 256;
/// Most sources of one m-line: three simulcast layers with repair flows, with room to spare.
const MAX_SOURCES: usize = 16;
/// Longest `mid`: with more it would not fit the one-byte header extension.
const MAX_MID_LEN: usize = 16;
/// Most candidates of a peer: 16 addresses by 2 families, host and reflexive.
const MAX_CANDIDATES: usize = 64;

const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// Why a session description is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than [`MAX_SDP_LEN`].
    #[error("{0} bytes are too long")]
    TooLong(usize),
    /// Not `v=0` in its first line.
    #[error("it does not start with v=0")]
    Version,
    /// Contains control characters.
    #[error("line {0} is not text")]
    NotText(usize),
    /// More than [`MAX_LINES`] m-lines.
    #[error("more than {MAX_LINES} m-lines")]
    TooManyLines,
    /// An m-line that does not parse.
    #[error("line {0} is not a media line")]
    MediaLine(usize),
    /// An m-line without `mid`, or with an unusable one.
    #[error("an m-line has no usable mid")]
    Mid,
    /// Two m-lines with the same `mid`.
    #[error("mid {0} occurs twice")]
    DuplicateMid(String),
    /// No ICE credentials or no fingerprint.
    #[error("no {0}")]
    Missing(&'static str),
    /// No m-line at all.
    #[error("no m-line")]
    Empty,
}

/// Direction of an m-line, from the point of view of who wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways; what an m-line without a direction means.
    #[default]
    SendRecv,
    /// The writer only sends.
    SendOnly,
    /// The writer only receives.
    RecvOnly,
    /// Neither sends.
    Inactive,
}

impl Direction {
    /// The writer of the description sends on the line.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The writer of the description receives on the line.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    fn parse(attribute: &str) -> Option<Self> {
        Some(match attribute {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }
}

/// One m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaLine {
    /// Its id.
    pub mid: String,
    /// What it carries.
    pub kind: TrackKind,
    /// Who sends.
    pub direction: Direction,
    /// Port 0: not used at all.
    pub rejected: bool,
    /// Stream and track part of `msid`, while there is one.
    pub msid: Option<(String, String)>,
    /// Payload types in order of preference.
    pub payload_types: Vec<u8>,
    /// SSRCs of its media, without repair flows.
    pub sources: Vec<u32>,
    /// Whether feedback may be sent without a report in front (RFC 5506).
    pub reduced_rtcp: bool,
}

impl MediaLine {
    const fn new(kind: TrackKind, rejected: bool, payload_types: Vec<u8>) -> Self {
        Self {
            mid: String::new(),
            kind,
            direction: Direction::SendRecv,
            rejected,
            msid: None,
            payload_types,
            sources: Vec::new(),
            reduced_rtcp: false,
        }
    }

    /// The stream whose media the line carries now: the stream part of `msid`, if the line is live.
    #[must_use]
    pub fn stream_id(&self) -> Option<StreamId> {
        let (stream, _) = self.msid.as_ref()?;
        let live = self.direction.sends() && !self.rejected;
        let digits = !stream.is_empty() && stream.bytes().all(|byte| byte.is_ascii_digit());
        (live && digits).then(|| stream.parse().ok().map(StreamId)).flatten()
    }
}

/// The facts of one session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// Its m-lines, in order.
    pub lines: Vec<MediaLine>,
    /// Id of the header extension that carries the `mid`.
    pub mid_extension: Option<u8>,
    /// Id of the header extension that carries the audio level.
    pub level_extension: Option<u8>,
    /// Who begins the DTLS handshake.
    pub setup: Setup,
}

/// Who begins the DTLS handshake, as the writer of the description has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setup {
    /// Either side may.
    #[default]
    ActPass,
    /// The writer does.
    Active,
    /// The reader does.
    Passive,
}

impl SessionFacts {
    /// Reads `sdp`, which may come from anybody.
    ///
    /// # Errors
    ///
    /// [`SdpError`] if it is malformed, lacks what a connection needs, or exceeds a bound.
    pub fn parse(sdp: &str) -> Result<Self, SdpError> {
        if sdp.len() > MAX_SDP_LEN {
            return Err(SdpError::TooLong(sdp.len()));
        }
        if sdp.lines().next().map(str::trim_end) != Some("v=0") {
            return Err(SdpError::Version);
        }
        let mut parser = Parser::default();
        for (index, line) in sdp.lines().enumerate() {
            let number = index.saturating_add(1);
            if line.chars().any(|c| c.is_control() && c != '\r' && c != '\t') {
                return Err(SdpError::NotText(number));
            }
            parser.line(number, line.trim_end())?;
        }
        parser.finish()
    }

    /// The line with this `mid`.
    #[must_use]
    pub fn line(&self, mid: &str) -> Option<&MediaLine> {
        self.lines.iter().find(|line| line.mid == mid)
    }

    /// Whether there is a line for data channels.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.lines.iter().any(|line| line.kind == TrackKind::Data && !line.rejected)
    }

    /// Whether every media line allows feedback without a report in front.
    #[must_use]
    pub fn reduced_rtcp(&self) -> bool {
        self.lines.iter().filter(|line| line.kind != TrackKind::Data).all(|line| line.reduced_rtcp)
    }
}

#[derive(Default)]
struct Parser {
    facts: SessionFacts,
    repair: HashSet<u32>,
    mids: HashSet<String>,
    has_ufrag: bool,
    has_pwd: bool,
    has_fingerprint: bool,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<(), SdpError> {
        if let Some(media) = line.strip_prefix("m=") {
            self.close_line()?;
            if self.facts.lines.len() >= MAX_LINES {
                return Err(SdpError::TooManyLines);
            }
            let line = media_line(media).ok_or(SdpError::MediaLine(number))?;
            self.facts.lines.push(line);
        } else if let Some(attribute) = line.strip_prefix("a=") {
            self.attribute(attribute);
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "ice-ufrag" => self.has_ufrag |= !value.is_empty(),
            "ice-pwd" => self.has_pwd |= !value.is_empty(),
            "fingerprint" => self.has_fingerprint |= value.contains(' '),
            "extmap" => self.extension(value),
            "setup" => {
                self.facts.setup = match value {
                    "active" => Setup::Active,
                    "passive" => Setup::Passive,
                    _ => Setup::ActPass,
                };
            }
            _ => {}
        }
        let repair = &mut self.repair;
        let Some(line) = self.facts.lines.last_mut() else {
            return;
        };
        match name {
            "mid" => line.mid = value.to_owned(),
            "rtcp-rsize" => line.reduced_rtcp = true,
            "msid" => line.msid = msid(value),
            "ssrc-group" => repair.extend(repair_sources(value)),
            "ssrc" => source(line, value),
            _ => {
                if let Some(direction) = Direction::parse(attribute) {
                    line.direction = direction;
                }
            }
        }
    }

    fn extension(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        let id =
            words.next().and_then(|word| word.split('/').next()).and_then(|id| id.parse().ok());
        // Ids 1 to 14 fit the one-byte form, which is the only one that anybody uses (RFC 8285).
        let (Some(id), Some(uri)) = (id.filter(|id| (1..=14).contains(id)), words.next()) else {
            return;
        };
        match uri {
            MID_URI => self.facts.mid_extension = Some(id),
            LEVEL_URI => self.facts.level_extension = Some(id),
            _ => {}
        }
    }

    fn close_line(&mut self) -> Result<(), SdpError> {
        let Some(line) = self.facts.lines.last_mut() else {
            return Ok(());
        };
        let usable = |c: char| c.is_ascii_graphic();
        if line.mid.is_empty() || line.mid.len() > MAX_MID_LEN || !line.mid.chars().all(usable) {
            return Err(SdpError::Mid);
        }
        if !self.mids.insert(line.mid.clone()) {
            return Err(SdpError::DuplicateMid(line.mid.clone()));
        }
        line.sources.retain(|source| !self.repair.contains(source));
        self.repair.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<SessionFacts, SdpError> {
        self.close_line()?;
        if self.facts.lines.is_empty() {
            return Err(SdpError::Empty);
        }
        if !self.has_ufrag || !self.has_pwd {
            return Err(SdpError::Missing("ICE credentials"));
        }
        if !self.has_fingerprint {
            return Err(SdpError::Missing("fingerprint"));
        }
        Ok(self.facts)
    }
}

fn media_line(text: &str) -> Option<MediaLine> {
    let mut words = text.split_ascii_whitespace();
    let kind = match words.next()? {
        "audio" => TrackKind::Audio,
        "video" => TrackKind::Video,
        "application" => TrackKind::Data,
        _ => return None,
    };
    let port: u16 = words.next()?.split('/').next()?.parse().ok()?;
    let _protocol = words.next()?;
    let formats = words.map_while(|word| word.parse().ok()).take(MAX_SOURCES).collect();
    // Port 0 with `bundle-only` is alive (RFC 8843), but no SFU of ours writes it.
    Some(MediaLine::new(kind, port == 0, formats))
}

fn msid(value: &str) -> Option<(String, String)> {
    let mut words = value.split_ascii_whitespace();
    let stream = words.next().filter(|stream| *stream != "-")?;
    Some((stream.to_owned(), words.next().unwrap_or_default().to_owned()))
}

/// All but the first SSRC of a group: retransmission or repair flows of the first.
fn repair_sources(value: &str) -> impl Iterator<Item = u32> {
    let group = !value.starts_with("SIM");
    let words = value.split_ascii_whitespace().skip(2).take(MAX_SOURCES);
    words.filter_map(move |word| word.parse().ok().filter(|_| group))
}

fn source(line: &mut MediaLine, value: &str) {
    let Some((ssrc, attribute)) = value.split_once(' ') else {
        return;
    };
    let Ok(ssrc) = ssrc.parse() else {
        return;
    };
    if line.msid.is_none()
        && let Some(value) = attribute.strip_prefix("msid:")
    {
        line.msid = msid(value);
    }
    if !line.sources.contains(&ssrc) && line.sources.len() < MAX_SOURCES {
        line.sources.push(ssrc);
    }
}

/// The offer of an SFU as the engine may see it.
///
/// Sources, msid and layers are left out, because we route packets ourselves: the engine can
/// neither place a source that is not declared nor follow a line that changes its owner.
/// Candidates are kept once, up to a bound, and only where we could use them.
#[must_use]
pub fn offer_for_engine(offer: &str) -> String {
    const ROUTING: [&str; 5] = ["a=ssrc:", "a=ssrc-group:", "a=msid:", "a=rid:", "a=simulcast:"];
    let mut candidates = CandidateFilter::default();
    copy_lines(offer, |line| {
        !ROUTING.iter().any(|prefix| line.starts_with(prefix)) && candidates.keep(line)
    })
}

/// The answer of an SFU as the engine may see it: candidates bounded, all else unchanged.
#[must_use]
pub fn answer_for_engine(answer: &str) -> String {
    let mut candidates = CandidateFilter::default();
    copy_lines(answer, |line| candidates.keep(line))
}

/// Our answer as the SFU may see it: lines that it offered as inactive stay inactive.
///
/// The engine answers a line that it never saw active with `recvonly`, which RFC 3264 forbids.
#[must_use]
pub fn answer_for_peer(answer: &str, offer: &SessionFacts) -> String {
    let mut inactive = offer.lines.iter().map(|line| !line.direction.sends());
    let mut settle = false;
    let mut out = String::with_capacity(answer.len().saturating_add(64));
    for line in answer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            let data = line.starts_with("m=application");
            settle = inactive.next().unwrap_or(false) && !data;
        }
        let direction = line.strip_prefix("a=").and_then(Direction::parse);
        out.push_str(if settle && direction.is_some() { "a=inactive" } else { line });
        out.push_str("\r\n");
    }
    out
}

fn copy_lines(sdp: &str, mut keep: impl FnMut(&str) -> bool) -> String {
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.lines().map(str::trim_end).filter(|line| keep(line)) {
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

/// Lets a candidate through once, if it is UDP with a literal address, up to a bound.
#[derive(Default)]
struct CandidateFilter {
    seen: HashSet<String>,
}

impl CandidateFilter {
    fn keep(&mut self, line: &str) -> bool {
        let Some(candidate) = line.strip_prefix("a=candidate:") else {
            return true;
        };
        let mut words = candidate.split_ascii_whitespace().skip(2);
        let udp = words.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case("udp"));
        let priority = words.next().is_some_and(|word| word.parse::<u32>().is_ok());
        let address = words.next().is_some_and(|word| word.parse::<std::net::IpAddr>().is_ok());
        let port = words.next().is_some_and(|word| word.parse::<u16>().is_ok_and(|port| port != 0));
        let usable = udp && priority && address && port;
        usable && self.seen.len() < MAX_CANDIDATES && self.seen.insert(candidate.to_owned())
    }
}
