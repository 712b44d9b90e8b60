//! How far a cell of a picture is from what the terminal shows in its place.

use ratatui::buffer::Cell;
use ratatui::style::Color;

use crate::ui::picture::MARK;
use crate::ui::picture::cell;
use crate::ui::picture::cell::FULL;
use crate::ui::picture::cell::UPPER;
use crate::ui::picture::color::pack;
use crate::ui::picture::color::unpack;

/// Nothing can be further apart: the terminal shows text there, or nobody knows what.
pub const UNKNOWN: u8 = u8::MAX;

/// The cell belongs to a picture.
#[must_use]
#[inline]
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

/// The bits of a [`Tone`] that are channels of colours.
const CHANNELS: u64 = 0xffff_ffff_ffff;

/// The looks of a cell of blocks in true colour, in one number: cells that look the same have
/// the same, whichever symbol they are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone(u64);

impl Tone {
    /// No such cell.
    pub const NONE: Self = Self(0);

    /// The looks of a cell; [`NONE`](Self::NONE) if it is another kind of cell.
    #[must_use]
    #[inline]
    pub fn of(cell: &Cell) -> Self {
        let (Color::Rgb(r, g, b), Color::Rgb(red, green, blue)) = (cell.fg, cell.bg) else {
            return Self::NONE;
        };
        match cell::quarters(cell.symbol()) {
            Some(filled) => Self::new(filled, pack([r, g, b]), pack([red, green, blue])),
            None => Self::NONE,
        }
    }

    /// Looks of a block in two colours, each in one number. The upper left quarter counts as
    /// filled, so that a block and its inverse are the same.
    #[must_use]
    #[inline]
    pub const fn new(filled: u8, fg: u32, bg: u32) -> Self {
        let (filled, fg, bg) = if filled & 1 == 1 { (filled, fg, bg) } else { (!filled, bg, fg) };
        let (filled, bg) =
            if filled & FULL == FULL || fg == bg { (FULL, fg) } else { (filled & FULL, bg) };
        Self((filled as u64) << 48 | (fg as u64) << 24 | bg as u64)
    }

    /// The quarters that are of the first colour.
    #[must_use]
    #[inline]
    pub const fn filled(self) -> u8 {
        (self.0 >> 48) as u8
    }

    /// The first colour, in one number.
    #[must_use]
    #[inline]
    pub const fn fg(self) -> u32 {
        (self.0 >> 24) as u32 & 0xff_ffff
    }

    /// The other colour.
    #[must_use]
    #[inline]
    pub const fn bg(self) -> u32 {
        self.0 as u32 & 0xff_ffff
    }

    /// The largest difference of a channel of any quarter.
    #[must_use]
    #[inline]
    pub fn apart(self, other: Self) -> u8 {
        let plain = |filled| filled == FULL || filled == UPPER;
        if self.filled() == other.filled() || plain(self.filled()) && plain(other.filled()) {
            return most_apart(self.0 & CHANNELS, other.0 & CHANNELS);
        }
        let color = |tone: Self, quarter: u8| {
            unpack(if tone.filled() >> quarter & 1 == 1 { tone.fg() } else { tone.bg() })
        };
        let quarters = (0..4).map(|at| cell::apart(color(self, at), color(other, at)));
        quarters.max().unwrap_or(0)
    }
}

/// The largest difference of a byte of one to that of the other: all eight at once, in two halves
/// of four with a byte between each, which takes the borrow.
fn most_apart(one: u64, other: u64) -> u8 {
    const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
    const BORROW: u64 = 0x0100_0100_0100_0100;
    // How far each byte of `a` is above that of `b`; 0 if it is not.
    let above = |a: u64, b: u64| {
        let difference = (a | BORROW) - b;
        let is_above = (difference & BORROW) >> 8;
        difference & ((is_above << 8) - is_above)
    };
    let apart = |a: u64, b: u64| above(a, b) | above(b, a);
    let larger = |a: u64, b: u64| b + above(a, b);
    let low = apart(one & BYTES, other & BYTES);
    let high = apart(one >> 8 & BYTES, other >> 8 & BYTES);
    let four = larger(low, high);
    let two = larger(four, four >> 32);
    larger(two, two >> 16 & BYTES) as u8
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_bytes_at_once_are_what_each_is_alone(one: u64, other: u64) {
            let bytes = one.to_le_bytes().into_iter().zip(other.to_le_bytes());
            let most = bytes.map(|(one, other)| one.abs_diff(other)).max();
            prop_assert_eq!(Some(most_apart(one, other)), most);
        }
    }
}
