//! The client's store of tickets (transport.md 4.3).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;

use crate::model::Timestamp;

/// How many tickets a client asks for at a time.
pub const REQUEST_COUNT: i64 = 256;
/// New tickets are wanted when fewer than this remain.
const FEW: usize = 3;
/// New tickets are wanted when the newest ends within this time, in ms.
const SOON_MS: i64 = 15_000;
/// Tickets are dropped this long before the server would refuse them, in ms.
const MARGIN_MS: i64 = 5_000;
/// Most tickets that are kept; answers to calls made at the same time can bring many.
const KEPT_MAX: usize = 1024;

/// Admission to one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What the server knows it by.
    pub id: Vec<u8>,
    /// When it should not be used any more.
    pub expires: Timestamp,
}

/// Tickets of one session, oldest first. Each is used once.
#[derive(Clone, Debug, Default)]
pub struct TicketStore {
    tickets: VecDeque<Ticket>,
}

impl Ticket {
    /// A ticket received at `now` that the server honours for `ttl_s` seconds.
    pub(super) fn new(id: Vec<u8>, ttl_s: i64, now: Timestamp) -> Self {
        let life = ttl_s.saturating_mul(1000).saturating_sub(MARGIN_MS);
        Self { id, expires: Timestamp(now.0.saturating_add(life)) }
    }
}

impl TicketStore {
    /// Keeps `tickets`, at the expense of older ones if there are too many.
    pub fn add(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        self.tickets.extend(tickets);
        let surplus = self.tickets.len().saturating_sub(KEPT_MAX);
        self.tickets.drain(..surplus);
    }

    /// Takes the oldest ticket that still works.
    pub fn take(&mut self, now: Timestamp) -> Option<Ticket> {
        self.tickets.retain(|ticket| ticket.expires > now);
        self.tickets.pop_front()
    }

    /// How many tickets still work.
    #[must_use]
    pub fn count(&self, now: Timestamp) -> usize {
        self.tickets.iter().filter(|ticket| ticket.expires > now).count()
    }

    /// Whether new tickets should be asked for.
    #[must_use]
    pub fn needs_more(&self, now: Timestamp) -> bool {
        let soon = now.0.saturating_add(SOON_MS);
        let newest = self.tickets.iter().map(|ticket| ticket.expires.0).max();
        self.count(now) < FEW || newest.is_none_or(|newest| newest <= soon)
    }
}
