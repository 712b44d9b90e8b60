//! Devices made of arithmetic: what tests, demonstrations and headless machines use.

use std::f64::consts::TAU;
use std::time::Duration;
use std::time::Instant;

use super::audio::AudioInput;
use super::audio::AudioOutput;
use super::error::DeviceError;
use crate::media::frame::SAMPLE_RATE;

/// Amplitude of the tone: half of full scale, -9 dBFS.
const TONE_AMPLITUDE: f64 = 0.5;
/// Most time made up for at once. A process that was stopped for an hour goes on from there.
const MAX_CATCH_UP: Duration = Duration::from_secs(60);

/// Turns elapsed time into samples: over any stretch exactly 48000 of them for each second.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    start: Option<Instant>,
    done: u64,
}

impl Pacer {
    /// Samples that are due at `now`; the first call starts the clock.
    pub(super) fn due(&mut self, now: Instant) -> usize {
        let start = *self.start.get_or_insert(now);
        let elapsed = now.saturating_duration_since(start);
        let total = samples(elapsed);
        let due = total.saturating_sub(self.done);
        let most = samples(MAX_CATCH_UP);
        if due > most {
            self.done = total - most;
        }
        usize::try_from(due.min(most)).unwrap_or(usize::MAX)
    }

    /// Counts samples as dealt with.
    pub(super) fn advance(&mut self, samples: usize) {
        self.done = self.done.saturating_add(u64::try_from(samples).unwrap_or(u64::MAX));
    }

    /// Samples dealt with so far.
    pub(super) fn done(&self) -> u64 {
        self.done
    }
}

fn samples(time: Duration) -> u64 {
    let samples = time.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000;
    u64::try_from(samples).unwrap_or(u64::MAX)
}

/// A sine.
#[derive(Debug)]
pub(super) struct ToneInput {
    pacer: Pacer,
    hertz: f64,
}

impl ToneInput {
    pub(super) fn new(hertz: f32) -> Self {
        Self { pacer: Pacer::default(), hertz: f64::from(hertz) }
    }
}

impl AudioInput for ToneInput {
    fn read(&mut self, now: Instant, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let due = self.pacer.due(now);
        let first = self.pacer.done();
        out.extend((first..).take(due).map(|index| {
            // Whole turns are taken off first, or an hour-long tone would lose its pitch.
            let turns = (index as f64 * self.hertz / f64::from(SAMPLE_RATE)).fract();
            #[expect(clippy::cast_possible_truncation, reason = "within -1 to 1")]
            let sample = (TONE_AMPLITUDE * (TAU * turns).sin()) as f32;
            sample
        }));
        self.pacer.advance(due);
        Ok(())
    }

    fn is_processed(&self) -> bool {
        true
    }
}

/// Digital silence.
#[derive(Debug, Default)]
pub(super) struct SilenceInput {
    pacer: Pacer,
}

impl AudioInput for SilenceInput {
    fn read(&mut self, now: Instant, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let due = self.pacer.due(now);
        out.resize(out.len() + due, 0.0);
        self.pacer.advance(due);
        Ok(())
    }

    fn is_processed(&self) -> bool {
        true
    }
}

/// Takes samples at the pace of the clock and forgets them.
#[derive(Debug, Default)]
pub(super) struct NullOutput {
    pacer: Pacer,
}

impl AudioOutput for NullOutput {
    fn wanted(&mut self, now: Instant) -> usize {
        self.pacer.due(now)
    }

    fn write(&mut self, samples: &[f32]) -> Result<(), DeviceError> {
        self.pacer.advance(samples.len());
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}
