//! The server's side: one message in, one answer out, with decisions for the caller between.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use rand::CryptoRng;
use serde_json::Value as Json;

use super::MasterSecret;
use super::nonce::LOGIN_SKEW_MS;
use super::packet;
use super::packet::ChallengeSignature;
use super::packet::ClientPacket;
use super::packet::INVALID_NONCE;
use super::packet::INVALID_PARAMS;
use super::packet::INVALID_SIGNATURE;
use super::packet::INVALID_TIMESTAMP;
use super::packet::LoginPacket;
use super::packet::ServerReply;
use crate::crypto::ecdh;
use crate::crypto::key::PrivateKey;
use crate::crypto::key::PublicKey;
use crate::crypto::sign;
use crate::model::Timestamp;
use crate::wire::msgpack;
use crate::wire::pson;
use crate::wire::pson::Dictionary;
use crate::wire::pson::Value;
use crate::wire::record::ContentType;
use crate::wire::record::Encoding;
use crate::wire::record::Frame;
use crate::wire::record::KeyBlock;
use crate::wire::record::RecordError;
use crate::wire::record::RecordKeys;
use crate::wire::record::RecordReader;
use crate::wire::record::RecordWriter;
use crate::wire::rpc::Request;
use crate::wire::rpc::Response;
use crate::wire::rpc::RpcError;
use crate::wire::rpc::code;

/// Largest request that is announced.
pub const REQUEST_CHUNK_SIZE: i64 = 5_242_880;

/// What ends an exchange whose caller left a question open.
const INTERNAL: &str = "Internal server error";
const INVALID_TICKET: &str = "Invalid ticket";
const INVALID_FRAME: &str = "Invalid frame";

/// What a server says about itself, and the key that it proves its identity with.
#[derive(Debug)]
pub struct ServerIdentity {
    /// Signs challenges.
    pub key: PrivateKey,
    /// Main host name.
    pub host: String,
    /// Dotted integers, such as `3.0.0`; official clients refuse anything else.
    pub version: String,
}

/// One message on its way to an answer. Call [`ServerExchange::step`], do what it says, and
/// repeat until it is done; then send [`ServerExchange::into_answer`].
pub struct ServerExchange {
    reader: RecordReader,
    writer: RecordWriter,
    /// What the client's CHANGE_CIPHER_SPEC will switch to.
    read_keys: Option<RecordKeys>,
    session: bool,
    reading_encrypted: bool,
    first: bool,
    ended: bool,
    /// Tickets were asked for; once is enough for one message.
    tickets_asked: bool,
    /// The session was restored by a ticket, which anybody on the way could read.
    restored: bool,
    open: Option<Question>,
}

/// What the caller was asked and has not answered.
enum Question {
    Login(Box<LoginPacket>),
    Ticket { ticket_id: Vec<u8>, client_random: Vec<u8> },
    Tickets,
    Call { id: Json },
}

/// What the caller has to do next.
#[derive(Debug)]
pub enum Step {
    /// Look up the facts and call [`ServerExchange::answer_login`].
    Login(LoginRequest),
    /// Look up the ticket and call [`ServerExchange::restore`] or
    /// [`ServerExchange::refuse_ticket`].
    Restore {
        /// What the client holds; 1 to 100 bytes if it is one of ours.
        ticket_id: Vec<u8>,
    },
    /// Make tickets of the session and call [`ServerExchange::answer_tickets`].
    IssueTickets {
        /// How many the client wants; fewer may be given.
        count: usize,
    },
    /// Carry out the call and call [`ServerExchange::answer_call`].
    Call(Request),
    /// Send the answer.
    Done,
}

/// Somebody wants to log in.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    /// The user's key, or a random one if anonymous.
    pub key: PublicKey,
    /// Without one, contexts are not filtered by solution.
    pub solution: Option<String>,
    /// What the client calls itself.
    pub agent: Option<String>,
    /// The nonce and the time it was signed at; absent if anonymous.
    pub nonce: Option<(String, Timestamp)>,
}

/// What only the bridge knows about a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginFacts {
    /// The solution named in the request exists; true if none is named.
    pub solution_exists: bool,
    /// The nonce was not used before; ignored if anonymous.
    pub nonce_unused: bool,
    /// The key belongs to a user of any context; ignored if anonymous.
    pub user_exists: bool,
}

/// Why a login was refused: the text of the ALERT that the answer now ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoginRefused(pub &'static str);

impl ServerExchange {
    /// The exchange that `message`, an HTTP body or what follows a request id, begins.
    #[must_use]
    pub fn new(message: Vec<u8>) -> Self {
        Self {
            reader: RecordReader::of_any_encoding(message),
            writer: RecordWriter::default(),
            read_keys: None,
            session: false,
            reading_encrypted: false,
            first: true,
            ended: false,
            tickets_asked: false,
            restored: false,
            open: None,
        }
    }

