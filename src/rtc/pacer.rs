//! Sends large pictures in small bursts, so that a key frame overruns no queue on its way.
//!
//! A step function: packets and the time go in, packets come out when they are due.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

/// Packets sent at once: most pictures are smaller.
const BURST: usize = 8;
/// Pause between two bursts: with [`BURST`] about 19 Mbit/s.
const PAUSE: Duration = Duration::from_millis(4);
/// Packets waiting at most: half a second of them. Beyond it, pictures are refused whole.
const MAX_WAITING: usize = 1024;

/// Packets on their way.
#[derive(Debug)]
pub(super) struct Pacer<T> {
    waiting: VecDeque<T>,
    /// Sent since the last pause.
    burst: usize,
    /// When the current pause ends, or the last one did.
    resume: Option<Instant>,
}

impl<T> Pacer<T> {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new(), burst: 0, resume: None }
    }

    /// Whether a picture of so many packets can be taken.
    pub(super) fn has_room(&self, packets: usize) -> bool {
        self.waiting.is_empty() || self.waiting.len() + packets <= MAX_WAITING
    }

    /// Takes a packet.
    pub(super) fn push(&mut self, packet: T) {
        self.waiting.push_back(packet);
    }

    /// The next packet that is due.
    pub(super) fn poll(&mut self, now: Instant) -> Option<T> {
        if self.resume.is_none_or(|at| now >= at + PAUSE) {
            // Nothing for a while: the next burst is a first one.
            self.burst = 0;
        } else if self.burst == BURST {
            if self.resume.is_some_and(|at| now < at) {
                return None;
            }
            self.burst = 0;
        }
        let packet = self.waiting.pop_front()?;
        self.burst += 1;
        self.resume = Some(now + PAUSE);
        Some(packet)
    }

    /// When to poll again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.resume.filter(|_| !self.waiting.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_goes_in_bursts_and_small_ones_at_once() {
        let start = Instant::now();
        let mut pacer = Pacer::new();
        let sent = |pacer: &mut Pacer<usize>, ms| {
            let now = start + Duration::from_millis(ms);
            std::iter::from_fn(|| pacer.poll(now)).count()
        };
        (0..3).for_each(|packet| pacer.push(packet));
        assert_eq!((sent(&mut pacer, 0), pacer.due()), (3, None));
        (0..20).for_each(|packet| pacer.push(packet));
        assert_eq!(sent(&mut pacer, 66), BURST);
        assert_eq!(pacer.due(), Some(start + Duration::from_millis(70)));
        assert_eq!(sent(&mut pacer, 69), 0);
        assert_eq!(sent(&mut pacer, 70), BURST);
        assert_eq!(sent(&mut pacer, 74), 4);
        assert_eq!(pacer.due(), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pacer = Pacer::new();
        (0..MAX_WAITING).for_each(|packet| pacer.push(packet));
        assert!(!pacer.has_room(1));
    }
}
