//! The publisher's connection: its offer is read, reduced to what the SFU supports, and
//! answered (streams.md §10.2).
//!
//! Opus, VP8 and one data section are supported; everything else is answered inactive. What is
//! supported is passed on to the WebRTC library as a description of our own making.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt::Write;

use str0m::IceCreds;

use super::parse::Description;
use super::parse::MediaKind;
use super::parse::Section;
use super::parse::payload_type;
use super::transport::LocalTransport;
use super::transport::RemoteTransport;
use super::transport::Setup;
use crate::model::VideoContent;

/// SSRCs announced for one m-line beyond which the rest is ignored.
const MAX_SSRCS: usize = 4;

/// The header extensions that are accepted from publishers, and for which kinds.
const EXTENSIONS: [(&str, bool, bool); 4] = [
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", true, false),
    ("urn:ietf:params:rtp-hdrext:sdes:mid", true, true),
    ("http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", true, true),
    ("urn:3gpp:video-orientation", false, true),
];

/// Feedback that is accepted for video.
const VIDEO_FEEDBACK: [&str; 5] = ["ccm fir", "goog-remb", "nack", "nack pli", "transport-cc"];

/// The one codec per kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Codec {
    pub(in super::super) payload_type: u8,
    pub(in super::super) retransmission: Option<u8>,
    in_band_fec: bool,
    feedback: Vec<&'static str>,
    /// Id and index into [`EXTENSIONS`].
    extensions: Vec<(u8, usize)>,
    /// Main SSRC and that of its retransmissions.
    sources: Vec<(u32, Option<u32>)>,
}

/// One m-line of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct OfferedLine {
    pub(in super::super) kind: MediaKind,
    pub(in super::super) mid: String,
    /// The client sends on it.
    pub(in super::super) sends: bool,
    /// Set for audio and video that the SFU can take.
    pub(in super::super) codec: Option<Codec>,
    /// What the client says that its video shows, by the name of the track.
    pub(in super::super) content: Option<VideoContent>,
    /// The transport and first format, to answer a refused line in its own words.
    protocol: String,
    format: String,
}

impl OfferedLine {
    /// The line carries something: supported media, or data.
    pub(in super::super) const fn is_live(&self) -> bool {
        self.sends && (self.codec.is_some() || matches!(self.kind, MediaKind::Application))
    }

    /// The audio level is sent with each packet.
    pub(in super::super) fn has_audio_level(&self) -> bool {
        self.codec.as_ref().is_some_and(|codec| codec.extensions.iter().any(|(_, e)| *e == 0))
    }

    /// The same line with nothing on it, for when the client no longer offers it.
    pub(in super::super) fn silenced(&self) -> Self {
        Self { sends: false, ..self.clone() }
    }
}

/// Numbers that a connection has settled on; later offers can't change them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Negotiated {
    audio: Option<(u8, Option<u8>)>,
    video: Option<(u8, Option<u8>)>,
    /// Id of each entry of [`EXTENSIONS`].
    extensions: [Option<u8>; EXTENSIONS.len()],
    data: Option<String>,
}

/// An offer by a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct PublisherOffer {
    transport: RemoteTransport,
    bundled: bool,
    pub(in super::super) lines: Vec<OfferedLine>,
}

