//! The packets of the handshake. Clients write their members in byte order, servers in the
//! order of the official bridge, and each reads any order.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::HandshakeError;
use crate::crypto::key::PublicKey;
use crate::crypto::sign::SIGNATURE_BYTES;
use crate::model::Timestamp;
use crate::wire::msgpack;
use crate::wire::pson;
use crate::wire::pson::Dictionary;
use crate::wire::pson::Limits;
use crate::wire::pson::Value;
use crate::wire::record::Encoding;

/// What official clients call themselves.
pub const AGENT: &str = "privmx-rpc-cpp";

/// Most tickets that can be asked for.
pub(super) const TICKET_COUNT_MAX: i64 = 1024;
/// Most tickets that a client takes from one answer.
const TICKETS_READ_MAX: usize = 1024;
const TICKET_ID_MAX: usize = 1024;
const CLIENT_RANDOM_MAX: usize = 1024;
const KEY_MAX: usize = 100;
const AGENT_MAX: usize = 1024;
const SOLUTION_MAX: usize = 128;

/// Texts of ALERTs.
pub(super) const INVALID_PARAMS: &str = "Invalid params";
pub(super) const INVALID_NONCE: &str = "Invalid nonce";
pub(super) const INVALID_TIMESTAMP: &str = "Invalid timestamp";
pub(super) const INVALID_SIGNATURE: &str = "Invalid signature";
const INVALID_PSON: &str = "Invalid handshake data. Cannot decode given PSON";

/// The text that a user signs to log in.
#[must_use]
pub fn login_text(nonce: &str, timestamp: &str) -> String {
    format!("ecdhexlogin {nonce} {timestamp}")
}

/// The text that a bridge signs to prove itself.
pub(super) fn challenge_text(challenge: &str, timestamp: i64) -> String {
    format!("{challenge};{timestamp}")
}

/// A packet of a client, strictly checked.
#[derive(Clone, Debug)]
pub(super) enum ClientPacket {
    /// `ecdhex` or `ecdhe`.
    Login(Box<LoginPacket>),
    /// `ticket`.
    Ticket { ticket_id: Vec<u8>, client_random: Vec<u8> },
    /// `ticket_request`.
    TicketRequest { count: i64 },
}

/// A request to log in.
#[derive(Clone, Debug)]
pub(super) struct LoginPacket {
    pub(super) key: PublicKey,
    pub(super) agent: Option<String>,
    pub(super) solution: Option<String>,
    pub(super) challenge: Option<String>,
    /// Who logs in; absent in `ecdhe`.
    pub(super) proof: Option<LoginProof>,
}

/// What makes a login that of a user.
#[derive(Clone, Debug)]
pub(super) struct LoginProof {
    pub(super) nonce: String,
    pub(super) timestamp_text: String,
    pub(super) timestamp: Timestamp,
    pub(super) signature: Vec<u8>,
}

impl LoginPacket {
    pub(super) fn encode(&self) -> Vec<u8> {
        let text = |text: &Option<String>| text.as_deref().map(Value::text);
        let proof = self.proof.as_ref();
        let signature = |proof: &LoginProof| Value::text(BASE64_STANDARD.encode(&proof.signature));
        let members = [
            ("agent", text(&self.agent)),
            ("challenge", text(&self.challenge)),
            ("key", Some(Value::Binary(self.key.to_sec1().to_vec()))),
            ("nonce", proof.map(|proof| Value::text(&proof.nonce))),
            ("signature", proof.map(signature)),
            ("solution", text(&self.solution)),
            ("timestamp", proof.map(|proof| Value::text(&proof.timestamp_text))),
            ("type", Some(Value::text(if proof.is_some() { "ecdhex" } else { "ecdhe" }))),
        ];
        let members = members.into_iter().filter_map(|(key, value)| Some((key, value?)));
        pson::encode(&Value::object(members), Dictionary::Empty)
    }
}

pub(super) fn encode_ticket(ticket_id: &[u8], client_random: &[u8]) -> Vec<u8> {
    let packet = Value::object([
        ("client_random", Value::Binary(client_random.to_vec())),
        ("ticket_id", Value::Binary(ticket_id.to_vec())),
        ("type", Value::text("ticket")),
    ]);
    pson::encode(&packet, Dictionary::Empty)
}

pub(super) fn encode_ticket_request(count: i64) -> Vec<u8> {
    let packet =
        Value::object([("count", Value::Int(count)), ("type", Value::text("ticket_request"))]);
    pson::encode(&packet, Dictionary::Empty)
}

