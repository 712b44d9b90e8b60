//! What we ask of the engine: times, limits, codecs and header extensions.

use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::media_engine::MIME_TYPE_OPUS;
use rtc::peer_connection::configuration::media_engine::MIME_TYPE_RTX;
use rtc::peer_connection::configuration::media_engine::MIME_TYPE_VP8;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp_transceiver::rtp_sender::RTCPFeedback;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodec;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodecParameters;
use rtc::rtp_transceiver::rtp_sender::RTCRtpHeaderExtensionCapability;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use webrtc::peer_connection::MediaEngine;
use webrtc::peer_connection::SettingEngine;
use webrtc::peer_connection::SettingEngineBuilder;

/// Payload type of Opus in our offers; what everybody uses.
pub(super) const OPUS_TYPE: u8 = 111;
/// Payload type of VP8 in our offers.
pub(super) const VP8_TYPE: u8 = 96;
/// Payload type of retransmitted VP8 in our offers (RFC 4588).
pub(super) const VP8_REPAIR_TYPE: u8 = 97;
/// Pause between connectivity checks. The engine nominates only when this timer fires, so it is
/// also what connecting costs at least; its default of 200 ms would be most of the set-up time.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Checks per candidate pair before it is given up: 15 s of them, as long as the engine searches.
const MAX_CHECKS: u16 = 750;
/// How long a better kind of candidate gets its chance before a reflexive one is taken.
const REFLEXIVE_WAIT: Duration = Duration::from_millis(40);
/// The same for a relay.
const RELAY_WAIT: Duration = Duration::from_millis(250);
/// Silence before a connection counts as disconnected, then as failed, and how often it is probed.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
const FAILED_AFTER: Duration = Duration::from_secs(10);
/// Also how soon the other side learns of an address that an address translator has changed.
const KEEPALIVE: Duration = Duration::from_millis(400);
/// Replayed packets are refused within this many sequence numbers.
const REPLAY_WINDOW: usize = 1024;
/// Longest message that we receive. Janus buffers 64 KiB.
const MAX_RECEIVED_MESSAGE: u32 = 64 * 1024;

/// Everything but codecs, for a connection that takes `answering_role` when it answers. One that
/// has nothing but relays does not wait for anything better.
pub(super) fn settings(answering_role: RTCDtlsRole, relay_only: bool) -> SettingEngine {
    let relay_wait = if relay_only { Duration::ZERO } else { RELAY_WAIT };
    SettingEngineBuilder::new()
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_include_loopback_candidate(true)
        .with_answering_dtls_role(answering_role)
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(MAX_CHECKS))
        .with_ice_timeouts(Some(DISCONNECTED_AFTER), Some(FAILED_AFTER), Some(KEEPALIVE))
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        .with_srflx_acceptance_min_wait(Some(REFLEXIVE_WAIT))
        .with_prflx_acceptance_min_wait(Some(REFLEXIVE_WAIT))
        .with_relay_acceptance_min_wait(Some(relay_wait))
        .with_srtp_replay_protection_window(REPLAY_WINDOW)
        .with_srtcp_replay_protection_window(REPLAY_WINDOW)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MAX_RECEIVED_MESSAGE))
        .build()
}

/// Opus and VP8 and nothing else: what an SFU of Streams forwards (streams.md §10.2).
pub(super) fn media_engine() -> rtc::shared::error::Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    engine.register_codec(codec(OPUS_TYPE), RtpCodecKind::Audio)?;
    engine.register_codec(codec(VP8_TYPE), RtpCodecKind::Video)?;
    engine.register_codec(repair_codec(), RtpCodecKind::Video)?;
    for (uri, kinds) in [
        ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", &[RtpCodecKind::Audio][..]),
        ("urn:ietf:params:rtp-hdrext:sdes:mid", &[RtpCodecKind::Audio, RtpCodecKind::Video]),
    ] {
        for kind in kinds {
            let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
            engine.register_header_extension(extension, *kind, None)?;
        }
    }
    Ok(engine)
}

/// The codec behind one of our payload types.
pub(super) fn codec(payload_type: u8) -> RTCRtpCodecParameters {
    let audio = payload_type == OPUS_TYPE;
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: if audio { MIME_TYPE_OPUS } else { MIME_TYPE_VP8 }.to_owned(),
            clock_rate: if audio { 48_000 } else { 90_000 },
            channels: if audio { 2 } else { 0 },
            sdp_fmtp_line: if audio { "minptime=10;useinbandfec=1" } else { "" }.to_owned(),
            rtcp_feedback: if audio {
                Vec::new()
            } else {
                vec![
                    feedback("ccm", "fir"),
                    feedback("nack", ""),
                    feedback("nack", "pli"),
                    feedback("goog-remb", ""),
                ]
            },
        },
        payload_type,
    }
}

/// How packets are sent once more.
fn repair_codec() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={VP8_TYPE}"),
            rtcp_feedback: Vec::new(),
        },
        payload_type: VP8_REPAIR_TYPE,
    }
}
