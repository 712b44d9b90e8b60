//! Relayed addresses: TURN for networks that let nothing else through (RFC 8656, over UDP).
//!
//! A step function over the TURN client of the engine's family. Each server gets one allocation,
//! whose address becomes a candidate. What the engine sends from that address goes to the server
//! instead, as [`permission`](super::permission) has it; what the server passes on is handed to
//! the engine as if it had arrived at that address.
//!
//! Datagrams travel in indications, not on channels. A channel would save 32 bytes per datagram,
//! but when the server asks for a new nonce while the client renews a channel, which every server
//! does sooner or later, the client forgets that channel, and all that comes on it is lost.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use bytes::BytesMut;
use rtc::sansio::Protocol;
use rtc::shared::TaggedBytesMut;
use rtc::shared::TransportContext;
use rtc::shared::TransportProtocol;
use rtc::stun::error_code::CODE_STALE_NONCE;
use rtc::stun::error_code::ErrorCodeAttribute;
use rtc::stun::message::Getter;
use rtc::stun::message::METHOD_REFRESH;
use rtc::stun::message::Message;
use rtc::stun::message::is_stun_message;
use rtc::turn::client::Client;
use rtc::turn::client::ClientConfig;
use rtc::turn::client::Event;
use webrtc::error::Error;

use super::engine::Transmit;
use super::permission::Permissions;
use crate::model::TurnCredentials;

/// Servers that are used; a bridge names one or two.
pub(super) const MAX_SERVERS: usize = 2;
/// How long offers and answers wait for relayed addresses. A server at the other end of the
/// world answers within it; one that does not answer must not keep anybody from talking.
pub(super) const GATHER_WAIT: Duration = Duration::from_millis(800);
/// Most time between two refreshes of an allocation; an address translator on the way forgets
/// us no sooner.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// Least time between two refreshes that are made because one was refused for an old nonce.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Port of TURN servers that do not name one.
const DEFAULT_PORT: u16 = 3478;

