//! How long to wait before the next attempt: doubling, bounded, with jitter.

use std::time::Duration;

/// Wait before the second attempt.
const FIRST: Duration = Duration::from_millis(250);

/// No wait is longer. A user who brings the network back should not look at a dead screen.
const LONGEST: Duration = Duration::from_secs(15);

/// Counts attempts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// The next wait: between half and all of the doubled one, so that the clients of a
    /// bridge that restarts don't all come back in the same moment. `random` is any number.
    pub fn next_delay(&mut self, random: u32) -> Duration {
        let full = FIRST.saturating_mul(1 << self.attempt.min(16)).min(LONGEST);
        self.attempt = self.attempt.saturating_add(1);
        let half = full / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Starts over after a success.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_and_stay_bounded() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..9).map(|_| backoff.next_delay(u32::MAX).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0), Duration::from_millis(125));
    }
}
