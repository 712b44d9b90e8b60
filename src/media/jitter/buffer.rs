//! The buffer itself, see the module above.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::delay::DelayEstimator;
use super::timeline::Arrival;
use super::timeline::Timeline;
use crate::media::frame::FRAME_TICKS;

/// The least delay: one frame, because the consumer's ticks are not aligned with the packets,
/// and another for threads that are woken late, on either side.
pub const MIN_DELAY: Duration = Duration::from_millis(40);
/// Delay before anything has been measured. It is the least, so that a quiet network never
/// has a reason to change it: each change is a small jump in what is heard.
pub const START_DELAY: Duration = MIN_DELAY;
/// The greatest delay: beyond it people talk over each other, and a gap is the lesser evil.
pub const MAX_DELAY: Duration = Duration::from_millis(200);
/// Most packets held, 1.28 s of the usual ones; a sender that is faster loses its oldest.
pub const MAX_PACKETS: usize = 64;
/// How long sound is invented when nothing comes; after that there is silence.
pub const MAX_CONCEALMENT: Duration = Duration::from_millis(60);

const FRAME: i64 = FRAME_TICKS as i64;
const TICKS_PER_MS: i64 = 48;
/// A gap longer than this is not played out but jumped over.
const MAX_GAP: i64 = ticks(500);
/// Held sound beyond the wanted delay that is thrown away at once: it can only be a burst.
const MAX_EXCESS: i64 = ticks(160);
/// Nothing for so long ends the spurt: the next packet begins a new one.
const END_OF_SPURT: i64 = ticks(500);
/// After so many frames with too much delay, a silent one may go.
const DEEP_FRAMES: u32 = 25;
/// So many polls in a row show that what is in time now will stay so.
const IN_TIME_POLLS: u32 = 5;
/// After so many in a row without a silent one, any may go.
const DEEPEST_FRAMES: u32 = 50;
/// Frames between two that go.
const SHRINK_PACE: u32 = 10;

/// A packet as it came, decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// RTP sequence number, extended to 64 bits.
    pub seq: u64,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// Samples that it decodes to.
    pub samples: u32,
    /// Encoded frame.
    pub payload: Bytes,
}

/// What the receive pipeline has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Decode this.
    Frame(Bytes),
    /// Conceal what did not arrive in time.
    Lost {
        /// Samples to invent.
        samples: u32,
        /// The packet right after it, which may carry a copy of it.
        next: Option<Bytes>,
    },
    /// Play silence: the sender pauses, or nothing has come yet.
    Silence {
        /// How many samples of it.
        samples: u32,
    },
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will be played.
    Queued,
    /// It is here already.
    Duplicate,
    /// Its turn has passed, or it contradicts the packets around it.
    Late,
}

/// What the buffer has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JitterStats {
    /// Packets that came too late, or too many at once, and were not played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Samples that were invented because a packet was lost or late.
    pub concealed_samples: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Delay aimed at.
    pub target: Duration,
    /// Sound held now.
    pub depth: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing is being played. Packets gather until the first has waited long enough.
    Idle,
    /// `cursor` is to be played next. `given`: samples already invented since the last release.
    Playing { cursor: i64, last_seq: u64, given: i64 },
    /// The packet at `cursor` has not come. `given` samples were handed out meanwhile.
    Starved { cursor: i64, last_seq: u64, given: i64 },
}

#[derive(Debug)]
struct Held {
    timestamp: i64,
    samples: i64,
    payload: Bytes,
    arrival: Instant,
}

