//! Puts packets that came out of order, or twice, into the order of their numbers.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

/// Packets that are held back to wait for earlier ones: more than two seconds of sound, and
/// longer than a retransmission takes.
const DEPTH: usize = 128;

/// A packet on its way through.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) seq: u64,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
}

/// Holds packets back.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    waiting: BTreeMap<u64, Queued>,
    last: Option<u64>,
}

impl Reorder {
    /// Takes a packet and answers one whose turn it is, if there is one.
    pub(super) fn push(&mut self, packet: Queued) -> Option<Queued> {
        if self.last.is_none_or(|last| packet.seq > last) {
            self.waiting.entry(packet.seq).or_insert(packet);
        }
        if self.waiting.len() > DEPTH { self.pop() } else { None }
    }

    /// The next packet, whatever may still come before it.
    pub(super) fn pop(&mut self) -> Option<Queued> {
        let (seq, packet) = self.waiting.pop_first()?;
        self.last = Some(seq);
        Some(packet)
    }
}
