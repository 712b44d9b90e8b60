//! A client for tests: the WebRTC library in the role of a browser.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use str0m::Candidate;
use str0m::Event;
use str0m::Input;
use str0m::Output;
use str0m::Rtc;
use str0m::RtcConfig;
use str0m::change::SdpAnswer;
use str0m::change::SdpOffer;
use str0m::change::SdpPendingOffer;
use str0m::channel::ChannelId;
use str0m::media::Direction;
use str0m::media::KeyframeRequestKind;
use str0m::media::MediaKind;
use str0m::media::Mid;
use str0m::net::Protocol;
use str0m::net::Receive;
use str0m::rtp::ExtensionValues;
use str0m::rtp::RtpPacket;
use str0m::rtp::RtpWrite;

/// One peer connection of a client.
pub(super) struct Client {
    pub(super) rtc: Rtc,
    pub(super) address: SocketAddr,
    pub(super) connected_at: Option<Instant>,
    pub(super) packets: Vec<RtpPacket>,
    pub(super) messages: Vec<(String, bool, Vec<u8>)>,
    pub(super) keyframe_requests: Vec<(Mid, Instant)>,
    pub(super) closed: bool,
    /// Takes the active DTLS role when it answers, as browsers do.
    pub(super) active: bool,
    labels: HashMap<ChannelId, String>,
    pending: Option<SdpPendingOffer>,
    own_channel: Option<ChannelId>,
    next_seq: HashMap<Mid, u64>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, now: Instant) -> Self {
        let mut config = RtcConfig::new();
        // As often as our own clients check their path.
        config.set_max_stun_rto(Duration::from_millis(400));
        let mut rtc = config
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_h264(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        Self {
            rtc,
            address,
            connected_at: None,
            packets: Vec::new(),
            messages: Vec::new(),
            keyframe_requests: Vec::new(),
            closed: false,
            active: true,
            labels: HashMap::new(),
            pending: None,
            own_channel: None,
            next_seq: HashMap::new(),
        }
    }

    /// Offers these tracks in addition to what is there; as official clients do, without any
    /// candidate.
    pub(super) fn offer(&mut self, kinds: &[MediaKind], data: bool) -> (String, Vec<Mid>) {
        let mut api = self.rtc.sdp_api();
        let mids =
            kinds.iter().map(|kind| api.add_media(*kind, Direction::SendRecv, None, None, None));
        let mids: Vec<Mid> = mids.collect();
        if data {
            self.own_channel = Some(api.add_channel("JanusDataChannel".into()));
        }
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        (without_candidates(&offer.to_sdp_string()), mids)
    }

    /// Offers to send nothing on `mid` any more.
    pub(super) fn offer_without(&mut self, mid: Mid) -> String {
        let mut api = self.rtc.sdp_api();
        api.set_direction(mid, Direction::Inactive);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        without_candidates(&offer.to_sdp_string())
    }

    /// Offers an ICE restart.
    pub(super) fn offer_restart(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        without_candidates(&offer.to_sdp_string())
    }

    pub(super) fn take_answer(&mut self, answer: &str, now: Instant) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
    }

    /// Answers an offer of the SFU, opening the bootstrap channel if there is a data section.
    pub(super) fn answer(&mut self, offer: &str, now: Instant) -> String {
        // The library is passive if it may choose.
        let role = if self.active { "a=setup:passive" } else { "a=setup:actpass" };
        let parsed = SdpOffer::from_sdp_string(&offer.replace("a=setup:actpass", role)).unwrap();
        let answer = self.rtc.sdp_api().accept_offer(parsed).unwrap();
        if offer.contains("m=application") && self.own_channel.is_none() {
            let mut api = self.rtc.sdp_api();
            self.own_channel = Some(api.add_channel("JanusDataChannel".into()));
            assert!(api.apply().is_none());
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        without_candidates(&answer.to_sdp_string())
    }

    /// Sends one packet of a track.
    pub(super) fn send(&mut self, mid: Mid, payload: &[u8], timestamp: u32, now: Instant) {
        let video = self.rtc.media(mid).unwrap().kind() == MediaKind::Video;
        let pt = self.rtc.media(mid).unwrap().remote_pts()[0];
        let seq = self.next_seq.entry(mid).or_insert(30_000);
        *seq += 1;
        let extensions = ExtensionValues {
            audio_level: (!video).then_some(-42),
            voice_activity: (!video).then_some(true),
            ..Default::default()
        };
        let write = RtpWrite::new(pt, (*seq).into(), timestamp, now, payload)
            .marker(video)
            .nackable(video)
            .ext_vals(extensions);
        let mut api = self.rtc.direct_api();
        api.stream_tx_by_mid(mid, None).unwrap().write_rtp(write);
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
    }

    /// Sends a message on the client's own channel; whether it was taken.
    pub(super) fn send_message(&mut self, binary: bool, message: &[u8], now: Instant) -> bool {
        let id = self.own_channel.unwrap();
        let sent = match self.rtc.channel(id) {
            Some(mut channel) => channel.write(binary, message).unwrap(),
            None => false,
        };
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        sent
    }

    /// Asks the SFU for a keyframe on a received track.
    pub(super) fn request_keyframe(&mut self, mid: Mid, now: Instant) {
        let mut api = self.rtc.direct_api();
        api.stream_rx_by_mid(mid, None).unwrap().request_keyframe(KeyframeRequestKind::Pli);
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
    }

    pub(super) fn handle_packet(&mut self, from: SocketAddr, data: &[u8], now: Instant) {
        if let Ok(received) = Receive::new(Protocol::Udp, from, self.address, data) {
            let input = Input::Receive(now, received);
            if self.rtc.accepts(&input) {
                self.rtc.handle_input(input).unwrap();
            }
        }
    }

    /// Works off everything; what is to be sent, and when to come back.
    pub(super) fn drain(&mut self, now: Instant) -> (Vec<(SocketAddr, Vec<u8>)>, Instant) {
        let mut out = Vec::new();
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => return (out, at),
                Output::Transmit(t) => out.push((t.destination, t.contents.to_vec())),
                Output::Event(event) => self.note(event, now),
            }
        }
    }

    fn note(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected => self.connected_at = Some(now),
            Event::RtpPacket(packet) => self.packets.push(packet),
            Event::ChannelOpen(id, label) => {
                self.labels.insert(id, label);
            }
            Event::ChannelData(data) => {
                self.messages.push((self.labels[&data.id].clone(), data.binary, data.data));
            }
            Event::KeyframeRequest(request) => self.keyframe_requests.push((request.mid, now)),
            Event::Closed => self.closed = true,
            _ => {}
        }
    }

    /// Payloads received on one m-line.
    pub(super) fn payloads(&mut self, mid: &str) -> Vec<Vec<u8>> {
        let packets = std::mem::take(&mut self.packets);
        let (mine, rest): (Vec<_>, Vec<_>) = packets.into_iter().partition(|packet| {
            let mut api = self.rtc.direct_api();
            let stream = api.stream_rx(&packet.header.ssrc).unwrap();
            stream.mid() == Mid::from(mid)
        });
        self.packets = rest;
        mine.iter().map(|packet| packet.payload.to_vec()).collect()
    }
}

fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive('\n').filter(|line| !line.contains("candidate")).collect()
}
