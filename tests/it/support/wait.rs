//! Waiting for a condition instead of for a time.

use std::time::Duration;
use std::time::Instant;

/// How long anything may take before a test calls it broken. Generous: CI machines stall.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition that can't notify is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Looks until `probe` answers something; panics with `what` after [`PATIENCE`].
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}