/// Puts the packets of one track in order and in time.
#[derive(Debug)]
pub struct JitterBuffer {
    /// By sequence number. Timestamps rise with it, see [`Timeline`].
    pending: BTreeMap<u64, Held>,
    state: State,
    timeline: Timeline,
    delay: DelayEstimator,
    /// Releases in a row that waited longer than they had to.
    deep_run: u32,
    /// How far the cursor has fallen behind the clock while nothing came, in samples.
    behind: i64,
    /// Polls in a row at which what should be played by now was here.
    in_time_run: u32,
    /// Where the last release ended: nothing before it is ever released.
    floor: Option<i64>,
    /// Samples handed out so far.
    played: i64,
    /// How far the cursor was ahead of `played` when the last spurt ended. The next one keeps to
    /// it, so that pauses stay as long as they were.
    habit: Option<i64>,
    late: u64,
    duplicates: u64,
    concealed: u64,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl JitterBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pending: BTreeMap::new(),
            state: State::Idle,
            timeline: Timeline::default(),
            delay: DelayEstimator::new(),
            deep_run: 0,
            behind: 0,
            in_time_run: 0,
            floor: None,
            played: 0,
            habit: None,
            late: 0,
            duplicates: 0,
            concealed: 0,
        }
    }

    /// Takes one packet that arrived at `now`.
    pub fn handle_input(&mut self, packet: Packet, now: Instant) -> Verdict {
        let timestamp = match self.timeline.place(packet.seq, packet.timestamp) {
            Arrival::Next(timestamp) => timestamp,
            Arrival::Restart(timestamp) => {
                self.restart();
                timestamp
            }
            Arrival::Duplicate => {
                self.duplicates = self.duplicates.saturating_add(1);
                return Verdict::Duplicate;
            }
            Arrival::Contradiction => return self.too_late(),
        };
        self.delay.observe(timestamp, now);
        if self.has_passed(timestamp) || !self.fits_in(packet.seq, timestamp) {
            return self.too_late();
        }
        let samples = i64::from(packet.samples.max(1));
        let held = Held { timestamp, samples, payload: packet.payload, arrival: now };
        self.pending.insert(packet.seq, held);
        if self.pending.len() > MAX_PACKETS {
            self.pending.pop_first();
            self.late = self.late.saturating_add(1);
        }
        Verdict::Queued
    }

    /// Returns the next step; between two steps the caller plays what the last one said.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        self.delay.observe_poll(self.played, now);
        self.catch_up();
        self.bound_depth();
        let output = match self.state {
            State::Idle => self.poll_idle(now),
            State::Playing { cursor, last_seq, given } => {
                self.poll_playing(cursor, last_seq, given, now)
            }
            State::Starved { cursor, last_seq, given } => {
                self.poll_starved(cursor, last_seq, given, now)
            }
        };
        if let Output::Lost { samples, .. } | Output::Silence { samples } = output {
            self.played = self.played.saturating_add(i64::from(samples));
        }
        output
    }

    /// For a while now more sound has been held back than jitter demands: if what was just
    /// released is silent, leave it out and call [`Self::poll_output`] again.
    #[must_use]
    pub fn is_deep(&self) -> bool {
        self.deep_run >= DEEP_FRAMES && !self.pending.is_empty()
    }

    /// Tells the buffer that a silent frame was left out.
    pub fn shrunk(&mut self) {
        self.deep_run = DEEP_FRAMES.saturating_sub(SHRINK_PACE);
        self.played = self.played.saturating_sub(FRAME);
        self.advance(FRAME);
    }

    /// What has been counted so far.
    #[must_use]
    pub fn stats(&self) -> JitterStats {
        JitterStats {
            late: self.late,
            duplicates: self.duplicates,
            concealed_samples: self.concealed,
            jitter_ms: self.delay.jitter_ms(),
            target: self.delay.target(),
            depth: duration(self.depth()),
        }
    }

    fn poll_idle(&mut self, now: Instant) -> Output {
        let Some((&seq, first)) = self.pending.first_key_value() else { return silence(FRAME) };
        if !self.is_due(first, now) {
            return silence(FRAME);
        }
        let (cursor, last_seq) = (first.timestamp, seq.saturating_sub(1));
        self.poll_playing(cursor, last_seq, 0, now)
    }

    /// Whether it is time to begin with this packet.
    fn is_due(&self, first: &Held, now: Instant) -> bool {
        let habit = self.habit.filter(|_| !self.delay.is_excessive(first.timestamp));
        if let Some(habit) = habit {
            let in_turn = first.timestamp <= self.played.saturating_add(habit);
            return in_turn && !self.delay.is_short(first.timestamp);
        }
        // The first packet stands for the moment that is about to be played, not for delay.
        let delay = duration(self.depth().saturating_sub(first.samples));
        let waited = now.saturating_duration_since(first.arrival);
        waited >= self.delay.target() || delay >= self.delay.target()
    }

    fn poll_playing(&mut self, cursor: i64, last_seq: u64, given: i64, now: Instant) -> Output {
        let Some((&seq, first)) = self.pending.first_key_value() else {
            return self.poll_starved(cursor, last_seq, 0, now);
        };
        let gap = first.timestamp.saturating_sub(cursor);
        if gap <= 0 {
            return self.release();
        }
        if gap > MAX_GAP {
            self.pause();
            return self.poll_idle(now);
        }
        let step = gap.min(FRAME);
        let missing = frames_between(last_seq, seq);
        if missing == 0 && self.delay.is_excessive(first.timestamp) {
            // A pause need not be played to its end when what follows it is due.
            self.advance(gap);
            return self.release();
        }
        if missing > 0 && given == 0 && self.delay.is_short(cursor) {
            // Perhaps it is only late. Waiting for it makes the delay what it ought to be; if
            // it does not come, what is played now stands for it.
            self.state = State::Starved { cursor, last_seq, given: FRAME };
            return Output::Lost { samples: FRAME_TICKS, next: None };
        }
        self.state = State::Playing {
            cursor: cursor.saturating_add(step),
            last_seq,
            given: given.saturating_add(step),
        };
        // Where both loss and silence fit into the gap, the ends of it are concealed: a
        // spurt's last frame was lost, or its first.
        if given >= missing && gap > missing {
            return silence(step);
        }
        self.concealed = self.concealed.saturating_add(step.unsigned_abs());
        let next = (gap <= FRAME).then(|| self.first_payload()).flatten();
        Output::Lost { samples: samples(step), next }
    }

    fn poll_starved(&mut self, cursor: i64, last_seq: u64, given: i64, now: Instant) -> Output {
        let Some((&seq, first)) = self.pending.first_key_value() else {
            let given = given.saturating_add(FRAME);
            self.state = State::Starved { cursor, last_seq, given };
            self.behind = self.behind.saturating_add(FRAME);
            if given >= END_OF_SPURT {
                self.pause();
            }
            if given > ticks_of(MAX_CONCEALMENT) {
                return silence(FRAME);
            }
            return Output::Lost { samples: FRAME_TICKS, next: None };
        };
        let gap = first.timestamp.saturating_sub(cursor);
        let missing = frames_between(last_seq, seq);
        if gap > 0 && (missing == 0 || gap > MAX_GAP) {
            // The sender paused and begins anew, so the delay can be set anew as well.
            self.pause();
            return self.poll_idle(now);
        }
        // What was played meanwhile stood for a packet that is late or lost.
        self.count_invented(given);
        let credit = gap.clamp(0, given);
        self.advance(credit);
        self.poll_playing(cursor.saturating_add(credit), last_seq, credit, now)
    }

    fn release(&mut self) -> Output {
        let Some((seq, held)) = self.pending.pop_first() else { return silence(FRAME) };
        let deep = self.delay.is_excessive(held.timestamp);
        self.deep_run = if deep { self.deep_run.saturating_add(1) } else { 0 };
        if self.deep_run >= DEEPEST_FRAMES {
            self.behind = self.behind.max(FRAME);
            self.deep_run = 0;
        }
        let cursor = held.timestamp.saturating_add(held.samples);
        self.floor = Some(cursor);
        self.played = self.played.saturating_add(held.samples);
        self.habit = Some(cursor.saturating_sub(self.played));
        self.state = State::Playing { cursor, last_seq: seq, given: 0 };
        Output::Frame(held.payload)
    }

    /// Gives up what came too late once what follows it is in time again. Concealment was played
    /// for it; playing it as well would delay everything after it.
    fn catch_up(&mut self) {
        let (State::Playing { cursor, .. } | State::Starved { cursor, .. }) = self.state else {
            return;
        };
        let due = cursor.saturating_add(self.behind);
        if self.behind < FRAME || self.delay.is_short(due) {
            return;
        }
        let mut in_time = self.pending.iter().filter(|(_, held)| held.timestamp >= due);
        let Some((&seq, _)) = in_time.next() else {
            self.in_time_run = 0;
            return;
        };
        self.in_time_run = self.in_time_run.saturating_add(1);
        if in_time.next().is_none() && self.in_time_run < IN_TIME_POLLS {
            return;
        }
        if let State::Starved { given, .. } = self.state {
            self.count_invented(given);
        }
        let in_time = self.pending.split_off(&seq);
        let dropped = u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        self.late = self.late.saturating_add(dropped);
        self.pending = in_time;
        self.behind = 0;
        self.in_time_run = 0;
        let last_seq = seq.saturating_sub(1);
        self.state = State::Playing { cursor: due, last_seq, given: 0 };
    }

    /// The cursor has gained `ticks` on the clock.
    fn advance(&mut self, ticks: i64) {
        self.behind = self.behind.saturating_sub(ticks).max(0);
    }

    fn pause(&mut self) {
        self.state = State::Idle;
        self.behind = 0;
    }

    fn count_invented(&mut self, given: i64) {
        let invented = given.min(ticks_of(MAX_CONCEALMENT));
        self.concealed = self.concealed.saturating_add(invented.unsigned_abs());
    }

    /// Throws the oldest away when a burst holds far more than is wanted.
    fn bound_depth(&mut self) {
        let target = ticks_of(self.delay.target());
        if self.depth() <= target.saturating_add(MAX_EXCESS) {
            return;
        }
        while self.pending.len() > 1 && self.depth() > target {
            self.pending.pop_first();
            self.late = self.late.saturating_add(1);
        }
        if let (
            Some((&seq, first)),
            State::Playing { cursor: was, .. } | State::Starved { cursor: was, .. },
        ) = (self.pending.first_key_value(), self.state)
        {
            let (cursor, last_seq) = (first.timestamp, seq.saturating_sub(1));
            self.state = State::Playing { cursor, last_seq, given: 0 };
            self.advance(cursor.saturating_sub(was));
        }
    }

    /// Samples held, and those missing in between; pauses of the sender do not count.
    fn depth(&self) -> i64 {
        let mut depth = 0i64;
        let mut last = None;
        for (&seq, held) in &self.pending {
            let missing = last.map_or(0, |last| frames_between(last, seq).min(MAX_GAP));
            depth = depth.saturating_add(held.samples).saturating_add(missing);
            last = Some(seq);
        }
        depth
    }

    fn has_passed(&self, timestamp: i64) -> bool {
        match self.state {
            State::Idle => self.floor.is_some_and(|floor| timestamp < floor),
            State::Playing { cursor, .. } | State::Starved { cursor, .. } => timestamp < cursor,
        }
    }

    /// Order by sequence number and order by timestamp are the same among those held.
    fn fits_in(&self, seq: u64, timestamp: i64) -> bool {
        let before = self.pending.range(..seq).next_back();
        let after = self.pending.range(seq..).next();
        before.is_none_or(|(_, held)| held.timestamp < timestamp)
            && after.is_none_or(|(_, held)| timestamp < held.timestamp)
    }

    fn first_payload(&self) -> Option<Bytes> {
        self.pending.first_key_value().map(|(_, held)| held.payload.clone())
    }

    fn too_late(&mut self) -> Verdict {
        self.late = self.late.saturating_add(1);
        Verdict::Late
    }

    fn restart(&mut self) {
        self.pending.clear();
        self.pause();
        self.delay.forget_offset();
        self.deep_run = 0;
        self.floor = None;
        self.habit = None;
    }
}

/// Sound that the packets strictly between two sequence numbers would have carried.
fn frames_between(last_seq: u64, seq: u64) -> i64 {
    let count = seq.saturating_sub(last_seq).saturating_sub(1);
    i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(FRAME)
}

fn silence(ticks: i64) -> Output {
    Output::Silence { samples: samples(ticks) }
}

fn samples(ticks: i64) -> u32 {
    u32::try_from(ticks).unwrap_or(FRAME_TICKS)
}

const fn ticks(ms: i64) -> i64 {
    ms.saturating_mul(TICKS_PER_MS)
}

fn ticks_of(duration: Duration) -> i64 {
    ticks(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn duration(ticks: i64) -> Duration {
    Duration::from_micros(ticks.max(0).unsigned_abs().saturating_mul(1000) / 48)
}
