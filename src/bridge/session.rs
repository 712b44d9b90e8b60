//! Login sessions, their tickets, and the nonces that were used.
//!
//! A step function: the time and all random bytes are arguments. Everything is bounded by
//! time and by number; a restart forgets all of it, and clients log in again.
//!
//! Invariant: a session exists as long as an unexpired ticket refers to it.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;

use crate::bridge::service::Caller;
use crate::crypto::hash::equal;
use crate::crypto::hash::hmac_sha256;
use crate::model::Secret;
use crate::model::Timestamp;
use crate::wire::handshake::MasterSecret;
use crate::wire::handshake::NonceCache;

/// Tickets given at a time, whatever was asked for.
pub const TICKETS_MAX: usize = 50;
/// Seconds that a ticket is good for.
pub const TICKET_TTL_S: i64 = 900;
/// Sets of tickets kept at a time. A new set beyond that takes the place of the oldest.
const RECORDS_MAX: usize = 100_000;
/// Nonces kept at a time; beyond that the oldest goes.
const NONCES_MAX: usize = 1_000_000;
/// Bytes of the id of a set of tickets.
const RECORD_ID: usize = 16;
/// Bytes of the tag that makes tickets unforgeable.
const TAG: usize = 12;

/// Names one login on this bridge; never reused within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginId(pub u64);

/// Who logged in; `None` is an anonymous session.
pub type Identity = Option<Caller>;

#[derive(Debug)]
struct Login {
    identity: Identity,
    /// Sets of tickets that refer to it.
    records: usize,
}

#[derive(Debug)]
struct Record {
    login: LoginId,
    master: MasterSecret,
}

/// All login sessions.
#[derive(Debug)]
pub struct Sessions {
    ticket_key: Secret<[u8; 32]>,
    next: u64,
    logins: HashMap<LoginId, Login>,
    records: HashMap<[u8; RECORD_ID], Record>,
    /// Records by expiry, oldest first.
    expiry: BTreeSet<(Timestamp, [u8; RECORD_ID])>,
    nonces: NonceCache,
    /// Nonces of logins that are being checked right now.
    reserved: HashSet<String>,
}

impl Sessions {
    /// No sessions; `ticket_key` makes tickets unforgeable.
    #[must_use]
    pub fn new(ticket_key: [u8; 32]) -> Self {
        Self {
            ticket_key: Secret::new(ticket_key),
            next: 1,
            logins: HashMap::new(),
            records: HashMap::new(),
            expiry: BTreeSet::new(),
            nonces: NonceCache::new(NONCES_MAX),
            reserved: HashSet::new(),
        }
    }

    /// Sets a nonce aside while its login is checked; `false` if it was used before.
    /// Give it back with [`release`](Self::release) or [`use_up`](Self::use_up).
    pub fn reserve(&mut self, nonce: &str) -> bool {
        self.nonces.is_unused(nonce) && self.reserved.insert(nonce.to_owned())
    }

    /// The login failed: the nonce may be used again.
    pub fn release(&mut self, nonce: &str) {
        self.reserved.remove(nonce);
    }

    /// The login succeeded: the nonce may never be used again.
    pub fn use_up(&mut self, nonce: &str, signed_at: Timestamp, now: Timestamp) {
        self.reserved.remove(nonce);
        self.nonces.remember(nonce, signed_at, now);
    }

    /// Begins a session. It lasts only if tickets are issued for it.
    pub fn open(&mut self, identity: Identity) -> LoginId {
        let id = LoginId(self.next);
        self.next += 1;
        self.logins.insert(id, Login { identity, records: 0 });
        id
    }

    /// Issues up to `count` tickets that share one record of `master`.
    pub fn issue(
        &mut self,
        login: LoginId,
        master: MasterSecret,
        count: usize,
        id: [u8; RECORD_ID],
        now: Timestamp,
    ) -> Vec<Vec<u8>> {
        self.expire(now);
        let Some(owner) = self.logins.get_mut(&login) else { return Vec::new() };
        owner.records += 1;
        let expires = Timestamp(now.0.saturating_add(TICKET_TTL_S * 1000));
        self.records.insert(id, Record { login, master });
        self.expiry.insert((expires, id));
        if self.records.len() > RECORDS_MAX
            && let Some((_, oldest)) = self.expiry.pop_first()
        {
            self.forget(&oldest);
        }
        (0..count.min(TICKETS_MAX))
            .map(|index| {
                let mut ticket = id.to_vec();
                ticket.extend_from_slice(&u32::try_from(index).unwrap_or(0).to_be_bytes());
                let tag = self.tag(&ticket);
                ticket.extend_from_slice(&tag);
                ticket
            })
            .collect()
    }