/// Where a TURN URL points: `turn:` over UDP only, which is all that the client speaks.
pub(super) fn server_name(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("turn:")?;
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.split('&').any(|item| item.starts_with("transport=") && item != "transport=udp") {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// A datagram that came through a relay.
pub(super) struct Relayed {
    pub(super) to: SocketAddr,
    pub(super) from: SocketAddr,
    pub(super) payload: BytesMut,
}

/// One allocation.
pub(super) struct Relay {
    client: Client,
    /// The socket that talks to the server.
    local: SocketAddr,
    server: SocketAddr,
    address: Option<SocketAddr>,
    announced: bool,
    failed: bool,
    permissions: Permissions,
    received: VecDeque<Relayed>,
    retried: Option<Instant>,
}

impl Relay {
    /// Asks `server` for an address, over the socket bound to `local`.
    pub(super) fn new(
        now: Instant,
        local: SocketAddr,
        server: SocketAddr,
        credentials: &TurnCredentials,
    ) -> Result<Self, Error> {
        let config = ClientConfig {
            stun_serv_addr: server.to_string(),
            turn_serv_addr: server.to_string(),
            local_addr: local,
            transport_protocol: TransportProtocol::UDP,
            username: credentials.username.clone(),
            password: credentials.password.clone(),
            allocation_refresh_interval_cap: Some(REFRESH_EVERY),
            ..ClientConfig::default()
        };
        let crypto = rtc::crypto::default_provider().map_err(|e| Error::Crypto(e.to_string()))?;
        let permissions = Permissions::new(credentials, crypto.clone());
        let mut client = Client::new(config, crypto)?;
        client.allocate(now)?;
        Ok(Self {
            client,
            local,
            server,
            address: None,
            announced: false,
            failed: false,
            permissions,
            received: VecDeque::new(),
            retried: None,
        })
    }

    /// Whether the answer of the server is still open.
    pub(super) const fn is_gathering(&self) -> bool {
        self.address.is_none() && !self.failed
    }

    /// Whether a datagram that arrived at `local` from `from` is for this relay.
    pub(super) fn owns(&self, local: SocketAddr, from: SocketAddr) -> bool {
        self.local == local && self.server == from
    }

    /// Takes a datagram of the server.
    pub(super) fn handle_datagram(&mut self, now: Instant, payload: &[u8]) {
        let transport = TransportContext {
            local_addr: self.local,
            peer_addr: self.server,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = BytesMut::from(payload);
        if let Err(error) = self.client.handle_read(TaggedBytesMut { now, transport, message }) {
            tracing::debug!(%error, "TURN datagram refused");
        }
        if let Some(response) = response(payload) {
            self.permissions.handle_response(now, &response);
            let waited = self.retried.is_none_or(|then| now >= then + RETRY_EVERY);
            if waited && wants_new_nonce(&response) {
                self.retried = Some(now);
                self.refresh(now);
            }
        }
        self.settle();
    }

    fn refresh(&mut self, now: Instant) {
        if let Err(error) = self.client.refresh_allocations(now) {
            tracing::debug!(%error, "TURN refresh");
        }
    }

    /// Sends what the engine wants to send from this relay's address; `false` if it is not ours.
    pub(super) fn send(&mut self, now: Instant, transmit: &Transmit) -> bool {
        let ours = self.address == Some(transmit.from);
        if ours {
            self.permissions.send(now, transmit.to, &transmit.payload);
        }
        ours
    }

    /// The relayed address, once.
    pub(super) fn poll_candidate(&mut self) -> Option<SocketAddr> {
        let address = self.address.filter(|_| !self.announced)?;
        self.announced = true;
        Some(address)
    }

    /// The next datagram for the engine.
    pub(super) fn poll_received(&mut self) -> Option<Relayed> {
        self.received.pop_front()
    }

    /// The next datagram for the server.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        let request = self.client.poll_write().map(|message| message.message);
        let payload = request.or_else(|| self.permissions.poll_transmit())?;
        Some(Transmit { from: self.local, to: self.server, payload })
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        [self.client.poll_timeout(), self.permissions.poll_timeout()].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.permissions.handle_timeout(now);
        if let Err(error) = self.client.handle_timeout(now) {
            tracing::debug!(%error, "TURN timer failed");
        }
        self.settle();
    }

    /// Gives the address back; what that takes is left for `poll_transmit`.
    pub(super) fn close(&mut self, now: Instant) {
        if let Some(address) = self.address.take()
            && let Ok(mut relay) = self.client.relay(address)
            && let Err(error) = relay.close(now)
        {
            tracing::debug!(%error, "TURN close");
        }
    }

    fn settle(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::AllocateResponse(_, address) => self.address = Some(address),
                Event::AllocateError(_, error) => {
                    tracing::warn!(%error, "TURN server gave no address");
                    self.failed = true;
                }
                Event::TransactionTimeout(_) if self.address.is_none() => self.failed = true,
                Event::DataIndicationOrChannelData(_, from, payload) => {
                    if let Some(to) = self.address {
                        self.received.push_back(Relayed { to, from, payload });
                    }
                }
                _ => {}
            }
        }
    }
}

/// The message, if it answers a request.
fn response(payload: &[u8]) -> Option<Message> {
    // The upper bit of the class; the two above it tell STUN from other things (RFC 8489 §5).
    let answers = payload.first().is_some_and(|first| first & 0xc1 == 0x01);
    if !answers || !is_stun_message(payload) {
        return None;
    }
    let mut message = Message::new();
    message.raw = payload.to_vec();
    message.decode().ok().map(|()| message)
}

/// Whether the server refuses a refresh because of an old nonce. The client takes the new one
/// and leaves it at that until the next refresh, when the allocation may be gone.
fn wants_new_nonce(response: &Message) -> bool {
    let mut error = ErrorCodeAttribute::default();
    response.typ.method == METHOD_REFRESH
        && error.get_from(response).is_ok()
        && error.code == CODE_STALE_NONCE
}

#[cfg(test)]
mod tests {
    use rtc::stun::attributes::ATTR_NONCE;
    use rtc::stun::attributes::ATTR_REALM;
    use rtc::stun::error_code::CODE_FORBIDDEN;
    use rtc::stun::error_code::CODE_UNAUTHORIZED;
    use rtc::stun::error_code::ErrorCode;
    use rtc::stun::message::CLASS_ERROR_RESPONSE;
    use rtc::stun::message::CLASS_INDICATION;
    use rtc::stun::message::CLASS_SUCCESS_RESPONSE;
    use rtc::stun::message::METHOD_ALLOCATE;
    use rtc::stun::message::METHOD_CREATE_PERMISSION;
    use rtc::stun::message::METHOD_DATA;
    use rtc::stun::message::METHOD_SEND;
    use rtc::stun::message::MessageClass;
    use rtc::stun::message::MessageType;
    use rtc::stun::message::Setter;
    use rtc::stun::message::TransactionId;
    use rtc::stun::textattrs::TextAttribute;
    use rtc::turn::proto::data::Data;
    use rtc::turn::proto::lifetime::Lifetime;
    use rtc::turn::proto::peeraddr::PeerAddress;
    use rtc::turn::proto::relayaddr::RelayedAddress;

