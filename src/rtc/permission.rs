//! Which peers a relay may talk to: each by leave of the server, renewed in time (RFC 8656 §9).
//!
//! A step function beside the TURN client, which can do this, too, but gives up for two minutes
//! when the server refuses a renewal for an old nonce. A server that likes its nonces young would
//! then forget the permission in between, and the call would fall silent.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::BytesMut;
use rtc::crypto::RTCCryptoProvider;
use rtc::stun::attributes::ATTR_NONCE;
use rtc::stun::attributes::ATTR_REALM;
use rtc::stun::attributes::ATTR_USERNAME;
use rtc::stun::error_code::CODE_STALE_NONCE;
use rtc::stun::error_code::ErrorCodeAttribute;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::CLASS_INDICATION;
use rtc::stun::message::CLASS_REQUEST;
use rtc::stun::message::CLASS_SUCCESS_RESPONSE;
use rtc::stun::message::Getter;
use rtc::stun::message::METHOD_CREATE_PERMISSION;
use rtc::stun::message::METHOD_SEND;
use rtc::stun::message::Message;
use rtc::stun::message::MessageType;
use rtc::stun::message::Setter;
use rtc::stun::message::TransactionId;
use rtc::stun::textattrs::TextAttribute;
use rtc::turn::proto::data::Data;
use rtc::turn::proto::peeraddr::PeerAddress;
use webrtc::error::Error;

use crate::model::TurnCredentials;

/// Peers that a relay talks to: candidates of one SFU.
const MAX_PEERS: usize = 64;
/// Datagrams per peer that wait for its permission; beyond it the oldest are dropped.
const MAX_WAITING: usize = 16;
/// Time between two renewals; servers forget a permission after five minutes.
const RENEW_EVERY: Duration = Duration::from_secs(120);
/// Time before a request is made again that was not answered.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
/// Requests in a row, whether not answered or refused for an old nonce.
const MAX_REQUESTS: u32 = 6;
/// Pause after that, and after any other refusal.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Peer {
    granted: bool,
    asked: Option<Asked>,
    /// When to ask next, or from when on to ask if there is something to send.
    next: Option<Instant>,
    waiting: VecDeque<BytesMut>,
}

struct Asked {
    transaction: TransactionId,
    at: Instant,
    /// Requests so far.
    count: u32,
}

/// The permissions of one allocation, and what is sent by them.
pub(super) struct Permissions {
    username: String,
    password: String,
    crypto: Arc<dyn RTCCryptoProvider>,
    /// As the server said last.
    realm: String,
    nonce: String,
    peers: HashMap<SocketAddr, Peer>,
    outgoing: VecDeque<BytesMut>,
}

impl Permissions {
    pub(super) fn new(credentials: &TurnCredentials, crypto: Arc<dyn RTCCryptoProvider>) -> Self {
        Self {
            username: credentials.username.clone(),
            password: credentials.password.clone(),
            crypto,
            realm: String::new(),
            nonce: String::new(),
            peers: HashMap::new(),
            outgoing: VecDeque::new(),
        }
    }

    /// Sends a datagram to a peer, as soon as that is permitted.
    pub(super) fn send(&mut self, now: Instant, to: SocketAddr, payload: &BytesMut) {
        if !self.peers.contains_key(&to) && self.peers.len() >= MAX_PEERS {
            return;
        }
        let peer = self.peers.entry(to).or_default();
        if peer.granted {
            self.outgoing.extend(indication(payload, to));
            return;
        }
        if peer.waiting.len() >= MAX_WAITING {
            peer.waiting.pop_front();
        }
        peer.waiting.push_back(payload.clone());
        if peer.asked.is_none() && peer.next.is_none_or(|next| now >= next) {
            self.ask(now, to, 1);
        }
    }

