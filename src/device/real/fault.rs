//! What the device's threads tell ours.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use cpal::ErrorKind;

use crate::device::error::DeviceError;
use crate::device::error::Direction;

/// A device that has not called back for so long is gone, whatever the system says.
const STALLED: Duration = Duration::from_secs(3);

/// Who looks more rarely than this was stopped, and the device with them.
const UNWATCHED: Duration = Duration::from_secs(1);

/// Shared between the callbacks of one stream and the reader or writer.
#[derive(Debug, Default)]
pub(super) struct StreamState {
    fault: OnceLock<String>,
    callbacks: AtomicU64,
    missed: AtomicU64,
}

impl StreamState {
    /// Called by the device's thread each time.
    pub(super) fn on_callback(&self) {
        self.callbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Called by the device's thread for samples that found no room, or were not there.
    pub(super) fn on_missed(&self, samples: usize) {
        if samples > 0 {
            let samples = u64::try_from(samples).unwrap_or(u64::MAX);
            self.missed.fetch_add(samples, Ordering::Relaxed);
        }
    }

    /// Called by the sound system when something is wrong, never from the callback for samples.
    pub(super) fn on_error(&self, error: &cpal::Error) {
        match error.kind() {
            // The sound goes on.
            ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {}
            _ => {
                let _ = self.fault.set(error.to_string());
            }
        }
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// Notices a device that went away, whether it said so or not.
#[derive(Debug)]
pub(super) struct Watchdog {
    direction: Direction,
    name: String,
    last: Option<(u64, Instant)>,
    looked: Option<Instant>,
    stalled: bool,
}

impl Watchdog {
    pub(super) fn new(direction: Direction, name: String) -> Self {
        Self { direction, name, last: None, looked: None, stalled: false }
    }

    /// Looks whether the device still calls back.
    pub(super) fn look(&mut self, state: &StreamState, now: Instant) {
        let callbacks = state.callbacks.load(Ordering::Relaxed);
        let looked = self.looked.replace(now);
        let watched = looked.is_some_and(|at| now.saturating_duration_since(at) < UNWATCHED);
        match self.last {
            Some((last, since)) if last == callbacks && watched => {
                self.stalled |= now.saturating_duration_since(since) > STALLED;
            }
            _ => self.last = Some((callbacks, now)),
        }
    }

    /// Says what is wrong, if something is.
    pub(super) fn check(&self, state: &StreamState) -> Result<(), DeviceError> {
        let reason = match state.fault.get() {
            Some(fault) => fault.clone(),
            None if self.stalled => "it has stopped".to_owned(),
            None => return Ok(()),
        };
        Err(DeviceError::Lost { direction: self.direction, name: self.name.clone(), reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_that_stops_is_lost_and_one_that_was_stopped_with_us_is_not() {
        let state = StreamState::default();
        let mut now = Instant::now();
        let mut watchdog = Watchdog::new(Direction::Input, "mic".to_owned());
        state.on_callback();
        watchdog.look(&state, now);
        now += Duration::from_secs(30);
        watchdog.look(&state, now);
        assert!(watchdog.check(&state).is_ok(), "nobody was there to be called");
        for _ in 0..31 {
            now += Duration::from_millis(100);
            watchdog.look(&state, now);
        }
        assert!(watchdog.check(&state).is_err(), "it does not call any more");
    }
}
