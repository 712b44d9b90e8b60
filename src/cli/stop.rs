//! Signals that ask a command to end.

use std::future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// SIGINT, SIGTERM and SIGHUP, from the moment this is made: one that comes before it is waited
/// for is not lost. From then on none of them ends the process by itself, so make one before
/// anything is announced, and keep it.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    /// # Errors
    ///
    /// If the system refuses the handlers.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal and answers its name.
    pub async fn signalled(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupt",
            _ = self.terminate.recv() => "terminate",
            _ = self.hangup.recv() => "hangup",
        }
    }

    /// Waits for a signal, but no longer than `duration`; answers why it ended.
    pub async fn within(&mut self, duration: Option<Duration>) -> &'static str {
        let over = async {
            match duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            () = over => "duration",
            name = self.signalled() => name,
        }
    }

    /// What `work` comes to; `None` if a signal came first, and the work is given up.
    pub async fn unless_signalled<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            _ = self.signalled() => None,
        }
    }
}
