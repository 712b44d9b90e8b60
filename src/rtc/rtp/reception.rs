//! How well one source is received (RFC 3550 appendix A.3 and A.8).
//!
//! Fed with every packet and every sender report, asked once per second for the report block
//! that tells the other side. Time is an argument.

use std::time::Duration;
use std::time::Instant;

use super::sequence::SequenceExtender;

/// Statistics of one SSRC.
#[derive(Clone, Debug)]
pub struct Reception {
    clock_rate: u32,
    sequence: SequenceExtender,
    base: u64,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// First arrival and its RTP timestamp: what transit times are relative to.
    origin: Option<(Instant, u32)>,
    transit: Option<f64>,
    jitter: f64,
    sender_report: Option<(u32, Instant)>,
}

/// What a report block says (RFC 3550 §6.4.1), in its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Share lost since the last block, of 256.
    pub fraction_lost: u8,
    /// Packets lost in all, at most 24 bits.
    pub total_lost: u32,
    /// Highest sequence number and count of its wraps.
    pub highest: u32,
    /// Jitter in timestamp units.
    pub jitter: u32,
    /// Middle bits of the last sender report's NTP time, 0 if there was none.
    pub last_sender_report: u32,
    /// Delay since it arrived, in 1/65536 s.
    pub delay: u32,
}

impl Reception {
    /// Statistics of a source whose timestamps count `clock_rate` per second.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            sequence: SequenceExtender::default(),
            base: 0,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            origin: None,
            transit: None,
            jitter: 0.0,
            sender_report: None,
        }
    }

    /// Takes note of one packet.
    pub fn on_packet(&mut self, seq: u16, timestamp: u32, arrival: Instant) {
        let extended = self.sequence.extend(seq);
        if self.received == 0 {
            self.base = extended;
        }
        self.base = self.base.min(extended);
        self.received = self.received.saturating_add(1);
        let (start, first) = *self.origin.get_or_insert((arrival, timestamp));
        let elapsed = arrival.saturating_duration_since(start).as_secs_f64();
        // Signed distance of timestamps: they wrap too.
        let media = f64::from(timestamp.wrapping_sub(first).cast_signed());
        let transit = elapsed * f64::from(self.clock_rate) - media;
        if let Some(last) = self.transit.replace(transit) {
            let difference = (transit - last).abs();
            // A source that jumps in time says nothing about the network.
            if difference < f64::from(self.clock_rate) {
                self.jitter += (difference - self.jitter) / 16.0;
            }
        }
    }

    /// Takes note of a sender report: the middle 32 bits of its NTP time.
    pub const fn on_sender_report(&mut self, ntp_middle: u32, arrival: Instant) {
        self.sender_report = Some((ntp_middle, arrival));
    }

    /// Packets received.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets that should have come by now and did not.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// Interarrival jitter.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter / f64::from(self.clock_rate.max(1)))
    }

    /// The next report block; calling it starts a new reporting interval.
    #[must_use]
    pub fn block(&mut self, now: Instant) -> Block {
        let expected = self.expected();
        let expected_now = expected.saturating_sub(self.expected_prior);
        let received_now = self.received.saturating_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = lost_now.saturating_mul(256).checked_div(expected_now).unwrap_or(0);
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(middle, at)| {
            let delay = now.saturating_duration_since(at).as_secs_f64() * 65_536.0;
            (middle, delay as u32)
        });
        Block {
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            total_lost: u32::try_from(self.lost()).unwrap_or(u32::MAX).min(0x7f_ffff),
            // The wire counts from cycle 0, we count from cycle 1.
            highest: (self.sequence.highest().unwrap_or(0).wrapping_sub(1 << 16) & 0xffff_ffff)
                as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay,
        }
    }

    /// Whether packets came since the last block.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.received > self.received_prior
    }

    fn expected(&self) -> u64 {
        self.sequence
            .highest()
            .map_or(0, |highest| highest.saturating_sub(self.base).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(reception: &mut Reception, start: Instant, packets: impl IntoIterator<Item = u16>) {
        for seq in packets {
            let at = start + Duration::from_millis(20) * u32::from(seq);
            reception.on_packet(seq, u32::from(seq) * 960, at);
        }
    }

    #[test]
    fn loss_is_counted_per_interval_and_in_all() {
        let start = Instant::now();
        let mut reception = Reception::new(48_000);
        feed(&mut reception, start, (0..100).filter(|seq| seq % 4 != 1));
        let block = reception.block(start);
        assert_eq!((block.fraction_lost, block.total_lost, block.highest), (64, 25, 99));
        feed(&mut reception, start, 100..200);
        let block = reception.block(start);
        assert_eq!((block.fraction_lost, block.total_lost, block.highest), (0, 25, 199));
        assert!(!reception.is_active());
    }

    #[test]
    fn a_steady_source_has_no_jitter_and_an_uneven_one_has() {
        let start = Instant::now();
        let mut steady = Reception::new(48_000);
        feed(&mut steady, start, 0..50);
        assert!(steady.jitter() < Duration::from_micros(10));
        let mut uneven = Reception::new(48_000);
        for seq in 0..200u16 {
            let late = Duration::from_millis(if seq % 2 == 0 { 0 } else { 10 });
            let at = start + Duration::from_millis(20) * u32::from(seq) + late;
            uneven.on_packet(seq, u32::from(seq) * 960, at);
        }
        let jitter = uneven.jitter().as_secs_f64();
        assert!((0.009..0.011).contains(&jitter), "{jitter}");
    }

    #[test]
    fn the_delay_since_the_sender_report_is_told() {
        let start = Instant::now();
        let mut reception = Reception::new(48_000);
        reception.on_sender_report(7, start);
        let block = reception.block(start + Duration::from_millis(500));
        assert_eq!((block.last_sender_report, block.delay), (7, 32_768));
    }
}
