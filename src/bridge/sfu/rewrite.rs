//! Gives one m-line a single run of sequence numbers and timestamps, whatever feeds it.
//!
//! A receiver sees one RTP stream per m-line for as long as it is in use, while its source may
//! change. The distance between what comes in and what goes out is fixed when a source takes
//! over and then kept, so losses and reordering stay visible. A source that jumps is treated as
//! a new one: receivers guess the upper bits of sequence numbers from the last one they saw, and
//! a guess gone wrong would silence the line for good.

use std::time::Duration;
use std::time::Instant;

/// A larger distance than this between two packets of a source is a jump and not a loss.
const MAX_GAP: u64 = 1000;

/// Where an RTP stream comes from: a stream, its connection, and the SSRC that was used there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) stream: i64,
    pub(super) session: i64,
    pub(super) ssrc: u32,
}

/// What to send instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) seq: u64,
    pub(super) timestamp: u32,
}

/// State of one outgoing m-line.
#[derive(Debug)]
pub(super) struct Rewriter {
    clock_hz: u32,
    source: Option<Source>,
    /// First outgoing number of the current source: nothing before it may be sent any more.
    base_seq: u64,
    seq_offset: u64,
    timestamp_offset: u32,
    last: Option<Last>,
    start: Rewritten,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    seq: u64,
    timestamp: u32,
    at: Instant,
}

impl Rewriter {
    /// A run at `clock_hz` that begins at `start`.
    pub(super) const fn new(clock_hz: u32, start: Rewritten) -> Self {
        Self {
            clock_hz,
            source: None,
            base_seq: 0,
            seq_offset: 0,
            timestamp_offset: 0,
            last: None,
            start,
        }
    }

    /// Forgets the source, so that the next packet starts a new stretch without a gap.
    pub(super) const fn detach(&mut self) {
        self.source = None;
    }

    /// Renumbers a packet with its extended sequence number; `None` if it comes too late.
    pub(super) fn rewrite(
        &mut self,
        source: Source,
        seq: u64,
        timestamp: u32,
        now: Instant,
    ) -> Option<Rewritten> {
        let jumps = |last: Last| {
            let ahead = seq.wrapping_add(self.seq_offset).wrapping_sub(last.seq);
            ahead.min(ahead.wrapping_neg()) > MAX_GAP
        };
        if self.source != Some(source) || self.last.is_some_and(jumps) {
            let next = self.next(now);
            self.source = Some(source);
            self.base_seq = next.seq;
            self.seq_offset = next.seq.wrapping_sub(seq);
            self.timestamp_offset = next.timestamp.wrapping_sub(timestamp);
        }
        let out = Rewritten {
            seq: seq.wrapping_add(self.seq_offset),
            timestamp: timestamp.wrapping_add(self.timestamp_offset),
        };
        // Wraps to a huge number if it lies before the base.
        if out.seq.wrapping_sub(self.base_seq) > u64::MAX / 2 {
            return None;
        }
        if self.last.is_none_or(|last| out.seq > last.seq) {
            self.last = Some(Last { seq: out.seq, timestamp: out.timestamp, at: now });
        }
        Some(out)
    }

    /// What follows the last packet at this time.
    fn next(&self, now: Instant) -> Rewritten {
        let Some(last) = self.last else { return self.start };
        let elapsed = now.saturating_duration_since(last.at).min(Duration::from_secs(3600));
        let ticks = elapsed.as_micros() * u128::from(self.clock_hz) / 1_000_000;
        // At least one tick, so that no two packets of different sources share a timestamp.
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX).max(1);
        Rewritten { seq: last.seq + 1, timestamp: last.timestamp.wrapping_add(ticks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Rewritten = Rewritten { seq: 100, timestamp: u32::MAX - 5 };
    const A: Source = Source { stream: 1, session: 1, ssrc: 11 };
    const B: Source = Source { stream: 2, session: 2, ssrc: 22 };

    #[test]
    fn a_switch_continues_the_run() {
        let now = Instant::now();
        let mut run = Rewriter::new(48_000, START);
        assert_eq!(run.rewrite(A, 7000, 50, now), Some(START));
        let out = run.rewrite(A, 7003, 50 + 2880, now).unwrap();
        assert_eq!(out.seq, 103, "losses stay visible");
        let later = now + Duration::from_millis(20);
        let switched = run.rewrite(B, 3, 999, later).unwrap();
        assert_eq!(switched.seq, 104);
        assert_eq!(switched.timestamp, out.timestamp.wrapping_add(960));
        assert_eq!(run.rewrite(B, 2, 39, later), None, "from before the switch");
        assert_eq!(run.rewrite(B, 5, 999 + 1920, later).unwrap().seq, 106);
        assert_eq!(run.rewrite(B, 4, 999 + 960, later).unwrap().seq, 105, "late but wanted");
    }

    #[test]
    fn a_jump_of_the_source_becomes_a_step() {
        let now = Instant::now();
        let mut run = Rewriter::new(48_000, START);
        for (seq, expected) in [(500, 100), (502, 102), (33_000, 103), (33_001, 104), (7, 105)] {
            assert_eq!(run.rewrite(A, seq, 0, now).unwrap().seq, expected, "{seq}");
        }
    }

    proptest! {
        #[test]
        fn numbers_stay_close_whatever_comes(
            packets in prop::collection::vec((0_u32..3, 0_u64..50_000, any::<u32>()), 1..60),
        ) {
            let mut now = Instant::now();
            let mut run = Rewriter::new(90_000, START);
            let mut last: Option<(u32, u64)> = None;
            for (ssrc, seq, timestamp) in packets {
                now += Duration::from_millis(10);
                let source = Source { stream: 1, session: 1, ssrc };
                let Some(out) = run.rewrite(source, seq, timestamp, now) else { continue };
                if let Some((before, highest)) = last {
                    prop_assert!(out.seq.abs_diff(highest) <= MAX_GAP);
                    prop_assert!(before == ssrc || out.seq == highest + 1);
                }
                let highest = last.map_or(out.seq, |(_, highest)| highest.max(out.seq));
                last = Some((ssrc, highest));
            }
        }

        #[test]
        fn distances_are_kept(steps in prop::collection::vec(-3_i64..9, 1..200)) {
            let now = Instant::now();
            let mut run = Rewriter::new(48_000, START);
            let mut seq = 40_000_u64;
            prop_assert_eq!(run.rewrite(A, seq, 0, now), Some(START));
            for step in steps {
                seq = seq.saturating_add_signed(step);
                let timestamp = u32::try_from(seq).unwrap().wrapping_mul(960);
                let out = run.rewrite(A, seq, timestamp, now);
                let expected = seq.checked_sub(40_000).map(|ahead| START.seq + ahead);
                prop_assert_eq!(out.map(|out| out.seq), expected);
            }
        }
    }
}
