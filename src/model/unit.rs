//! Quantities with their unit in the type.

use std::fmt;

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bitrate(pub u32);

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A sound level in dBFS: 0 is a full-scale square wave, [`Level::FLOOR`] is silence.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Level(f32);

impl Level {
    /// The lowest level there is: digital silence.
    pub const FLOOR: Self = Self(-100.0);
    /// What a muted sender reports (streams.md §12.1).
    pub const MUTED: Self = Self(-99.0);

    /// A level of `dbfs` decibels, held within -100 to 0; NaN counts as silence.
    #[must_use]
    pub fn from_dbfs(dbfs: f32) -> Self {
        if dbfs.is_nan() { Self::FLOOR } else { Self(dbfs.clamp(-100.0, 0.0)) }
    }

    /// The level of a signal whose root mean square is `rms`, full scale being 1.
    #[must_use]
    pub fn from_rms(rms: f32) -> Self {
        Self::from_dbfs(20.0 * rms.max(1e-8).log10())
    }

    /// Decibels relative to full scale, -100 to 0.
    #[must_use]
    pub const fn dbfs(self) -> f32 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::FLOOR
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} dBFS", self.0)
    }
}
