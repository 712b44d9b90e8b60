//! How much of a track is lost at present, from counters that only grow.

use std::time::Duration;
use std::time::Instant;

use crate::media::pipeline::ReceiverStats;

/// Loss is told of the last one to two times so long.
const LOSS_OVER: Duration = Duration::from_secs(3);

/// How many packets came and did not come in the last few seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    /// Counters when the time before the last one began, and when the last one did.
    before: (u64, u64),
    last: (u64, u64),
    now: (u64, u64),
    since: Option<Instant>,
}

impl Loss {
    /// Takes the counters as they are now.
    pub(super) fn observe(&mut self, stats: &ReceiverStats, now: Instant) {
        self.now = (stats.packets, stats.lost);
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= LOSS_OVER {
            (self.before, self.last, self.since) = (self.last, self.now, Some(now));
        }
    }

    /// The share that never came, 0 to 1; `None` if there was none to come.
    #[expect(clippy::cast_precision_loss, reason = "a share is shown with two digits")]
    pub(super) fn share(&self) -> Option<f32> {
        let came = self.now.0.saturating_sub(self.before.0);
        let lost = self.now.1.saturating_sub(self.before.1);
        let all = came.saturating_add(lost);
        (all > 0).then(|| lost as f32 / all as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_that_of_the_last_seconds() {
        let mut now = Instant::now();
        let mut loss = Loss::default();
        assert_eq!(loss.share(), None);
        let stats = |packets, lost| ReceiverStats { packets, lost, ..ReceiverStats::default() };
        loss.observe(&stats(75, 25), now);
        assert_eq!(loss.share(), Some(0.25));
        for second in 1..10 {
            now += Duration::from_secs(1);
            loss.observe(&stats(75 + second * 50, 25), now);
        }
        assert_eq!(loss.share(), Some(0.0), "long ago");
    }
}
