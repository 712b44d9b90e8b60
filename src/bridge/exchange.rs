//! One message of the client protocol: decrypt, decide, answer.
//!
//! [`ServerExchange`] does the protocol; this finds out what it asks for. The same for an
//! HTTP body and for a WebSocket message.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use super::core::Core;
use super::notify::Socket;
use super::rpc;
use super::rpc::Answer;
use super::rpc::Peer;
use super::service::Caller;
use super::service::Notice;
use super::service::ServiceError;
use super::session::LoginId;
use super::session::TICKET_TTL_S;
use crate::model::SolutionId;
use crate::wire::handshake::MasterSecret;
use crate::wire::handshake::server::LoginFacts;
use crate::wire::handshake::server::LoginRequest;
use crate::wire::handshake::server::ServerExchange;
use crate::wire::handshake::server::Step;
use crate::wire::rpc::Request;
use crate::wire::rpc::RpcError;

/// Calls in one message; official clients send one.
const CALLS_MAX: usize = 64;
/// Bytes of an answer beyond which no further call of its message is carried out.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

/// Where a message came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The WebSocket, if it came over one.
    pub socket: Option<Arc<Socket>>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an answer, be it an error.
    Answered,
    /// It is noise.
    Garbage,
}

/// What others are to be told once the answer is on its way.
#[derive(Debug)]
pub struct Told {
    notices: Vec<Notice>,
    /// Held until the notices are out.
    turn: Option<OwnedMutexGuard<()>>,
}

/// An exchange that is over.
#[derive(Debug)]
pub struct Exchanged {
    /// What became of it.
    pub verdict: Verdict,
    /// The answer.
    pub bytes: Vec<u8>,
    /// What to tell with [`tell`] after the answer was sent.
    pub told: Vec<Told>,
}

/// Tells others what a message led to.
pub fn tell(core: &Core, told: Vec<Told>) {
    for told in told {
        core.notifier.fan_out(&told.notices, core.now());
        drop(told.turn);
    }
}

/// The session that a message belongs to, once it has shown a ticket or logged in.
struct Session {
    login: LoginId,
    master: MasterSecret,
}

struct Driver<'a> {
    core: &'a Core,
    origin: &'a Origin,
    exchange: ServerExchange,
    session: Option<Session>,
    told: Vec<Told>,
    verdict: Verdict,
}

/// Carries out one message.
pub async fn run(core: &Core, origin: &Origin, message: &[u8]) -> Exchanged {
    let mut driver = Driver {
        core,
        origin,
        exchange: ServerExchange::new(message.to_vec()),
        session: None,
        told: Vec::new(),
        verdict: Verdict::Answered,
    };
    driver.drive().await;
    if driver.verdict == Verdict::Garbage {
        core.metrics.garbage.count();
    }
    if let Some(session) = &driver.session {
        core.sessions().drop_unused(session.login);
    }
    let Driver { verdict, exchange, told, .. } = driver;
    Exchanged { verdict, bytes: exchange.into_answer(), told }
}

impl Driver<'_> {
    async fn drive(&mut self) {
        let mut calls = 0;
        loop {
            match self.exchange.step() {
                Err(_) => {
                    self.verdict = Verdict::Garbage;
                    return;
                }
                Ok(Step::Done) => return,
                Ok(Step::Login(request)) => self.login(request).await,
                Ok(Step::Restore { ticket_id }) => self.restore(&ticket_id),
                Ok(Step::IssueTickets { count }) => self.issue(count),
                Ok(Step::Call(request)) => {
                    calls += 1;
                    if calls > CALLS_MAX || self.exchange.answer_size() > ANSWER_MAX {
                        self.exchange.alert("Too many calls in one message");
                        continue;
                    }
                    let result = self.call(request).await;
                    self.exchange.answer_call(result);
                }
            }
        }
    }

    async fn login(&mut self, request: LoginRequest) {
        let core = self.core;
        let pub_key = request.key.to_base58();
        let solution = request.solution.clone().map(SolutionId);
        let (key, wanted) = (pub_key.clone(), solution.clone());
        let found = core
            .store
            .read(move |tx| {
                let solution_exists = match &wanted {
                    Some(id) => tx.solution(id)?.is_some(),
                    None => true,
                };
                Ok::<_, ServiceError>((solution_exists, !tx.users_by_key(&key)?.is_empty()))
            })
            .await;
        let Ok((solution_exists, user_exists)) = found else {
            self.exchange.alert("Internal server error");
            return;
        };
        let nonce = request.nonce.as_ref();
        let nonce_unused = nonce.is_none_or(|(nonce, _)| core.sessions().reserve(nonce));
        let facts = LoginFacts { solution_exists, nonce_unused, user_exists };
        let now = core.now();
        let answered = self.exchange.answer_login(&core.identity, facts, now, &mut rand::rng());
        let mut sessions = core.sessions();
        match answered {
            Ok(master) => {
                core.metrics.logins.count();
                if let Some((nonce, signed_at)) = nonce {
                    sessions.use_up(nonce, *signed_at, now);
                }
                let caller = Caller { pub_key, solution };
                let login = sessions.open(nonce.map(|_| caller));
                self.session = Some(Session { login, master });
            }
            Err(refused) => {
                core.metrics.refused_handshakes.count(&refused.to_string(), "");
                if let Some((nonce, _)) = nonce
                    && nonce_unused
                {
                    sessions.release(nonce);
                }
            }
        }
    }

    fn restore(&mut self, ticket: &[u8]) {
        let now = self.core.now();
        let redeemed = self.core.sessions().redeem(ticket, now);
        match redeemed {
            Some((login, master)) => {
                self.exchange.restore(&master);
                self.session = Some(Session { login, master });
            }
            None => {
                self.core.metrics.refused_handshakes.count("Invalid ticket", "");
                self.exchange.refuse_ticket();
            }
        }
    }

    fn issue(&mut self, count: usize) {
        let tickets = self.session.as_ref().map_or_else(Vec::new, |session| {
            let (master, id) = (session.master.clone(), rand::random());
            let now = self.core.now();
            self.core.sessions().issue(session.login, master, count, id, now)
        });
        self.exchange.answer_tickets(&tickets, TICKET_TTL_S);
    }

    async fn call(&mut self, request: Request) -> Result<serde_json::Value, RpcError> {
        let identity = self.session.as_ref().and_then(|session| {
            let sessions = self.core.sessions();
            sessions.identity(session.login).map(|who| (session.login, who.clone()))
        });
        let Some((login, identity)) = identity else {
            return Err(RpcError::from(&ServiceError::UnknownSession));
        };
        let socket = self.origin.socket.clone();
        let peer = Peer { login, identity, socket, encoding: self.exchange.encoding() };
        // A turn that an earlier call of this message holds could be the one this call needs.
        tell(self.core, std::mem::take(&mut self.told));
        let method = request.method;
        let begun = Instant::now();
        let done = rpc::dispatch(self.core, &peer, &method, request.params).await;
        let code = done.as_ref().err().map_or(0, ServiceError::code);
        self.core.metrics.call(&method, code, begun.elapsed());
        match done {
            Ok(Answer { reply, notices, turn }) => {
                self.told.push(Told { notices, turn });
                Ok(reply)
            }
            Err(error) => {
                tracing::debug!(method, code = error.code(), "refused");
                Err(RpcError::from(&error))
            }
        }
    }
}
