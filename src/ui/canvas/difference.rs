//! How far a cell of a picture is from what the terminal shows in its place.

use ratatui::buffer::Cell;
use ratatui::style::Color;

use crate::ui::picture::MARK;
use crate::ui::picture::cell;
use crate::ui::picture::cell::FULL;
use crate::ui::picture::cell::UPPER;
use crate::ui::picture::color::Rgb;

/// Nothing can be further apart: the terminal shows text there, or nobody knows what.
pub const UNKNOWN: u8 = u8::MAX;

/// The cell belongs to a picture.
#[must_use]
pub const fn is_picture(cell: &Cell) -> bool {
    cell.modifier.contains(MARK)
}

/// The largest difference of a channel of any quarter; 0 if they look the same.
#[must_use]
pub fn difference(shown: &Cell, wanted: &Cell) -> u8 {
    if !is_picture(shown) {
        return UNKNOWN;
    }
    if shown.fg == wanted.fg && shown.bg == wanted.bg && shown.symbol() == wanted.symbol() {
        return 0;
    }
    let quarters = cell::look(shown).into_iter().zip(cell::look(wanted));
    quarters.map(|(shown, wanted)| cell::apart(shown, wanted)).max().unwrap_or(0)
}

/// The looks of a cell of blocks in true colour, in one number: cells that look the same have
/// the same, whichever symbol they are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone(u64);

impl Tone {
    /// No such cell.
    pub const NONE: Self = Self(0);

    /// The looks of a cell; [`NONE`](Self::NONE) if it is another kind of cell.
    #[must_use]
    pub fn of(cell: &Cell) -> Self {
        let (Color::Rgb(r, g, b), Color::Rgb(red, green, blue)) = (cell.fg, cell.bg) else {
            return Self::NONE;
        };
        match cell::quarters(cell.symbol()) {
            Some(filled) => Self::new(filled, [r, g, b], [red, green, blue]),
            None => Self::NONE,
        }
    }

    /// Looks of a block in two colours. The upper left quarter counts as filled, so that a block
    /// and its inverse are the same.
    #[must_use]
    pub const fn new(filled: u8, fg: Rgb, bg: Rgb) -> Self {
        let (filled, fg, bg) = if filled & 1 == 1 { (filled, fg, bg) } else { (!filled, bg, fg) };
        let (fg, bg) = (pack(fg), pack(bg));
        let (filled, bg) =
            if filled & FULL == FULL || fg == bg { (FULL, fg) } else { (filled & FULL, bg) };
        Self((filled as u64) << 48 | fg << 24 | bg)
    }

    /// The quarters that are of the first colour.
    #[must_use]
    pub const fn filled(self) -> u8 {
        (self.0 >> 48) as u8
    }

    /// The first colour.
    #[must_use]
    pub const fn fg(self) -> Rgb {
        unpack(self.0 >> 24)
    }

    /// The other colour.
    #[must_use]
    pub const fn bg(self) -> Rgb {
        unpack(self.0)
    }

    /// As a number.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The largest difference of a channel of any quarter.
    #[must_use]
    pub fn apart(self, other: Self) -> u8 {
        if self == other {
            return 0;
        }
        let plain = |filled| filled == FULL || filled == UPPER;
        if plain(self.filled()) && plain(other.filled()) {
            let upper = cell::apart(self.fg(), other.fg());
            return upper.max(cell::apart(self.bg(), other.bg()));
        }
        let color = |tone: Self, quarter: u8| {
            if tone.filled() >> quarter & 1 == 1 { tone.fg() } else { tone.bg() }
        };
        let quarters = (0..4).map(|at| cell::apart(color(self, at), color(other, at)));
        quarters.max().unwrap_or(0)
    }
}

const fn pack([r, g, b]: Rgb) -> u64 {
    (r as u64) << 16 | (g as u64) << 8 | b as u64
}

const fn unpack(bits: u64) -> Rgb {
    [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]
}

/// A number that is different for a different cell, with luck.
#[must_use]
pub fn digest(cell: &Cell) -> u64 {
    let symbol = cell.symbol().as_bytes().last().copied().unwrap_or(0);
    u64::from(symbol) << 56 ^ color(cell.fg) << 28 ^ color(cell.bg)
}

fn color(color: Color) -> u64 {
    match color {
        Color::Rgb(r, g, b) => u64::from(r) << 16 | u64::from(g) << 8 | u64::from(b),
        Color::Indexed(index) => 1 << 24 | u64::from(index),
        Color::Reset => 2 << 24,
        Color::Black => 3 << 24,
        Color::Red => 4 << 24,
        Color::Green => 5 << 24,
        Color::Yellow => 6 << 24,
        Color::Blue => 7 << 24,
        Color::Magenta => 8 << 24,
        Color::Cyan => 9 << 24,
        Color::Gray => 10 << 24,
        Color::DarkGray => 11 << 24,
        Color::LightRed => 12 << 24,
        Color::LightGreen => 13 << 24,
        Color::LightYellow => 14 << 24,
        Color::LightBlue => 15 << 24,
        Color::LightMagenta => 15 << 24 | 1,
        Color::LightCyan => 15 << 24 | 2,
        Color::White => 15 << 24 | 3,
    }
}
