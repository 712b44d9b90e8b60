//! The other side of a connection: the engine crate with default settings and a plain loop.
//!
//! It shares no code with `conclave::rtc`, so that what passes here is on the wire.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use bytes::BytesMut;
use rtc::data_channel::RTCDataChannelId;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::RTCPeerConnection;
use rtc::peer_connection::RTCPeerConnectionBuilder;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MIME_TYPE_OPUS;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCDataChannelEvent;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::message::TaggedRTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::CandidateConfig;
use rtc::peer_connection::transport::CandidateHostConfig;
use rtc::peer_connection::transport::RTCIceCandidate;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodec;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodingParameters;
use rtc::rtp_transceiver::rtp_sender::RTCRtpEncodingParameters;
use rtc::rtp_transceiver::rtp_sender::RTCRtpHeaderExtensionCapability;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::sansio::Protocol;
use rtc::shared::TaggedBytesMut;
use rtc::shared::TransportContext;
use rtc::shared::TransportProtocol;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type Job = Box<dyn FnOnce(&mut RTCPeerConnection) + Send>;

/// What the other side noticed.
#[derive(Debug)]
pub enum Heard {
    Up,
    Closed,
    Rtp(rtc::rtp::Packet),
    ChannelOpen(RTCDataChannelId, String),
    Message(String, Bytes),
}

pub struct Counterpart {
    jobs: mpsc::Sender<Job>,
    pub heard: mpsc::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Counterpart {
    pub async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let connection = connection(address);
        let (jobs, job_queue) = mpsc::channel(16);
        let (hear, heard) = mpsc::channel(4096);
        let task = tokio::spawn(run(connection, socket, address, job_queue, hear));
        Self { jobs, heard, task }
    }

    pub async fn with<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut RTCPeerConnection) -> T + Send + 'static,
    ) -> T {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| drop(reply.send(job(connection))));
        self.jobs.send(job).await.unwrap_or_else(|_| panic!("the other side is gone"));
        answer.await.unwrap()
    }

    /// Answers an offer.
    pub async fn answer(&self, offer: String) -> String {
        self.with(move |connection| {
            let offer = RTCSessionDescription::offer(offer).unwrap();
            connection.set_remote_description(Instant::now(), offer).unwrap();
            let answer = connection.create_answer(None).unwrap();
            let text = answer.sdp.clone();
            connection.set_local_description(Instant::now(), answer).unwrap();
            text
        })
        .await
    }

    /// Makes an offer.
    pub async fn offer(&self) -> String {
        self.with(|connection| {
            let offer = connection.create_offer(None).unwrap();
            let text = offer.sdp.clone();
            connection.set_local_description(Instant::now(), offer).unwrap();
            text
        })
        .await
    }

    pub async fn accept(&self, answer: String) {
        self.with(move |connection| {
            let answer = RTCSessionDescription::answer(answer).unwrap();
            connection.set_remote_description(Instant::now(), answer).unwrap();
        })
        .await;
    }

    /// Adds an audio track of `stream` and tells its index.
    pub async fn add_audio(&self, stream: &str, ssrc: u32) -> usize {
        let track = audio_track(stream, ssrc);
        self.with(move |connection| connection.add_track(track).unwrap().into()).await
    }

    pub async fn remove(&self, index: usize) {
        self.with(move |connection| connection.remove_track(index.into()).unwrap()).await;
    }

    pub async fn send_audio(&self, index: usize, packet: rtc::rtp::Packet) {
        self.with(move |connection| {
            connection.rtp_sender(index.into()).unwrap().write_rtp(Instant::now(), packet).unwrap();
        })
        .await;
    }

    pub async fn open_channel(&self, label: &'static str) -> RTCDataChannelId {
        self.with(move |connection| connection.create_data_channel(label, None).unwrap().id()).await
    }

    pub async fn send_message(&self, channel: RTCDataChannelId, message: &'static [u8]) {
        self.with(move |connection| {
            let mut channel = connection.data_channel(channel).unwrap();
            channel.send(Instant::now(), BytesMut::from(message)).unwrap();
        })
        .await;
    }

    /// The next thing heard that `pick` wants.
    pub async fn wait<T>(&mut self, mut pick: impl FnMut(Heard) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = pick(self.heard.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("heard within 10 s")
    }

    pub async fn close(self) {
        drop(self.jobs);
        self.task.await.unwrap();
    }
}

