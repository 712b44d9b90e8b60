//! Where a packet belongs: unwraps timestamps, finds duplicates and restarts of the sender.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Sequence numbers that are remembered behind the newest one.
const MEMORY: u64 = 128;

/// What a packet is in relation to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In line with the others; its timestamp without wrap-around.
    Next(i64),
    /// The sender began anew: nothing that came before relates to it.
    Restart(i64),
    /// Seen before.
    Duplicate,
    /// Its sequence number and its timestamp can't both be right, or it is far too old.
    Contradiction,
}

/// The newest packet seen, and which of those before it were seen.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    newest: Option<(u64, i64)>,
    /// Bit n: sequence number newest - n was seen.
    seen: u128,
    /// A sequence number far in the past. If its successor follows, the sender restarted.
    suspect: Option<u64>,
}

impl Timeline {
    pub(super) fn place(&mut self, seq: u64, timestamp: u32) -> Arrival {
        let Some((newest_seq, newest)) = self.newest else {
            self.start(seq, i64::from(timestamp));
            return Arrival::Next(i64::from(timestamp));
        };
        // The distance is the shorter way around the 32-bit circle, up to twelve hours.
        let distance = timestamp.wrapping_sub(low_bits(newest)).cast_signed();
        let unwrapped = newest.saturating_add(i64::from(distance));
        if seq > newest_seq {
            if distance <= 0 {
                return self.restart(seq, timestamp);
            }
            let ahead = u32::try_from(seq.saturating_sub(newest_seq)).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = Some((seq, unwrapped));
            self.suspect = None;
            return Arrival::Next(unwrapped);
        }
        let behind = newest_seq.saturating_sub(seq);
        if behind >= MEMORY {
            if seq > 0 && self.suspect == Some(seq.saturating_sub(1)) {
                return self.restart(seq, timestamp);
            }
            self.suspect = Some(seq);
            return Arrival::Contradiction;
        }
        let bit = 1u128.checked_shl(u32::try_from(behind).unwrap_or(u32::MAX)).unwrap_or(0);
        if self.seen & bit != 0 {
            return Arrival::Duplicate;
        }
        if distance >= 0 {
            return Arrival::Contradiction;
        }
        self.seen |= bit;
        Arrival::Next(unwrapped)
    }

    fn start(&mut self, seq: u64, timestamp: i64) {
        *self = Self { newest: Some((seq, timestamp)), seen: 1, suspect: None };
    }

    fn restart(&mut self, seq: u64, timestamp: u32) -> Arrival {
        self.start(seq, i64::from(timestamp));
        Arrival::Restart(i64::from(timestamp))
    }
}

fn low_bits(value: i64) -> u32 {
    u32::try_from(value.cast_unsigned() & u64::from(u32::MAX)).unwrap_or(0)
}
