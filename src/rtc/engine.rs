//! One WebRTC connection as a step function: the engine crate, configured for Streams.
//!
//! Datagrams, commands and the time go in; datagrams, packets, messages and state changes come
//! out. Nothing here waits or does I/O; `driver` does. All candidates are given to the engine
//! before it writes its first description, so that every description is complete.
//!
//! Invariant: after any call that may change something, poll events, packets, messages and then
//! transmits until each answers `None`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;
use std::time::Instant;

use bytes::BytesMut;
use rtc::interceptor::NackResponderBuilder;
use rtc::interceptor::SenderReportBuilder;
use rtc::interceptor::Slot;
use rtc::peer_connection::RTCPeerConnectionBuilder;
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::message::TaggedRTCMessage;
use rtc::peer_connection::transport::CandidateConfig;
use rtc::peer_connection::transport::CandidateHostConfig;
use rtc::peer_connection::transport::CandidateRelayConfig;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::TaggedBytesMut;
use rtc::shared::TransportContext;
use rtc::shared::TransportProtocol;
use webrtc::data_channel::RTCDataChannelId;
use webrtc::peer_connection::RTCConfigurationBuilder;
use webrtc::peer_connection::RTCDataChannelEvent;
use webrtc::peer_connection::RTCIceCandidate;
use webrtc::peer_connection::RTCIceCandidateInit;
use webrtc::peer_connection::RTCPeerConnection;
use webrtc::peer_connection::RTCPeerConnectionEvent;
use webrtc::peer_connection::RTCPeerConnectionState;
use webrtc::peer_connection::RTCSdpType;
use webrtc::peer_connection::RTCSessionDescription;
use webrtc::peer_connection::Registry;
use webrtc::peer_connection::StatsSelector;

use super::error::RtcError;
use super::mapped::MappedAddress;
use super::peer::PeerState;
use super::rtp::feedback::Wishes;
use super::rtp::tap::Inbound;
use super::rtp::tap::TapHandle;
use super::rtp::tap::Totals;
use super::settings;

/// First bytes of DTLS records, as opposed to STUN and RTP on the same port (RFC 7983).
const DTLS_FIRST_BYTES: RangeInclusive<u8> = 20..=63;
/// Records held back at most.
const MAX_HELD: usize = 32;
/// Between the wire and every other interceptor.
const TAP_SLOT: Slot = Slot::Custom(500);
/// Packets of a video track that can be sent once more: some seconds of it. A power of two.
const REPEATABLE: u16 = 512;

/// A datagram to send.
pub(super) struct Transmit {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: BytesMut,
}

/// Something that happened to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineEvent {
    State(PeerState),
    ChannelOpen(RTCDataChannelId),
    ChannelClosed(RTCDataChannelId),
    /// The other side sees us at another address than before.
    Moved,
}

/// A data message.
pub(super) struct Message {
    pub(super) channel: RTCDataChannelId,
    pub(super) payload: BytesMut,
}

/// The engine and its tap.
pub(super) struct Engine {
    pub(super) connection: RTCPeerConnection,
    tap: TapHandle,
    /// Run the timers at once: the engine begins the DTLS handshake when a path is found, but
    /// sends what it began only when a timer fires, up to 200 ms later.
    kick: Option<Instant>,
    now: Instant,
    /// Where we can be reached: the engine forgets it when a connection fails.
    hosts: Vec<SocketAddr>,
    relays: Vec<SocketAddr>,
    /// DTLS records that came too early, while they are held back.
    held: Option<Vec<(SocketAddr, SocketAddr, BytesMut)>>,
    closed: bool,
    mapped: MappedAddress,
}

impl Engine {
    /// An engine that can be reached at `addresses`, the most preferred first, and that takes
    /// `answering_role` in the DTLS handshake when it answers. Without any address it takes the
    /// first relayed path that works.
    pub(super) fn new(
        now: Instant,
        addresses: &[SocketAddr],
        answering_role: RTCDtlsRole,
    ) -> Result<Self, RtcError> {
        let (tap, interceptor) = TapHandle::new(rand::random());
        let registry = Registry::new()
            .with(TAP_SLOT, interceptor)
            .with(Slot::NackResponder, NackResponderBuilder::new().with_size(REPEATABLE).build())
            .with(Slot::SenderReport, SenderReportBuilder::new().build());
        let connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(settings::media_engine().map_err(RtcError::engine("codecs"))?)
            .with_setting_engine(settings::settings(answering_role, addresses.is_empty()))
            .with_interceptor_registry(registry)
            .build(now)
            .map_err(RtcError::engine("new connection"))?;
        let mut engine = Self {
            connection,
            tap,
            kick: None,
            now,
            hosts: addresses.to_vec(),
            relays: Vec::new(),
            held: None,
            closed: false,
            mapped: MappedAddress::default(),
        };
        engine.add_candidates()?;
        Ok(engine)
    }