impl PublisherOffer {
    /// Reads an offer in the light of what was `negotiated` before, and adds to that.
    pub(in super::super) fn read(
        description: &Description<'_>,
        negotiated: &mut Negotiated,
    ) -> Result<Self, &'static str> {
        let mut lines: Vec<OfferedLine> = Vec::with_capacity(description.media.len());
        let mut transport = None;
        let bundle = description.bundle();
        for section in &description.media {
            let mid = section.mid()?;
            if lines.iter().any(|line| line.mid == mid) {
                return Err("mid used twice");
            }
            let grouped = bundle.as_ref().is_some_and(|mids| mids.contains(&mid));
            // Within a bundle, port 0 only says that the line shares a transport.
            let mut offered = grouped || (section.port != 0 && description.media.len() == 1);
            if section.port == 0 && section.first("bundle-only").is_none() {
                offered = false;
            }
            let line = read_line(section, mid, offered, negotiated);
            if offered && transport.is_none() {
                transport = Some(RemoteTransport::read(description, section)?);
            }
            lines.push(line);
        }
        let transport = transport.ok_or("no m-line in a BUNDLE group")?;
        Ok(Self { transport, bundled: bundle.is_some(), lines })
    }

    /// Our DTLS role: whatever the client leaves us, active if it has no preference.
    pub(in super::super) fn setup(&self) -> Setup {
        if self.transport.setup == Setup::Active { Setup::Passive } else { Setup::Active }
    }

    /// Writes the offer for the WebRTC library: `lines`, in the library's own order.
    pub(in super::super) fn write_reduced(&self, lines: &[OfferedLine], setup: Setup) -> String {
        let mut out = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
        write_bundle(&mut out, lines.iter().map(|line| line.mid.as_str()));
        for line in lines {
            line.write_start(&mut out, 9);
            let IceCreds { ufrag, pass } = &self.transport.credentials;
            let setup = if setup == Setup::Active { "passive" } else { "active" };
            let _ = write!(
                out,
                "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pass}\r\na=fingerprint:{}\r\na=setup:{setup}\r\n",
                self.transport.fingerprint
            );
            if let Some(codec) = &line.codec {
                out.push_str(if line.sends { "a=sendonly\r\n" } else { "a=inactive\r\n" });
                codec.write(&mut out, line.kind);
                codec.write_sources(&mut out);
            } else {
                out.push_str("a=sctp-port:5000\r\n");
            }
        }
        out
    }

    /// Writes the answer for the client.
    pub(in super::super) fn write_answer(
        &self,
        local: &LocalTransport<'_>,
        session: i64,
        version: u64,
    ) -> String {
        let mut out = String::new();
        local.write_head(&mut out, session, version, "-");
        if self.bundled {
            let supported = self.lines.iter().filter(|line| line.is_supported());
            write_bundle(&mut out, supported.map(|line| line.mid.as_str()));
        }
        out.push_str("a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n");
        for line in &self.lines {
            if !line.is_supported() {
                line.write_start(&mut out, 0);
                out.push_str("a=inactive\r\n");
                continue;
            }
            line.write_start(&mut out, 9);
            local.write(&mut out);
            if let Some(codec) = &line.codec {
                out.push_str(if line.sends { "a=recvonly\r\n" } else { "a=inactive\r\n" });
                codec.write(&mut out, line.kind);
            } else {
                out.push_str("a=sctp-port:5000\r\na=max-message-size:65536\r\n");
            }
        }
        out
    }
}

impl OfferedLine {
    /// The WebRTC library takes part in this line, even if it is silent for now.
    pub(in super::super) fn is_supported(&self) -> bool {
        self.codec.is_some() || (self.kind == MediaKind::Application && self.sends)
    }

    fn write_start(&self, out: &mut String, port: u16) {
        let (kind, protocol) = (self.kind_name(), &self.protocol);
        let _ = write!(out, "m={kind} {port} {protocol}");
        match (&self.codec, port) {
            (Some(codec), 1..) => {
                let _ = write!(out, " {}", codec.payload_type);
                if let Some(number) = codec.retransmission {
                    let _ = write!(out, " {number}");
                }
            }
            _ => {
                let _ = write!(out, " {}", self.format);
            }
        }
        let _ = write!(out, "\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\n", self.mid);
        if self.kind != MediaKind::Application {
            out.push_str("a=rtcp-mux\r\n");
        }
    }

    const fn kind_name(&self) -> &'static str {
        match self.kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::Application => "application",
            MediaKind::Other => "text",
        }
    }
}

