//! How loud it is.

use crate::model::Level;

/// Samples measured at once (streams.md §12.1).
const BLOCK: usize = 128;
/// Weight of the newest block.
const ATTACK: f32 = 0.3;
/// How long the peak stays up, in samples: one second.
const PEAK_HOLD: usize = 48_000;
/// Decibels by which the peak then falls with each block: 20 dB a second.
const PEAK_FALL_DB: f32 = 20.0 * BLOCK as f32 / 48_000.0;

/// Level meter for 48 kHz mono: a smoothed RMS, and a peak that stays up for a second.
///
/// The smoothing is the one that v2.7 clients use, so that the level byte of a frame means
/// the same to them.
#[derive(Clone, Debug)]
pub struct Meter {
    square_sum: f32,
    block_peak: f32,
    filled: usize,
    smoothed: f32,
    peak: Level,
    peak_age: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    /// A meter at rest.
    #[must_use]
    pub fn new() -> Self {
        Self {
            square_sum: 0.0,
            block_peak: 0.0,
            filled: 0,
            smoothed: 0.0,
            peak: Level::FLOOR,
            peak_age: 0,
        }
    }

    /// Measures `samples`; any number at a time gives the same result.
    pub fn measure(&mut self, samples: &[f32]) {
        for &sample in samples {
            self.square_sum += sample * sample;
            self.block_peak = self.block_peak.max(sample.abs());
            self.filled += 1;
            if self.filled == BLOCK {
                self.finish_block();
            }
        }
    }

    /// Smoothed RMS level.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_rms(self.smoothed)
    }

    /// Highest sample of the last second, falling after that.
    #[must_use]
    pub fn peak(&self) -> Level {
        self.peak
    }

    fn finish_block(&mut self) {
        let rms = (self.square_sum / BLOCK as f32).sqrt();
        self.smoothed = ATTACK * rms + (1.0 - ATTACK) * self.smoothed;
        if !self.smoothed.is_finite() {
            self.smoothed = 0.0;
        }
        let block_peak = Level::from_rms(self.block_peak);
        if block_peak >= self.peak {
            self.peak = block_peak;
            self.peak_age = 0;
        } else if self.peak_age >= PEAK_HOLD {
            self.peak = Level::from_dbfs((self.peak.dbfs() - PEAK_FALL_DB).max(block_peak.dbfs()));
        } else {
            self.peak_age += BLOCK;
        }
        self.square_sum = 0.0;
        self.block_peak = 0.0;
        self.filled = 0;
    }
}

/// RMS of `samples`, not smoothed.
#[must_use]
pub fn rms(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    (sum / samples.len() as f32).sqrt()
}
