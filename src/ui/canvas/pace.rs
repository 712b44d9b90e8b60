//! How many bytes pictures may cost now: a step function over writes and the time.
//!
//! With a rate, no second holds more than it allows, and what it allows comes in small
//! pieces, so that a key's echo never waits behind a large one. Without one, the terminal
//! is believed to be quick until a write has to wait. From then on the pace stays below
//! what the terminal took, and is raised again, carefully, while nothing waits.
//!
//! Where it can be seen how much has not arrived yet, as over SSH, no write ever has to wait,
//! and that is looked at instead: not more is under way than has proved to arrive, and what the
//! line takes is measured once the oldest byte waits for long.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use super::backlog::Backlog;
use super::backlog::Reading;
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

/// A line is behind when the oldest byte has waited for so long,
const BEHIND: Duration = Duration::from_millis(120);

/// and no longer when it is less than this.
const CAUGHT_UP: Duration = Duration::from_millis(40);

/// For how long pictures wait for it at most. It may be somebody else whom it carries.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Share of what a line took that is used after it was behind.
const LINE_SHARE: f64 = 0.85;

/// How often the pace on a line that can be seen is raised, and by how much.
const LINE_RAISE_EVERY: Duration = Duration::from_secs(1);
const LINE_RAISE: f64 = 1.05;

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
    /// What is on its way, where that can be seen.
    backlog: Option<Backlog>,
    delay: Duration,
    /// Since when the line is behind.
    behind: Option<Instant>,
    /// Bytes that had arrived when the piece was made larger.
    grown: u64,
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
            backlog: None,
            delay: Duration::ZERO,
            behind: None,
            grown: 0,
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

    /// For how long the oldest byte on its way had been waiting when that was last looked at.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.delay
    }

    /// Bytes that pictures may cost now; `None` for any number.
    pub fn allowance(&mut self, now: Instant) -> Option<usize> {
        if self.budget == VideoBudget::Exact {
            return None;
        }
        if self.resume_at.is_some_and(|at| now < at) || self.behind.is_some() {
            return Some(0);
        }
        self.raise(now);
        let Some(rate) = self.rate() else {
            let queued = self.backlog.as_ref().map_or(0, Backlog::queued);
            return (self.piece < QUICK_PIECE).then(|| self.piece.saturating_sub(queued));
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
        if let Some(backlog) = &mut self.backlog {
            backlog.written(bytes, now);
            // If nothing was under way there, something else made it wait.
            if backlog.queued() > 0 || took < WAITED {
                return;
            }
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

    /// Takes note of how the connection stands that the bytes go by; `None` if that can't be
    /// seen any more.
    pub fn observe(&mut self, reading: Option<Reading>, now: Instant) {
        let Some(reading) = reading.filter(|_| self.budget == VideoBudget::Auto) else {
            (self.backlog, self.behind, self.delay) = (None, None, Duration::ZERO);
            return;
        };
        let backlog = self.backlog.get_or_insert_default();
        backlog.observe(reading, now);
        let (arrived, delay) = (backlog.arrived(), backlog.delay(now));
        let rate = backlog.rate(now);
        self.delay = delay;
        if self.learned.is_none() && arrived.saturating_sub(self.grown) >= self.piece as u64 {
            self.piece = self.piece.saturating_mul(2).min(QUICK_PIECE);
            self.grown = arrived;
        }
        match self.behind {
            None if delay >= BEHIND => {
                self.behind = Some(now);
                let rate = rate.unwrap_or(reading.queued as f64 / delay.as_secs_f64());
                let known = self.learned.map_or(rate, |known| known.min(rate));
                self.learned = Some((known * LINE_SHARE).max(SLOWEST));
                self.accrued = (0.0, Some(now));
            }
            Some(since) if delay <= CAUGHT_UP || now >= since + LONGEST_WAIT => {
                self.behind = None;
                self.raised_at = Some(now);
                self.accrued = (0.0, Some(now));
            }
            _ => {}
        }
    }

    /// Raises the pace on a line that is not behind, if it was used.
    fn raise_line(&mut self, rate: f64, now: Instant) {
        let since = *self.raised_at.get_or_insert(now);
        if now < since + LINE_RAISE_EVERY || self.behind.is_some() {
            return;
        }
        self.raised_at = Some(now);
        let sent: usize = self.sent.iter().map(|(_, bytes)| bytes).sum();
        if sent as f64 * 2.0 >= rate {
            let raised = rate * LINE_RAISE;
            self.learned = (raised < QUICK_RATE).then_some(raised);
        }
    }

    /// Raises the pace if nothing has waited for long.
    fn raise(&mut self, now: Instant) {
        let seen = self.backlog.is_some() && self.waited.1.is_none();
        if let Some(rate) = self.learned.filter(|_| seen) {
            return self.raise_line(rate, now);
        }
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

    /// A line of so many bytes per second and so long a way, with room for everything.
    struct Line {
        rate: f64,
        way: Duration,
        queue: f64,
        under_way: VecDeque<(Instant, f64)>,
    }

    impl Line {
        /// Lets time pass; what has left is acknowledged after the way there and back.
        fn pass(&mut self, time: Duration, now: Instant) {
            let gone = self.queue.min(self.rate * time.as_secs_f64());
            self.queue -= gone;
            self.under_way.push_back((now + self.way, gone));
            while self.under_way.front().is_some_and(|(at, _)| *at <= now) {
                self.under_way.pop_front();
            }
        }

        fn unacknowledged(&self) -> usize {
            (self.queue + self.under_way.iter().map(|(_, bytes)| bytes).sum::<f64>()) as usize
        }
    }

    /// Pictures of 20 KB for a minute; answers bytes per second and, sorted, for how long a key
    /// would have waited.
    fn pictures_over(rate: f64, way: Duration) -> (f64, Vec<Duration>) {
        let mut pace = Pace::new(VideoBudget::Auto);
        let mut line = Line { rate, way, queue: 0.0, under_way: VecDeque::new() };
        let (start, mut total, mut waits) = (Instant::now(), 0, Vec::new());
        for frame in 1..=1800 {
            let now = start + FRAME * frame;
            line.pass(FRAME, now);
            let (queued, late) = (line.unacknowledged(), line.queue > rate * 0.05);
            pace.observe(Some(Reading { queued, way, waits: late }), now);
            let bytes = pace.allowance(now).unwrap_or(usize::MAX).min(20_000);
            pace.sent(bytes, now);
            line.queue += bytes as f64;
            pace.written(bytes, Duration::from_micros(100), now);
            total += bytes;
            waits.push(Duration::from_secs_f64(line.queue / rate));
        }
        waits.sort();
        (f64::from(u32::try_from(total).unwrap()) / 59.4, waits)
    }

    #[test]
    fn a_line_that_is_seen_is_used_and_never_filled() {
        for rate in [10_000.0, 50_000.0, 200_000.0] {
            for way in [0, 30, 200] {
                let (used, waits) = pictures_over(rate, Duration::from_millis(way));
                let (often, worst) = (waits[waits.len() * 95 / 100], waits[waits.len() - 1]);
                println!("{rate} B/s, {way} ms: {used:.0} B/s, 95 % {often:?}, worst {worst:?}");
                assert!(used > rate * 0.5 && used < rate, "{used} of {rate}");
                assert!(often < Duration::from_millis(200) && worst < Duration::from_secs(1));
            }
        }
        let (used, _) = pictures_over(5e6, Duration::from_millis(200));
        assert!(used > 500_000.0, "a quick line carries everything: {used}");
    }

    #[test]
    fn a_line_that_is_no_longer_seen_does_not_stop_pictures() {
        let (mut pace, start) = (Pace::new(VideoBudget::Auto), Instant::now());
        let stuck = Some(Reading { queued: 4000, way: Duration::ZERO, waits: true });
        pace.observe(Some(Reading::default()), start);
        pace.written(4000, Duration::ZERO, start);
        pace.observe(stuck, start + SECOND);
        assert_eq!(pace.allowance(start + SECOND), Some(0));
        pace.observe(None, start + SECOND * 2);
        assert!(pace.allowance(start + SECOND * 2).is_none_or(|bytes| bytes > 0));
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
