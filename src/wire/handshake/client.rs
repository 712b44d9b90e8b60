//! The client's side: one login, then any number of sealed calls, each an exchange of its own.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::CryptoRng;

use super::HandshakeError;
use super::MasterSecret;
use super::packet;
use super::packet::AGENT;
use super::packet::LoginPacket;
use super::packet::LoginProof;
use super::packet::ServerPacket;
use super::packet::ServerReply;
use super::ticket::REQUEST_COUNT;
use super::ticket::Ticket;
use super::ticket::TicketStore;
use super::version;
use crate::crypto::ecdh;
use crate::crypto::key::PrivateKey;
use crate::crypto::key::PublicKey;
use crate::crypto::sign;
use crate::model::Timestamp;
use crate::wire::record::ContentType;
use crate::wire::record::Frame;
use crate::wire::record::KeyBlock;
use crate::wire::record::RecordKeys;
use crate::wire::record::RecordReader;
use crate::wire::record::RecordWriter;
use crate::wire::rpc::Request;
use crate::wire::rpc::Response;

const NONCE_BYTES: usize = 32;
const CHALLENGE_BYTES: usize = 32;
const CLIENT_RANDOM_BYTES: usize = 12;
/// How far the bridge's clock may be from ours when it proves itself: 150 s in ms.
const CHALLENGE_SKEW_MS: u64 = 150_000;
/// Longest text of an ALERT that is passed on.
const ALERT_MAX: usize = 1024;

/// A login that waits for its answer.
#[derive(Debug)]
pub struct Login {
    of_user: bool,
    bridge: Option<Challenge>,
}

#[derive(Debug)]
struct Challenge {
    key: PublicKey,
    text: String,
}

/// A session: what a login led to. Not bound to any connection.
#[derive(Debug)]
pub struct ClientSession {
    master: MasterSecret,
    tickets: TicketStore,
    server: ServerReply,
}

/// A sealed message that waits for its answer.
pub struct ClientExchange {
    keys: RecordKeys,
    wants_response: bool,
}

/// What an answer contained.
#[derive(Debug)]
pub struct Opened {
    /// The answer to the call; absent if only tickets were asked for.
    pub response: Option<Response>,
    /// New tickets, for [`ClientSession::add_tickets`].
    pub tickets: Vec<Ticket>,
}

impl Login {
    /// Seals the login of the user who holds `key`. If `bridge_key` is given, the bridge has
    /// to prove that it holds that key. Returns the message to send.
    pub fn of_user(
        key: &PrivateKey,
        solution: &str,
        bridge_key: Option<&PublicKey>,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let nonce = BASE64_STANDARD.encode(nonce);
        let timestamp_text = now.0.to_string();
        let text = packet::login_text(&nonce, &timestamp_text);
        let signature = sign::sign(key, text.as_bytes()).to_vec();
        let proof = LoginProof { nonce, timestamp_text, timestamp: now, signature };
        Self::begin(key, solution, bridge_key, Some(proof), rng)
    }

    /// Seals an anonymous login; `key` should be a fresh one.
    pub fn anonymous(
        key: &PrivateKey,
        solution: &str,
        bridge_key: Option<&PublicKey>,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        Self::begin(key, solution, bridge_key, None, rng)
    }

    fn begin(
        key: &PrivateKey,
        solution: &str,
        bridge_key: Option<&PublicKey>,
        proof: Option<LoginProof>,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        let bridge = bridge_key.map(|key| {
            let mut challenge = [0; CHALLENGE_BYTES];
            rng.fill_bytes(&mut challenge);
            Challenge { key: key.clone(), text: hex::encode(challenge) }
        });
        let of_user = proof.is_some();
        let login = LoginPacket {
            key: key.public_key().clone(),
            agent: Some(AGENT.to_owned()),
            solution: Some(solution.to_owned()),
            challenge: bridge.as_ref().map(|bridge| bridge.text.clone()),
            proof,
        };
        let mut writer = RecordWriter::default();
        writer.write(ContentType::Handshake, &login.encode());
        writer.write(ContentType::Handshake, &packet::encode_ticket_request(REQUEST_COUNT));
        (Self { of_user, bridge }, writer.into_bytes())
    }

