//! Rations keyframe requests: a publisher is asked at most once per second and stream
//! (streams.md §10.2), and a request that comes too early is asked later instead of never.

use std::time::Duration;
use std::time::Instant;

/// Keyframes are large; more than one per second would starve the rest of the picture.
pub(super) const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The requests for one video track.
#[derive(Debug, Default)]
pub(super) struct KeyframeRation {
    asked_at: Option<Instant>,
    wanted: bool,
}

impl KeyframeRation {
    /// Somebody wants a keyframe.
    pub(super) const fn want(&mut self) {
        self.wanted = true;
    }

    /// When to ask the publisher; `None` if nobody wants anything.
    pub(super) fn due(&self) -> Option<Instant> {
        // Asking for the first time is due at once, at any time that has passed.
        self.wanted.then_some(self.asked_at? + MIN_INTERVAL)
    }

    /// Whether to ask the publisher now; if so, it counts as asked.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let ask = self.wanted && self.asked_at.is_none_or(|at| now >= at + MIN_INTERVAL);
        if ask {
            self.wanted = false;
            self.asked_at = Some(now);
        }
        ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_within_a_second_become_one_at_its_end() {
        let now = Instant::now();
        let mut ration = KeyframeRation::default();
        assert!(!ration.take(now));
        ration.want();
        assert!(ration.take(now));
        for ms in [1, 500, 999] {
            ration.want();
            assert!(!ration.take(now + Duration::from_millis(ms)), "{ms}");
        }
        assert_eq!(ration.due(), Some(now + MIN_INTERVAL));
        assert!(ration.take(now + MIN_INTERVAL));
        assert_eq!(ration.due(), None);
    }
}
