//! What is on its way to the terminal, where that can be seen: how long it takes, and how much
//! of it a line takes that is behind. A step function over writes, the length of the queue and
//! the time.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

/// Readings that are kept: more than a second of them.
const READINGS: usize = 64;

/// A line is measured over at least this time.
const LEAST_SPAN: Duration = Duration::from_millis(50);

/// After so long without a look, what was written before says nothing any more.
const FORGOTTEN: Duration = Duration::from_millis(1500);

/// How a connection stands at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes that the other side has not acknowledged, in flight or not sent yet.
    pub queued: usize,
    /// What the way there and back takes when nothing waits.
    pub way: Duration,
    /// Something waits: here, or on the way, which takes longer than it could. Bytes may also
    /// be under way because others share the connection.
    pub waits: bool,
}

/// Bytes that were written and bytes that have arrived.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Bytes in all after each write, as far back as they may be on their way.
    written: VecDeque<(Instant, u64)>,
    total: u64,
    /// Bytes in all that had arrived when the queue was looked at.
    arrived: VecDeque<(Instant, u64)>,
    last: Reading,
}

impl Backlog {
    /// Takes note of a write.
    pub fn written(&mut self, bytes: usize, now: Instant) {
        if bytes == 0 {
            return;
        }
        self.total += bytes as u64;
        if self.written.len() >= READINGS {
            // Only the last of them can be told apart.
            self.written.pop_front();
        }
        self.written.push_back((now, self.total));
    }

    /// Takes note of how the connection stands.
    pub fn observe(&mut self, reading: Reading, now: Instant) {
        self.last = reading;
        if self.arrived.back().is_some_and(|(at, _)| *at + FORGOTTEN < now) {
            self.written.clear();
        }
        let arrived = self.total.saturating_sub(reading.queued as u64);
        if self.arrived.len() >= READINGS {
            self.arrived.pop_front();
        }
        self.arrived.push_back((now, arrived));
        while self.written.front().is_some_and(|(_, total)| *total <= arrived) {
            self.written.pop_front();
        }
    }

    /// Bytes on their way when the queue was looked at.
    #[must_use]
    pub const fn queued(&self) -> usize {
        self.last.queued
    }

    /// Bytes that have arrived in all.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.back().map_or(0, |(_, arrived)| *arrived)
    }

    /// For how long the oldest byte on its way has been waiting, apart from what the way takes.
    #[must_use]
    pub fn delay(&self, now: Instant) -> Duration {
        let age = self.age(now).filter(|_| self.last.waits);
        age.unwrap_or_default().saturating_sub(self.last.way)
    }

    /// Bytes per second that the line takes, measured while the oldest byte waited: for all
    /// that time the line was busy. `None` if that was too short.
    #[must_use]
    pub fn rate(&self, now: Instant) -> Option<f64> {
        let since = now.checked_sub(self.age(now)?)?;
        let earlier = self.arrived.iter().rev().find(|(at, _)| *at <= since);
        let (at, before) = *earlier.or_else(|| self.arrived.front())?;
        let span = now.saturating_duration_since(at);
        let bytes = self.arrived().saturating_sub(before);
        (span >= LEAST_SPAN).then(|| bytes as f64 / span.as_secs_f64())
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        self.written.front().map(|(at, _)| now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_and_rate_of_a_line_that_is_behind() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let reading =
            |queued| Reading { queued, way: Duration::from_millis(20), waits: queued > 0 };
        backlog.written(1000, at(0));
        backlog.observe(reading(1000), at(10));
        assert_eq!((backlog.delay(at(10)), backlog.rate(at(10))), (Duration::ZERO, None));
        backlog.observe(reading(0), at(20));
        assert_eq!((backlog.delay(at(90)), backlog.arrived()), (Duration::ZERO, 1000));
        // 30 bytes in a millisecond come, 10 go.
        for step in 1..=50_u64 {
            backlog.written(300, at(40 + step * 10));
            backlog.observe(reading(200 * step as usize), at(40 + step * 10));
        }
        let now = at(540);
        assert_eq!(backlog.queued(), 10_000);
        // 10,000 bytes are in the last 34 writes of 300 each; the first was 330 ms ago.
        assert_eq!(backlog.delay(now), Duration::from_millis(310));
        let rate = backlog.rate(now).unwrap();
        assert!((rate - 10_000.0).abs() < 500.0, "{rate}");
        let shared = Reading { waits: false, ..reading(10_000) };
        backlog.observe(shared, now);
        assert_eq!(backlog.delay(now), Duration::ZERO, "somebody else's bytes are under way");
        let later = now + Duration::from_secs(60);
        backlog.observe(reading(50), later);
        assert_eq!(backlog.delay(later), Duration::ZERO, "ours of long ago have arrived");
    }

    #[test]
    fn whatever_is_observed_nothing_grows() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        for number in 0..1000 {
            backlog.written(number, now);
            let queued = usize::MAX - number;
            backlog.observe(Reading { queued, way: Duration::ZERO, waits: true }, now);
        }
        assert!(backlog.written.len() <= READINGS && backlog.arrived.len() <= READINGS);
        assert_eq!((backlog.arrived(), backlog.delay(now)), (0, Duration::ZERO));
    }
}
