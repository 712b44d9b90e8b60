//! A volume that changes without clicks.

/// Samples over which a change is spread: 20 ms.
const RAMP: f32 = 960.0;

/// Scales samples; at unity they pass bit for bit.
#[derive(Clone, Debug)]
pub struct Gain {
    current: f32,
    target: f32,
    step: f32,
}

impl Default for Gain {
    fn default() -> Self {
        Self::new()
    }
}

impl Gain {
    /// Unity gain.
    #[must_use]
    pub const fn new() -> Self {
        Self { current: 1.0, target: 1.0, step: 0.0 }
    }

    /// Moves to `factor` within 20 ms; negative factors and NaN count as 0.
    pub fn set(&mut self, factor: f32) {
        self.target = if factor > 0.0 { factor } else { 0.0 };
        self.step = (self.target - self.current) / RAMP;
    }

    /// Moves to `db` decibels within 20 ms.
    pub fn set_db(&mut self, db: f32) {
        self.set(10f32.powf(db / 20.0));
    }

    /// Scales `samples`.
    pub fn apply(&mut self, samples: &mut [f32]) {
        for sample in samples {
            if self.current != self.target {
                self.current += self.step;
                let arrived = (self.target - self.current) * self.step <= 0.0;
                if arrived {
                    self.current = self.target;
                }
            }
            if self.current != 1.0 {
                *sample *= self.current;
            }
        }
    }
}