impl Codec {
    fn write(&self, out: &mut String, kind: MediaKind) {
        let number = self.payload_type;
        if kind == MediaKind::Audio {
            let _ = write!(out, "a=rtpmap:{number} opus/48000/2\r\n");
            if self.in_band_fec {
                let _ = write!(out, "a=fmtp:{number} minptime=10;useinbandfec=1\r\n");
            }
        } else {
            let _ = write!(out, "a=rtpmap:{number} VP8/90000\r\n");
        }
        for feedback in &self.feedback {
            let _ = write!(out, "a=rtcp-fb:{number} {feedback}\r\n");
        }
        if let Some(rtx) = self.retransmission {
            let _ = write!(out, "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={number}\r\n");
        }
        for (id, index) in &self.extensions {
            if let Some((uri, ..)) = EXTENSIONS.get(*index) {
                let _ = write!(out, "a=extmap:{id} {uri}\r\n");
            }
        }
    }

    fn write_sources(&self, out: &mut String) {
        for (main, retransmission) in &self.sources {
            if let Some(rtx) = retransmission {
                let _ = write!(out, "a=ssrc-group:FID {main} {rtx}\r\n");
            }
            let _ = write!(out, "a=ssrc:{main} cname:-\r\n");
            if let Some(rtx) = retransmission {
                let _ = write!(out, "a=ssrc:{rtx} cname:-\r\n");
            }
        }
    }
}

fn write_bundle<'a>(out: &mut String, mids: impl Iterator<Item = &'a str>) {
    out.push_str("a=group:BUNDLE");
    for mid in mids {
        out.push(' ');
        out.push_str(mid);
    }
    out.push_str("\r\n");
}

fn read_line(
    section: &Section<'_>,
    mid: &str,
    offered: bool,
    negotiated: &mut Negotiated,
) -> OfferedLine {
    let known_protocol = match section.protocol {
        "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF" => "UDP/TLS/RTP/SAVPF",
        "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP" => "UDP/DTLS/SCTP",
        "DTLS/SCTP" => "DTLS/SCTP",
        _ => "",
    };
    let mut line = OfferedLine {
        kind: section.kind,
        mid: mid.to_owned(),
        sends: false,
        codec: None,
        content: None,
        protocol: if known_protocol.is_empty() { "RTP/AVP" } else { known_protocol }.to_owned(),
        format: "0".to_owned(),
    };
    match section.kind {
        MediaKind::Audio | MediaKind::Video => {
            if let Some(number) = section.formats.iter().find_map(|format| payload_type(format)) {
                line.format = number.to_string();
            }
            if section.kind == MediaKind::Video {
                let track = section.first("msid").and_then(|msid| msid.split(' ').nth(1));
                line.content = track.and_then(VideoContent::from_label);
            }
            if offered && known_protocol == "UDP/TLS/RTP/SAVPF" {
                line.codec = read_codec(section, negotiated);
                line.sends = section.direction().sends();
            }
        }
        MediaKind::Application => {
            line.format = "webrtc-datachannel".to_owned();
            let first = negotiated.data.as_deref().is_none_or(|known| known == mid);
            let channel = section.formats.first() == Some(&"webrtc-datachannel");
            if offered && known_protocol == "UDP/DTLS/SCTP" && channel && first {
                negotiated.data = Some(mid.to_owned());
                line.sends = true;
            }
        }
        MediaKind::Other => {}
    }
    line
}

