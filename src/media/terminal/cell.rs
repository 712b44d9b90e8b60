//! One cell of a shared terminal: a filtered character and how it looks.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

/// Bytes of text in one cell: a character and its marks.
pub(super) const TEXT_BYTES: usize = 22;

/// Marks on one character; real writing needs few, and stacks of them leave the cell.
const MARKS: usize = 3;

/// Stands for a character that must not be shown, or whose width is not what is said.
const REPLACEMENT: &str = "\u{fffd}";

/// A colour as programs in terminals choose them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// What the viewer's terminal uses by itself.
    #[default]
    Default,
    /// One of the 256 of xterm; the first 16 are the viewer's own.
    Indexed(u8),
    /// Red, green and blue.
    Rgb(u8, u8, u8),
}

impl Colour {
    /// Red, green and blue of an indexed colour from the seventeenth on, which are the same in
    /// all terminals.
    #[must_use]
    pub fn beyond_basic(self) -> Option<(u8, u8, u8)> {
        let Self::Indexed(index) = self else { return None };
        if let Some(step) = index.checked_sub(232) {
            let grey = step.saturating_mul(10).saturating_add(8);
            return Some((grey, grey, grey));
        }
        let cube = index.checked_sub(16)?;
        let level =
            |step: u8| if step == 0 { 0 } else { step.saturating_mul(40).saturating_add(55) };
        Some((level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
    }
}

/// How a cell looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Of the character.
    pub foreground: Colour,
    /// Behind it.
    pub background: Colour,
    /// Any of [`BOLD`](Self::BOLD) to [`INVERSE`](Self::INVERSE).
    pub attributes: u8,
}

impl Style {
    /// Bold.
    pub const BOLD: u8 = 1;
    /// Dim.
    pub const DIM: u8 = 2;
    /// Italic.
    pub const ITALIC: u8 = 4;
    /// Underlined.
    pub const UNDERLINE: u8 = 8;
    /// Foreground and background exchanged.
    pub const INVERSE: u8 = 16;
    /// All attributes that there are.
    pub(super) const ATTRIBUTES: u8 = 31;

    /// Whether all of `attributes` are on.
    #[must_use]
    pub const fn has(self, attributes: u8) -> bool {
        self.attributes & attributes == attributes
    }
}

/// How many columns a cell's character takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// One.
    #[default]
    Narrow,
    /// Two: this one and the next.
    Wide,
    /// The second column of the wide character to the left.
    Continuation,
}

/// One cell. Its text is empty or one visible character with its marks; never a control
/// character, and of the width that is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: [u8; TEXT_BYTES],
    length: u8,
    width: Width,
    style: Style,
}

impl Cell {
    /// A cell with what is left of `text` after filtering.
    #[must_use]
    pub fn new(text: &str, width: Width, style: Style) -> Self {
        let mut cell = Self { width, style, ..Self::default() };
        if width == Width::Continuation || text.is_empty() {
            return cell;
        }
        if let [byte @ 0x20..=0x7e] = text.as_bytes() {
            // Nearly every cell, so not through the tables.
            if width == Width::Narrow {
                return Self::ascii(*byte, style);
            }
        }
        let mut marks = 0usize;
        for character in text.chars() {
            let allowed = match character.width() {
                _ if is_hidden(character) => false,
                None => false,
                Some(0) => {
                    marks = marks.saturating_add(1);
                    cell.length > 0 && marks <= MARKS
                }
                Some(_) => cell.length == 0,
            };
            if allowed {
                cell.append(character);
            }
        }
        let expected = if width == Width::Wide { 2 } else { 1 };
        if cell.text().width() != expected {
            (cell.text, cell.length) = ([0; TEXT_BYTES], 0);
            REPLACEMENT.chars().for_each(|character| cell.append(character));
        }
        cell
    }

    /// A narrow cell with a printable ASCII character; a space for any other byte.
    #[must_use]
    pub fn ascii(byte: u8, style: Style) -> Self {
        let byte = if matches!(byte, 0x20..=0x7e) { byte } else { b' ' };
        let mut cell = Self { length: 1, style, ..Self::default() };
        if let Some(first) = cell.text.first_mut() {
            *first = byte;
        }
        cell
    }

    fn append(&mut self, character: char) {
        let start = usize::from(self.length);
        let end = start.saturating_add(character.len_utf8());
        if let Some(room) = self.text.get_mut(start..end) {
            character.encode_utf8(room);
            self.length = u8::try_from(end).unwrap_or(self.length);
        }
    }

    /// The character; empty if nothing was ever written here.
    #[must_use]
    pub fn text(&self) -> &str {
        let bytes = self.text.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// How many columns it takes.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// How it looks.
    #[must_use]
    pub const fn style(&self) -> Style {
        self.style
    }
}

/// Takes part in layout or direction but shows nothing, or has a meaning on one system only.
/// The selector of emoji presentation stays: it makes characters wide.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
        | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}'
        | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0E}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFC}'
        | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1345F}' | '\u{1BCA0}'..='\u{1BCAF}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_of_a_cell_is_disarmed() {
        let cases = [
            ("plain", "a", Width::Narrow, "a"),
            ("marks", "e\u{301}", Width::Narrow, "e\u{301}"),
            (
                "stacked marks",
                "a\u{301}\u{302}\u{303}\u{304}",
                Width::Narrow,
                "a\u{301}\u{302}\u{303}",
            ),
            ("escape", "\u{1b}", Width::Narrow, REPLACEMENT),
            ("escape within", "a\u{1b}[2J", Width::Narrow, "a"),
            ("eight-bit introducer", "\u{9b}", Width::Narrow, REPLACEMENT),
            ("line break", "\n", Width::Narrow, REPLACEMENT),
            ("direction override", "a\u{202e}", Width::Narrow, "a"),
            ("wide", "会", Width::Wide, "会"),
            ("wide that says it is narrow", "会", Width::Narrow, REPLACEMENT),
            ("narrow that says it is wide", "a", Width::Wide, REPLACEMENT),
            ("mark without base", "\u{301}", Width::Narrow, REPLACEMENT),
            ("text in a continuation", "x", Width::Continuation, ""),
            ("two characters", "ab", Width::Narrow, "a"),
        ];
        for (name, text, width, kept) in cases {
            assert_eq!(Cell::new(text, width, Style::default()).text(), kept, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_cell_holds_what_a_terminal_would_obey(text in "\\PC{0,8}|(?s).{0,30}", wide: bool) {
            let width = if wide { Width::Wide } else { Width::Narrow };
            let cell = Cell::new(&text, width, Style::default());
            prop_assert!(!cell.text().chars().any(|c| c.is_control() || is_hidden(c)));
            prop_assert!(cell.text().len() <= TEXT_BYTES);
            prop_assert_eq!(Cell::new(cell.text(), Width::Narrow, Style::default()).text().width() <= 1, true);
        }
    }
}
