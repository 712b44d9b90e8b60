//! The bit rate of an outgoing track: what its pictures are worth, what the SFU takes, and less
//! than that while packets get lost. A step function.

use std::time::Duration;
use std::time::Instant;

/// How often the rate moves: reports come once per second.
const EVERY: Duration = Duration::from_secs(1);
/// Loss in percent from which on the path is taken to be full.
const FULL: u8 = 8;
/// Loss in percent up to which there may be room for more.
const FREE: u8 = 2;
/// Below this there is nothing to be seen.
const LEAST_KBIT: u32 = 40;
/// Of what the SFU takes, in percent: the rest is for the headers and for what is sent again.
const SHARE: u32 = 90;

/// The bit rate of one track.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitRate {
    kbit: u32,
    moved_at: Instant,
}

impl BitRate {
    /// Begins with what the pictures are worth.
    pub(super) fn new(worth: u32, now: Instant) -> Self {
        Self { kbit: worth.max(LEAST_KBIT), moved_at: now }
    }

    /// The rate now, given what the pictures are `worth`, what the SFU takes at most, and the
    /// loss in percent that it reports.
    pub(super) fn update(&mut self, worth: u32, most: Option<u32>, loss: u8, now: Instant) -> u32 {
        let most = most.map_or(u32::MAX, |most| most.saturating_mul(SHARE) / 100);
        let ceiling = worth.min(most).max(LEAST_KBIT);
        if now.saturating_duration_since(self.moved_at) >= EVERY {
            self.moved_at = now;
            if loss >= FULL {
                // As much less as gets lost, at most a half, at least a tenth.
                self.kbit = self.kbit.saturating_mul(100 - u32::from(loss.clamp(10, 50))) / 100;
            } else if loss <= FREE {
                self.kbit = self.kbit.saturating_add(self.kbit.div_ceil(10));
            }
        }
        self.kbit = self.kbit.clamp(LEAST_KBIT, ceiling);
        self.kbit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_falls_with_loss_comes_back_and_keeps_within_bounds() {
        let start = Instant::now();
        let mut rate = BitRate::new(150, start);
        let mut second = 0;
        let mut after = |seconds: u32, worth, most, loss| {
            let mut last = 0;
            for _ in 0..seconds {
                second += 1;
                last = rate.update(worth, most, loss, start + EVERY * second);
            }
            last
        };
        assert_eq!(after(3, 150, None, 0), 150);
        assert_eq!(after(1, 150, None, 20), 120);
        assert_eq!(after(1, 150, None, 5), 120, "neither full nor free");
        assert_eq!(after(30, 150, None, 90), LEAST_KBIT);
        assert_eq!(after(30, 150, None, 0), 150);
        assert_eq!(after(30, 900, Some(512), 0), 460);
        assert_eq!(after(1, 900, Some(100), 0), 90);
        assert_eq!(after(1, 10, Some(10), 0), LEAST_KBIT);
    }
}
