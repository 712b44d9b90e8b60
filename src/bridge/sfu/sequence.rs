//! Numbers that are positive, fit 31 bits, look random and don't repeat in a run.
//!
//! Some clients read integers as 32 bits (transport.md §6.4), and a session id must not be
//! used twice (streams.md §15). Stepping by a fixed amount around a prime visits every number
//! once. They are names, not secrets.

use rand::Rng;

/// The prime 2^31 − 1.
const MODULUS: u64 = 0x7FFF_FFFF;

/// A source of such numbers.
#[derive(Debug)]
pub(super) struct Sequence {
    last: u64,
    step: u64,
}

impl Sequence {
    /// Starts somewhere.
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        let mut draw = || 1 + u64::from(rng.next_u32()) % (MODULUS - 1);
        Self { last: draw(), step: draw() }
    }

    /// The next number, from 1 to 2^31 − 2.
    pub(super) fn next(&mut self) -> i64 {
        loop {
            self.last = (self.last + self.step) % MODULUS;
            if self.last != 0 {
                return i64::try_from(self.last).unwrap_or(i64::MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn numbers_are_positive_small_and_unique() {
        for seed in 0..20 {
            let mut sequence = Sequence::new(&mut StdRng::seed_from_u64(seed));
            let numbers: HashSet<i64> = (0..1000).map(|_| sequence.next()).collect();
            assert_eq!(numbers.len(), 1000);
            assert!(numbers.iter().all(|number| (1..i64::from(i32::MAX)).contains(number)));
        }
    }
}