impl ClientPacket {
    /// Reads a packet; the error is the text of the ALERT.
    pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Result<Self, &'static str> {
        let value = match encoding {
            Encoding::Pson => pson::decode_with(bytes, Dictionary::Static, Limits::HANDSHAKE),
            Encoding::MessagePack => msgpack::decode_with(bytes, Limits::HANDSHAKE),
        };
        let value = value.map_err(|_| INVALID_PSON)?;
        let Value::Object(members) = value else { return Err(INVALID_PARAMS) };
        let mut fields = Fields(members);
        let kind = fields.text("type", 1, 32)?.ok_or(INVALID_PARAMS)?;
        let packet = match kind.as_str() {
            "ecdhex" => {
                let proof = Some(fields.proof()?);
                Self::Login(Box::new(fields.login(proof)?))
            }
            "ecdhe" => Self::Login(Box::new(fields.login(None)?)),
            "ticket" => {
                let ticket_id = fields.binary("ticket_id", TICKET_ID_MAX)?;
                let client_random = fields.binary("client_random", CLIENT_RANDOM_MAX)?;
                fields.take("id");
                fields.plain()?;
                Self::Ticket { ticket_id, client_random }
            }
            "ticket_request" => {
                let count = fields.take("count").and_then(|count| count.as_int());
                let count = count.filter(|count| (0..=TICKET_COUNT_MAX).contains(count));
                Self::TicketRequest { count: count.ok_or(INVALID_PARAMS)? }
            }
            _ => return Err(INVALID_PARAMS),
        };
        if fields.0.is_empty() { Ok(packet) } else { Err(INVALID_PARAMS) }
    }
}

/// Members of a packet that were not looked at yet.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A text of `least` to `most` characters; absent is fine.
    fn text(
        &mut self,
        key: &str,
        least: usize,
        most: usize,
    ) -> Result<Option<String>, &'static str> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Text(text)) if (least..=most).contains(&text.chars().count()) => {
                Ok(Some(text))
            }
            Some(_) => Err(INVALID_PARAMS),
        }
    }

    fn binary(&mut self, key: &str, most: usize) -> Result<Vec<u8>, &'static str> {
        match self.take(key) {
            Some(Value::Binary(bytes)) if bytes.len() <= most => Ok(bytes),
            _ => Err(INVALID_PARAMS),
        }
    }

    /// `plain` would switch encryption off, which is not offered.
    fn plain(&mut self) -> Result<(), &'static str> {
        match self.take("plain") {
            None | Some(Value::Bool(false)) => Ok(()),
            Some(_) => Err(INVALID_PARAMS),
        }
    }

    fn login(&mut self, proof: Option<LoginProof>) -> Result<LoginPacket, &'static str> {
        let key = self.binary("key", KEY_MAX)?;
        let key = PublicKey::from_sec1(&key).map_err(|_| INVALID_PARAMS)?;
        let agent = match self.take("agent") {
            None | Some(Value::Null) => None,
            Some(Value::Text(agent)) if agent.chars().count() <= AGENT_MAX => Some(agent),
            Some(_) => return Err(INVALID_PARAMS),
        };
        let solution = self.text("solution", 1, SOLUTION_MAX)?;
        let challenge = self.text("challenge", 64, 128)?;
        self.plain()?;
        Ok(LoginPacket { key, agent, solution, challenge, proof })
    }

    /// The three fields whose mistakes have texts of their own.
    fn proof(&mut self) -> Result<LoginProof, &'static str> {
        let nonce = match self.take("nonce").ok_or(INVALID_PARAMS)? {
            Value::Text(nonce) if (32..=64).contains(&nonce.chars().count()) => nonce,
            _ => return Err(INVALID_NONCE),
        };
        let Value::Text(timestamp_text) = self.take("timestamp").ok_or(INVALID_PARAMS)? else {
            return Err(INVALID_TIMESTAMP);
        };
        let decimal = timestamp_text.bytes().all(|byte| byte.is_ascii_digit());
        let timestamp = timestamp_text.parse().ok().filter(|_| decimal);
        let timestamp = Timestamp(timestamp.ok_or(INVALID_TIMESTAMP)?);
        let signature = match self.take("signature").ok_or(INVALID_PARAMS)? {
            Value::Text(text) => BASE64_STANDARD.decode(text).map_err(|_| INVALID_SIGNATURE)?,
            _ => return Err(INVALID_SIGNATURE),
        };
        if signature.len() != SIGNATURE_BYTES {
            return Err(INVALID_SIGNATURE);
        }
        Ok(LoginProof { nonce, timestamp_text, timestamp, signature })
    }
}

/// What a server says about itself when somebody logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReply {
    /// Whether it answers a user's login (`ecdhex`) or an anonymous one.
    pub of_user: bool,
    /// Its ephemeral key.
    pub key: PublicKey,
    /// Such as `privmx-bridge;3.0.0,PrivmxApi/2.11.0`.
    pub agent: String,
    /// Largest request.
    pub request_chunk_size: i64,
    /// Its version.
    pub server_version: String,
    /// Its main host name; not told to anonymous clients.
    pub host: Option<String>,
    /// Proof of its identity, if one was asked for.
    pub signature: Option<ChallengeSignature>,
}

