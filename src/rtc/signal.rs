//! What we read from session descriptions.
//!
//! The engine negotiates; this module reads the facts that Streams attaches meaning to: which
//! m-line carries which stream (`msid`, streams.md §10.3), whether it is live, and how to tell
//! its packets apart. It also bounds what a peer can make the engine work on: too many lines are
//! an error, and [`filter`](super::filter) leaves out what the engine need not see.

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

    pub(super) fn parse(attribute: &str) -> Option<Self> {
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
    /// Repair flows, each with the flow that it repairs.
    pub repairs: Vec<(u32, u32)>,
    /// Payload types of packets that are sent once more, each with that of the first time.
    pub repair_types: Vec<(u8, u8)>,
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
            repairs: Vec::new(),
            repair_types: Vec::new(),
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
            "ssrc-group" => {
                repair.extend(repair_sources(value));
                line.repairs
                    .extend(repair_pair(value).filter(|_| line.repairs.len() < MAX_SOURCES));
            }
            "fmtp" => {
                let room = line.repair_types.len() < MAX_SOURCES;
                line.repair_types.extend(repair_type(value).filter(|_| room));
            }
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

/// A repair flow and the flow that it repairs.
fn repair_pair(value: &str) -> Option<(u32, u32)> {
    let mut words = value.strip_prefix("FID ")?.split_ascii_whitespace();
    let main = words.next()?.parse().ok()?;
    Some((words.next()?.parse().ok()?, main))
}

/// A payload type of repeated packets and that of the packets themselves.
fn repair_type(value: &str) -> Option<(u8, u8)> {
    let (number, parameters) = value.split_once(' ')?;
    let of = parameters.split(';').find_map(|part| part.trim().strip_prefix("apt="))?;
    Some((number.parse().ok()?, of.parse().ok()?))
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

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected must fail"
)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An offer as Janus writes it (streams.md §10.3), shortened.
    pub(in crate::rtc) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=VideoRoom 1\r\nt=0 0\r\n\
        a=group:BUNDLE 0 1 2 3\r\na=ice-options:trickle\r\n\
        a=fingerprint:sha-256 AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99\r\n\
        a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.1\r\na=sendonly\r\na=mid:0\r\na=rtcp-mux\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef012345\r\na=setup:actpass\r\n\
        a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=msid:4711 mic\r\na=ssrc:100 cname:janus\r\n\
        a=candidate:1 1 udp 2015363327 192.0.2.1 40000 typ host\r\na=end-of-candidates\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 192.0.2.1\r\na=sendonly\r\na=mid:1\r\na=rtcp-mux\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef012345\r\na=setup:actpass\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=msid:4711 cam\r\na=ssrc-group:FID 200 201\r\na=ssrc:200 cname:janus\r\na=ssrc:201 cname:janus\r\n\
        a=candidate:1 1 udp 2015363327 192.0.2.1 40000 typ host\r\na=end-of-candidates\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\na=mid:2\r\na=rtcp-mux\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef012345\r\na=setup:actpass\r\na=rtpmap:111 opus/48000/2\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.1\r\na=mid:3\r\na=sctp-port:5000\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef012345\r\na=setup:actpass\r\n";

    #[test]
    fn an_offer_of_janus_is_understood() {
        let facts = SessionFacts::parse(OFFER).unwrap();
        let streams: Vec<_> = facts.lines.iter().map(MediaLine::stream_id).collect();
        assert_eq!(streams, [Some(StreamId(4711)), Some(StreamId(4711)), None, None]);
        assert_eq!(facts.lines[1].sources, [200], "the repair flow is no source");
        assert_eq!(facts.lines[1].payload_types, [96, 97]);
        assert_eq!(facts.lines[1].repairs, [(201, 200)]);
        assert_eq!(facts.lines[1].repair_types, [(97, 96)]);
        assert_eq!(facts.lines[2].direction, Direction::Inactive);
        assert_eq!((facts.mid_extension, facts.level_extension), (Some(4), Some(1)));
        assert!(facts.has_data() && !facts.reduced_rtcp());
        assert_eq!(facts.setup, Setup::ActPass);
    }

    #[test]
    fn only_a_decimal_msid_of_a_live_line_names_a_stream() {
        type Case = (&'static str, &'static str, Option<i64>);
        let cases: &[Case] = &[
            ("live", "a=sendonly\r\na=msid:12 a", Some(12)),
            ("no direction", "a=msid:12 a", Some(12)),
            ("inactive", "a=inactive\r\na=msid:12 a", None),
            ("receiving", "a=recvonly\r\na=msid:12 a", None),
            ("not a number", "a=msid:12x a", None),
            ("signed", "a=msid:+12 a", None),
            ("too large", "a=msid:99999999999999999999 a", None),
            ("none", "a=msid:- a", None),
            ("from a source", "a=ssrc:1 msid:12 a", Some(12)),
        ];
        for (name, attributes, expected) in cases {
            let sdp = format!(
                "v=0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AA\r\n\
                 m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n{attributes}\r\n"
            );
            let facts = SessionFacts::parse(&sdp).unwrap();
            assert_eq!(facts.lines[0].stream_id(), expected.map(StreamId), "{name}");
        }
    }

    #[test]
    fn broken_descriptions_are_refused() {
        let cases = [
            ("empty", String::new(), SdpError::Version),
            ("no m-line", "v=0\r\n".to_owned(), SdpError::Empty),
            (
                "too long",
                format!("v=0\r\n{}", "x".repeat(MAX_SDP_LEN)),
                SdpError::TooLong(MAX_SDP_LEN + 5),
            ),
            (
                "same mid twice",
                OFFER.replace("a=mid:1", "a=mid:0"),
                SdpError::DuplicateMid("0".to_owned()),
            ),
            ("long mid", OFFER.replace("a=mid:1", "a=mid:0123456789abcdefg"), SdpError::Mid),
            ("no mid", OFFER.replace("a=mid:3", "a=x:3"), SdpError::Mid),
            (
                "no password",
                OFFER.replace("a=ice-pwd", "a=x"),
                SdpError::Missing("ICE credentials"),
            ),
            (
                "no fingerprint",
                OFFER.replace("a=fingerprint", "a=x"),
                SdpError::Missing("fingerprint"),
            ),
            ("bad port", OFFER.replace("m=video 9 ", "m=video -1 "), SdpError::MediaLine(26)),
            ("control character", OFFER.replace("s=Video", "s=\u{7}Video"), SdpError::NotText(3)),
        ];
        for (name, sdp, error) in cases {
            assert_eq!(SessionFacts::parse(&sdp), Err(error), "{name}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,200}") {
            drop(SessionFacts::parse(&text));
            drop(SessionFacts::parse(&format!("v=0\r\nm=audio 9 a 111\r\n{text}")));
        }
    }

    /// The offer with lines dropped, doubled, swapped or spoilt.
    pub(in crate::rtc) fn mutated() -> impl Strategy<Value = String> {
        prop::collection::vec(
            (0..4u8, any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ -~]{0,6}"),
            0..6,
        )
        .prop_map(|changes| {
            let mut lines: Vec<String> = OFFER.lines().map(str::to_owned).collect();
            for (how, at, other, text) in changes {
                let (at, other) = (at.index(lines.len()), other.index(lines.len()));
                match how {
                    0 if lines.len() > 1 => drop(lines.remove(at)),
                    1 => lines.insert(other, lines[at].clone()),
                    2 => lines.swap(at, other),
                    _ => {
                        let cut = other % lines[at].len().max(1);
                        let line = &lines[at];
                        lines[at] = format!("{}{text}", line.get(..cut).unwrap_or(line));
                    }
                }
            }
            lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
        })
    }
}
