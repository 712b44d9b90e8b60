//! Writes cells with as few bytes as a terminal understands.
//!
//! Knows where the terminal's cursor is and which colours and attributes are on, and writes
//! only what changes. It uses nothing but absolute and relative cursor moves, SGR and plain
//! characters, which every terminal of the last forty years has.

use ratatui::style::Color;
use ratatui::style::Modifier;

use crate::ui::picture::MARK;
use crate::ui::picture::cell::FULL;
use crate::ui::picture::cell::QUADRANTS;
use crate::ui::picture::color::pack;
use crate::ui::picture::color::unpack;

/// Attributes and their numbers.
const ATTRIBUTES: [(Modifier, u8); 9] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::RAPID_BLINK, 6),
    (Modifier::REVERSED, 7),
    (Modifier::HIDDEN, 8),
    (Modifier::CROSSED_OUT, 9),
];

/// A semicolon and the digits of each byte, and how many bytes that are.
static DIGITS: [([u8; 4], u8); 256] = {
    let mut table = [([0; 4], 0); 256];
    let mut number = 0;
    while number < 256 {
        let [hundreds, tens, ones] = [
            b'0' + (number / 100) as u8,
            b'0' + (number / 10 % 10) as u8,
            b'0' + (number % 10) as u8,
        ];
        table[number] = match number {
            0..10 => ([b';', ones, 0, 0], 2),
            10..100 => ([b';', tens, ones, 0], 3),
            _ => ([b';', hundreds, tens, ones], 4),
        };
        number += 1;
    }
    table
};

/// The text of each of [`QUADRANTS`], and its length.
static BLOCKS: [([u8; 3], u8); 16] = {
    let mut table = [([0; 3], 0); 16];
    let mut filled = 0;
    while filled < 16 {
        let length = QUADRANTS[filled].encode_utf8(&mut table[filled].0).len();
        table[filled].1 = length as u8;
        filled += 1;
    }
    table
};

/// Room for a cell: both colours and a block take at most 39 bytes.
const ROOM: usize = 48;

/// A cell on its way to the bytes.
struct Piece<'a> {
    room: &'a mut [u8],
    end: usize,
}

impl Piece<'_> {
    /// Adds the first `length` of these bytes. All are copied: a fixed number is much faster.
    fn add<const N: usize>(&mut self, bytes: &[u8; N], length: usize) {
        self.room[self.end..self.end + N].copy_from_slice(bytes);
        self.end += length;
    }

    fn channels(&mut self, rgb: u32) {
        for channel in unpack(rgb) {
            let (digits, length) = &DIGITS[usize::from(channel)];
            self.add(digits, usize::from(*length));
        }
    }
}

/// What the terminal is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Where the cursor is; `None` where terminals disagree, after the last column.
    at: Option<(u16, u16)>,
    /// Colour of symbols.
    pub fg: Color,
    /// Colour behind them.
    pub bg: Color,
    modifier: Modifier,
}

impl Setting {
    /// No attributes are on.
    #[must_use]
    pub const fn is_upright(&self) -> bool {
        self.modifier.is_empty()
    }
}

