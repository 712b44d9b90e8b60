//! Events of a task on their way to whoever owns the connection.

use std::collections::VecDeque;
use std::future::pending;

use tokio::sync::mpsc;

/// Events kept for a consumer that is behind. Beyond it, the newest are dropped: it is gone.
const MAX_BACKLOG: usize = 4096;

/// Events on their way to the consumer.
pub(super) struct Outbox<E> {
    sender: Option<mpsc::Sender<E>>,
    backlog: VecDeque<E>,
    pub(super) dropped: u64,
}

impl<E> Outbox<E> {
    pub(super) const fn new(sender: Option<mpsc::Sender<E>>) -> Self {
        Self { sender, backlog: VecDeque::new(), dropped: 0 }
    }

    /// Passes on an event that must not be lost.
    pub(super) fn must(&mut self, event: E) {
        let Some(sender) = &self.sender else {
            return;
        };
        if self.backlog.is_empty() {
            match sender.try_send(event) {
                Err(mpsc::error::TrySendError::Full(event)) => self.backlog.push_back(event),
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        } else if self.backlog.len() < MAX_BACKLOG {
            self.backlog.push_back(event);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Passes on an event that is worthless when late.
    pub(super) fn may(&mut self, event: E) {
        let taken = match &self.sender {
            Some(sender) if self.backlog.is_empty() => sender.try_send(event).is_ok(),
            _ => false,
        };
        if !taken {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The consumer is behind: what can wait should.
    pub(super) fn is_blocked(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Hands over what has been waiting, as far as there is room.
    pub(super) fn flush(&mut self) {
        while let (Some(sender), Some(event)) = (&self.sender, self.backlog.pop_front()) {
            if let Err(mpsc::error::TrySendError::Full(event)) = sender.try_send(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }

    /// Waits until the consumer has made room; forever, if nothing waits for it.
    pub(super) async fn room(&self) {
        match &self.sender {
            Some(sender) if self.is_blocked() => drop(sender.reserve().await),
            _ => pending().await,
        }
    }
}
