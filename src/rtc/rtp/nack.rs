//! Which packets of a video source are missing, and when to ask for them again (RFC 4585).
//!
//! A step function: packets go in by their numbers, the numbers to ask for come out. A hole that
//! is too large is not asked for: what it held is late before it is here, and a picture that
//! stands alone costs less.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use super::sequence::SequenceExtender;

/// Packets that overtake each other need not be asked for.
const PATIENCE: Duration = Duration::from_millis(8);
/// Between two requests for the same packet: longer than most round trips.
const AGAIN: Duration = Duration::from_millis(60);
/// Requests for the same packet.
const MAX_TRIES: u8 = 4;
/// Packets missing at once. More are no hole but an outage.
const MAX_MISSING: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Missing {
    due: Instant,
    tries: u8,
}

/// The missing packets of one source.
#[derive(Debug, Default)]
pub(in crate::rtc) struct MissingPackets {
    sequence: SequenceExtender,
    missing: BTreeMap<u64, Missing>,
}

impl MissingPackets {
    /// Takes note of a packet that came for the first time.
    pub(in crate::rtc) fn on_packet(&mut self, seq: u16, now: Instant) {
        let highest = self.sequence.highest();
        let seq = self.sequence.extend(seq);
        let Some(highest) = highest else { return };
        if seq <= highest {
            self.missing.remove(&seq);
            return;
        }
        let hole = highest.saturating_add(1)..seq;
        let size = usize::try_from(seq.saturating_sub(highest)).unwrap_or(usize::MAX);
        if self.missing.len().saturating_add(size) > MAX_MISSING {
            self.missing.clear();
            return;
        }
        let due = now.checked_add(PATIENCE).unwrap_or(now);
        self.missing.extend(hole.map(|missing| (missing, Missing { due, tries: 0 })));
    }

    /// Takes note of a packet that came because it was asked for; whether it is news.
    pub(in crate::rtc) fn on_repeated(&mut self, seq: u16) -> bool {
        let Some(highest) = self.sequence.highest() else { return false };
        let behind = (highest as u16).wrapping_sub(seq);
        let seq = highest.saturating_sub(u64::from(behind));
        self.missing.remove(&seq).is_some()
    }

    /// The packets to ask for now.
    pub(in crate::rtc) fn take_due(&mut self, now: Instant) -> Vec<u16> {
        let mut due = Vec::new();
        self.missing.retain(|seq, missing| {
            if missing.due > now {
                return true;
            }
            if missing.tries >= MAX_TRIES {
                return false;
            }
            missing.tries = missing.tries.saturating_add(1);
            missing.due = now.checked_add(AGAIN).unwrap_or(now);
            due.push((*seq & 0xffff) as u16);
            true
        });
        due
    }

    /// When to ask next.
    pub(in crate::rtc) fn due(&self) -> Option<Instant> {
        self.missing.values().map(|missing| missing.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start.checked_add(Duration::from_millis(ms)).unwrap()
    }

    #[test]
    fn a_hole_is_asked_for_some_times_and_no_longer() {
        let start = Instant::now();
        let mut packets = MissingPackets::default();
        for seq in [65_534, 65_535, 2] {
            packets.on_packet(seq, start);
        }
        assert!(packets.take_due(start).is_empty(), "they may only be late");
        assert_eq!(packets.take_due(after(start, 8)), [0, 1]);
        assert!(packets.on_repeated(0));
        assert!(!packets.on_repeated(0), "twice is no news");
        assert!(!packets.on_repeated(65_535));
        let mut asked = 1;
        for ms in 9..1000 {
            let due = packets.take_due(after(start, ms));
            assert!(due.is_empty() || due == [1]);
            asked += due.len();
        }
        assert_eq!((asked, packets.due()), (usize::from(MAX_TRIES), None));
    }

    #[test]
    fn late_packets_and_outages_are_not_asked_for() {
        let start = Instant::now();
        let mut packets = MissingPackets::default();
        for seq in [10, 12, 11] {
            packets.on_packet(seq, start);
        }
        assert_eq!(packets.due(), None);
        packets.on_packet(500, start);
        assert_eq!(packets.due(), None);
    }
}
