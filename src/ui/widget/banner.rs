//! Block letters, three pixels by five, for initials and the wordmark.
//!
//! With half blocks a letter is three cells wide and three high, in ASCII three by five.
//! Only letters and digits of the Latin alphabet have a shape; [`has_shape`] tells.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// Columns per letter, with the gap that follows it.
const ADVANCE: u16 = 4;

/// Rows of pixels of a letter.
const PIXEL_ROWS: usize = 5;

/// Shapes: five rows of three pixels, the highest bit at the left.
const SHAPES: &[(char, [u8; PIXEL_ROWS])] = &[
    ('A', [0b010, 0b101, 0b111, 0b101, 0b101]),
    ('B', [0b110, 0b101, 0b110, 0b101, 0b110]),
    ('C', [0b011, 0b100, 0b100, 0b100, 0b011]),
    ('D', [0b110, 0b101, 0b101, 0b101, 0b110]),
    ('E', [0b111, 0b100, 0b110, 0b100, 0b111]),
    ('F', [0b111, 0b100, 0b110, 0b100, 0b100]),
    ('G', [0b011, 0b100, 0b101, 0b101, 0b011]),
    ('H', [0b101, 0b101, 0b111, 0b101, 0b101]),
    ('I', [0b111, 0b010, 0b010, 0b010, 0b111]),
    ('J', [0b001, 0b001, 0b001, 0b101, 0b010]),
    ('K', [0b101, 0b101, 0b110, 0b101, 0b101]),
    ('L', [0b100, 0b100, 0b100, 0b100, 0b111]),
    ('M', [0b101, 0b111, 0b111, 0b101, 0b101]),
    ('N', [0b110, 0b101, 0b101, 0b101, 0b101]),
    ('O', [0b010, 0b101, 0b101, 0b101, 0b010]),
    ('P', [0b110, 0b101, 0b110, 0b100, 0b100]),
    ('Q', [0b010, 0b101, 0b101, 0b010, 0b001]),
    ('R', [0b110, 0b101, 0b110, 0b101, 0b101]),
    ('S', [0b011, 0b100, 0b010, 0b001, 0b110]),
    ('T', [0b111, 0b010, 0b010, 0b010, 0b010]),
    ('U', [0b101, 0b101, 0b101, 0b101, 0b111]),
    ('V', [0b101, 0b101, 0b101, 0b101, 0b010]),
    ('W', [0b101, 0b101, 0b111, 0b111, 0b101]),
    ('X', [0b101, 0b101, 0b010, 0b101, 0b101]),
    ('Y', [0b101, 0b101, 0b010, 0b010, 0b010]),
    ('Z', [0b111, 0b001, 0b010, 0b100, 0b111]),
    ('0', [0b111, 0b101, 0b101, 0b101, 0b111]),
    ('1', [0b010, 0b110, 0b010, 0b010, 0b111]),
    ('2', [0b110, 0b001, 0b010, 0b100, 0b111]),
    ('3', [0b110, 0b001, 0b010, 0b001, 0b110]),
    ('4', [0b101, 0b101, 0b111, 0b001, 0b001]),
    ('5', [0b111, 0b100, 0b110, 0b001, 0b110]),
    ('6', [0b011, 0b100, 0b110, 0b101, 0b010]),
    ('7', [0b111, 0b001, 0b010, 0b010, 0b010]),
    ('8', [0b010, 0b101, 0b010, 0b101, 0b010]),
    ('9', [0b010, 0b101, 0b011, 0b001, 0b110]),
];

/// Draws `text` in block letters from the upper left corner of its area.
pub struct Banner<'a> {
    /// What to write; characters without a shape are left out.
    pub text: &'a str,
    /// Colour.
    pub role: Role,
    /// How it looks.
    pub theme: &'a Theme,
}

impl Banner<'_> {
    /// Columns and rows that `text` takes.
    #[must_use]
    pub fn size(text: &str, theme: &Theme) -> (u16, u16) {
        let letters = text.chars().filter(|letter| has_shape(*letter)).count();
        let width = u16::try_from(letters).unwrap_or(u16::MAX).saturating_mul(ADVANCE);
        (width.saturating_sub(1), if theme.glyphs().half_blocks { 3 } else { 5 })
    }
}

impl Widget for Banner<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(*buf.area());
        let shapes = self.text.chars().filter_map(shape);
        for (shape, x) in shapes.zip((area.x..area.right()).step_by(usize::from(ADVANCE))) {
            for (index, row) in area.rows().enumerate() {
                for column in 0..3 {
                    let symbol = self.symbol(&shape, index, column);
                    let position = (x + column, row.y);
                    if let Some((symbol, cell)) = symbol.zip(buf.cell_mut(position))
                        && position.0 < area.right()
                    {
                        cell.set_symbol(symbol).set_style(self.theme.style(self.role));
                    }
                }
            }
        }
    }
}

impl Banner<'_> {
    fn symbol(&self, shape: &[u8; PIXEL_ROWS], row: usize, column: u16) -> Option<&'static str> {
        let lit = |row: usize| shape.get(row).is_some_and(|bits| bits & (0b100 >> column) != 0);
        let [upper, lower, both] = self.theme.glyphs().blocks;
        if !self.theme.glyphs().half_blocks {
            return lit(row).then_some(both);
        }
        match (lit(row * 2), lit(row * 2 + 1)) {
            (true, true) => Some(both),
            (true, false) => Some(upper),
            (false, true) => Some(lower),
            (false, false) => None,
        }
    }
}

/// Whether a letter can be drawn.
#[must_use]
pub fn has_shape(letter: char) -> bool {
    shape(letter).is_some()
}

fn shape(letter: char) -> Option<[u8; PIXEL_ROWS]> {
    let letter = letter.to_ascii_uppercase();
    SHAPES.iter().find(|(known, _)| *known == letter).map(|(_, shape)| *shape)
}
