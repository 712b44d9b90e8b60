//! Where each packet of a track belongs on the clock of the server.
//!
//! A sender's timestamps are exact among themselves but count from anywhere, and by a clock of
//! its own. Arrival times are by the server's clock, which all tracks share, but each is late by
//! what the network made of it. The packet that was least late within some seconds ties the
//! one to the other; the tie is renewed when the sender's clock has drifted or jumped.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

/// Stretch of the sender's time within which one tie is looked for.
const WINDOW_SECONDS: i64 = 2;
/// Windows on either side that have a say: of ten seconds at least one packet was in time.
const NEIGHBOURS: i64 = 2;
/// Ties that differ by more, in milliseconds, are of a clock that jumped: no neighbours' business.
const JUMP_MS: i64 = 250;
/// The tie is kept until it is wrong by more than this, in milliseconds: each renewal leaves a
/// tiny gap or overlap in the sound, and a hundredth of a second is not noticed.
const TOLERANCE_MS: i64 = 10;

/// What is known of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// RTP sequence number without wrap-around.
    pub seq: u64,
    /// When it came, in microseconds since the recording began.
    pub arrival_us: u64,
    /// RTP timestamp.
    pub timestamp: u32,
}

/// The places of all packets of a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Sequence number and place in clock ticks, by sequence number.
    places: Vec<(u64, i64)>,
}

impl Timeline {
    /// Places packets, in any order, whose timestamps count `rate` per second.
    #[must_use]
    pub fn new(mut stamps: Vec<Stamp>, rate: u32) -> Self {
        stamps.sort_by_key(|stamp| (stamp.seq, stamp.arrival_us));
        stamps.dedup_by_key(|stamp| stamp.seq);
        let rate = i64::from(rate.max(1));
        let media = unwrap_timestamps(&stamps);
        let window_of = |at: i64| at.div_euclid(rate.saturating_mul(WINDOW_SECONDS));
        let mut windows: BTreeMap<i64, i64> = BTreeMap::new();
        for (stamp, at) in stamps.iter().zip(&media) {
            let tie = ticks(stamp.arrival_us, rate).saturating_sub(*at);
            windows
                .entry(window_of(*at))
                .and_modify(|least| *least = tie.min(*least))
                .or_insert(tie);
        }
        let ties = hold(&windows, rate);
        let places = stamps.iter().zip(&media).map(|(stamp, at)| {
            let tie = ties.get(&window_of(*at)).copied().unwrap_or_default();
            (stamp.seq, at.saturating_add(tie).max(0))
        });
        Self { places: places.collect() }
    }

    /// Where the packet with this number begins, in clock ticks since the recording began.
    #[must_use]
    pub fn place(&self, seq: u64) -> Option<i64> {
        let index = self.places.binary_search_by_key(&seq, |(seq, _)| *seq).ok()?;
        self.places.get(index).map(|(_, at)| *at)
    }

    /// Different packets.
    #[must_use]
    pub fn packets(&self) -> u64 {
        u64::try_from(self.places.len()).unwrap_or(u64::MAX)
    }

    /// Packets between the first and the last that are not there.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let (Some((first, _)), Some((last, _))) = (self.places.first(), self.places.last()) else {
            return 0;
        };
        last.saturating_sub(*first).saturating_add(1).saturating_sub(self.packets())
    }
}

/// Microseconds as ticks.
fn ticks(us: u64, rate: i64) -> i64 {
    let ticks = i128::from(us).saturating_mul(i128::from(rate)) / 1_000_000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// Timestamps without wrap-around; the first is 0.
fn unwrap_timestamps(stamps: &[Stamp]) -> Vec<i64> {
    let mut at = 0_i64;
    let mut last = stamps.first().map(|stamp| stamp.timestamp).unwrap_or_default();
    let unwrapped = stamps.iter().map(|stamp| {
        let step = stamp.timestamp.wrapping_sub(last).cast_signed();
        last = stamp.timestamp;
        at = at.saturating_add(i64::from(step));
        at
    });
    unwrapped.collect()
}

/// The tie in force in each window.
fn hold(windows: &BTreeMap<i64, i64>, rate: i64) -> BTreeMap<i64, i64> {
    let jump = rate.saturating_mul(JUMP_MS) / 1000;
    let tolerance = rate.saturating_mul(TOLERANCE_MS) / 1000;
    let mut held: Option<i64> = None;
    let mut ties = BTreeMap::new();
    for (index, own) in windows {
        let around = index.saturating_sub(NEIGHBOURS)..=index.saturating_add(NEIGHBOURS);
        let near = windows.range(around).map(|(_, tie)| *tie);
        let least = near.filter(|tie| tie.abs_diff(*own) <= jump.unsigned_abs()).min();
        let least = least.unwrap_or(*own);
        let keeps = held.filter(|held| held.abs_diff(least) <= tolerance.unsigned_abs());
        let tie = keeps.unwrap_or(least);
        held = Some(tie);
        ties.insert(*index, tie);
    }
    ties
}
