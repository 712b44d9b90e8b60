//! A picture that is made of cells, and what such cells look like.

use ratatui::buffer::Cell;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::style::Modifier;

use super::color;
use super::color::Rgb;

/// Tells cells of pictures from text. No terminal has such an attribute; every style of a
/// theme takes it away, so that whatever is written over a picture is text again.
pub const MARK: Modifier = Modifier::from_bits_retain(1 << 15);

/// Blocks by the quarters that they fill: 1 upper left, 2 upper right, 4 and 8 below.
pub const QUADRANTS: [char; 16] =
    [' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█'];

/// ASCII characters, each a little brighter than the one before.
pub const RAMP: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// Quarters of the upper half.
pub const UPPER: u8 = 0b0011;
/// Quarters of the lower half.
pub const LOWER: u8 = 0b1100;
/// All quarters.
pub const FULL: u8 = 0b1111;

/// Colours of a terminal that has not been told any: light on dark, as most are.
const DEFAULTS: (Rgb, Rgb) = ([229, 229, 229], [0, 0, 0]);

/// One cell of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureCell {
    /// The symbol; one column wide.
    pub symbol: char,
    /// Colour of what the symbol fills.
    pub fg: Color,
    /// Colour of the rest.
    pub bg: Color,
}

/// A picture that is made of cells. Not larger than what was asked for, often smaller: the
/// shape of the picture is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellPicture {
    width: u16,
    cells: Vec<PictureCell>,
}

impl CellPicture {
    /// A picture of rows of `width` cells.
    #[must_use]
    pub(super) const fn new(width: u16, cells: Vec<PictureCell>) -> Self {
        Self { width, cells }
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u16 {
        let rows = self.cells.len() / usize::from(self.width.max(1));
        u16::try_from(rows).unwrap_or(u16::MAX)
    }

    /// The cells, row by row.
    pub fn rows(&self) -> impl Iterator<Item = &[PictureCell]> {
        self.cells.chunks_exact(usize::from(self.width.max(1)))
    }

    /// Where it lies in an area: in the middle.
    #[must_use]
    pub fn place(&self, area: Rect) -> Rect {
        let (width, height) = (self.width.min(area.width), self.height().min(area.height));
        let x = area.x + (area.width - width) / 2;
        let y = area.y + (area.height - height) / 2;
        Rect { x, y, width, height }
    }
}

/// The quarters that a block fills; `None` for any other symbol.
#[must_use]
pub fn quarters(symbol: &str) -> Option<u8> {
    match *symbol.as_bytes() {
        [b' '] => Some(0),
        [0xe2, 0x96, low] => match low {
            0x80 => Some(UPPER),
            0x84 => Some(LOWER),
            0x88 => Some(FULL),
            0x8c => Some(0b0101),
            0x90 => Some(0b1010),
            0x96 => Some(0b0100),
            0x97 => Some(0b1000),
            0x98 => Some(0b0001),
            0x99 => Some(0b1101),
            0x9a => Some(0b1001),
            0x9b => Some(0b0111),
            0x9c => Some(0b1011),
            0x9d => Some(0b0010),
            0x9e => Some(0b0110),
            0x9f => Some(0b1110),
            _ => None,
        },
        _ => None,
    }
}

/// The colours of the four quarters of a cell, as far as a symbol is made of such.
#[must_use]
pub fn look(cell: &Cell) -> [Rgb; 4] {
    let (fg, bg) = (color::to_rgb(cell.fg, DEFAULTS.0), color::to_rgb(cell.bg, DEFAULTS.1));
    let symbol = cell.symbol();
    let Some(filled) = quarters(symbol) else {
        let level = RAMP.iter().position(|ramp| symbol.chars().eq([*ramp])).unwrap_or(0);
        let mix = |fg: u8, bg: u8| {
            let (level, most) = (level as u16, RAMP.len() as u16 - 1);
            ((u16::from(fg) * level + u16::from(bg) * (most - level)) / most) as u8
        };
        return [[mix(fg[0], bg[0]), mix(fg[1], bg[1]), mix(fg[2], bg[2])]; 4];
    };
    [1, 2, 4, 8].map(|quarter| if filled & quarter == 0 { bg } else { fg })
}

/// How far two colours are apart: the largest difference of a channel.
#[must_use]
pub fn apart(one: Rgb, other: Rgb) -> u8 {
    let [r, g, b] = [0, 1, 2].map(|channel: usize| one[channel].abs_diff(other[channel]));
    r.max(g).max(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_is_known_by_its_quarters() {
        for (filled, symbol) in (0..).zip(QUADRANTS) {
            assert_eq!(quarters(&symbol.to_string()), Some(filled), "{symbol}");
        }
        assert_eq!(quarters("x"), None);
        assert_eq!(quarters("▁"), None);
        assert_eq!(quarters(""), None);
    }

    #[test]
    fn a_mark_is_no_attribute_of_terminals() {
        assert!(!Modifier::all().intersects(MARK));
    }
}