    /// Takes a response of the server, whoever asked: it may bring a new nonce.
    pub(super) fn handle_response(&mut self, now: Instant, message: &Message) {
        for (attribute, known) in [(ATTR_REALM, &mut self.realm), (ATTR_NONCE, &mut self.nonce)] {
            if let Ok(given) = TextAttribute::get_from_as(message, attribute) {
                *known = given.text;
            }
        }
        let is_asked = |peer: &Peer| {
            peer.asked.as_ref().is_some_and(|asked| asked.transaction == message.transaction_id)
        };
        let Some((&to, peer)) = self.peers.iter_mut().find(|(_, peer)| is_asked(peer)) else {
            return;
        };
        let count = peer.asked.take().map_or(0, |asked| asked.count);
        if message.typ.class == CLASS_SUCCESS_RESPONSE {
            peer.granted = true;
            peer.next = Some(now + RENEW_EVERY);
            let waiting = std::mem::take(&mut peer.waiting);
            self.outgoing.extend(waiting.iter().filter_map(|payload| indication(payload, to)));
            return;
        }
        let mut error = ErrorCodeAttribute::default();
        let known = error.get_from(message).is_ok();
        if known && error.code == CODE_STALE_NONCE && count < MAX_REQUESTS {
            self.ask(now, to, count + 1);
        } else {
            tracing::debug!(%error, "TURN server refused a peer");
            peer.next = Some(now + PAUSE);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |peer: &Peer| match &peer.asked {
            Some(asked) => Some(asked.at + REPEAT_AFTER),
            // Who was never let through is asked for when there is something to send.
            None => peer.next.filter(|_| peer.granted),
        };
        self.peers.values().filter_map(due).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (to, peer) in &mut self.peers {
            match &peer.asked {
                Some(asked) if now < asked.at + REPEAT_AFTER => {}
                Some(asked) if asked.count < MAX_REQUESTS => due.push((*to, asked.count + 1)),
                Some(_) => {
                    peer.asked = None;
                    peer.next = Some(now + PAUSE);
                }
                None if peer.granted && peer.next.is_some_and(|next| now >= next) => {
                    due.push((*to, 1));
                }
                None => {}
            }
        }
        for (to, count) in due {
            self.ask(now, to, count);
        }
    }

    /// The next datagram for the server.
    pub(super) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.outgoing.pop_front()
    }

    fn ask(&mut self, now: Instant, to: SocketAddr, count: u32) {
        let transaction = TransactionId::new();
        let request = self.request(transaction, to);
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        match request {
            Ok(request) => {
                self.outgoing.push_back(request);
                peer.asked = Some(Asked { transaction, at: now, count });
            }
            Err(error) => {
                tracing::debug!(%error, "permission");
                peer.asked = None;
                peer.next = Some(now + PAUSE);
            }
        }
    }

    fn request(&self, transaction: TransactionId, to: SocketAddr) -> Result<BytesMut, Error> {
        let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
            self.username.clone(),
            self.realm.clone(),
            self.password.clone(),
            self.crypto.crypto(),
        )?;
        build(&[
            Box::new(transaction),
            Box::new(MessageType::new(METHOD_CREATE_PERMISSION, CLASS_REQUEST)),
            Box::new(PeerAddress { ip: to.ip(), port: to.port() }),
            Box::new(TextAttribute::new(ATTR_USERNAME, self.username.clone())),
            Box::new(TextAttribute::new(ATTR_REALM, self.realm.clone())),
            Box::new(TextAttribute::new(ATTR_NONCE, self.nonce.clone())),
            Box::new(integrity),
        ])
    }
}

/// A datagram for `to` as the server takes it.
fn indication(payload: &[u8], to: SocketAddr) -> Option<BytesMut> {
    let message = build(&[
        Box::new(TransactionId::new()),
        Box::new(MessageType::new(METHOD_SEND, CLASS_INDICATION)),
        Box::new(PeerAddress { ip: to.ip(), port: to.port() }),
        Box::new(Data(payload.to_vec())),
    ]);
    message.ok()
}

fn build(attributes: &[Box<dyn Setter + '_>]) -> Result<BytesMut, Error> {
    let mut message = Message::new();
    message.build(attributes)?;
    Ok(BytesMut::from(&message.raw[..]))
}
