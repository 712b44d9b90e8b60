//! Meters of both ends and what the statistics of the call come to.

use std::time::Duration;
use std::time::Instant;

use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::ui::widget::meter::MeterState;

/// Statistics that follow each other faster than this are not turned into a rate.
const RATE_INTERVAL: Duration = Duration::from_millis(500);

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
    /// Round trip in milliseconds.
    pub rtt_ms: Option<u32>,
    /// Jitter in milliseconds.
    pub jitter_ms: u32,
    /// Packets that never came since the last look, in tenths of a percent.
    pub loss_per_mille: u32,
    /// Sound invented so far, in tenths of a second.
    pub concealed_ds: u64,
    /// Frames that did not authenticate.
    pub dropped: u64,
    /// Received, in kbit/s.
    pub down_kbit: u64,
    /// Sent, in kbit/s.
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
                let ms = now.saturating_duration_since(*at).as_millis().max(1) as u64;
                down = stats.bytes.saturating_sub(last.bytes).saturating_mul(8) / ms;
                up = stats.bytes_sent.saturating_sub(last.bytes_sent).saturating_mul(8) / ms;
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
            rtt_ms: stats.rtt_ms.map(|ms| steady(before.and_then(|shown| shown.rtt_ms), ms)),
            jitter_ms: steady(before.map(|shown| shown.jitter_ms), stats.jitter_ms),
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

/// Whole milliseconds that don't flicker: a measurement between two of them keeps the old one.
fn steady(shown: Option<u32>, measured: f64) -> u32 {
    match shown {
        Some(shown) if (measured - f64::from(shown)).abs() < 1.0 => shown,
        _ => measured.round() as u32,
    }
}
