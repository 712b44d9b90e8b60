//! Meters of both ends and what the statistics of the call come to.

use std::time::Duration;
use std::time::Instant;

use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::ui::widget::meter::MeterState;

/// Statistics that follow each other faster than this are not turned into a rate.
const RATE_INTERVAL: Duration = Duration::from_millis(500);

/// Delays below this are all the same to a conversation: a quarter of a frame. They show as
/// "less than" it.
pub const SMALL_MS: u32 = 5;

/// A rate that differs by less is the same to the eye, in kbit/s: a word more or less in a
/// second of speech.
const RATE_BAND: f64 = 4.0;

/// Meters and statistics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LevelsState {
    /// Own microphone.
    pub microphone: MeterState,
    /// The microphone delivers speech.
    pub speaking: bool,
    /// What goes to the loudspeaker.
    pub output: MeterState,
    shown: Option<Shown>,
    last: Option<(Instant, CallStats)>,
}

/// Statistics in the resolution of the screen, so that noise below it changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Round trip in milliseconds; anything below [`SMALL_MS`] is small.
    pub rtt_ms: Option<u32>,
    /// Jitter in milliseconds; anything below [`SMALL_MS`] is small.
    pub jitter_ms: u32,
    /// Packets that never came since the last look, in tenths of a percent.
    pub loss_per_mille: u32,
    /// Sound invented so far, in tenths of a second.
    pub concealed_ds: u64,
    /// Frames that did not authenticate.
    pub dropped: u64,
    /// Received, in kbit/s, or about that.
    pub down_kbit: u64,
    /// Sent, in kbit/s, or about that.
    pub up_kbit: u64,
}

impl LevelsState {
    /// What the statistics come to; `None` until there are any.
    #[must_use]
    pub const fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref()
    }

    /// Takes new levels; true if the picture changes.
    pub fn set_levels(&mut self, levels: &AudioLevels, now: Instant) -> bool {
        let mut changed = self.output.set(levels.output, now);
        if let Some(own) = levels.levels.iter().find(|level| level.stream.is_none()) {
            changed |= self.microphone.set(own.level, now) | (self.speaking != own.speaking);
            self.speaking = own.speaking;
        }
        changed
    }

    /// Takes new statistics; true if the picture changes.
    pub fn set_stats(&mut self, stats: CallStats, now: Instant) -> bool {
        let before = self.shown;
        let (mut down, mut up) = before.map(|s| (s.down_kbit, s.up_kbit)).unwrap_or_default();
        let mut loss = before.map(|s| s.loss_per_mille).unwrap_or_default();
        match &self.last {
            Some((at, last)) if now.saturating_duration_since(*at) >= RATE_INTERVAL => {
                let ms = now.saturating_duration_since(*at).as_millis().max(1) as f64;
                let kbit = |bytes: u64| bytes.saturating_mul(8) as f64 / ms;
                let received = stats.bytes.saturating_sub(last.bytes);
                let sent = stats.bytes_sent.saturating_sub(last.bytes_sent);
                down = rate(before.map(|shown| shown.down_kbit), kbit(received));
                up = rate(before.map(|shown| shown.up_kbit), kbit(sent));
                let lost = stats.lost.saturating_sub(last.lost);
                let came = stats.packets.saturating_sub(last.packets);
                let all = lost.saturating_add(came);
                loss = (lost.saturating_mul(1000)).checked_div(all).unwrap_or(0) as u32;
                self.last = Some((now, stats.clone()));
            }
            Some(_) => {}
            None => self.last = Some((now, stats.clone())),
        }
        self.shown = Some(Shown {
            rtt_ms: stats.rtt_ms.map(|ms| delay(before.and_then(|shown| shown.rtt_ms), ms)),
            jitter_ms: delay(before.map(|shown| shown.jitter_ms), stats.jitter_ms),
            loss_per_mille: loss,
            concealed_ds: stats.concealed_ms / 100,
            dropped: stats.dropped_unauthenticated,
            down_kbit: down,
            up_kbit: up,
        });
        before != self.shown
    }

    /// The call is over.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Lets peaks sink; true if the picture changes.
    pub fn advance(&mut self, now: Instant) -> bool {
        self.microphone.advance(now) | self.output.advance(now)
    }

    /// When a peak sinks next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        [self.microphone.deadline(), self.output.deadline()].into_iter().flatten().min()
    }
}

/// Whole milliseconds of a delay, all small ones being one.
fn delay(shown: Option<u32>, measured: f64) -> u32 {
    let small = SMALL_MS - 1;
    steady(shown.map(u64::from), measured.max(f64::from(small)), 1.0) as u32
}

/// Whole kbit/s of a rate. Nothing at all is always said.
fn rate(shown: Option<u64>, measured: f64) -> u64 {
    steady(shown.filter(|_| measured > 0.0), measured, RATE_BAND)
}

/// A figure that does not flicker: what is shown stays until a measurement differs by
/// `band`, or by an eighth where that is more.
fn steady(shown: Option<u64>, measured: f64, band: f64) -> u64 {
    match shown.map(|shown| (shown, shown as f64)) {
        Some((shown, near)) if (measured - near).abs() < band.max(near / 8.0) => shown,
        _ => measured.round() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_delays_are_one() {
        let series = [(0.2, 4), (1.6, 4), (3.9, 4), (4.8, 4), (5.2, 5), (4.4, 5), (3.0, 4)];
        let mut shown = None;
        for (measured, expected) in series {
            shown = Some(delay(shown, measured));
            assert_eq!(shown, Some(expected), "{measured}");
        }
    }

    #[test]
    fn figures_follow_changes_and_not_noise() {
        let series = [(80.0, 80), (89.0, 80), (71.0, 80), (91.0, 91), (300.0, 300), (23.4, 23)];
        let mut shown = None;
        for (measured, expected) in series {
            shown = Some(delay(shown, measured));
            assert_eq!(shown, Some(expected), "{measured}");
        }
    }

    #[test]
    fn a_rate_of_nothing_is_said() {
        let series = [(0.0, 0), (1.2, 0), (3.9, 0), (30.0, 30), (33.0, 30), (3.0, 3), (0.0, 0)];
        let mut shown = None;
        for (measured, expected) in series {
            shown = Some(rate(shown, measured));
            assert_eq!(shown, Some(expected), "{measured}");
        }
    }
}
