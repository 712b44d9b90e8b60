//! Which login nonces were used (transport.md 4.1).

use std::collections::BTreeSet;
use std::collections::HashSet;

use crate::model::Timestamp;

/// How far the time of a login may be from the server's: 1 h in ms.
pub(super) const LOGIN_SKEW_MS: u64 = 3_600_000;

/// Remembers nonces for as long as their login could be replayed, and no more than a fixed
/// number of them. Only successful logins go in, so strangers cannot fill it.
#[derive(Debug)]
pub struct NonceCache {
    used: HashSet<String>,
    by_time: BTreeSet<(i64, String)>,
    capacity: usize,
}

impl NonceCache {
    /// A cache of at most `capacity` nonces.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { used: HashSet::new(), by_time: BTreeSet::new(), capacity }
    }

    /// Whether `nonce` may be used.
    #[must_use]
    pub fn is_unused(&self, nonce: &str) -> bool {
        !self.used.contains(nonce)
    }

    /// Remembers the nonce of a login that claimed to be made at `signed_at`. A full cache
    /// forgets the one whose login is oldest.
    pub fn remember(&mut self, nonce: &str, signed_at: Timestamp, now: Timestamp) {
        let skew = i64::try_from(LOGIN_SKEW_MS).unwrap_or(i64::MAX);
        let horizon = now.0.saturating_sub(skew);
        while let Some((at, _)) = self.by_time.first() {
            if *at >= horizon && self.by_time.len() < self.capacity {
                break;
            }
            if let Some((_, oldest)) = self.by_time.pop_first() {
                self.used.remove(&oldest);
            }
        }
        if self.used.insert(nonce.to_owned()) {
            self.by_time.insert((signed_at.0, nonce.to_owned()));
        }
    }
}