/// Nothing is set.
const PLAIN: Setting =
    Setting { at: None, fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

/// Bytes, and what the terminal is set to after them.
#[derive(Debug)]
pub struct Pen {
    bytes: Vec<u8>,
    setting: Setting,
    width: u16,
}

impl Pen {
    /// A pen for a screen of `width` columns whose colours and attributes are the default, and
    /// room for so many bytes.
    #[must_use]
    pub fn new(width: u16, room: usize) -> Self {
        Self { bytes: Vec::with_capacity(room), setting: PLAIN, width }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What the terminal is set to.
    #[must_use]
    pub const fn setting(&self) -> Setting {
        self.setting
    }

    /// Takes back what has been written since there were `len` bytes and this setting.
    pub fn undo(&mut self, len: usize, setting: Setting) {
        self.bytes.truncate(len);
        self.setting = setting;
    }

    /// Writes a control sequence that neither moves the cursor nor changes colours.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Clears the screen in the default colours.
    pub fn clear(&mut self) {
        self.plain();
        self.raw(b"\x1b[2J");
        self.setting.at = None;
    }

    /// Back to the default colours and attributes.
    pub fn plain(&mut self) {
        let Setting { fg, bg, modifier, .. } = self.setting;
        if fg != Color::Reset || bg != Color::Reset || !modifier.is_empty() {
            self.raw(b"\x1b[m");
        }
        self.setting = Setting { at: self.setting.at, ..PLAIN };
    }

    /// Moves the cursor, the shortest way.
    #[inline]
    pub fn move_to(&mut self, x: u16, y: u16) {
        match self.setting.at {
            Some(at) if at == (x, y) => return,
            Some((column, row)) if row == y && x > column => self.sequence(x - column, b'C'),
            Some((column, row)) if row == y && x + 1 == column => self.raw(b"\x08"),
            Some((column, row)) if column == x && y == row + 1 => self.raw(b"\x1b[B"),
            _ => {
                self.raw(b"\x1b[");
                self.number(y.saturating_add(1));
                if x > 0 {
                    self.raw(b";");
                    self.number(x.saturating_add(1));
                }
                self.raw(b"H");
            }
        }
        self.setting.at = Some((x, y));
    }

    /// Sets colours and attributes.
    pub fn style(&mut self, fg: Color, bg: Color, modifier: Modifier) {
        let modifier = modifier.difference(MARK);
        let mut open = false;
        // Attributes are switched off all at once: the single switches differ between terminals.
        if !self.setting.modifier.difference(modifier).is_empty() {
            self.parameter(&mut open, b"0");
            self.setting = Setting { at: self.setting.at, ..PLAIN };
        }
        let added = modifier.difference(self.setting.modifier);
        if !added.is_empty() {
            for (attribute, number) in ATTRIBUTES {
                if added.contains(attribute) {
                    self.parameter(&mut open, &[b'0' + number]);
                }
            }
        }
        self.setting.modifier = modifier;
        if fg != self.setting.fg {
            self.color(&mut open, fg, 30);
            self.setting.fg = fg;
        }
        if bg != self.setting.bg {
            self.color(&mut open, bg, 40);
            self.setting.bg = bg;
        }
        if open {
            self.raw(b"m");
        }
    }

    /// Writes a symbol of so many columns at the cursor.
    pub fn put(&mut self, symbol: &str, columns: u16) {
        self.raw(symbol.as_bytes());
        self.advance(columns);
    }

    /// The colours that are on, each in one number, as far as they are true colours.
    #[must_use]
    #[inline]
    pub const fn colors(&self) -> (Option<u32>, Option<u32>) {
        (packed(self.setting.fg), packed(self.setting.bg))
    }

    /// Writes a block of one column at the cursor, in two true colours as far as they are not on
    /// yet. Does what [`style`](Self::style) and [`put`](Self::put) do, in one go.
    #[inline]
    pub fn put_block(&mut self, fg: Option<u32>, bg: Option<u32>, filled: u8) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ROOM]);
        let mut piece = Piece { room: &mut self.bytes[start..], end: 0 };
        match (fg, bg) {
            (None, None) => {}
            (Some(fg), None) => {
                piece.add(b"\x1b[38;2", 6);
                piece.channels(fg);
            }
            (None, Some(bg)) => {
                piece.add(b"\x1b[48;2", 6);
                piece.channels(bg);
            }
            (Some(fg), Some(bg)) => {
                piece.add(b"\x1b[38;2", 6);
                piece.channels(fg);
                piece.add(b";48;2", 5);
                piece.channels(bg);
            }
        }
        if piece.end > 0 {
            piece.add(b"m", 1);
        }
        let (block, length) = &BLOCKS[usize::from(filled & FULL)];
        piece.add(block, usize::from(*length));
        let end = start + piece.end;
        self.bytes.truncate(end);
        let set = |rgb| {
            let [r, g, b] = unpack(rgb);
            Color::Rgb(r, g, b)
        };
        self.setting.fg = fg.map_or(self.setting.fg, set);
        self.setting.bg = bg.map_or(self.setting.bg, set);
        self.advance(1);
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    #[inline]
    fn advance(&mut self, columns: u16) {
        self.setting.at = self.setting.at.and_then(|(x, y)| {
            let x = x.saturating_add(columns);
            (x < self.width).then_some((x, y))
        });
    }

    /// A control sequence with a count, which is left out if it is one.
    fn sequence(&mut self, count: u16, end: u8) {
        self.raw(b"\x1b[");
        if count != 1 {
            self.number(count);
        }
        self.bytes.push(end);
    }

    fn parameter(&mut self, open: &mut bool, digits: &[u8]) {
        self.raw(if *open { b";" } else { b"\x1b[" });
        *open = true;
        self.raw(digits);
    }

    /// A colour; `base` is 30 for symbols and 40 for what is behind them.
    fn color(&mut self, open: &mut bool, color: Color, base: u8) {
        self.parameter(open, b"");
        let base = u16::from(base);
        match color {
            Color::Rgb(r, g, b) => {
                self.raw(if base == 30 { b"38;2" } else { b"48;2" });
                for channel in [r, g, b] {
                    let (digits, length) = &DIGITS[usize::from(channel)];
                    self.raw(&digits[..usize::from(*length)]);
                }
            }
            Color::Indexed(index) => {
                self.number(base + 8);
                self.raw(b";5;");
                self.number(u16::from(index));
            }
            named => self.number(base + named_color(named)),
        }
    }

    fn number(&mut self, number: u16) {
        let mut divisor = match number {
            0..10 => 1,
            10..100 => 10,
            100..1000 => 100,
            1000..10_000 => 1000,
            _ => 10_000,
        };
        while divisor > 0 {
            self.bytes.push(b'0' + (number / divisor % 10) as u8);
            divisor /= 10;
        }
    }
}

const fn packed(color: Color) -> Option<u32> {
    match color {
        Color::Rgb(r, g, b) => Some(pack([r, g, b])),
        _ => None,
    }
}

/// What a named colour adds to 30 or 40.
const fn named_color(color: Color) -> u16 {
    match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Pen)) -> String {
        let mut pen = Pen::new(10, 0);
        write(&mut pen);
        String::from_utf8(pen.into_bytes()).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn only_what_changes_is_written() {
        let (red, grey) = (Color::Rgb(255, 0, 7), Color::Indexed(240));
        let text = written(|pen| {
            pen.move_to(0, 0);
            pen.style(red, grey, MARK);
            pen.put("▀", 1);
            pen.style(red, grey, MARK);
            pen.put("▀", 1);
            pen.style(red, Color::LightBlue, Modifier::BOLD);
            pen.put("x", 1);
            pen.style(red, Color::Reset, Modifier::empty());
            pen.plain();
            pen.plain();
        });
        assert_eq!(text, "^[1H^[38;2;255;0;7;48;5;240m▀▀^[1;104mx^[0;38;2;255;0;7m^[m");
    }

    #[test]
    fn the_cursor_takes_the_shortest_way() {
        let text = written(|pen| {
            for (x, y) in [(0, 0), (1, 0), (4, 0), (3, 0), (3, 1), (0, 1), (9, 11)] {
                pen.move_to(x, y);
            }
            pen.put("x", 1);
            pen.move_to(1, 12);
        });
        assert_eq!(text, "^[1H^[C^[3C\x08^[B^[2H^[12;10Hx^[13;2H");
    }
}
