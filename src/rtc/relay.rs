//! Relayed addresses: TURN for networks that let nothing else through (RFC 8656, over UDP).
//!
//! A step function over the TURN client of the engine's family. Each server gets one allocation,
//! whose address becomes a candidate. What the engine sends from that address goes to the server
//! instead, after asking it once per peer for permission; what the server passes on is handed to
//! the engine as if it had arrived at that address.
//!
//! Datagrams travel in indications, not on channels. A channel would save 32 bytes per datagram,
//! but when the server asks for a new nonce while the client renews a channel, which every server
//! does sooner or later, the client forgets that channel, and all that comes on it is lost.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use bytes::BytesMut;
use rtc::sansio::Protocol;
use rtc::shared::TaggedBytesMut;
use rtc::shared::TransportContext;
use rtc::shared::TransportProtocol;
use rtc::stun::message::CLASS_INDICATION;
use rtc::stun::message::METHOD_SEND;
use rtc::stun::message::Message;
use rtc::stun::message::MessageType;
use rtc::stun::message::Setter;
use rtc::stun::message::TransactionId;
use rtc::turn::client::Client;
use rtc::turn::client::ClientConfig;
use rtc::turn::client::Event;
use rtc::turn::proto::data::Data;
use rtc::turn::proto::peeraddr::PeerAddress;
use webrtc::error::Error;

use super::engine::Transmit;
use crate::model::TurnCredentials;

/// Servers that are used; a bridge names one or two.
pub(super) const MAX_SERVERS: usize = 2;
/// How long offers and answers wait for relayed addresses. A server at the other end of the
/// world answers within it; one that does not answer must not keep anybody from talking.
pub(super) const GATHER_WAIT: Duration = Duration::from_millis(800);
/// Peers that a relay talks to: candidates of one SFU.
const MAX_PEERS: usize = 64;
/// Datagrams per peer that wait for its permission; beyond it the oldest are dropped.
const MAX_WAITING: usize = 16;
/// Refreshes of an allocation. A server that wants a new nonce says so by refusing one; with half
/// the lifetime between them, as is usual, the next would come when the allocation is gone.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// Pause before a peer is asked for again that the server refused or did not answer for.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
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
    peers: HashMap<SocketAddr, Peer>,
    received: VecDeque<Relayed>,
    outgoing: VecDeque<BytesMut>,
}

#[derive(Default)]
struct Peer {
    permission: Permission,
    waiting: VecDeque<BytesMut>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Permission {
    #[default]
    Unknown,
    Asked(TransactionId),
    Granted,
    RefusedAt(Instant),
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
        let mut client = Client::new(config, crypto)?;
        client.allocate(now)?;
        Ok(Self {
            client,
            local,
            server,
            address: None,
            announced: false,
            failed: false,
            peers: HashMap::new(),
            received: VecDeque::new(),
            outgoing: VecDeque::new(),
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
        self.settle(now);
    }

    /// Sends what the engine wants to send from this relay's address; `false` if it is not ours.
    pub(super) fn send(&mut self, now: Instant, transmit: &Transmit) -> bool {
        let Some(address) = self.address.filter(|address| *address == transmit.from) else {
            return false;
        };
        let known = self.peers.contains_key(&transmit.to);
        if !known && self.peers.len() >= MAX_PEERS {
            return true;
        }
        let peer = self.peers.entry(transmit.to).or_default();
        if peer.permission == Permission::Granted {
            self.outgoing.extend(indication(&transmit.payload, transmit.to));
            return true;
        }
        if peer.waiting.len() >= MAX_WAITING {
            peer.waiting.pop_front();
        }
        peer.waiting.push_back(transmit.payload.clone());
        let ask = match peer.permission {
            Permission::Unknown => true,
            Permission::RefusedAt(then) => now >= then + ASK_AGAIN_AFTER,
            Permission::Asked(_) | Permission::Granted => false,
        };
        if ask {
            self.ask(now, address, transmit.to);
        }
        true
    }

    fn ask(&mut self, now: Instant, address: SocketAddr, to: SocketAddr) {
        let asked =
            self.client.relay(address).and_then(|mut relay| relay.create_permission(now, to));
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        peer.permission = match asked {
            Ok(Some(transaction)) => Permission::Asked(transaction),
            Ok(None) => Permission::Granted,
            Err(error) => {
                tracing::debug!(%error, "permission");
                Permission::RefusedAt(now)
            }
        };
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
        let payload = request.or_else(|| self.outgoing.pop_front())?;
        Some(Transmit { from: self.local, to: self.server, payload })
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Err(error) = self.client.handle_timeout(now) {
            tracing::debug!(%error, "TURN timer failed");
        }
        self.settle(now);
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

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::AllocateResponse(_, address) => self.address = Some(address),
                Event::AllocateError(_, error) => {
                    tracing::warn!(%error, "TURN server gave no address");
                    self.failed = true;
                }
                Event::TransactionTimeout(_) if self.address.is_none() => self.failed = true,
                Event::TransactionTimeout(transaction) => self.refuse(now, transaction, false),
                Event::CreatePermissionResponse(_, peer) => self.permit(peer),
                Event::CreatePermissionError(transaction, error) => {
                    // An old nonce is not a refusal; the client has the new one now.
                    let again = error == Error::ErrTryAgain;
                    tracing::debug!(%error, again, "TURN server refused a peer");
                    self.refuse(now, transaction, again);
                }
                Event::DataIndicationOrChannelData(_, from, payload) => {
                    if let Some(to) = self.address {
                        self.received.push_back(Relayed { to, from, payload });
                    }
                }
                _ => {}
            }
        }
    }

    fn permit(&mut self, to: SocketAddr) {
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        peer.permission = Permission::Granted;
        let waiting = std::mem::take(&mut peer.waiting);
        self.outgoing.extend(waiting.iter().filter_map(|payload| indication(payload, to)));
    }

    fn refuse(&mut self, now: Instant, transaction: TransactionId, again: bool) {
        let asked = Permission::Asked(transaction);
        let refused = self.peers.iter_mut().find(|(_, peer)| peer.permission == asked);
        let Some((&to, peer)) = refused else {
            return;
        };
        peer.permission = Permission::RefusedAt(now);
        if let Some(address) = self.address.filter(|_| again) {
            self.ask(now, address, to);
        }
    }
}

/// A datagram for `to` as the server takes it.
fn indication(payload: &[u8], to: SocketAddr) -> Option<BytesMut> {
    let attributes: [Box<dyn Setter>; 4] = [
        Box::new(TransactionId::new()),
        Box::new(MessageType::new(METHOD_SEND, CLASS_INDICATION)),
        Box::new(PeerAddress { ip: to.ip(), port: to.port() }),
        Box::new(Data(payload.to_vec())),
    ];
    let mut message = Message::new();
    let built = message.build(&attributes);
    built.is_ok().then(|| BytesMut::from(&message.raw[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

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