pub fn packet(ssrc: u32, seq: u16, timestamp: u32, payload: &[u8]) -> rtc::rtp::Packet {
    rtc::rtp::Packet {
        header: rtc::rtp::Header {
            version: 2,
            payload_type: 111,
            sequence_number: seq,
            timestamp,
            ssrc,
            ..rtc::rtp::Header::default()
        },
        payload: Bytes::copy_from_slice(payload),
    }
}

fn audio_track(stream: &str, ssrc: u32) -> MediaStreamTrack {
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..RTCRtpCodingParameters::default()
        },
        codec: RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: vec![],
        },
        ..RTCRtpEncodingParameters::default()
    };
    let name = format!("track{ssrc}");
    MediaStreamTrack::new(stream.to_owned(), name.clone(), name, RtpCodecKind::Audio, vec![coding])
}

fn connection(address: SocketAddr) -> RTCPeerConnection {
    let mut media = MediaEngine::default();
    media.register_default_codecs().unwrap();
    for uri in
        ["urn:ietf:params:rtp-hdrext:sdes:mid", "urn:ietf:params:rtp-hdrext:ssrc-audio-level"]
    {
        let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
        media.register_header_extension(extension, RtpCodecKind::Audio, None).unwrap();
    }
    let registry = register_default_interceptors(Default::default(), &mut media).unwrap();
    let settings = SettingEngineBuilder::new().with_include_loopback_candidate(true).build();
    let mut connection = RTCPeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .build(Instant::now())
        .unwrap();
    let candidate = CandidateHostConfig {
        base_config: CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..CandidateConfig::default()
        },
        ..CandidateHostConfig::default()
    }
    .new_candidate_host()
    .unwrap();
    connection.add_local_candidate(RTCIceCandidate::from(&candidate).to_json().unwrap()).unwrap();
    connection.add_local_candidate(RTCIceCandidateInit::default()).unwrap();
    connection
}

async fn run(
    mut connection: RTCPeerConnection,
    socket: UdpSocket,
    address: SocketAddr,
    mut jobs: mpsc::Receiver<Job>,
    hear: mpsc::Sender<Heard>,
) {
    let mut buffer = vec![0; 2048];
    loop {
        flush(&mut connection, &socket).await;
        listen(&mut connection, &hear);
        flush(&mut connection, &socket).await;
        let due = connection.poll_timeout().unwrap_or(Instant::now() + Duration::from_secs(60));
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {
                connection.handle_timeout(Instant::now()).unwrap();
            }
            received = socket.recv_from(&mut buffer) => {
                let Ok((len, peer_addr)) = received else { continue };
                let transport = TransportContext {
                    local_addr: address,
                    peer_addr,
                    transport_protocol: TransportProtocol::UDP,
                    ecn: None,
                };
                let message = BytesMut::from(&buffer[..len]);
                let datagram = TaggedBytesMut { now: Instant::now(), transport, message };
                connection.handle_read(datagram).ok();
            }
            job = jobs.recv() => match job {
                Some(job) => job(&mut connection),
                None => break,
            },
        }
    }
    connection.close().ok();
    flush(&mut connection, &socket).await;
}

async fn flush(connection: &mut RTCPeerConnection, socket: &UdpSocket) {
    while let Some(message) = connection.poll_write() {
        socket.send_to(&message.message, message.transport.peer_addr).await.ok();
    }
}

fn listen(connection: &mut RTCPeerConnection, hear: &mpsc::Sender<Heard>) {
    while let Some(event) = connection.poll_event() {
        let heard = match event {
            RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => match state {
                RTCPeerConnectionState::Connected => Heard::Up,
                RTCPeerConnectionState::Closed => Heard::Closed,
                _ => continue,
            },
            RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                let label = connection.data_channel(id).unwrap().label().to_owned();
                Heard::ChannelOpen(id, label)
            }
            _ => continue,
        };
        hear.try_send(heard).unwrap();
    }
    while let Some(TaggedRTCMessage { message, .. }) = connection.poll_read() {
        let heard = match message {
            RTCMessage::RtpPacket(_, packet) => Heard::Rtp(packet),
            RTCMessage::DataChannelMessage(id, message) => {
                let label = connection.data_channel(id).unwrap().label().to_owned();
                Heard::Message(label, message.data.freeze())
            }
            _ => continue,
        };
        hear.try_send(heard).unwrap();
    }
}
