//! A level meter with peak hold: its ballistics and its picture.
//!
//! Levels arrive up to ten times a second and are never quite the same twice. The meter
//! moves in whole decibels and only when the change is worth a look, so that a steady sound
//! and silence leave the screen alone. A peak that has sunk to the level asks for no
//! further wake-up.

use std::time::Duration;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::model::Level;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// The lower end of the scale in dBFS; what lies below is silence to the eye.
pub const FLOOR_DB: i16 = -60;

/// From here the meter is in its middle zone: speech at a good level peaks here.
const MID_DB: i16 = -18;

/// From here it is too loud: the headroom that is left is less than a shout needs.
const HIGH_DB: i16 = -6;

/// A change smaller than this many decibels is not shown.
const STEP_DB: i16 = 2;

/// How long a peak stays where it was.
const HOLD: Duration = Duration::from_millis(1500);

/// How often a sinking peak moves, and by how many decibels.
const FALL: (Duration, i16) = (Duration::from_millis(100), 3);

/// What a meter shows, in whole decibels.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterState {
    level_db: i16,
    peak_db: i16,
    falls_at: Option<Instant>,
}

impl Default for MeterState {
    fn default() -> Self {
        Self { level_db: FLOOR_DB, peak_db: FLOOR_DB, falls_at: None }
    }
}

impl MeterState {
    /// Takes a new level; true if the picture changes.
    pub fn set(&mut self, level: Level, now: Instant) -> bool {
        let before = (self.level_db, self.peak_db);
        let target = (level.dbfs().round() as i16).max(FLOOR_DB);
        if (target - self.level_db).abs() >= STEP_DB || target == FLOOR_DB {
            self.level_db = target;
        }
        if self.level_db >= self.peak_db && self.level_db > FLOOR_DB {
            self.peak_db = self.level_db;
            self.falls_at = Some(now + HOLD);
        } else if self.peak_db > self.level_db && self.falls_at.is_none() {
            self.falls_at = Some(now + HOLD);
        }
        before != (self.level_db, self.peak_db)
    }

    /// Lets the peak sink as far as `now` says; true if the picture changes.
    pub fn advance(&mut self, now: Instant) -> bool {
        let before = self.peak_db;
        while let Some(at) = self.falls_at.filter(|at| *at <= now) {
            self.peak_db = (self.peak_db - FALL.1).max(self.level_db);
            self.falls_at = (self.peak_db > self.level_db).then_some(at + FALL.0);
        }
        before != self.peak_db
    }

    /// When [`advance`](Self::advance) has something to do; `None` once the peak has settled.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.falls_at.filter(|_| self.peak_db > self.level_db)
    }

    /// Level in dBFS.
    #[must_use]
    pub const fn level_db(&self) -> i16 {
        self.level_db
    }

    /// Held peak in dBFS.
    #[must_use]
    pub const fn peak_db(&self) -> i16 {
        self.peak_db
    }

    /// Nothing is heard.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.level_db <= FLOOR_DB
    }
}

/// Draws a meter over the first row of its area.
pub struct Meter<'a> {
    /// What it shows.
    pub state: &'a MeterState,
    /// Drawn empty, whatever the level is.
    pub off: bool,
    /// How it looks.
    pub theme: &'a Theme,
}

impl Widget for Meter<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let [full, empty, peak_mark] = self.theme.glyphs().meter;
        let lit = if self.off { 0 } else { cells(self.state.level_db, area.width) };
        let peak = if self.off { 0 } else { cells(self.state.peak_db, area.width) };
        for (index, position) in area.rows().take(1).flat_map(Rect::positions).enumerate() {
            let index = index as u16;
            let (symbol, role) = if index < lit {
                (full, zone(index, area.width))
            } else if index + 1 == peak {
                (peak_mark, Role::Peak)
            } else {
                (empty, Role::MeterEmpty)
            };
            if let Some(cell) = buf.cell_mut(position) {
                cell.set_symbol(symbol).set_style(self.theme.style(role));
            }
        }
    }
}

/// How many of `width` cells a level fills; anything above the floor fills one.
fn cells(db: i16, width: u16) -> u16 {
    let above = i32::from((db - FLOOR_DB).clamp(0, -FLOOR_DB));
    let span = i32::from(-FLOOR_DB);
    let cells = (above * i32::from(width) + span - 1) / span;
    u16::try_from(cells).unwrap_or(width)
}

/// The colour zone of one cell.
fn zone(index: u16, width: u16) -> Role {
    if index >= cells(HIGH_DB, width) {
        Role::MeterHigh
    } else if index >= cells(MID_DB, width) {
        Role::MeterMid
    } else {
        Role::MeterLow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_held_then_sinks_and_settles() {
        let start = Instant::now();
        let mut meter = MeterState::default();
        assert!(meter.set(Level::from_dbfs(-10.0), start));
        assert!(meter.set(Level::FLOOR, start + Duration::from_millis(100)));
        assert_eq!((meter.level_db(), meter.peak_db()), (FLOOR_DB, -10));
        assert!(!meter.advance(start + Duration::from_millis(1400)));
        let mut steps = 0;
        while let Some(at) = meter.deadline() {
            assert!(meter.advance(at), "a wake-up changes the picture");
            steps += 1;
        }
        assert_eq!((meter.peak_db(), steps), (FLOOR_DB, 17));
    }

    #[test]
    fn a_steady_level_leaves_the_picture_alone() {
        let start = Instant::now();
        let mut meter = MeterState::default();
        meter.set(Level::from_dbfs(-20.0), start);
        for (index, db) in [-19.4, -20.6, -20.9, -19.1].into_iter().enumerate() {
            let now = start + Duration::from_millis(100 * index as u64);
            assert!(!meter.set(Level::from_dbfs(db), now), "{db}");
        }
    }

    #[test]
    fn cells_cover_the_scale() {
        assert_eq!(cells(FLOOR_DB, 8), 0);
        assert_eq!(cells(FLOOR_DB + 1, 8), 1);
        assert_eq!(cells(0, 8), 8);
        assert_eq!(cells(-100, 8), 0);
    }
}
