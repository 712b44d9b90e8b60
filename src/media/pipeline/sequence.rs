//! Counts packets and the numbers that are missing between them.

/// Numbers behind the newest one that are told apart.
const MEMORY: u64 = 128;
/// A larger step is a new beginning, not a loss (RFC 3550 §A.1).
const MAX_DROPOUT: u64 = 3000;

/// Counts by sequence number.
#[derive(Debug, Default)]
pub(super) struct SequenceCounter {
    newest: Option<u64>,
    /// Bit n: number newest - n has come.
    seen: u128,
    received: u64,
    lost: u64,
}

impl SequenceCounter {
    pub(super) fn count(&mut self, seq: u64) {
        self.received = self.received.saturating_add(1);
        let ahead = self.newest.map(|newest| seq.checked_sub(newest).ok_or(newest));
        match ahead {
            Some(Ok(0)) => {}
            Some(Ok(ahead)) if ahead < MAX_DROPOUT => {
                self.lost = self.lost.saturating_add(ahead.saturating_sub(1));
                let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
                self.newest = Some(seq);
            }
            Some(Err(newest)) if newest.saturating_sub(seq) < MEMORY => {
                let behind = u32::try_from(newest.saturating_sub(seq)).unwrap_or(u32::MAX);
                let bit = 1u128.checked_shl(behind).unwrap_or(0);
                if self.seen & bit == 0 {
                    self.lost = self.lost.saturating_sub(1);
                }
                self.seen |= bit;
            }
            None | Some(_) => {
                self.newest = Some(seq);
                // What came before the first is not missing.
                self.seen = u128::MAX;
            }
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}
