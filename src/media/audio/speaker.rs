//! Who is speaking, told from levels.
//!
//! A speaker is active when the smoothed level stands clear of the noise floor, which is
//! learnt. The rule of the v2.7 web client is kept as [`DetectorConfig::REFERENCE`], for
//! comparison; [`DetectorConfig::DEFAULT`] mends what is wrong with it (streams.md §12.3):
//! its floor could stick far too low or far too high, and its hold did not hold.

use std::time::Duration;

use crate::model::Level;

/// Numbers of the detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectorConfig {
    /// Weight of the newest level in the smoothed one.
    pub ema_alpha: f32,
    /// How fast the floor follows while nobody speaks and it has to rise.
    pub floor_alpha: f32,
    /// How fast the floor follows when it has to fall.
    pub floor_fall_alpha: f32,
    /// Decibels by which the floor rises with each observation while somebody seems to speak,
    /// so that a fan is not taken for a speaker forever.
    pub floor_creep_db: f32,
    /// The floor starts within these, and never goes below the first.
    pub floor_range_db: (f32, f32),
    /// Decibels above the floor that count as speech.
    pub threshold_db: f32,
    /// How long after the last loud observation a speaker stays active.
    pub hold: Duration,
}

impl DetectorConfig {
    /// For one observation every 20 ms.
    pub const DEFAULT: Self = Self {
        ema_alpha: 0.2,
        floor_alpha: 0.02,
        floor_fall_alpha: 0.5,
        floor_creep_db: 0.04,
        floor_range_db: (-70.0, -45.0),
        threshold_db: 6.0,
        hold: Duration::from_millis(400),
    };

    /// Smoothed level and floor as the v2.7 web client computes them.
    pub const REFERENCE: Self = Self {
        ema_alpha: 0.2,
        floor_alpha: 0.02,
        floor_fall_alpha: 0.02,
        floor_creep_db: 0.0,
        floor_range_db: (-100.0, 0.0),
        threshold_db: 6.0,
        hold: Duration::from_millis(400),
    };
}

/// Tells speech from noise on one track.
#[derive(Clone, Debug)]
pub struct SpeechDetector {
    config: DetectorConfig,
    state: Option<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    ema: f32,
    floor: f32,
    /// Time of the last loud observation.
    last_loud: Option<Duration>,
}

impl Default for SpeechDetector {
    fn default() -> Self {
        Self::new(DetectorConfig::DEFAULT)
    }
}

impl SpeechDetector {
    /// A detector that has heard nothing yet.
    #[must_use]
    pub const fn new(config: DetectorConfig) -> Self {
        Self { config, state: None }
    }

    /// Takes the level at time `at`, which counts from any fixed moment; call it at a fixed rate.
    pub fn observe(&mut self, level: Level, at: Duration) {
        let config = &self.config;
        let level = level.dbfs();
        let (lowest, highest) = config.floor_range_db;
        let first = State { ema: level, floor: level.clamp(lowest, highest), last_loud: None };
        let state = self.state.get_or_insert(first);
        state.ema += config.ema_alpha * (level - state.ema);
        if state.ema < state.floor + config.threshold_db {
            let falls = state.ema < state.floor;
            let alpha = if falls { config.floor_fall_alpha } else { config.floor_alpha };
            state.floor = (state.floor + alpha * (state.ema - state.floor)).max(lowest);
        } else {
            state.floor += config.floor_creep_db;
        }
        if state.ema >= state.floor + config.threshold_db {
            state.last_loud = Some(at);
        }
    }

    /// Somebody speaks, or did so less than the hold time ago.
    #[must_use]
    pub fn is_active(&self, at: Duration) -> bool {
        let last = self.state.and_then(|state| state.last_loud);
        last.is_some_and(|last| at.saturating_sub(last) < self.config.hold)
    }

    /// The smoothed level, in dBFS.
    #[must_use]
    pub fn smoothed_db(&self) -> Option<f32> {
        self.state.map(|state| state.ema)
    }

    /// The learnt noise floor, in dBFS.
    #[must_use]
    pub fn floor_db(&self) -> Option<f32> {
        self.state.map(|state| state.floor)
    }
}