    fn tag(&self, body: &[u8]) -> [u8; TAG] {
        let mac = hmac_sha256(self.ticket_key.expose(), body);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&mac[..TAG]);
        tag
    }

    /// The session and master secret that a ticket stands for.
    pub fn redeem(&mut self, ticket: &[u8], now: Timestamp) -> Option<(LoginId, MasterSecret)> {
        self.expire(now);
        let (body, tag) = ticket.split_at_checked(RECORD_ID + 4)?;
        if !equal(&self.tag(body), tag) {
            return None;
        }
        let id: [u8; RECORD_ID] = body.get(..RECORD_ID)?.try_into().ok()?;
        let record = self.records.get(&id)?;
        Some((record.login, record.master.clone()))
    }

    /// Who a session belongs to; `None` if it is over.
    #[must_use]
    pub fn identity(&self, login: LoginId) -> Option<&Identity> {
        self.logins.get(&login).map(|login| &login.identity)
    }

    /// Ends a session and all its tickets.
    pub fn close(&mut self, login: LoginId) {
        self.logins.remove(&login);
        self.records.retain(|_, record| record.login != login);
        let records = &self.records;
        self.expiry.retain(|(_, id)| records.contains_key(id));
    }

    /// Drops a session that was opened and got no tickets.
    pub fn drop_unused(&mut self, login: LoginId) {
        if self.logins.get(&login).is_some_and(|login| login.records == 0) {
            self.logins.remove(&login);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((end, _)) = self.expiry.first()
            && *end <= now
        {
            if let Some((_, id)) = self.expiry.pop_first() {
                self.forget(&id);
            }
        }
    }

    fn forget(&mut self, id: &[u8; RECORD_ID]) {
        let Some(record) = self.records.remove(id) else { return };
        if let Some(login) = self.logins.get_mut(&record.login) {
            login.records = login.records.saturating_sub(1);
            if login.records == 0 {
                self.logins.remove(&record.login);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> MasterSecret {
        MasterSecret::from_bytes([7; 48])
    }

    #[test]
    fn a_session_lives_as_long_as_its_tickets() {
        let mut sessions = Sessions::new([1; 32]);
        let login = sessions.open(None);
        let tickets = sessions.issue(login, master(), 256, [2; 16], Timestamp(0));
        assert_eq!(tickets.len(), TICKETS_MAX);
        let late = Timestamp(TICKET_TTL_S * 1000 - 1);
        assert_eq!(sessions.redeem(&tickets[0], late).unwrap().0, login);
        // Tickets may be replayed, as on the official server.
        assert!(sessions.redeem(&tickets[0], late).is_some());
        let more = sessions.issue(login, master(), 1, [3; 16], late);
        assert!(sessions.redeem(&tickets[1], Timestamp(TICKET_TTL_S * 1000)).is_none());
        assert!(sessions.identity(login).is_some());
        sessions.close(login);
        assert!(sessions.redeem(&more[0], late).is_none());
        assert!(sessions.identity(login).is_none());
    }

    #[test]
    fn forged_tickets_are_refused() {
        let mut sessions = Sessions::new([1; 32]);
        let login = sessions.open(None);
        let ticket = sessions.issue(login, master(), 1, [2; 16], Timestamp(0)).remove(0);
        for at in 0..ticket.len() {
            let mut forged = ticket.clone();
            forged[at] ^= 1;
            assert!(sessions.redeem(&forged, Timestamp(0)).is_none(), "byte {at}");
        }
        assert!(sessions.redeem(&ticket[..20], Timestamp(0)).is_none());
        assert!(sessions.redeem(&[], Timestamp(0)).is_none());
    }

    #[test]
    fn a_nonce_is_good_for_one_login_that_succeeds() {
        let mut sessions = Sessions::new([1; 32]);
        assert!(sessions.reserve("a"));
        assert!(!sessions.reserve("a"));
        sessions.release("a");
        assert!(sessions.reserve("a"));
        sessions.use_up("a", Timestamp(0), Timestamp(0));
        assert!(!sessions.reserve("a"));
    }
}
