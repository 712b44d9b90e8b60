//! Characters that are drawn by rule because the font lacks them: blocks, Braille patterns,
//! and a box for whatever is not known.

use std::ops::Range;

use super::font::Dots;

/// Quarters of a cell: upper left, upper right, lower left, lower right.
const UPPER_LEFT: u8 = 1;
const UPPER_RIGHT: u8 = 2;
const LOWER_LEFT: u8 = 4;
const LOWER_RIGHT: u8 = 8;

/// Which quarters the characters from U+2596 on fill.
const QUARTERS: [u8; 10] = [
    LOWER_LEFT,
    LOWER_RIGHT,
    UPPER_LEFT,
    UPPER_LEFT | LOWER_LEFT | LOWER_RIGHT,
    UPPER_LEFT | LOWER_RIGHT,
    UPPER_LEFT | UPPER_RIGHT | LOWER_LEFT,
    UPPER_LEFT | UPPER_RIGHT | LOWER_RIGHT,
    UPPER_RIGHT,
    UPPER_RIGHT | LOWER_LEFT,
    UPPER_RIGHT | LOWER_LEFT | LOWER_RIGHT,
];

/// What a character looks like, if there is a rule for it.
pub(super) fn shape(character: char) -> Option<Dots> {
    let code = u32::from(character);
    let offset = |from: u32| u16::try_from(code.saturating_sub(from)).unwrap_or(0);
    let mut dots = Dots::default();
    match code {
        0x2580 => fill(&mut dots, 0..8, 0..8),
        0x2581..=0x2588 => {
            let rows = offset(0x2580).saturating_mul(2);
            fill(&mut dots, 0..8, 16u16.saturating_sub(rows)..16);
        }
        0x2589..=0x258f => fill(&mut dots, 0..8u16.saturating_sub(offset(0x2588)), 0..16),
        0x2590 => fill(&mut dots, 4..8, 0..16),
        0x2594 => fill(&mut dots, 0..8, 0..2),
        0x2595 => fill(&mut dots, 7..8, 0..16),
        0x2596..=0x259f => quarters(&mut dots, *QUARTERS.get(usize::from(offset(0x2596)))?),
        0x2800..=0x28ff => braille(&mut dots, offset(0x2800)),
        _ => return None,
    }
    Some(dots)
}

/// Stands for a character that can't be drawn.
pub(super) fn unknown(columns: u16) -> Dots {
    let mut dots = Dots::default();
    let right = columns.saturating_sub(1);
    fill(&mut dots, 1..right, 3..4);
    fill(&mut dots, 1..right, 12..13);
    fill(&mut dots, 1..2, 3..13);
    fill(&mut dots, right.saturating_sub(1)..right, 3..13);
    dots
}

/// Lights the dots of a rectangle.
pub(super) fn fill(dots: &mut Dots, columns: Range<u16>, rows: Range<u16>) {
    // The bits of all columns from one on.
    let from = |column: u16| u16::MAX.checked_shr(u32::from(column)).unwrap_or(0);
    let bits = from(columns.start) & !from(columns.end);
    for row in rows {
        if let Some(row) = dots.get_mut(usize::from(row)) {
            *row |= bits;
        }
    }
}

fn quarters(dots: &mut Dots, which: u8) {
    let areas = [
        (UPPER_LEFT, 0..4, 0..8),
        (UPPER_RIGHT, 4..8, 0..8),
        (LOWER_LEFT, 0..4, 8..16),
        (LOWER_RIGHT, 4..8, 8..16),
    ];
    for (quarter, columns, rows) in areas {
        if which & quarter != 0 {
            fill(dots, columns, rows);
        }
    }
}

/// Two columns of four dots each, in the order that Unicode counts them in.
fn braille(dots: &mut Dots, pattern: u16) {
    const PLACES: [(u16, u16); 8] =
        [(1, 1), (1, 5), (1, 9), (5, 1), (5, 5), (5, 9), (1, 13), (5, 13)];
    for (bit, (column, row)) in PLACES.into_iter().enumerate() {
        if pattern.checked_shr(u32::try_from(bit).unwrap_or(0)).unwrap_or(0) & 1 == 1 {
            fill(dots, column..column.saturating_add(2), row..row.saturating_add(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::font;
    use super::*;

    #[test]
    fn what_both_can_draw_looks_the_same() {
        for character in "▀▄█▌▐".chars() {
            assert_eq!(shape(character), font::glyph(character), "{character}");
        }
    }

    #[test]
    fn every_block_and_pattern_has_a_shape() {
        for character in ('\u{2580}'..='\u{259f}').chain('\u{2801}'..='\u{28ff}') {
            let dots = shape(character).or_else(|| font::glyph(character)).unwrap();
            assert!(dots.iter().any(|row| *row != 0), "{character}");
            assert!(dots.iter().all(|row| row & 0xff == 0), "{character} stays in its cell");
        }
        let lit =
            |character| -> u32 { shape(character).unwrap().map(u16::count_ones).iter().sum() };
        assert_eq!([lit('▁'), lit('▏'), lit('▚'), lit('⡀'), lit('⣿')], [16, 16, 64, 4, 32]);
        assert!(unknown(16).iter().any(|row| row & 0xff != 0), "two columns wide");
    }
}