    /// Goes on until a decision is needed or the message ends.
    ///
    /// # Errors
    ///
    /// [`RecordError::Version`] if the message is noise: over HTTP the official bridge
    /// answers that with status 500 and no body. All other errors become part of the answer.
    pub fn step(&mut self) -> Result<Step, RecordError> {
        if self.open.take().is_some() {
            self.alert(INTERNAL);
        }
        while !self.ended {
            let frame = match self.reader.read() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error @ RecordError::Version(_)) if self.first => return Err(error),
                Err(error) => {
                    self.alert(&error.to_string());
                    break;
                }
            };
            self.first = false;
            // The answer is in what the question was in.
            self.writer.set_encoding(self.reader.encoding());
            if let Some(step) = self.handle(&frame) {
                return Ok(step);
            }
        }
        Ok(Step::Done)
    }

    fn handle(&mut self, frame: &Frame) -> Option<Step> {
        match frame.content {
            ContentType::Hello => None,
            ContentType::Alert => {
                self.ended = true;
                None
            }
            ContentType::ChangeCipherSpec => {
                match self.read_keys.take() {
                    Some(keys) => {
                        self.reader.change_cipher(keys);
                        self.reading_encrypted = true;
                    }
                    None => self.alert(INVALID_FRAME),
                }
                None
            }
            ContentType::Handshake => match ClientPacket::decode(&frame.payload, self.encoding()) {
                Ok(packet) => self.handle_packet(packet),
                Err(text) => {
                    self.alert(text);
                    None
                }
            },
            ContentType::ApplicationData => {
                match Request::decode_from(&frame.payload, self.encoding()) {
                    Ok(request) => self.handle_request(request),
                    Err(error) => {
                        self.alert(&error.alert_text());
                        None
                    }
                }
            }
        }
    }

    fn handle_packet(&mut self, packet: ClientPacket) -> Option<Step> {
        match packet {
            ClientPacket::Login(login) if !self.session => {
                let request = LoginRequest {
                    key: login.key.clone(),
                    solution: login.solution.clone(),
                    agent: login.agent.clone(),
                    nonce: login.proof.as_ref().map(|one| (one.nonce.clone(), one.timestamp)),
                };
                self.open = Some(Question::Login(login));
                Some(Step::Login(request))
            }
            ClientPacket::Ticket { ticket_id, client_random } if !self.session => {
                let step = Step::Restore { ticket_id: ticket_id.clone() };
                self.open = Some(Question::Ticket { ticket_id, client_random });
                Some(step)
            }
            ClientPacket::TicketRequest { count } if self.may_ask_for_tickets() => {
                self.tickets_asked = true;
                self.open = Some(Question::Tickets);
                Some(Step::IssueTickets { count: usize::try_from(count).unwrap_or(0) })
            }
            _ => {
                self.alert(INVALID_PARAMS);
                None
            }
        }
    }

    /// After a login the request follows in the clear, as the login itself; after a ticket it
    /// must prove that its sender holds the secret.
    const fn may_ask_for_tickets(&self) -> bool {
        self.session && !self.tickets_asked && (self.reading_encrypted || !self.restored)
    }

    /// A call counts only if it was encrypted: whoever reads along knows the ticket, and
    /// could otherwise add calls of their own.
    fn handle_request(&mut self, request: Request) -> Option<Step> {
        let id = request.id.clone();
        if request.method == "ping" {
            self.write_response(&Response { id, result: Ok(Json::from("pong")) });
            return None;
        }
        if !self.reading_encrypted {
            let result = Err(RpcError::new(code::UNKNOWN_SESSION));
            self.write_response(&Response { id, result });
            return None;
        }
        self.open = Some(Question::Call { id });
        Some(Step::Call(request))
    }

    /// Answers [`Step::Login`]. On success the caller remembers the nonce and makes a session
    /// of the returned secret.
    ///
    /// # Errors
    ///
    /// [`LoginRefused`] if the login failed; the answer says so.
    pub fn answer_login(
        &mut self,
        identity: &ServerIdentity,
        facts: LoginFacts,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<MasterSecret, LoginRefused> {
        let Some(Question::Login(login)) = self.open.take() else {
            return Err(self.refuse(INTERNAL));
        };
        let ephemeral = PrivateKey::generate(rng);
        let reply = identity.reply(&login, ephemeral.public_key(), now);
        // The reply goes out whatever the checks say, as the official bridge does it.
        let reply = self.encoded(&reply.to_value());
        self.writer.write(ContentType::Handshake, &reply);
        if let Err(text) = check_login(&login, facts, now) {
            return Err(self.refuse(text));
        }
        let pre_master = ecdh::shared_x(&ephemeral, &login.key);
        let master = MasterSecret::from_pre_master(pre_master.expose());
        self.begin_session(KeyBlock::derive(master.expose(), &[], &[]));
        Ok(master)
    }

    /// Answers [`Step::Restore`]: the ticket belongs to the session with this secret.
    pub fn restore(&mut self, master: &MasterSecret) {
        match self.open.take() {
            Some(Question::Ticket { ticket_id, client_random }) => {
                self.begin_session(KeyBlock::derive(master.expose(), &client_random, &ticket_id));
                self.restored = true;
            }
            _ => self.alert(INTERNAL),
        }
    }

    /// Answers [`Step::Restore`]: the ticket is unknown or has ended.
    pub fn refuse_ticket(&mut self) {
        self.open = None;
        self.alert(INVALID_TICKET);
    }

    /// Answers [`Step::IssueTickets`] with tickets that work for `ttl_s` seconds.
    pub fn answer_tickets(&mut self, ids: &[Vec<u8>], ttl_s: i64) {
        match self.open.take() {
            Some(Question::Tickets) => {
                let packet = self.encoded(&packet::tickets(ids, ttl_s));
                self.writer.write(ContentType::Handshake, &packet);
            }
            _ => self.alert(INTERNAL),
        }
    }

    /// Answers [`Step::Call`].
    pub fn answer_call(&mut self, result: Result<Json, RpcError>) {
        match self.open.take() {
            Some(Question::Call { id }) => self.write_response(&Response { id, result }),
            _ => self.alert(INTERNAL),
        }
    }

    /// Ends the message with an error text, encrypted if the answer already is.
    pub fn alert(&mut self, text: &str) {
        self.open = None;
        if !self.ended {
            self.ended = true;
            self.writer.write(ContentType::Alert, text.as_bytes());
        }
    }

    /// Bytes of the answer so far.
    #[must_use]
    pub const fn answer_size(&self) -> usize {
        self.writer.size()
    }

    /// The answer to the message.
    #[must_use]
    pub fn into_answer(self) -> Vec<u8> {
        self.writer.into_bytes()
    }

    /// What the client writes its messages in.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.reader.encoding()
    }

    fn encoded(&self, value: &Value) -> Vec<u8> {
        match self.encoding() {
            Encoding::Pson => pson::encode(value, Dictionary::Static),
            Encoding::MessagePack => msgpack::encode(value),
        }
    }

    fn begin_session(&mut self, keys: KeyBlock) {
        self.writer.change_cipher(keys.server);
        self.read_keys = Some(keys.client);
        self.session = true;
    }

    fn refuse(&mut self, text: &'static str) -> LoginRefused {
        self.alert(text);
        LoginRefused(text)
    }

    fn write_response(&mut self, response: &Response) {
        let payload = self.encoded(&response.to_value());
        self.writer.write(ContentType::ApplicationData, &payload);
    }
}

