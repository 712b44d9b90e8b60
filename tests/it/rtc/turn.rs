//! Publishing through a relay, with a small TURN server of our own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use conclave::model::Timestamp;
use conclave::model::TurnCredentials;
use conclave::rtc::EncodedAudio;
use conclave::rtc::PeerConfig;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use rtc::stun::attributes::ATTR_NONCE;
use rtc::stun::attributes::ATTR_REALM;
use rtc::stun::attributes::ATTR_USERNAME;
use rtc::stun::error_code::CODE_UNAUTHORIZED;
use rtc::stun::error_code::ErrorCodeAttribute;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::CLASS_ERROR_RESPONSE;
use rtc::stun::message::CLASS_INDICATION;
use rtc::stun::message::CLASS_SUCCESS_RESPONSE;
use rtc::stun::message::Getter;
use rtc::stun::message::METHOD_ALLOCATE;
use rtc::stun::message::METHOD_CHANNEL_BIND;
use rtc::stun::message::METHOD_CREATE_PERMISSION;
use rtc::stun::message::METHOD_DATA;
use rtc::stun::message::METHOD_REFRESH;
use rtc::stun::message::METHOD_SEND;
use rtc::stun::message::Message;
use rtc::stun::message::MessageType;
use rtc::stun::message::Setter;
use rtc::stun::message::TransactionId;
use rtc::stun::textattrs::TextAttribute;
use rtc::turn::proto::chandata::ChannelData;
use rtc::turn::proto::channum::ChannelNumber;
use rtc::turn::proto::data::Data;
use rtc::turn::proto::lifetime::Lifetime;
use rtc::turn::proto::peeraddr::PeerAddress;
use rtc::turn::proto::relayaddr::RelayedAddress;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::counterpart::Counterpart;
use super::counterpart::Heard;
use super::until;

const USER: &str = "user";
const PASSWORD: &str = "secret";
const REALM: &str = "conclave";

/// Serves one client.
struct TurnServer {
    socket: UdpSocket,
    relay: UdpSocket,
    client: Option<SocketAddr>,
    channels: HashMap<u16, SocketAddr>,
    /// Whether the client has given its address back.
    released: bool,
    relayed: usize,
}

impl TurnServer {
    async fn new() -> Self {
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            relay: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            client: None,
            channels: HashMap::new(),
            released: false,
            relayed: 0,
        }
    }

    async fn run(mut self, stop: CancellationToken) -> Self {
        let (mut buffer, mut relayed) = (vec![0; 2048], vec![0; 2048]);
        loop {
            tokio::select! {
                () = stop.cancelled(), if self.released => return self,
                received = self.socket.recv_from(&mut buffer) => {
                    let (len, from) = received.unwrap();
                    self.on_client(&buffer[..len], from);
                }
                received = self.relay.recv_from(&mut relayed) => {
                    let (len, from) = received.unwrap();
                    self.on_peer(&relayed[..len], from);
                }
            }
        }
    }

    fn on_client(&mut self, datagram: &[u8], from: SocketAddr) {
        if ChannelData::is_channel_data(datagram) {
            let mut data = ChannelData { raw: datagram.to_vec(), ..ChannelData::default() };
            data.decode().unwrap();
            let peer = self.channels[&data.number.0];
            self.relay.try_send_to(&data.data, peer).unwrap();
            return;
        }
        let mut message = Message::new();
        message.raw = datagram.to_vec();
        message.decode().unwrap();
        if message.typ.method == METHOD_SEND {
            let mut data = Data::default();
            data.get_from(&message).unwrap();
            self.relay.try_send_to(&data.0, peer_of(&message)).unwrap();
            return;
        }
        if !is_authentic(&mut message) {
            let attributes: Vec<Box<dyn Setter>> = vec![
                Box::new(ErrorCodeAttribute { code: CODE_UNAUTHORIZED, reason: b"no".to_vec() }),
                Box::new(TextAttribute::new(ATTR_REALM, REALM.to_owned())),
                Box::new(TextAttribute::new(ATTR_NONCE, "nonce".to_owned())),
            ];
            self.reply(&message, CLASS_ERROR_RESPONSE, attributes, from);
            return;
        }
        self.client = Some(from);
        let address = self.relay.local_addr().unwrap();
        let attributes: Vec<Box<dyn Setter>> = match message.typ.method {
            METHOD_ALLOCATE => vec![
                Box::new(RelayedAddress { ip: address.ip(), port: address.port() }),
                Box::new(Lifetime(Duration::from_secs(600))),
            ],
            METHOD_REFRESH => {
                let mut lifetime = Lifetime::default();
                lifetime.get_from(&message).unwrap();
                self.released = lifetime.0.is_zero();
                vec![Box::new(lifetime)]
            }
            METHOD_CHANNEL_BIND => {
                let mut number = ChannelNumber::default();
                number.get_from(&message).unwrap();
                self.channels.insert(number.0, peer_of(&message));
                vec![]
            }
            METHOD_CREATE_PERMISSION => vec![],
            other => panic!("{other}"),
        };
        self.reply(&message, CLASS_SUCCESS_RESPONSE, attributes, from);
    }

    fn on_peer(&mut self, datagram: &[u8], from: SocketAddr) {
        self.relayed += 1;
        let Some(client) = self.client else { return };
        let bound = self.channels.iter().find(|(_, peer)| **peer == from);
        let raw = if let Some((number, _)) = bound {
            let number = ChannelNumber(*number);
            let mut data = ChannelData { data: datagram.to_vec(), number, raw: vec![] };
            data.encode();
            data.raw
        } else {
            let mut message = Message::new();
            let attributes: Vec<Box<dyn Setter>> = vec![
                Box::new(TransactionId::new()),
                Box::new(MessageType::new(METHOD_DATA, CLASS_INDICATION)),
                Box::new(PeerAddress { ip: from.ip(), port: from.port() }),
                Box::new(Data(datagram.to_vec())),
            ];
            message.build(&attributes).unwrap();
            message.raw
        };
        self.socket.try_send_to(&raw, client).unwrap();
    }

    fn reply(
        &self,
        request: &Message,
        class: rtc::stun::message::MessageClass,
        attributes: Vec<Box<dyn Setter>>,
        to: SocketAddr,
    ) {
        let mut setters: Vec<Box<dyn Setter>> = vec![
            Box::new(request.transaction_id),
            Box::new(MessageType::new(request.typ.method, class)),
        ];
        setters.extend(attributes);
        let mut message = Message::new();
        message.build(&setters).unwrap();
        self.socket.try_send_to(&message.raw, to).unwrap();
    }
}

