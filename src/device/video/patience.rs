//! Calls into the system that may hang, bounded in time.

use std::sync::mpsc;
use std::time::Duration;

/// More than a camera needs to wake up, or a screen to answer.
pub(in crate::device) const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `work` on a thread and waits for it, five seconds at most; `None` if it takes longer or
/// fails.
///
/// A thread that hangs for longer is left behind: the system offers no way to stop it. What it
/// yields in the end is dropped.
pub(in crate::device) fn within_patience<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    // One place: there is one result. Nobody waits any more if sending fails.
    let (result, outcome) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = result.send(work());
    });
    let thread = thread.ok()?;
    let outcome = outcome.recv_timeout(PATIENCE).ok()?;
    // It has nothing left to do but to end.
    let _ = thread.join();
    Some(outcome)
}