/// A bridge's signature over a client's challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeSignature {
    /// The signature.
    pub signature: Vec<u8>,
    /// When it was made.
    pub timestamp: i64,
}

impl ServerReply {
    pub(super) fn to_value(&self) -> Value {
        let config = Value::object([
            ("requestChunkSize", Value::Int(self.request_chunk_size)),
            ("serverVersion", Value::text(&self.server_version)),
        ]);
        let mut members = vec![
            ("type", Value::text(if self.of_user { "ecdhex" } else { "ecdhe" })),
            ("key", Value::Binary(self.key.to_sec1().to_vec())),
            ("agent", Value::text(&self.agent)),
            ("config", config),
        ];
        if let Some(host) = &self.host {
            members.push(("host", Value::text(host)));
        }
        if let Some(signature) = &self.signature {
            let challenge = Value::text(hex::encode(&signature.signature));
            let timestamp = Value::Int(signature.timestamp);
            let signature = Value::object([("challenge", challenge), ("timestamp", timestamp)]);
            members.push(("signature", signature));
        }
        Value::object(members)
    }

    fn decode(value: &Value, of_user: bool) -> Result<Self, HandshakeError> {
        let field = |key: &'static str| value.get(key).ok_or(HandshakeError::Field(key));
        let key = field("key")?.as_binary().and_then(|key| PublicKey::from_sec1(key).ok());
        let config = field("config")?;
        let text = |value: &Value| value.as_text().map(str::to_owned);
        let chunk = config.get("requestChunkSize").and_then(Value::as_int);
        let version = config.get("serverVersion").and_then(text);
        let signature = match value.get("signature") {
            None | Some(Value::Null) => None,
            Some(signature) => Some(ChallengeSignature::decode(signature)?),
        };
        Ok(Self {
            of_user,
            key: key.ok_or(HandshakeError::Field("key"))?,
            agent: value.get("agent").and_then(text).unwrap_or_default(),
            request_chunk_size: chunk.ok_or(HandshakeError::Field("requestChunkSize"))?,
            server_version: version.ok_or(HandshakeError::Field("serverVersion"))?,
            host: value.get("host").and_then(text),
            signature,
        })
    }
}

impl ChallengeSignature {
    fn decode(value: &Value) -> Result<Self, HandshakeError> {
        let missing = HandshakeError::Field("signature");
        let text = value.get("challenge").and_then(Value::as_text).ok_or(missing.clone())?;
        let timestamp = value.get("timestamp").and_then(Value::as_int).ok_or(missing.clone())?;
        Ok(Self { signature: hex::decode(text).map_err(|_| missing)?, timestamp })
    }
}

/// A packet of a server, read tolerantly.
pub(super) enum ServerPacket {
    /// The answer to a login.
    Reply(Box<ServerReply>),
    /// Tickets.
    Tickets { ids: Vec<Vec<u8>>, ttl_s: i64 },
}

impl ServerPacket {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let value = pson::decode(bytes, Dictionary::Static)?;
        match value.get("type").and_then(Value::as_text) {
            Some("ecdhex") => Ok(Self::Reply(Box::new(ServerReply::decode(&value, true)?))),
            Some("ecdhe") => Ok(Self::Reply(Box::new(ServerReply::decode(&value, false)?))),
            Some("ticket_response") => {
                let ttl_s = value.get("ttl").and_then(Value::as_int);
                let Some(Value::Array(tickets)) = value.get("tickets") else {
                    return Err(HandshakeError::Field("tickets"));
                };
                let id = |ticket: &Value| match ticket.as_binary() {
                    Some(id) if (1..=TICKET_ID_MAX).contains(&id.len()) => Ok(id.to_vec()),
                    _ => Err(HandshakeError::Field("tickets")),
                };
                Ok(Self::Tickets {
                    ids: tickets.iter().take(TICKETS_READ_MAX).map(id).collect::<Result<_, _>>()?,
                    ttl_s: ttl_s.ok_or(HandshakeError::Field("ttl"))?,
                })
            }
            _ => Err(HandshakeError::Field("type")),
        }
    }
}

pub(super) fn tickets(ids: &[Vec<u8>], ttl_s: i64) -> Value {
    let tickets = ids.iter().map(|id| Value::Binary(id.clone())).collect();
    Value::object([
        ("type", Value::text("ticket_response")),
        ("tickets", Value::Array(tickets)),
        ("ttl", Value::Int(ttl_s)),
    ])
}
