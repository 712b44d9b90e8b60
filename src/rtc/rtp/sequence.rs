//! Sequence numbers beyond 16 bits.
//!
//! RTP counts packets modulo 65536. Whoever orders or counts packets wants a number that never
//! wraps; this module guesses the missing upper bits from the highest number seen so far.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// First cycle. Not 0, so that a packet from before the first one seen still has a number.
const FIRST_CYCLE: u64 = 1 << 16;

/// Extends the sequence numbers of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceExtender {
    highest: Option<u64>,
}

impl SequenceExtender {
    /// The 64-bit number of the packet whose 16 low bits are `seq`.
    ///
    /// Among the numbers with these low bits it is the one nearest to the highest so far.
    pub fn extend(&mut self, seq: u16) -> u64 {
        let low = u64::from(seq);
        let Some(highest) = self.highest else {
            let first = FIRST_CYCLE.saturating_add(low);
            self.highest = Some(first);
            return first;
        };
        let ahead = seq.wrapping_sub(low_bits(highest));
        let extended = if ahead < 0x8000 {
            highest.saturating_add(u64::from(ahead))
        } else {
            highest.saturating_sub(u64::from(low_bits(highest).wrapping_sub(seq)))
        };
        self.highest = Some(highest.max(extended));
        extended
    }

    /// Starts a new cycle: the next packet counts as later than all so far, whatever its number.
    ///
    /// For a source that was replaced by another one, whose numbers are unrelated.
    pub fn restart(&mut self, seq: u16) -> u64 {
        let cycle =
            self.highest.map_or(FIRST_CYCLE, |highest| (highest | 0xffff).saturating_add(1));
        let extended = cycle.saturating_add(u64::from(seq));
        self.highest = Some(extended);
        extended
    }

    /// The highest number so far.
    #[must_use]
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are what is asked for")]
const fn low_bits(number: u64) -> u16 {
    number as u16
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the numbers of a test are known")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_continue_over_the_wrap_and_back() {
        let mut extender = SequenceExtender::default();
        let cases =
            [(65_534, 131_070), (65_535, 131_071), (0, 131_072), (65_533, 131_069), (1, 131_073)];
        for (seq, expected) in cases {
            assert_eq!(extender.extend(seq), expected, "{seq}");
        }
    }

    #[test]
    fn a_replaced_source_counts_as_later() {
        let mut extender = SequenceExtender::default();
        let before = extender.extend(40_000);
        assert!(extender.restart(3) > before);
    }

    proptest! {
        #[test]
        fn low_bits_are_kept_and_neighbours_stay_neighbours(steps in prop::collection::vec(-3000i32..3000, 1..200)) {
            let mut extender = SequenceExtender::default();
            let mut truth = 1_000_000i64;
            let first = extender.extend((truth & 0xffff) as u16) as i64;
            let offset = first - truth;
            for step in steps {
                truth += i64::from(step);
                let extended = extender.extend((truth & 0xffff) as u16) as i64;
                // Right as long as the walk stays within half a cycle of the highest.
                let highest = extender.highest().unwrap() as i64;
                if highest - (truth + offset) < 0x8000 {
                    prop_assert_eq!(extended, truth + offset);
                }
            }
        }
    }
}
