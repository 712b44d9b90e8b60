//! How much delay the measured jitter demands.
//!
//! The estimate follows a percentile of how much later than the fastest packets of the last
//! seconds the others came. It rises at once with the packets that are late and falls some
//! seconds after they have left the window. Packets that come in one burst count once: a machine that stops
//! for a moment now and then is no reason to delay everything that is said afterwards.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use super::buffer::MAX_DELAY;
use super::buffer::MIN_DELAY;
use super::buffer::START_DELAY;

/// Packets looked back on: five seconds of speech.
const WINDOW: usize = 250;
/// Of a hundred packets so many may be late. They are concealed: waiting for the slowest few
/// would delay everybody.
const LATE: usize = 4;
/// However few packets there are, so many late ones say nothing about the next.
const ACCIDENTS: usize = 3;
/// A delay that was needed may be needed again: so long less must have been enough before it
/// is lowered, or every change of load would be heard as a jump.
const HOLD: Duration = Duration::from_secs(10);
/// What comes closer behind another than this was held up by the same thing.
const BURST: Duration = Duration::from_millis(5);
/// On top of the percentile, for what the window has not seen yet.
const MARGIN_US: i64 = 5_000;
/// Beyond the target, before a release counts as later than need be: a tick of the consumer.
const SLACK_US: i64 = 25_000;

const FRAME_US: i64 = 20_000;
/// A poll that comes later than this was not late: what is played stood still.
const STOPPED_US: i64 = 500_000;

#[derive(Clone, Copy, Debug)]
struct Transit {
    us: i64,
    /// It did not come right behind another.
    leads: bool,
}

/// Measures arrivals and what is played. Times are microseconds since the first arrival.
#[derive(Debug)]
pub(super) struct DelayEstimator {
    epoch: Option<Instant>,
    /// Arrival minus timestamp of the last packets. Only differences of them mean anything.
    transits: VecDeque<Transit>,
    fastest: i64,
    target: Duration,
    /// When the target was last needed.
    needed_at: Option<Instant>,
    last: Option<(Instant, i64)>,
    jitter_us: f64,
    /// When the last polls came, minus the sound handed out before each.
    polls: VecDeque<i64>,
    /// The time by the clock of what is played: when this poll would have come, were none late.
    playing_us: i64,
}

impl DelayEstimator {
    pub(super) fn new() -> Self {
        Self {
            epoch: None,
            transits: VecDeque::with_capacity(WINDOW),
            fastest: 0,
            target: START_DELAY,
            needed_at: None,
            last: None,
            jitter_us: 0.0,
            polls: VecDeque::with_capacity(WINDOW),
            playing_us: 0,
        }
    }

    /// Takes note of a poll at `now`, after so many samples have been handed out.
    ///
    /// A consumer that is woken late asks for several frames at once. What the delay is, is
    /// judged by when they are heard, and not by when they were asked for.
    pub(super) fn observe_poll(&mut self, played: i64, now: Instant) {
        let Some(epoch) = self.epoch else { return };
        let played = microseconds(played);
        let lead = since(epoch, now).saturating_sub(played);
        let earliest = self.polls.iter().min().copied();
        if earliest.is_some_and(|earliest| lead > earliest.saturating_add(STOPPED_US)) {
            self.polls.clear();
        }
        if self.polls.len() == WINDOW {
            self.polls.pop_front();
        }
        self.polls.push_back(lead);
        let earliest = self.polls.iter().min().copied().unwrap_or(lead);
        self.playing_us = played.saturating_add(earliest);
    }

    /// Takes the arrival of a packet at `now`.
    pub(super) fn observe(&mut self, timestamp: i64, now: Instant) {
        let epoch = *self.epoch.get_or_insert(now);
        let transit = since(epoch, now).saturating_sub(microseconds(timestamp));
        let mut leads = true;
        if let Some((arrival, last)) = self.last.replace((now, transit)) {
            leads = now.saturating_duration_since(arrival) >= BURST;
            // RFC 3550 §6.4.1.
            #[expect(
                clippy::cast_precision_loss,
                reason = "microseconds of one transit difference"
            )]
            let step = transit.saturating_sub(last).saturating_abs() as f64;
            self.jitter_us += (step - self.jitter_us) / 16.0;
        }
        if self.transits.len() == WINDOW {
            self.transits.pop_front();
        }
        self.transits.push_back(Transit { us: transit, leads });
        self.update_target(now);
    }

    /// Delay to aim at.
    pub(super) fn target(&self) -> Duration {
        self.target
    }

    pub(super) fn jitter_ms(&self) -> f64 {
        self.jitter_us / 1000.0
    }

    /// What is played now had waited longer than it had to.
    pub(super) fn is_excessive(&self, timestamp: i64) -> bool {
        self.waited(timestamp) > self.target_us().saturating_add(SLACK_US)
    }

    /// What is due now has waited less than packets of this jitter may need, by half a frame.
    pub(super) fn is_short(&self, timestamp: i64) -> bool {
        self.waited(timestamp).saturating_add(FRAME_US / 2) < self.target_us()
    }

    /// Time since the packet with this timestamp could have been here at the earliest.
    fn waited(&self, timestamp: i64) -> i64 {
        self.playing_us.saturating_sub(microseconds(timestamp)).saturating_sub(self.fastest)
    }

    fn target_us(&self) -> i64 {
        i64::try_from(self.target.as_micros()).unwrap_or(i64::MAX)
    }

    /// Timestamps and arrivals no longer relate as they did; how much they vary stays.
    pub(super) fn forget_offset(&mut self) {
        self.epoch = None;
        self.transits.clear();
        self.polls.clear();
        self.last = None;
        self.target = self.target.max(START_DELAY);
    }

    fn update_target(&mut self, now: Instant) {
        self.fastest = self.transits.iter().map(|transit| transit.us).min().unwrap_or(0);
        let leads = self.transits.iter().filter(|transit| transit.leads);
        let mut sorted: Vec<i64> = leads.map(|transit| transit.us).collect();
        sorted.sort_unstable();
        let late = (sorted.len().saturating_mul(LATE) / 100).max(ACCIDENTS);
        sorted.truncate(sorted.len().saturating_sub(late));
        let slow = sorted.last().copied().unwrap_or(self.fastest);
        let needed = slow.saturating_sub(self.fastest).saturating_add(MARGIN_US).max(0);
        let needed = Duration::from_micros(needed.unsigned_abs()).clamp(MIN_DELAY, MAX_DELAY);
        let held = self.needed_at.is_some_and(|at| now.saturating_duration_since(at) < HOLD);
        if needed >= self.target || !held {
            self.target = needed;
            self.needed_at = Some(now);
        }
    }
}

fn since(epoch: Instant, now: Instant) -> i64 {
    i64::try_from(now.saturating_duration_since(epoch).as_micros()).unwrap_or(i64::MAX)
}

/// A 48 kHz timestamp in microseconds.
fn microseconds(timestamp: i64) -> i64 {
    timestamp.saturating_mul(125) / 6
}