    use super::*;
    use crate::model::Timestamp;

    const LOCAL: &str = "192.0.2.1:1000";
    const SERVER: &str = "192.0.2.2:3478";
    const RELAYED: &str = "192.0.2.2:50000";
    const PEER: &str = "192.0.2.3:2000";
    const FORBIDDEN: &str = "192.0.2.4:2000";
    const ALLOCATION: Duration = Duration::from_secs(600);
    const PERMISSION: Duration = Duration::from_secs(300);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A TURN server that forgets on time, as RFC 8656 wants it, and wants new nonces.
    struct Server {
        nonce_life: Duration,
        nonce_since: Instant,
        nonces: u32,
        allocated_until: Option<Instant>,
        permitted_until: Option<Instant>,
        /// Permissions asked for.
        asked: usize,
    }

    impl Server {
        fn new(now: Instant, nonce_life: Duration) -> Self {
            Self {
                nonce_life,
                nonce_since: now,
                nonces: 1,
                allocated_until: None,
                permitted_until: None,
                asked: 0,
            }
        }

        fn is_open(&self, now: Instant) -> bool {
            self.allocated_until.is_some_and(|until| now < until)
                && self.permitted_until.is_some_and(|until| now < until)
        }

        /// What it answers, and what it passes on.
        fn take(&mut self, now: Instant, datagram: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
            let mut message = Message::new();
            message.raw = datagram.to_vec();
            message.decode().unwrap();
            if message.typ.method == METHOD_SEND {
                let (mut data, mut peer) = (Data::default(), PeerAddress::default());
                data.get_from(&message).unwrap();
                peer.get_from(&message).unwrap();
                assert_eq!(SocketAddr::new(peer.ip, peer.port), address(PEER));
                return (None, self.is_open(now).then_some(data.0));
            }
            (Some(self.answer(now, &message)), None)
        }

        fn answer(&mut self, now: Instant, message: &Message) -> Vec<u8> {
            if now >= self.nonce_since + self.nonce_life {
                (self.nonce_since, self.nonces) = (now, self.nonces + 1);
            }
            let nonce = format!("nonce {}", self.nonces);
            let given = message.get(ATTR_NONCE).ok();
            if given.as_deref() != Some(nonce.as_bytes()) {
                let code = if given.is_some() { CODE_STALE_NONCE } else { CODE_UNAUTHORIZED };
                return refusal(message, code, &nonce);
            }
            let mut more: Vec<Box<dyn Setter>> = Vec::new();
            let alive = self.allocated_until.is_some_and(|until| now < until);
            match message.typ.method {
                METHOD_ALLOCATE => {
                    let relayed = address(RELAYED);
                    more.push(Box::new(RelayedAddress { ip: relayed.ip(), port: relayed.port() }));
                    more.push(Box::new(Lifetime(ALLOCATION)));
                    self.allocated_until = Some(now + ALLOCATION);
                }
                METHOD_REFRESH if alive => {
                    more.push(Box::new(Lifetime(ALLOCATION)));
                    self.allocated_until = Some(now + ALLOCATION);
                }
                METHOD_CREATE_PERMISSION if alive => {
                    self.asked += 1;
                    let mut peer = PeerAddress::default();
                    peer.get_from(message).unwrap();
                    if SocketAddr::new(peer.ip, peer.port) != address(PEER) {
                        return refusal(message, CODE_FORBIDDEN, &nonce);
                    }
                    self.permitted_until = Some(now + PERMISSION);
                }
                method => panic!("{method} at the wrong time"),
            }
            reply(message, CLASS_SUCCESS_RESPONSE, more)
        }

        /// What comes from the peer, as the client gets it.
        fn pass_on(&self, now: Instant, payload: &[u8]) -> Option<Vec<u8>> {
            let peer = address(PEER);
            let attributes: [Box<dyn Setter>; 4] = [
                Box::new(TransactionId::new()),
                Box::new(MessageType::new(METHOD_DATA, CLASS_INDICATION)),
                Box::new(PeerAddress { ip: peer.ip(), port: peer.port() }),
                Box::new(Data(payload.to_vec())),
            ];
            let mut message = Message::new();
            message.build(&attributes).unwrap();
            self.is_open(now).then_some(message.raw)
        }
    }