    /// Opens the answer to the login that was made with `key`.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]: the bridge refused, or is not one to talk to.
    pub fn finish(
        self,
        key: &PrivateKey,
        answer: &[u8],
        now: Timestamp,
    ) -> Result<ClientSession, HandshakeError> {
        let mut reader = RecordReader::new(answer.to_vec());
        let server = match expect_frame(&mut reader)? {
            Frame { content: ContentType::Handshake, payload, .. } => {
                match ServerPacket::decode(&payload)? {
                    ServerPacket::Reply(reply) if reply.of_user == self.of_user => *reply,
                    _ => return Err(HandshakeError::Unexpected),
                }
            }
            _ => return Err(HandshakeError::Unexpected),
        };
        let pre_master = ecdh::shared_x(key, &server.key);
        let master = MasterSecret::from_pre_master(pre_master.expose());
        // An alert says more than a failed check, so it comes first.
        match expect_frame(&mut reader)?.content {
            ContentType::ChangeCipherSpec => {}
            _ => return Err(HandshakeError::Unexpected),
        }
        self.check(&server, now)?;
        reader.change_cipher(KeyBlock::derive(master.expose(), &[], &[]).server);
        let opened = read_answer(&mut reader, true, now)?;
        let mut tickets = TicketStore::default();
        tickets.add(opened.tickets);
        if tickets.count(now) == 0 {
            return Err(HandshakeError::Incomplete);
        }
        Ok(ClientSession { master, tickets, server })
    }

    fn check(&self, server: &ServerReply, now: Timestamp) -> Result<(), HandshakeError> {
        version::check(&server.server_version)?;
        let Some(bridge) = &self.bridge else { return Ok(()) };
        let proof = server.signature.as_ref().ok_or(HandshakeError::BridgeIdentity)?;
        let text = packet::challenge_text(&bridge.text, proof.timestamp);
        sign::verify(&bridge.key, text.as_bytes(), &proof.signature)
            .map_err(|_| HandshakeError::BridgeIdentity)?;
        if now.0.abs_diff(proof.timestamp) >= CHALLENGE_SKEW_MS {
            return Err(HandshakeError::BridgeClock);
        }
        Ok(())
    }
}

impl ClientSession {
    /// A session from its secret, with tickets to be added: for tests and tools.
    #[must_use]
    pub fn resume(master: MasterSecret, server: ServerReply) -> Self {
        Self { master, tickets: TicketStore::default(), server }
    }

