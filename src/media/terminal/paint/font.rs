//! The letters: Spleen by Frederic Cambus, 8 by 16 dots, compiled in.
//!
//! The font is a console font (PSF, version 1) of 512 glyphs, and a table that says which
//! characters look like which of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use spleen_font::FONT_8X16;

/// Rows of a character from the top; the leftmost dot is the highest bit. Narrow ones have
/// eight columns.
pub(super) type Dots = [u16; 16];

static GLYPHS: LazyLock<BTreeMap<char, Dots>> = LazyLock::new(|| read(FONT_8X16));

/// What a character looks like, if the font has it.
pub(super) fn glyph(character: char) -> Option<Dots> {
    GLYPHS.get(&character).copied()
}

/// Reads a font: two bytes that name the kind, whether there are 512 glyphs, bytes in a glyph,
/// the glyphs, and for each of them the characters, a sequence of which ends it.
fn read(font: &[u8]) -> BTreeMap<char, Dots> {
    const MAGIC: [u8; 2] = [0x36, 0x04];
    const END: u16 = 0xffff;
    const SEQUENCES: u16 = 0xfffe;
    const HEIGHT: usize = 16;
    let mut glyphs = BTreeMap::new();
    let Some(([first, second, mode, height], rest)) = font.split_first_chunk::<4>() else {
        return glyphs;
    };
    let count = if mode & 1 == 0 { 256 } else { 512 };
    if [*first, *second] != MAGIC || usize::from(*height) != HEIGHT {
        return glyphs;
    }
    let Some((bitmaps, table)) = rest.split_at_checked(HEIGHT.saturating_mul(count)) else {
        return glyphs;
    };
    let (bitmaps, _) = bitmaps.as_chunks::<HEIGHT>();
    let (units, _) = table.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    for (bitmap, characters) in bitmaps.iter().zip(units.split(|unit| *unit == END)) {
        let dots = bitmap.map(|row| u16::from(row) << 8);
        let single = characters.iter().take_while(|unit| **unit != SEQUENCES);
        for character in single.filter_map(|unit| char::from_u32(u32::from(*unit))) {
            glyphs.insert(character, dots);
        }
    }
    glyphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_terminals_show_most() {
        let latin = (' '..='~').chain('\u{a0}'..='ÿ').chain('А'..='я');
        let lines = '\u{2500}'..='\u{257f}';
        for character in latin.chain(lines).chain("▀▄█▌▐░▒▓…→•".chars()) {
            assert!(glyph(character).is_some(), "{character}");
        }
        let one = glyph('1').unwrap();
        assert!(one.iter().all(|row| row & 0xff == 0), "eight columns");
        assert!(one.iter().any(|row| *row != 0));
        assert_eq!(glyph('会'), None);
    }

    #[test]
    fn what_is_no_font_has_no_glyphs() {
        for length in [0, 3, 4, 500, 8000] {
            read(&FONT_8X16[..length]);
        }
        assert!(read(&[0; 9000]).is_empty());
    }
}
