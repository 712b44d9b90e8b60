//! The subscriber's connection: the SFU writes the offers and reads the answers
//! (streams.md §10.3).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt::Write;

use str0m::IceCreds;
use str0m::config::Fingerprint;

use super::parse::Description;
use super::parse::MediaKind;
use super::parse::payload_type;
use super::transport::LocalTransport;
use super::transport::RemoteTransport;
use super::transport::Setup;
use crate::model::TrackKind;

/// Payload type of Opus towards subscribers.
pub(in super::super) const AUDIO_PT: u8 = 111;
/// Payload type of VP8 towards subscribers.
pub(in super::super) const VIDEO_PT: u8 = 96;
/// Payload type of retransmitted VP8 towards subscribers.
pub(in super::super) const VIDEO_RTX_PT: u8 = 97;

const AUDIO_LEVEL: &str = "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n";
const SEND_TIME: &str = "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n";
const COMMON_EXTENSIONS: &str = concat!(
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n",
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
);
const ORIENTATION: &str = "a=extmap:13 urn:3gpp:video-orientation\r\n";

/// What an m-line carries, live or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum LineKind {
    Audio,
    Video,
    Data,
}

impl From<LineKind> for TrackKind {
    fn from(kind: LineKind) -> Self {
        match kind {
            LineKind::Audio => Self::Audio,
            LineKind::Video => Self::Video,
            LineKind::Data => Self::Data,
        }
    }
}

/// One m-line as it is to be offered; its mid is its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct OfferLine {
    pub(in super::super) kind: LineKind,
    /// Our SSRC and that of retransmissions; unused for data.
    pub(in super::super) ssrc: u32,
    pub(in super::super) rtx_ssrc: u32,
    /// Stream id and publisher's mid of the source; `None` makes the line inactive.
    pub(in super::super) msid: Option<(i64, String)>,
    /// The source sends its level.
    pub(in super::super) audio_level: bool,
}

/// An offer to a subscriber.
#[derive(Debug)]
pub(in super::super) struct SubscriberOffer<'a> {
    pub(in super::super) transport: LocalTransport<'a>,
    pub(in super::super) session: i64,
    pub(in super::super) version: u64,
    pub(in super::super) lines: Vec<OfferLine>,
}

impl SubscriberOffer<'_> {
    /// The description as text.
    pub(in super::super) fn write(&self) -> String {
        let mut out = String::new();
        self.transport.write_head(&mut out, self.session, self.version, "VideoRoom 1");
        out.push_str("a=group:BUNDLE");
        for mid in 0..self.lines.len() {
            let _ = write!(out, " {mid}");
        }
        out.push_str(
            "\r\na=ice-options:trickle\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n",
        );
        for (mid, line) in self.lines.iter().enumerate() {
            line.write_start(&mut out, mid);
            self.transport.write(&mut out);
            line.write_end(&mut out);
        }
        out
    }
}

impl OfferLine {
    fn write_start(&self, out: &mut String, mid: usize) {
        let start = match self.kind {
            LineKind::Audio => format!("m=audio 9 UDP/TLS/RTP/SAVPF {AUDIO_PT}"),
            LineKind::Video => format!("m=video 9 UDP/TLS/RTP/SAVPF {VIDEO_PT} {VIDEO_RTX_PT}"),
            LineKind::Data => "m=application 9 UDP/DTLS/SCTP webrtc-datachannel".to_owned(),
        };
        // One line of data serves every source and stays as it is when the last one goes.
        let live = self.kind == LineKind::Data || self.msid.is_some();
        let direction = if live { "sendonly" } else { "inactive" };
        let _ = write!(out, "{start}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n");
    }