    fn refusal(request: &Message, code: ErrorCode, nonce: &str) -> Vec<u8> {
        let more: Vec<Box<dyn Setter>> = vec![
            Box::new(ErrorCodeAttribute { code, reason: b"no".to_vec() }),
            Box::new(TextAttribute::new(ATTR_REALM, "conclave".to_owned())),
            Box::new(TextAttribute::new(ATTR_NONCE, nonce.to_owned())),
        ];
        reply(request, CLASS_ERROR_RESPONSE, more)
    }

    fn reply(request: &Message, class: MessageClass, more: Vec<Box<dyn Setter>>) -> Vec<u8> {
        let mut attributes: Vec<Box<dyn Setter>> = vec![
            Box::new(request.transaction_id),
            Box::new(MessageType::new(request.typ.method, class)),
        ];
        attributes.extend(more);
        let mut message = Message::new();
        message.build(&attributes).unwrap();
        message.raw
    }

    /// A relay and its server; time is what the test says.
    struct World {
        now: Instant,
        relay: Relay,
        server: Server,
        /// What has come to the peer.
        heard: usize,
    }

    impl World {
        fn new(nonce_life: Duration) -> Self {
            let now = Instant::now();
            let credentials = TurnCredentials {
                url: String::new(),
                username: "user".to_owned(),
                password: "password".to_owned(),
                expiration_time: Timestamp(0),
            };
            let (local, server) = (address(LOCAL), address(SERVER));
            let relay = Relay::new(now, local, server, &credentials).unwrap();
            let mut world = Self { now, relay, server: Server::new(now, nonce_life), heard: 0 };
            world.settle();
            assert_eq!(world.relay.poll_candidate(), Some(address(RELAYED)));
            world
        }

        fn settle(&mut self) {
            while let Some(transmit) = self.relay.poll_transmit() {
                let (answer, passed) = self.server.take(self.now, &transmit.payload);
                self.heard += usize::from(passed.is_some());
                if let Some(answer) = answer {
                    self.relay.handle_datagram(self.now, &answer);
                }
            }
        }

        fn pass(&mut self, time: Duration) {
            let end = self.now + time;
            while let Some(due) = self.relay.poll_timeout().filter(|due| *due <= end) {
                self.now = self.now.max(due);
                self.relay.handle_timeout(self.now);
                self.settle();
            }
            self.now = end;
        }

        fn send(&mut self, to: &str) {
            let (from, to) = (address(RELAYED), address(to));
            let payload = BytesMut::from(&b"sound"[..]);
            assert!(self.relay.send(self.now, &Transmit { from, to, payload }));
            self.settle();
        }
    }

    #[test]
    fn an_hour_of_new_nonces_loses_nothing() {
        // The pathological ones make a nonce end just when something has to be renewed.
        for nonce_life in [7, 59, 60, 61, 100, 119, 120, 300, 600, 3599] {
            let mut world = World::new(Duration::from_secs(nonce_life));
            for second in 1..=3600usize {
                world.pass(Duration::from_secs(1));
                world.send(PEER);
                assert_eq!(world.heard, second, "nonces of {nonce_life} s");
                let datagram = world.server.pass_on(world.now, b"echo");
                world.relay.handle_datagram(world.now, &datagram.expect("it is permitted"));
                let relayed = world.relay.poll_received().expect("it was for us");
                assert_eq!((relayed.from, &relayed.payload[..]), (address(PEER), &b"echo"[..]));
            }
        }
    }

    #[test]
    fn a_peer_that_is_refused_is_asked_for_now_and_then_only() {
        let mut world = World::new(Duration::from_secs(600));
        for _ in 0..1000 {
            world.send(FORBIDDEN);
            world.pass(Duration::from_millis(20));
        }
        assert!((2..=5).contains(&world.server.asked), "{} in 20 s", world.server.asked);
        world.send(PEER);
        assert_eq!(world.heard, 1, "others are not affected");
    }

    #[test]
    fn turn_urls_over_udp_are_understood() {
        type Case = (&'static str, Option<(&'static str, u16)>);
        let cases: &[Case] = &[
            ("turn:turn.example.com", Some(("turn.example.com", 3478))),
            ("turn:turn.example.com:80?transport=udp", Some(("turn.example.com", 80))),
            ("turn:[2001:db8::1]:5000", Some(("2001:db8::1", 5000))),
            ("turn:192.0.2.1:99999", None),
            ("turn:host?transport=tcp", None),
            ("turns:host", None),
            ("stun:host", None),
            ("turn:", None),
        ];
        for (url, expected) in cases {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(server_name(url), expected, "{url}");
        }
    }
}