    /// Makes the engine know every address of ours; those that it knows already change nothing.
    fn add_candidates(&mut self) -> Result<(), RtcError> {
        for (rank, address) in self.hosts.clone().into_iter().enumerate() {
            self.add_host_candidate(rank, address).map_err(RtcError::engine("local candidate"))?;
        }
        for address in self.relays.clone() {
            self.add_relay_candidate(address);
        }
        self.end_candidates()
    }

    fn add_host_candidate(
        &mut self,
        rank: usize,
        address: SocketAddr,
    ) -> rtc::shared::error::Result<()> {
        // RFC 8445 §5.1.2.1 with type preference 126; the local preference falls with the rank.
        let preference = 65_535u32.saturating_sub(u32::try_from(rank).unwrap_or(u32::MAX));
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                priority: 126 << 24 | preference << 8 | 255,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        }
        .new_candidate_host()?;
        let candidate = RTCIceCandidate::from(&candidate).to_json()?;
        self.connection.add_local_candidate(candidate)
    }

    /// Adds an address that a relay has given us.
    pub(super) fn add_relay(&mut self, address: SocketAddr) {
        self.relays.push(address);
        self.add_relay_candidate(address);
    }

    fn add_relay_candidate(&mut self, address: SocketAddr) {
        let candidate = CandidateRelayConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            // Which of our addresses asked for it is nobody's business (RFC 8828).
            rel_addr: "0.0.0.0".to_owned(),
            rel_port: 0,
            url: None,
        };
        let added = candidate
            .new_candidate_relay()
            .and_then(|candidate| RTCIceCandidate::from(&candidate).to_json())
            .and_then(|candidate| self.connection.add_local_candidate(candidate));
        if let Err(error) = added {
            tracing::warn!(%error, "relayed candidate");
        }
    }

    fn end_candidates(&mut self) -> Result<(), RtcError> {
        self.connection
            .add_local_candidate(RTCIceCandidateInit::default())
            .map_err(RtcError::engine("end of candidates"))
    }

    /// Makes an offer and commits to it.
    pub(super) fn offer(&mut self, now: Instant, ice_restart: bool) -> Result<String, RtcError> {
        self.add_candidates()?;
        let options = RTCOfferOptions { ice_restart };
        let offer = self
            .connection
            .create_offer(Some(options))
            .map_err(RtcError::engine("create offer"))?;
        self.set_local(now, offer)
    }

    /// Makes the answer to the remote offer and commits to it.
    pub(super) fn answer(&mut self, now: Instant) -> Result<String, RtcError> {
        self.add_candidates()?;
        let answer =
            self.connection.create_answer(None).map_err(RtcError::engine("create answer"))?;
        self.set_local(now, answer)
    }

    fn set_local(
        &mut self,
        now: Instant,
        description: RTCSessionDescription,
    ) -> Result<String, RtcError> {
        let text = description.sdp.clone();
        self.connection
            .set_local_description(now, description)
            .map_err(RtcError::engine("local description"))?;
        self.end_candidates()?;
        Ok(text)
    }

    /// Applies the peer's description.
    pub(super) fn set_remote(
        &mut self,
        now: Instant,
        description: rtc::shared::error::Result<RTCSessionDescription>,
    ) -> Result<(), RtcError> {
        let description = description.map_err(RtcError::engine("parse description"))?;
        self.connection
            .set_remote_description(now, description)
            .map_err(RtcError::engine("remote description"))
    }

    /// Withdraws our open offer, or the peer's.
    pub(super) fn roll_back(&mut self, now: Instant) -> Result<(), RtcError> {
        let mut rollback = RTCSessionDescription::default();
        rollback.sdp_type = RTCSdpType::Rollback;
        self.connection.set_local_description(now, rollback).map_err(RtcError::engine("roll back"))
    }

    /// What was negotiated about RTP.
    pub(super) fn configure_rtp(&self, video_types: impl Iterator<Item = u8>, reduced: bool) {
        self.tap.configure(video_types, reduced);
    }

    /// Where repeated packets belong: repair flows with what they repair, and the same for
    /// payload types.
    pub(super) fn configure_repair(&self, flows: Vec<(u32, u32)>, types: Vec<(u8, u8)>) {
        self.tap.configure_repair(flows, types);
    }

    /// What the other side wants of our video.
    pub(super) fn poll_wishes(&self) -> Wishes {
        self.tap.take_wishes()
    }

    /// Forgets the statistics of a source that was replaced.
    pub(super) fn forget_source(&self, ssrc: u32) {
        self.tap.forget(ssrc);
    }

    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        payload: &[u8],
    ) {
        self.now = now;
        let is_dtls = payload.first().is_some_and(|first| DTLS_FIRST_BYTES.contains(first));
        if let Some(held) = self.held.as_mut().filter(|_| is_dtls) {
            if held.len() < MAX_HELD {
                held.push((local, from, BytesMut::from(payload)));
            }
            return;
        }
        self.mapped.observe(now, local, from, payload);
        let transport = TransportContext {
            local_addr: local,
            peer_addr: from,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = BytesMut::from(payload);
        if let Err(error) = self.connection.handle_read(TaggedBytesMut { now, transport, message })
        {
            tracing::debug!(%error, "datagram refused");
        }
    }

    /// Holds DTLS records back until [`release_data`](Self::release_data).
    ///
    /// An SFU begins SCTP as soon as it has accepted our first data line, before its answer can
    /// be here. The engine would drop that beginning, and the next attempt comes 3 s later.
    pub(super) fn hold_data(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Lets the engine see what was held back, and what comes from now on.
    pub(super) fn release_data(&mut self, now: Instant) {
        for (local, from, payload) in self.held.take().unwrap_or_default() {
            self.handle_datagram(now, local, from, &payload);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.kick = None;
        if let Err(error) = self.connection.handle_timeout(now) {
            tracing::debug!(%error, "timer failed");
        }
    }

    /// Queues one RTP packet of a local track.
    pub(super) fn send_rtp(&mut self, now: Instant, track: String, packet: rtc::rtp::Packet) {
        let message = RTCMessage::RtpPacket(track, packet);
        if let Err(error) = self.connection.handle_write(TaggedRTCMessage { now, message }) {
            tracing::debug!(%error, "packet refused");
        }
    }

    /// Asks the sender of `source` for a picture that needs no other.
    pub(super) fn request_keyframe(&mut self, now: Instant, source: u32) {
        let request =
            PictureLossIndication { sender_ssrc: self.tap.own_ssrc(), media_ssrc: source };
        let message = RTCMessage::RtcpPacket(String::new(), vec![Box::new(request)]);
        if let Err(error) = self.connection.handle_write(TaggedRTCMessage { now, message }) {
            tracing::debug!(%error, "feedback refused");
        }
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.kick.or_else(|| self.connection.poll_timeout())
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        let message = self.connection.poll_write()?;
        let TransportContext { local_addr: from, peer_addr: to, .. } = message.transport;
        Some(Transmit { from, to, payload: message.message })
    }

    pub(super) fn poll_event(&mut self) -> Option<EngineEvent> {
        if self.mapped.poll_moved() {
            return Some(EngineEvent::Moved);
        }
        loop {
            match self.connection.poll_event()? {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                    return Some(EngineEvent::State(peer_state(state)));
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                    return Some(EngineEvent::ChannelOpen(id));
                }
                RTCPeerConnectionEvent::OnDataChannel(
                    RTCDataChannelEvent::OnClose(id) | RTCDataChannelEvent::OnError(id),
                ) => return Some(EngineEvent::ChannelClosed(id)),
                RTCPeerConnectionEvent::OnIceConnectionStateChangeEvent(_) => {
                    self.kick = Some(self.now);
                }
                _ => {}
            }
        }
    }

    /// The next RTP packet received.
    pub(super) fn poll_rtp(&mut self) -> Option<Inbound> {
        self.tap.poll_inbound()
    }

    /// The next data message. Not calling this makes the sender slow down.
    pub(super) fn poll_message(&mut self) -> Option<Message> {
        loop {
            if let RTCMessage::DataChannelMessage(channel, message) =
                self.connection.poll_read()?.message
            {
                return Some(Message { channel, payload: message.data });
            }
        }
    }

    /// Totals of RTP.
    pub(super) fn totals(&self) -> Totals {
        self.tap.totals()
    }

    /// Round trip of the last connectivity check on the selected path.
    pub(super) fn ice_rtt(&mut self, now: Instant) -> Option<Duration> {
        let report = self.connection.get_stats(now, StatsSelector::None);
        let seconds = report
            .candidate_pairs()
            .filter(|pair| pair.nominated)
            .map(|pair| pair.current_round_trip_time)
            .fold(0.0, f64::max);
        Duration::try_from_secs_f64(seconds).ok().filter(|rtt| !rtt.is_zero())
    }

    /// Takes leave of the peer; what that takes is left for `poll_transmit`.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true)
            && let Err(error) = self.connection.close()
        {
            tracing::debug!(%error, "close");
        }
    }
}

