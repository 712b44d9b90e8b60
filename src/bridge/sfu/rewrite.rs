//! Gives one m-line a single run of sequence numbers and timestamps, whatever feeds it.
//!
//! A receiver sees one RTP stream per m-line for the life of the connection, while its source
//! changes as people come and go. The distance between what comes in and what goes out is
//! fixed when a source takes over and then kept, so losses and reordering stay visible.

use std::time::Duration;
use std::time::Instant;

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
        if self.source != Some(source) {
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

    proptest! {
        #[test]
        fn numbers_grow_with_whatever_comes(
            packets in prop::collection::vec((0_u32..3, 0_u64..50_000, any::<u32>()), 1..60),
        ) {
            let mut now = Instant::now();
            let mut run = Rewriter::new(90_000, START);
            let mut last: Option<(Source, u64, u64)> = None;
            for (ssrc, seq, timestamp) in packets {
                now += Duration::from_millis(10);
                let source = Source { stream: 1, session: 1, ssrc };
                let Some(out) = run.rewrite(source, seq, timestamp, now) else { continue };
                match last {
                    Some((same, seq_in, seq_out)) if same == source => {
                        prop_assert_eq!(out.seq.wrapping_sub(seq_out), seq.wrapping_sub(seq_in));
                    }
                    Some((_, _, seq_out)) => prop_assert!(out.seq > seq_out),
                    None => prop_assert_eq!(out, START),
                }
                last = Some((source, seq, out.seq));
            }
        }
    }
}
