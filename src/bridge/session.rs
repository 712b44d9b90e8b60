//! Login sessions, their tickets, and the nonces that were used.
//!
//! A step function: the time and all random bytes are arguments. Everything is bounded by
//! time and by number; a restart forgets all of it, and clients log in again.
//!
//! Invariant: a session exists as long as an unexpired ticket refers to it.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;

use crate::bridge::service::Caller;
use crate::crypto::hash::equal;
use crate::crypto::hash::hmac_sha256;
use crate::model::Secret;
use crate::model::Timestamp;
use crate::wire::handshake::MasterSecret;
use crate::wire::handshake::NonceCache;

/// Tickets given at a time, whatever was asked for: one for each bit of [`Record::used`].
pub const TICKETS_MAX: usize = 50;
/// Seconds that a ticket is good for.
pub const TICKET_TTL_S: i64 = 900;
/// Sets of tickets of one login. A new set beyond that takes the place of its oldest, whose
/// tickets a client has used first.
const RECORDS_PER_LOGIN: usize = 32;
/// Logins of one key. A new one beyond that ends its oldest.
const LOGINS_PER_KEY: usize = 128;
/// Logins of strangers, who have no key of their own. They push out each other and nobody else.
const ANONYMOUS_LOGINS: usize = 1024;
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
    /// Sets of tickets that refer to it, oldest first.
    records: VecDeque<[u8; RECORD_ID]>,
}

#[derive(Debug)]
struct Record {
    login: LoginId,
    master: MasterSecret,
    expires: Timestamp,
    /// Which of the tickets were used, one bit each.
    used: u64,
}

/// All login sessions.
#[derive(Debug)]
pub struct Sessions {
    ticket_key: Secret<[u8; 32]>,
    next: u64,
    logins: HashMap<LoginId, Login>,
    /// Logins of each key, and of all strangers together, oldest first.
    owners: HashMap<Option<String>, VecDeque<LoginId>>,
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
            owners: HashMap::new(),
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
        let owner = owner(&identity);
        let max = if owner.is_some() { LOGINS_PER_KEY } else { ANONYMOUS_LOGINS };
        let present = self.owners.entry(owner).or_default();
        present.push_back(id);
        let surplus = if present.len() > max { present.front().copied() } else { None };
        self.logins.insert(id, Login { identity, records: VecDeque::new() });
        if let Some(oldest) = surplus {
            self.close(oldest);
        }
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
        if count == 0 {
            return Vec::new();
        }
        let Some(owner) = self.logins.get_mut(&login) else { return Vec::new() };
        owner.records.push_back(id);
        let surplus = if owner.records.len() > RECORDS_PER_LOGIN {
            owner.records.front().copied()
        } else {
            None
        };
        let expires = Timestamp(now.0.saturating_add(TICKET_TTL_S * 1000));
        self.records.insert(id, Record { login, master, expires, used: 0 });
        self.expiry.insert((expires, id));
        if let Some(oldest) = surplus {
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

    /// The session and master secret that a ticket stands for. Each ticket works once: what
    /// was recorded on the way can't be sent again.
    pub fn redeem(&mut self, ticket: &[u8], now: Timestamp) -> Option<(LoginId, MasterSecret)> {
        self.expire(now);
        let (body, tag) = ticket.split_at_checked(RECORD_ID + 4)?;
        if !equal(&self.tag(body), tag) {
            return None;
        }
        let (id, index) = body.split_first_chunk::<RECORD_ID>()?;
        let index = u32::from_be_bytes(*index.first_chunk()?);
        let record = self.records.get_mut(id)?;
        let bit = 1_u64.checked_shl(index)?;
        if record.used & bit != 0 {
            return None;
        }
        record.used |= bit;
        Some((record.login, record.master.clone()))
    }

    /// How many sessions there are, and how many sets of tickets.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.logins.len(), self.records.len())
    }

    /// Who a session belongs to; `None` if it is over.
    #[must_use]
    pub fn identity(&self, login: LoginId) -> Option<&Identity> {
        self.logins.get(&login).map(|login| &login.identity)
    }

    /// Ends a session and all its tickets.
    pub fn close(&mut self, login: LoginId) {
        let Some(gone) = self.logins.remove(&login) else { return };
        for id in gone.records {
            if let Some(record) = self.records.remove(&id) {
                self.expiry.remove(&(record.expires, id));
            }
        }
        let owner = owner(&gone.identity);
        if let Some(present) = self.owners.get_mut(&owner) {
            present.retain(|id| *id != login);
            if present.is_empty() {
                self.owners.remove(&owner);
            }
        }
    }

    /// Drops a session that was opened and got no tickets.
    pub fn drop_unused(&mut self, login: LoginId) {
        if self.logins.get(&login).is_some_and(|login| login.records.is_empty()) {
            self.close(login);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((end, id)) = self.expiry.first().copied()
            && end <= now
        {
            self.expiry.pop_first();
            self.forget(&id);
        }
    }

    fn forget(&mut self, id: &[u8; RECORD_ID]) {
        let Some(record) = self.records.remove(id) else { return };
        self.expiry.remove(&(record.expires, *id));
        if let Some(login) = self.logins.get_mut(&record.login) {
            login.records.retain(|own| own != id);
            if login.records.is_empty() {
                self.close(record.login);
            }
        }
    }
}

fn owner(identity: &Identity) -> Option<String> {
    identity.as_ref().map(|caller| caller.pub_key.clone())
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
        assert!(sessions.redeem(&tickets[0], late).is_none(), "a ticket works once");
        assert!(sessions.redeem(&tickets[49], late).is_some());
        let more = sessions.issue(login, master(), 1, [3; 16], late);
        assert!(sessions.redeem(&tickets[1], Timestamp(TICKET_TTL_S * 1000)).is_none());
        assert!(sessions.identity(login).is_some());
        sessions.close(login);
        assert!(sessions.redeem(&more[0], late).is_none());
        assert!(sessions.identity(login).is_none());
    }

    #[test]
    fn nobody_pushes_out_somebody_else() {
        let mut sessions = Sessions::new([1; 32]);
        let user = sessions.open(Some(Caller { pub_key: "alice".to_owned(), solution: None }));
        let ticket = sessions.issue(user, master(), 1, [0xFF; 16], Timestamp(0)).remove(0);
        let id = |number: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            id
        };
        let first = sessions.open(None);
        assert!(sessions.issue(first, master(), 0, id(0), Timestamp(0)).is_empty());
        sessions.drop_unused(first);
        assert!(sessions.identity(first).is_none());
        let greedy = sessions.open(None);
        for number in 0..100 {
            sessions.issue(greedy, master(), 1, id(number), Timestamp(0));
        }
        assert_eq!(sessions.records.len(), 1 + RECORDS_PER_LOGIN);
        for number in 100..100 + 2 * ANONYMOUS_LOGINS {
            let login = sessions.open(None);
            sessions.issue(login, master(), 1, id(number), Timestamp(0));
        }
        assert_eq!(sessions.logins.len(), 1 + ANONYMOUS_LOGINS);
        assert_eq!(sessions.records.len(), 1 + ANONYMOUS_LOGINS);
        assert_eq!(sessions.expiry.len(), sessions.records.len());
        assert_eq!(sessions.redeem(&ticket, Timestamp(0)).unwrap().0, user);
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