    /// Seals one call into a message for either carrier; asks for tickets along with it when
    /// they run low. Nothing if no ticket is left: the session is lost, log in again.
    pub fn seal(
        &mut self,
        request: &Request,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Option<(Vec<u8>, ClientExchange)> {
        let ticket = self.tickets.take(now)?;
        let with_tickets = self.tickets.needs_more(now);
        Some(self.seal_with(&ticket, Some(request), with_tickets, rng))
    }

    /// Seals a request for tickets alone.
    pub fn seal_refill(
        &mut self,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Option<(Vec<u8>, ClientExchange)> {
        let ticket = self.tickets.take(now)?;
        Some(self.seal_with(&ticket, None, true, rng))
    }

    /// Keeps the tickets of an answer.
    pub fn add_tickets(&mut self, tickets: Vec<Ticket>) {
        self.tickets.add(tickets);
    }

    /// Whether tickets should be asked for now.
    #[must_use]
    pub fn needs_tickets(&self, now: Timestamp) -> bool {
        self.tickets.needs_more(now)
    }

    /// How many calls could still be made.
    #[must_use]
    pub fn ticket_count(&self, now: Timestamp) -> usize {
        self.tickets.count(now)
    }

    /// What the bridge said about itself.
    #[must_use]
    pub const fn server(&self) -> &ServerReply {
        &self.server
    }

    fn seal_with(
        &self,
        ticket: &Ticket,
        request: Option<&Request>,
        with_tickets: bool,
        rng: &mut impl CryptoRng,
    ) -> (Vec<u8>, ClientExchange) {
        let mut client_random = [0; CLIENT_RANDOM_BYTES];
        rng.fill_bytes(&mut client_random);
        let keys = KeyBlock::derive(self.master.expose(), &client_random, &ticket.id);
        let mut writer = RecordWriter::default();
        let admission = packet::encode_ticket(&ticket.id, &client_random);
        writer.write(ContentType::Handshake, &admission);
        writer.change_cipher(keys.client);
        if let Some(request) = request {
            writer.write(ContentType::ApplicationData, &request.encode());
        }
        if with_tickets {
            let wanted = packet::encode_ticket_request(REQUEST_COUNT);
            writer.write(ContentType::Handshake, &wanted);
        }
        let exchange = ClientExchange { keys: keys.server, wants_response: request.is_some() };
        (writer.into_bytes(), exchange)
    }
}

impl ClientExchange {
    /// Opens the answer to the sealed message.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; a call that the bridge refused is not an error here, but a
    /// [`Response`] that holds one.
    pub fn open(self, answer: &[u8], now: Timestamp) -> Result<Opened, HandshakeError> {
        let mut reader = RecordReader::new(answer.to_vec());
        match expect_frame(&mut reader)?.content {
            ContentType::ChangeCipherSpec => reader.change_cipher(self.keys),
            _ => return Err(HandshakeError::Unexpected),
        }
        read_answer(&mut reader, !self.wants_response, now)
    }
}

/// Reads the encrypted part of an answer, which must contain either tickets or a response.
fn read_answer(
    reader: &mut RecordReader,
    tickets_wanted: bool,
    now: Timestamp,
) -> Result<Opened, HandshakeError> {
    let mut opened = Opened { response: None, tickets: Vec::new() };
    let mut alert = None;
    while let Some(frame) = reader.read()? {
        match frame.content {
            ContentType::Handshake => match ServerPacket::decode(&frame.payload)? {
                ServerPacket::Tickets { ids, ttl_s } => {
                    opened.tickets.extend(ids.into_iter().map(|id| Ticket::new(id, ttl_s, now)));
                }
                ServerPacket::Reply(_) => return Err(HandshakeError::Unexpected),
            },
            ContentType::ApplicationData if opened.response.is_none() => {
                opened.response = Some(Response::decode(&frame.payload)?);
            }
            ContentType::Alert => {
                alert = Some(alert_of(&frame.payload));
                break;
            }
            ContentType::Hello => {}
            _ => return Err(HandshakeError::Unexpected),
        }
    }
    // What came before an alert counts: the server ends a message with it.
    let complete =
        if tickets_wanted { !opened.tickets.is_empty() } else { opened.response.is_some() };
    if complete { Ok(opened) } else { Err(alert.unwrap_or(HandshakeError::Incomplete)) }
}

/// The next frame; an alert becomes an error.
fn expect_frame(reader: &mut RecordReader) -> Result<Frame, HandshakeError> {
    loop {
        let frame = reader.read()?.ok_or(HandshakeError::Incomplete)?;
        match frame.content {
            ContentType::Alert => return Err(alert_of(&frame.payload)),
            ContentType::Hello => {}
            _ => return Ok(frame),
        }
    }
}

fn alert_of(payload: &[u8]) -> HandshakeError {
    let text = payload.get(..ALERT_MAX).unwrap_or(payload);
    HandshakeError::Alert(String::from_utf8_lossy(text).into_owned())
}
