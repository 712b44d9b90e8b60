//! How many bytes pictures may cost now: a step function over writes and the time.
//!
//! With a rate, no second holds more than it allows, and what it allows comes in small
//! pieces, so that a key's echo never waits behind a large one. Without one, the terminal
//! is believed to be quick until a write has to wait. From then on the pace stays below
//! what the terminal took, and is raised again, carefully, while nothing waits.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use super::budget::VideoBudget;

/// What a budget is about.
const SECOND: Duration = Duration::from_secs(1);

/// A piece is what may be sent in this time: the delay that it adds to an echo.
const PIECE: Duration = Duration::from_millis(30);

/// First piece for a terminal that nothing is known about: it fits any buffer on the way.
const FIRST_PIECE: usize = 4096;

/// From this piece on, a terminal that did not have to wait is taken for quick.
const QUICK_PIECE: usize = 512 * 1024;

/// A write that takes longer had to wait for the terminal.
const WAITED: Duration = Duration::from_millis(25);

/// A terminal that takes more than this in a second is quick, whatever a single write took:
/// the program may have been waiting for the processor.
const QUICK_RATE: f64 = 16.0 * 1024.0 * 1024.0;

/// Share of what the terminal took that is used.
const SHARE: f64 = 0.6;

/// Lowest pace, in bytes per second.
const SLOWEST: f64 = 1024.0;

/// What the buffers on the way hold, roughly: that much has to drain after a wait.
const BUFFERS: f64 = 16.0 * 1024.0;

/// What a first wait tells is too good: a part of the bytes only filled buffers.
const FIRST_SHARE: f64 = 0.6;

/// How often the pace is raised while nothing waits.
const RAISE_EVERY: Duration = Duration::from_secs(8);

/// It stays below this share of what the terminal took when last something waited,
const CEILING: f64 = 0.7;

/// until nothing has waited for so long, at first and at most: the line may be better now.
const FIRST_TRIAL: Duration = Duration::from_secs(60);
const LAST_TRIAL: Duration = Duration::from_secs(480);

/// By how much it is raised.
const RAISE: f64 = 1.25;

/// Rations the bytes of pictures.
#[derive(Debug)]
pub struct Pace {
    budget: VideoBudget,
    /// What was sent in the last second.
    sent: VecDeque<(Instant, usize)>,
    /// Part of a piece that has accrued, in bytes, and when.
    accrued: (f64, Option<Instant>),
    /// Bytes in a second that the terminal takes; unknown while nothing has waited.
    learned: Option<f64>,
    piece: usize,
    resume_at: Option<Instant>,
    /// What the terminal took when last something waited, and when that was.
    waited: (f64, Option<Instant>),
    raised_at: Option<Instant>,
    trial: Duration,
}

impl Pace {
    /// Nothing has been sent yet.
    #[must_use]
    pub const fn new(budget: VideoBudget) -> Self {
        Self {
            budget,
            sent: VecDeque::new(),
            accrued: (f64::MAX, None),
            learned: None,
            piece: FIRST_PIECE,
            resume_at: None,
            waited: (0.0, None),
            raised_at: None,
            trial: FIRST_TRIAL,
        }
    }

    /// What is rationed.
    #[must_use]
    pub const fn budget(&self) -> VideoBudget {
        self.budget
    }

