//! Signals that concern a program that owns a terminal.

use std::io;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// What somebody outside wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Stop for good: `SIGTERM`, `SIGHUP`, `SIGINT`.
    Exit,
    /// Stop for a while: `SIGTSTP`.
    Suspend,
}

/// Receives the signals.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    stop: Signal,
}

impl Signals {
    /// Begins to receive.
    ///
    /// # Errors
    ///
    /// If the system refuses to deliver signals.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(signal_hook::consts::SIGTSTP))?,
        })
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Exit,
            _ = self.hang_up.recv() => Wish::Exit,
            _ = self.interrupt.recv() => Wish::Exit,
            _ = self.stop.recv() => Wish::Suspend,
        }
    }
}

/// Stops this process until somebody resumes it, the way the shell expects.
///
/// # Errors
///
/// If the signal cannot be raised.
pub fn stop() -> io::Result<()> {
    signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)
}