fn read_codec(section: &Section<'_>, negotiated: &mut Negotiated) -> Option<Codec> {
    let audio = section.kind == MediaKind::Audio;
    let name = if audio { "opus/48000/2" } else { "vp8/90000" };
    let settled = if audio { negotiated.audio } else { negotiated.video };
    let taken = if audio { negotiated.video } else { negotiated.audio };
    let conflicts =
        |number: u8| taken.is_some_and(|(main, rtx)| main == number || rtx == Some(number));
    let (number, _) = section.by_payload_type("rtpmap").find(|(number, map)| {
        map.eq_ignore_ascii_case(name)
            && section.formats.iter().any(|format| payload_type(format) == Some(*number))
            && settled.map_or_else(|| !conflicts(*number), |(main, _)| main == *number)
    })?;
    let retransmission = section
        .by_payload_type("rtpmap")
        .filter(|(rtx, map)| !audio && *rtx != number && map.eq_ignore_ascii_case("rtx/90000"))
        .map(|(rtx, _)| rtx)
        .find(|rtx| {
            let apt = format!("apt={number}");
            section.by_payload_type("fmtp").any(|(of, value)| of == *rtx && value == apt)
        })
        .filter(|rtx| settled.map_or_else(|| !conflicts(*rtx), |(_, known)| known == Some(*rtx)));
    let slot = if audio { &mut negotiated.audio } else { &mut negotiated.video };
    slot.get_or_insert((number, retransmission));
    let in_band_fec = section
        .by_payload_type("fmtp")
        .any(|(of, value)| of == number && value.split(';').any(|p| p.trim() == "useinbandfec=1"));
    let offered = |wanted: &str| {
        section.all("rtcp-fb").any(|value| {
            value.split_once(' ').is_some_and(|(of, feedback)| {
                feedback.trim() == wanted && (of == "*" || payload_type(of) == Some(number))
            })
        })
    };
    let wanted: &[&'static str] = if audio { &["transport-cc"] } else { &VIDEO_FEEDBACK };
    Some(Codec {
        payload_type: number,
        retransmission,
        in_band_fec: audio && in_band_fec,
        feedback: wanted.iter().copied().filter(|feedback| offered(feedback)).collect(),
        extensions: read_extensions(section, audio, negotiated),
        sources: read_sources(section, retransmission.is_some()),
    })
}

fn read_extensions(
    section: &Section<'_>,
    audio: bool,
    negotiated: &mut Negotiated,
) -> Vec<(u8, usize)> {
    let mut found: Vec<(u8, usize)> = Vec::new();
    for value in section.all("extmap") {
        let Some((id, uri)) = value.split_once(' ') else { continue };
        let id = id.split('/').next().and_then(|id| id.parse().ok());
        let Some(id) = id.filter(|id| (1..=14).contains(id)) else { continue };
        let uri = uri.trim();
        let index = EXTENSIONS.iter().position(|(known, for_audio, for_video)| {
            *known == uri && if audio { *for_audio } else { *for_video }
        });
        let Some(index) = index else { continue };
        let used = |at: usize| negotiated.extensions.get(at).copied().flatten();
        let clashes = (0..EXTENSIONS.len()).any(|at| at != index && used(at) == Some(id));
        let moved = used(index).is_some_and(|known| known != id);
        if clashes || moved || found.iter().any(|(known, _)| *known == id) {
            continue;
        }
        if let Some(slot) = negotiated.extensions.get_mut(index) {
            *slot = Some(id);
        }
        found.push((id, index));
    }
    found
}

fn read_sources(section: &Section<'_>, retransmissions: bool) -> Vec<(u32, Option<u32>)> {
    let pairs: Vec<(u32, u32)> = section
        .all("ssrc-group")
        .filter_map(|value| {
            let (main, rtx) = value.strip_prefix("FID ")?.trim().split_once(' ')?;
            Some((main.parse().ok()?, rtx.trim().parse().ok()?))
        })
        .take(MAX_SSRCS)
        .collect();
    let mut sources: Vec<(u32, Option<u32>)> = Vec::new();
    for value in section.all("ssrc") {
        let number: Option<u32> = value.split(' ').next().and_then(|text| text.parse().ok());
        let Some(number) = number.filter(|number| *number != 0) else { continue };
        let known = sources.iter().any(|(main, _)| *main == number);
        let repairs = pairs.iter().any(|(_, rtx)| *rtx == number);
        if known || repairs || sources.len() >= MAX_SSRCS {
            continue;
        }
        let rtx = pairs.iter().find(|(main, _)| *main == number).map(|(_, rtx)| *rtx);
        sources.push((number, rtx.filter(|rtx| retransmissions && *rtx != 0 && *rtx != number)));
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser offers for a microphone, a camera and a data channel, shortened only in
    /// its list of video codecs.
    const BROWSER: &str = "v=0\r\n\
        o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS s1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
        a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:ETEn\r\na=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\n\
        a=ice-options:trickle\r\n\
        a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:\
C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
        a=setup:actpass\r\na=mid:0\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=sendrecv\r\na=msid:s1 t1\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
        a=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
        a=rtpmap:126 telephone-event/8000\r\na=ssrc:2332 cname:c\r\na=ssrc:2332 msid:s1 t1\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 102 103 96 97\r\nc=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:ETEn\r\na=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\na=setup:actpass\r\na=mid:1\r\n\
        a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\na=extmap:13 urn:3gpp:video-orientation\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
        a=sendrecv\r\na=msid:s1 t2\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
        a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack pli\r\n\
        a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
        a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=rtpmap:96 VP8/90000\r\n\
        a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n\
        a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\n\
        a=fmtp:97 apt=96\r\na=ssrc-group:FID 1001 1002\r\na=ssrc:1001 cname:c\r\n\
        a=ssrc:1002 cname:c\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:ETEn\r\na=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\na=setup:actpass\r\na=mid:2\r\n\
        a=sctp-port:5000\r\na=max-message-size:262144\r\n";

    fn read(text: &str, negotiated: &mut Negotiated) -> Result<PublisherOffer, &'static str> {
        PublisherOffer::read(&Description::parse(text, 100_000, 64)?, negotiated)
    }

    #[test]
    fn an_offer_of_a_browser_is_reduced_to_opus_vp8_and_data() {
        let mut negotiated = Negotiated::default();
        let offer = read(BROWSER, &mut negotiated).unwrap();
        assert!(offer.lines.iter().all(OfferedLine::is_live));
        let [audio, video, _] = offer.lines.as_slice() else { panic!("three lines") };
        let opus = audio.codec.as_ref().unwrap();
        assert_eq!((opus.payload_type, opus.retransmission, opus.in_band_fec), (111, None, true));
        assert_eq!(opus.extensions, [(1, 0), (3, 2), (4, 1)]);
        assert_eq!(opus.sources, [(2332, None)]);
        let vp8 = video.codec.as_ref().unwrap();
        assert_eq!((vp8.payload_type, vp8.retransmission), (96, Some(97)));
        assert_eq!(vp8.feedback, VIDEO_FEEDBACK);
        assert_eq!(vp8.sources, [(1001, Some(1002))]);
        assert_eq!(offer.setup(), Setup::Active);
        let reduced = offer.write_reduced(&offer.lines, Setup::Active);
        for gone in ["H264", "red/", "PCMU", "sendrecv", "actpass", "candidate", "toffset"] {
            assert!(!reduced.contains(gone), "{gone}");
        }
        // What we write we can read, with the same meaning.
        let again = read(&reduced, &mut negotiated).unwrap();
        let codecs = |offer: &PublisherOffer| -> Vec<_> {
            offer.lines.iter().map(|line| (line.mid.clone(), line.codec.clone())).collect()
        };
        assert_eq!(codecs(&again), codecs(&offer));
    }

    #[test]
    fn numbers_once_agreed_stay() {
        let mut negotiated = Negotiated::default();
        read(BROWSER, &mut negotiated).unwrap();
        let settled = negotiated.clone();
        let cases = [
            ("opus elsewhere", BROWSER.replace("111", "109")),
            ("opus on the number of vp8", BROWSER.replace("111", "96")),
        ];
        for (name, text) in cases {
            let offer = read(&text, &mut negotiated).unwrap();
            assert!(offer.lines.first().is_some_and(|line| line.codec.is_none()), "{name}");
            assert_eq!(negotiated, settled, "{name}");
        }
        let moved = BROWSER.replace("a=extmap:1 ", "a=extmap:3 ");
        let offer = read(&moved, &mut negotiated).unwrap();
        assert!(offer.lines.first().is_some_and(|line| !line.has_audio_level()));
    }

    #[test]
    fn second_data_section_is_refused() {
        let (_, data) = BROWSER.split_once("m=application").unwrap();
        let second = format!("m=application{}", data.replace("a=mid:2", "a=mid:3"));
        let text = BROWSER.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 3") + &second;
        let offer = read(&text, &mut Negotiated::default()).unwrap();
        let live: Vec<bool> = offer.lines.iter().map(OfferedLine::is_live).collect();
        assert_eq!(live, [true, true, true, false]);
    }
}