    fn write_end(&self, out: &mut String) {
        match self.kind {
            LineKind::Audio => {
                let _ = write!(
                    out,
                    "a=rtcp-mux\r\na=rtpmap:{AUDIO_PT} opus/48000/2\r\n\
                     a=fmtp:{AUDIO_PT} useinbandfec=1\r\na=rtcp-fb:{AUDIO_PT} transport-cc\r\n"
                );
                if self.audio_level {
                    out.push_str(AUDIO_LEVEL);
                }
                out.push_str(COMMON_EXTENSIONS);
            }
            LineKind::Video => {
                let _ = write!(
                    out,
                    "a=rtcp-mux\r\na=rtpmap:{VIDEO_PT} VP8/90000\r\n\
                     a=rtpmap:{VIDEO_RTX_PT} rtx/90000\r\na=fmtp:{VIDEO_RTX_PT} apt={VIDEO_PT}\r\n"
                );
                for feedback in ["ccm fir", "nack", "nack pli", "goog-remb", "transport-cc"] {
                    let _ = write!(out, "a=rtcp-fb:{VIDEO_PT} {feedback}\r\n");
                }
                out.push_str(SEND_TIME);
                out.push_str(COMMON_EXTENSIONS);
                out.push_str(ORIENTATION);
            }
            LineKind::Data => out.push_str("a=sctp-port:5000\r\na=max-message-size:65536\r\n"),
        }
        if let (Some((stream, track)), LineKind::Audio | LineKind::Video) = (&self.msid, self.kind)
        {
            let _ = write!(out, "a=msid:{stream} {track}\r\n");
            self.write_sources(out);
        }
    }

    fn write_sources(&self, out: &mut String) {
        let (main, rtx) = (self.ssrc, self.rtx_ssrc);
        if self.kind == LineKind::Video {
            let _ = write!(
                out,
                "a=ssrc-group:FID {main} {rtx}\r\na=ssrc:{main} cname:conclave\r\n\
                 a=ssrc:{rtx} cname:conclave\r\n"
            );
        } else {
            let _ = write!(out, "a=ssrc:{main} cname:conclave\r\n");
        }
    }
}

/// One m-line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct AnsweredLine {
    /// The client takes media, or data, on it.
    pub(in super::super) accepted: bool,
    /// It understands the audio level.
    pub(in super::super) audio_level: bool,
}

/// An answer by a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct SubscriberAnswer {
    pub(in super::super) credentials: IceCreds,
    pub(in super::super) fingerprint: Fingerprint,
    /// Our DTLS role.
    pub(in super::super) active: bool,
    pub(in super::super) lines: Vec<AnsweredLine>,
}

impl SubscriberAnswer {
    /// Reads the answer to an offer that had lines of these `kinds`.
    pub(in super::super) fn read(
        description: &Description<'_>,
        kinds: &[LineKind],
    ) -> Result<Self, &'static str> {
        if description.media.len() != kinds.len() {
            return Err("answer has another number of m-lines than the offer");
        }
        let mut transport = None;
        let mut lines = Vec::with_capacity(kinds.len());
        for (index, (section, kind)) in description.media.iter().zip(kinds).enumerate() {
            let expected = match kind {
                LineKind::Audio => MediaKind::Audio,
                LineKind::Video => MediaKind::Video,
                LineKind::Data => MediaKind::Application,
            };
            if section.kind != expected {
                return Err("answer has other m-lines than the offer");
            }
            let grouped = description
                .bundle()
                .is_some_and(|mids| section.first("mid").is_some_and(|mid| mids.contains(&mid)));
            if section.port == 0 && !(grouped && section.first("bundle-only").is_some()) {
                lines.push(AnsweredLine { accepted: false, audio_level: false });
                continue;
            }
            if section.mid()? != index.to_string() {
                return Err("answer has other mids than the offer");
            }
            if transport.is_none() {
                transport = Some(RemoteTransport::read(description, section)?);
            }
            let number = match kind {
                LineKind::Audio => Some(AUDIO_PT),
                LineKind::Video => Some(VIDEO_PT),
                LineKind::Data => None,
            };
            let kept = number.is_none_or(|number| {
                section.formats.iter().any(|format| payload_type(format) == Some(number))
            });
            lines.push(AnsweredLine {
                accepted: kept && (number.is_none() || section.direction().receives()),
                audio_level: section
                    .all("extmap")
                    .any(|value| value.ends_with("ssrc-audio-level") && value.starts_with("1 ")),
            });
        }
        let transport = transport.ok_or("answer refuses everything")?;
        if transport.setup == Setup::ActPass {
            return Err("answer leaves the DTLS role open");
        }
        Ok(Self {
            credentials: transport.credentials,
            fingerprint: transport.fingerprint,
            active: transport.setup == Setup::Passive,
            lines,
        })
    }
}