impl ServerIdentity {
    fn reply(&self, login: &LoginPacket, ephemeral: &PublicKey, now: Timestamp) -> ServerReply {
        let signature = login.challenge.as_ref().map(|challenge| {
            let text = packet::challenge_text(challenge, now.0);
            let signature = sign::sign_recoverable(&self.key, text.as_bytes()).to_vec();
            ChallengeSignature { signature, timestamp: now.0 }
        });
        let of_user = login.proof.is_some();
        ServerReply {
            of_user,
            key: ephemeral.clone(),
            agent: format!("privmx-bridge;{},PrivmxApi/2.11.0", self.version),
            request_chunk_size: REQUEST_CHUNK_SIZE,
            server_version: self.version.clone(),
            host: of_user.then(|| self.host.clone()),
            signature,
        }
    }
}

/// The checks of a login in the order of the official bridge.
fn check_login(login: &LoginPacket, facts: LoginFacts, now: Timestamp) -> Result<(), &'static str> {
    if login.solution.is_some() && !facts.solution_exists {
        return Err("Solution does not exist");
    }
    let Some(proof) = &login.proof else { return Ok(()) };
    if now.0.abs_diff(proof.timestamp.0) > LOGIN_SKEW_MS {
        return Err(INVALID_TIMESTAMP);
    }
    if !facts.nonce_unused {
        return Err(INVALID_NONCE);
    }
    let text = packet::login_text(&proof.nonce, &proof.timestamp_text);
    if sign::verify(&login.key, text.as_bytes(), &proof.signature).is_err() {
        return Err(INVALID_SIGNATURE);
    }
    if facts.user_exists { Ok(()) } else { Err("User doesn't exist") }
}
