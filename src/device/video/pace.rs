//! When the next picture is due, by the clock of whoever asks.

use std::time::Instant;

const MICROS: u128 = 1_000_000;

/// Counts pictures at an even rate. Those that nobody asked for in time are skipped.
#[derive(Debug)]
pub(super) struct Pace {
    /// Pictures in so many microseconds.
    pictures: u64,
    micros: u64,
    started: Option<Instant>,
    last: Option<u64>,
}

impl Pace {
    /// `numerator / denominator` pictures per second, neither of them 0.
    pub(super) fn new(numerator: u32, denominator: u32) -> Self {
        Self {
            pictures: u64::from(numerator.max(1)),
            micros: u64::from(denominator.max(1)).saturating_mul(MICROS as u64),
            started: None,
            last: None,
        }
    }

    /// The number of the picture that is due now, `None` if it was due before. The first one is
    /// number 0 and due at once.
    pub(super) fn due(&mut self, now: Instant) -> Option<u64> {
        let started = *self.started.get_or_insert(now);
        let elapsed = now.saturating_duration_since(started).as_micros();
        let number = elapsed * u128::from(self.pictures) / u128::from(self.micros);
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        if self.last.is_some_and(|last| number <= last) {
            return None;
        }
        self.last = Some(number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn pictures_come_evenly_and_late_ones_are_skipped() {
        let begin = Instant::now();
        let mut pace = Pace::new(30_000, 1_001);
        let mut at = |ms| pace.due(begin + Duration::from_millis(ms));
        assert_eq!(at(0), Some(0));
        assert_eq!(at(33), None);
        assert_eq!(at(34), Some(1));
        assert_eq!(at(1_001), Some(30));
        assert_eq!(at(1_001), None);
        assert_eq!(at(3_600_000), Some(107_892));
    }
}