fn peer_of(message: &Message) -> SocketAddr {
    let mut peer = PeerAddress::default();
    peer.get_from(message).unwrap();
    SocketAddr::new(peer.ip, peer.port)
}

fn is_authentic(message: &mut Message) -> bool {
    if message.get(ATTR_USERNAME).is_err() {
        return false;
    }
    let provider = rtc::crypto::default_provider().unwrap();
    let crypto = provider.crypto();
    let key = MessageIntegrity::long_term_integrity_key(
        USER.into(),
        REALM.into(),
        PASSWORD.into(),
        crypto,
    )
    .unwrap();
    MessageIntegrity::check(message, &key, crypto).is_ok()
}

#[tokio::test]
async fn sound_finds_its_way_through_a_relay() {
    let server = TurnServer::new().await;
    let stop = CancellationToken::new();
    let port = server.socket.local_addr().unwrap().port();
    let serving = tokio::spawn(server.run(stop.clone()));
    let credentials = TurnCredentials {
        url: format!("turn:127.0.0.1:{port}?transport=udp"),
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
        expiration_time: Timestamp(0),
    };
    let config = PeerConfig { ice_servers: vec![credentials], ..PeerConfig::default() };
    let publisher = Publisher::new(&config).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    let mut peer = Counterpart::new().await;
    let offer = publisher.create_offer().await.unwrap();
    let relayed = |line: &&str| !line.starts_with("a=candidate") || line.contains("typ relay");
    assert!(offer.contains("typ relay"), "{offer}");
    // The other side knows the relay alone, and we do not know the other side at all.
    let offer = offer.lines().filter(relayed).flat_map(|line| [line, "\r\n"]).collect();
    let answer = peer.answer(offer).await;
    let keep = |line: &&str| !line.starts_with("a=candidate");
    let answer: String = answer.lines().filter(keep).flat_map(|line| [line, "\r\n"]).collect();
    publisher.set_answer(&answer).await.unwrap();
    until(&mut publisher.state(), PeerState::Connected).await;
    for number in 0..20u32 {
        let payload = Bytes::from(format!("frame {number}"));
        sink.write(EncodedAudio { payload, timestamp: 960 * number, marker: false }).unwrap();
    }
    for number in 0..20u32 {
        let heard = peer
            .wait(|heard| match heard {
                Heard::Rtp(packet) => Some(packet.payload),
                _ => None,
            })
            .await;
        assert_eq!(heard, format!("frame {number}"));
    }
    publisher.close().await;
    stop.cancel();
    let server = serving.await.unwrap();
    assert!(server.released && server.relayed > 0);
    peer.close().await;
}

#[tokio::test]
async fn a_silent_relay_delays_the_offer_but_does_not_prevent_it() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let credentials = TurnCredentials {
        url: format!("turn:127.0.0.1:{}", silent.local_addr().unwrap().port()),
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
        expiration_time: Timestamp(0),
    };
    let config = PeerConfig { ice_servers: vec![credentials], ..PeerConfig::default() };
    let publisher = Publisher::new(&config).unwrap();
    publisher.add_audio_track().await.unwrap();
    let offer = tokio::time::timeout(Duration::from_secs(5), publisher.create_offer()).await;
    assert!(offer.expect("an offer in time").unwrap().contains("typ host"));
    publisher.close().await;
}
