//! Calls into the sound system that may hang, bounded in time.

use std::sync::mpsc;
use std::time::Duration;

use crate::device::error::DeviceError;
use crate::device::error::Direction;

/// More than a sound server needs to wake up a sleeping device.
const PATIENCE: Duration = Duration::from_secs(4);

/// Closing takes a few milliseconds where it works at all.
const FAREWELL: Duration = Duration::from_millis(500);

/// Runs `work` on a thread and waits for it, four seconds at most.
///
/// A thread that hangs for longer is left behind: the sound system offers no way to stop it.
/// What it yields in the end is dropped.
pub(super) fn within_deadline<T: Send + 'static>(
    direction: Direction,
    work: impl FnOnce() -> Result<T, DeviceError> + Send + 'static,
) -> Result<T, DeviceError> {
    let (result, outcome) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("sound open".to_owned()).spawn(move || {
        let _quiet = silence_alsa();
        // Nobody waits any more if this fails.
        let _ = result.send(work());
    });
    let Ok(thread) = thread else { return Err(DeviceError::Timeout { direction }) };
    match outcome.recv_timeout(PATIENCE) {
        Ok(outcome) => {
            // It has nothing left to do but to end.
            let _ = thread.join();
            outcome
        }
        Err(_) => Err(DeviceError::Timeout { direction }),
    }
}

/// A running stream. Ends when dropped, without waiting forever for a server that hangs.
pub(super) struct OpenStream(Option<cpal::Stream>);

impl OpenStream {
    pub(super) fn new(stream: cpal::Stream) -> Self {
        Self(Some(stream))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let stream = self.0.take();
        let (closed, outcome) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("sound close".to_owned()).spawn(move || {
            drop(stream);
            // Nobody waits any more if this fails.
            let _ = closed.send(());
        });
        if thread.is_ok() {
            // A thread that takes longer is left behind, as above.
            let _ = outcome.recv_timeout(FAREWELL);
        }
    }
}

/// Keeps alsa-lib from writing to stderr, which is the terminal we draw on, on this thread.
#[cfg(target_os = "linux")]
fn silence_alsa() -> impl Sized {
    alsa::Output::local_error_handler().ok()
}

#[cfg(not(target_os = "linux"))]
fn silence_alsa() -> impl Sized {}
