//! How many pictures and bits there are per second, over about a second.

use std::time::Duration;
use std::time::Instant;

/// What a figure is taken over.
const WINDOW: Duration = Duration::from_secs(1);
/// Figures that are older than this are of the past.
const STALE: Duration = Duration::from_secs(3);

/// Counts over time. Time must not run backwards.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RateMeter {
    began: Option<Instant>,
    pictures: u32,
    bytes: u64,
    shown: (f64, f64),
}

impl RateMeter {
    /// Takes note of what came now.
    pub(super) fn count(&mut self, pictures: u32, bytes: u64, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let elapsed = now.saturating_duration_since(began);
        if elapsed >= WINDOW {
            let seconds = elapsed.as_secs_f64();
            let kbit = self.bytes as f64 * 8.0 / 1000.0;
            self.shown = (f64::from(self.pictures) / seconds, kbit / seconds);
            (self.began, self.pictures, self.bytes) = (Some(now), 0, 0);
        }
        self.pictures = self.pictures.saturating_add(pictures);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Pictures and kilobits per second.
    pub(super) fn per_second(&self, now: Instant) -> (f64, f64) {
        let fresh = |began: Instant| now.saturating_duration_since(began) < STALE;
        if self.began.is_some_and(fresh) { self.shown } else { (0.0, 0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_per_second_and_end_with_their_cause() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        for picture in 0..31 {
            meter.count(1, 1250, start + Duration::from_millis(100) * picture);
        }
        let end = start + Duration::from_secs(3);
        assert_eq!(meter.per_second(end), (10.0, 100.0));
        assert_eq!(meter.per_second(end + STALE), (0.0, 0.0));
    }
}
