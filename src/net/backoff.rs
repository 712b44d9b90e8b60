//! How long to wait before the next attempt: at once, then often, then ever more rarely, and
//! never at the same moment as everybody else.

use std::time::Duration;

/// The first attempt is spread over this time, so that the clients of a bridge that restarts
/// don't all come back in the same moment.
const FIRST: Duration = Duration::from_millis(100);

/// The longest wait while somebody is likely to look at the screen and wait as well. An attempt
/// costs a packet; a network that is back should be found within half a second.
const QUICK: Duration = Duration::from_millis(500);

/// How long the connection has to be lost before attempts become rarer.
const PATIENCE: Duration = Duration::from_secs(120);

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(15);

/// Counts attempts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    attempts: u32,
    rare: u32,
}

impl Backoff {
    /// The next wait after the connection has been lost for that long: a random one within the
    /// first bound, then between half and all of what is due. `random` is any number.
    pub fn next_delay(&mut self, lost_for: Duration, random: u32) -> Duration {
        let share = f64::from(random) / f64::from(u32::MAX);
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts == 1 {
            return FIRST.mul_f64(share);
        }
        let full = if lost_for < PATIENCE {
            QUICK
        } else {
            self.rare = self.rare.saturating_add(1);
            QUICK.saturating_mul(1 << self.rare.min(16)).min(LONGEST)
        };
        let half = full / 2;
        half + half.mul_f64(share)
    }

    /// Starts over after a success.
    pub const fn reset(&mut self) {
        self.attempts = 0;
        self.rare = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_at_once_then_often_then_rarely() {
        let mut backoff = Backoff::default();
        let mut next = |seconds| backoff.next_delay(Duration::from_secs(seconds), u32::MAX);
        assert_eq!(next(0).as_millis(), 100);
        for second in 1..120 {
            assert_eq!(next(second).as_millis(), 500);
        }
        let rare: Vec<_> = (120..127).map(|second| next(second).as_millis()).collect();
        assert_eq!(rare, [1000, 2000, 4000, 8000, 15000, 15000, 15000]);
        backoff.reset();
        assert_eq!(backoff.next_delay(Duration::from_secs(0), 0), Duration::ZERO);
        let least = backoff.next_delay(Duration::from_secs(1), 0);
        assert_eq!(least, Duration::from_millis(250));
    }
}