    /// Bytes in a second that are kept to, if any.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        match self.budget {
            VideoBudget::Exact => None,
            VideoBudget::Rate(rate) => Some(rate as f64),
            VideoBudget::Auto => self.learned,
        }
    }

    /// Bytes that pictures may cost now; `None` for any number.
    pub fn allowance(&mut self, now: Instant) -> Option<usize> {
        if self.budget == VideoBudget::Exact {
            return None;
        }
        if self.resume_at.is_some_and(|at| now < at) {
            return Some(0);
        }
        self.raise(now);
        let Some(rate) = self.rate() else {
            return (self.piece < QUICK_PIECE).then_some(self.piece);
        };
        let most = rate * PIECE.as_secs_f64();
        let (accrued, since) = self.accrued;
        let passed = since.map_or(0.0, |since| now.saturating_duration_since(since).as_secs_f64());
        let accrued = (accrued + passed * rate).min(most);
        self.accrued = (accrued, Some(now));
        while self.sent.front().is_some_and(|(at, _)| *at + SECOND <= now) {
            self.sent.pop_front();
        }
        let sent: usize = self.sent.iter().map(|(_, bytes)| bytes).sum();
        let left = (rate as usize).saturating_sub(sent);
        Some((accrued.max(0.0) as usize).min(left))
    }

    /// Takes note of the bytes that pictures have cost.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        if bytes == 0 || self.rate().is_none() {
            return;
        }
        self.accrued.0 -= bytes as f64;
        self.sent.push_back((now, bytes));
    }

    /// Takes note of how long the terminal took for a write, text and all.
    pub fn written(&mut self, bytes: usize, took: Duration, now: Instant) {
        if self.budget != VideoBudget::Auto {
            return;
        }
        let took_s = took.as_secs_f64().max(1e-6);
        let rate = bytes as f64 / took_s;
        if took < WAITED || rate > QUICK_RATE {
            if self.learned.is_none() && bytes * 2 >= self.piece {
                self.piece = self.piece.saturating_mul(2).min(QUICK_PIECE);
            }
            return;
        }
        let known = self.learned;
        let (took_rate, rate) = match known {
            Some(known) => (rate, (rate * SHARE).clamp(known / 2.0, known * 0.9)),
            None => (rate * FIRST_SHARE, rate * FIRST_SHARE * SHARE),
        };
        if known.is_some() {
            self.trial = (self.trial * 2).min(LAST_TRIAL);
        }
        self.learned = Some(rate.max(SLOWEST));
        self.waited = (took_rate, Some(now));
        self.raised_at = Some(now);
        let drain = (BUFFERS / took_rate.max(SLOWEST)).min(SECOND.as_secs_f64());
        self.resume_at = Some(now + Duration::from_secs_f64(drain));
        self.accrued = (0.0, Some(now));
    }

    /// Raises the pace if nothing has waited for long.
    fn raise(&mut self, now: Instant) {
        let (Some(rate), Some(raised_at), (took_rate, Some(waited_at))) =
            (self.learned, self.raised_at, self.waited)
        else {
            return;
        };
        if now < raised_at + RAISE_EVERY {
            return;
        }
        self.raised_at = Some(now);
        let trial = now >= waited_at + self.trial;
        let most = if trial { f64::INFINITY } else { took_rate * CEILING };
        let raised = (rate * RAISE).min(most).max(rate);
        self.learned = (raised < QUICK_RATE).then_some(raised);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    #[test]
    fn no_second_holds_more_than_its_rate() {
        let mut pace = Pace::new(VideoBudget::Rate(10_000));
        let start = Instant::now();
        let mut sent = VecDeque::new();
        for frame in 0..300 {
            let now = start + Duration::from_millis(frame * 33 + frame % 7 * 4);
            let bytes = pace.allowance(now).unwrap();
            pace.sent(bytes, now);
            sent.push_back((now, bytes));
            while sent.front().is_some_and(|(at, _)| *at + SECOND <= now) {
                sent.pop_front();
            }
            let sum: usize = sent.iter().map(|(_, bytes)| bytes).sum();
            assert!(sum <= 10_000, "{sum} in frame {frame}");
            assert!(bytes <= 300, "{bytes} at once in frame {frame}");
        }
        let total: usize = sent.iter().map(|(_, bytes)| bytes).sum();
        assert!(total > 8_000, "{total} bytes is too far below the rate");
    }

    #[test]
    fn a_quick_terminal_soon_gets_everything() {
        let mut pace = Pace::new(VideoBudget::Auto);
        let start = Instant::now();
        let mut frames = 0;
        while let Some(bytes) = pace.allowance(start) {
            pace.written(bytes, Duration::from_millis(1), start);
            frames += 1;
        }
        assert!(frames < 10, "{frames} frames");
    }

    /// A terminal behind a buffer; answers how long a write took.
    fn write(queue: &mut f64, bytes: usize, rate: f64) -> Duration {
        *queue += bytes as f64;
        let over = (*queue - 12_288.0).max(0.0);
        *queue -= over;
        Duration::from_secs_f64(over / rate)
    }

    #[test]
    fn a_slow_terminal_is_kept_below_what_it_takes() {
        let mut pace = Pace::new(VideoBudget::Auto);
        let (mut now, mut queue, rate) = (Instant::now(), 0.0_f64, 51_200.0);
        let (mut late, mut frames, mut total) = (0, 0, 0);
        let end = now + Duration::from_secs(60);
        while now < end {
            let bytes = pace.allowance(now).unwrap_or(100_000);
            pace.sent(bytes, now);
            let took = write(&mut queue, bytes, rate);
            now += took;
            pace.written(bytes, took, now);
            now += FRAME;
            queue = (queue - FRAME.as_secs_f64() * rate).max(0.0);
            frames += 1;
            total += bytes;
            late += usize::from(queue > rate * 0.05);
        }
        assert!(late * 20 <= frames, "{late} of {frames} frames left a long queue");
        assert!(total > 20_000 * 60, "{total} bytes are too few");
    }
}