const fn peer_state(state: RTCPeerConnectionState) -> PeerState {
    match state {
        RTCPeerConnectionState::Connecting => PeerState::Connecting,
        RTCPeerConnectionState::Connected => PeerState::Connected,
        RTCPeerConnectionState::Disconnected => PeerState::Disconnected,
        RTCPeerConnectionState::Failed => PeerState::Failed,
        RTCPeerConnectionState::Closed => PeerState::Closed,
        _ => PeerState::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two engines and the wire between them; time is what the test says.
    struct Pair {
        now: Instant,
        engines: [Engine; 2],
        states: [PeerState; 2],
    }

    const ADDRESSES: [&str; 2] = ["192.0.2.1:1000", "192.0.2.2:2000"];

    impl Pair {
        fn new() -> Self {
            let now = Instant::now();
            let engines = ADDRESSES.map(|address| {
                Engine::new(now, &[address.parse().unwrap()], RTCDtlsRole::Client).unwrap()
            });
            Self { now, engines, states: [PeerState::New; 2] }
        }

        fn negotiate(&mut self, restart: bool) {
            let [offerer, answerer] = &mut self.engines;
            let offer = offerer.offer(self.now, restart).unwrap();
            assert!(offer.contains("192.0.2.1"), "{offer}");
            answerer.set_remote(self.now, RTCSessionDescription::offer(offer)).unwrap();
            let answer = answerer.answer(self.now).unwrap();
            assert!(answer.contains("192.0.2.2"), "{answer}");
            offerer.set_remote(self.now, RTCSessionDescription::answer(answer)).unwrap();
        }

        /// Lets `time` pass in steps of 5 ms; nothing gets through unless the wire is `whole`.
        fn pass(&mut self, time: Duration, whole: bool) {
            let end = self.now + time;
            while self.now < end {
                self.now += Duration::from_millis(5);
                for (index, state) in self.states.iter_mut().enumerate() {
                    let (left, right) = self.engines.split_at_mut(1);
                    let (one, other) = match index {
                        0 => (&mut left[0], &mut right[0]),
                        _ => (&mut right[0], &mut left[0]),
                    };
                    if one.poll_timeout().is_some_and(|due| due <= self.now) {
                        one.handle_timeout(self.now);
                    }
                    while let Some(event) = one.poll_event() {
                        if let EngineEvent::State(new) = event {
                            *state = new;
                        }
                    }
                    while let Some(transmit) = one.poll_transmit() {
                        if whole {
                            other.handle_datagram(
                                self.now,
                                transmit.to,
                                transmit.from,
                                &transmit.payload,
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_failed_connection_comes_back_with_an_ice_restart() {
        let mut pair = Pair::new();
        pair.engines[0].connection.create_data_channel("any", None).unwrap();
        pair.negotiate(false);
        pair.pass(Duration::from_millis(500), true);
        assert_eq!(pair.states, [PeerState::Connected; 2]);
        pair.pass(Duration::from_secs(30), false);
        assert_eq!(pair.states, [PeerState::Failed; 2]);
        pair.negotiate(true);
        pair.pass(Duration::from_secs(1), true);
        assert_eq!(pair.states, [PeerState::Connected; 2]);
    }
}
