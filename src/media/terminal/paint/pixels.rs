//! From cells to pixels.

use super::font;
use super::font::Dots;
use super::palette;
use super::palette::Rgb;
use super::shape;
use crate::media::error::MediaError;
use crate::media::terminal::cell::Cell;
use crate::media::terminal::cell::Style;
use crate::media::terminal::cell::Width;
use crate::media::terminal::grid::Grid;
use crate::media::video::Picture;

/// Pixels across a cell.
pub const CELL_WIDTH: u16 = 8;
/// Pixels down a cell.
pub const CELL_HEIGHT: u16 = 16;

/// Rows of a cell in which a line under the text is drawn.
const UNDERLINE: std::ops::Range<u16> = 14..15;

/// The screen as a picture, cursor included.
///
/// # Errors
///
/// None for any screen that there can be; [`MediaError::Picture`] stands for a mistake of ours.
pub fn paint(grid: &Grid) -> Result<Picture, MediaError> {
    let size = grid.size();
    let width = usize::from(size.columns()).saturating_mul(usize::from(CELL_WIDTH));
    let height = usize::from(size.rows()).saturating_mul(usize::from(CELL_HEIGHT));
    let mut pixels = vec![palette::BACKGROUND; width.saturating_mul(height)];
    let lines = pixels.chunks_exact_mut(width.saturating_mul(usize::from(CELL_HEIGHT)));
    for ((row, cells), lines) in (0..).zip(grid.rows()).zip(lines) {
        let cursor = cursor(grid, row);
        let mut rest = cells;
        let mut column = 0u16;
        while let Some(cell) = rest.first() {
            let columns = columns(rest);
            let under_cursor =
                cursor.is_some_and(|at| (column..column.saturating_add(columns)).contains(&at));
            let left = usize::from(column).saturating_mul(usize::from(CELL_WIDTH));
            draw(cell, columns, under_cursor, lines, (left, width));
            column = column.saturating_add(columns);
            rest = rest.get(usize::from(columns)..).unwrap_or_default();
        }
    }
    let (width, height) = (u32::try_from(width), u32::try_from(height));
    let (width, height) = (width.unwrap_or(0), height.unwrap_or(0));
    Picture::from_rgb(width, height, pixels.as_flattened())
}

/// The column of the cursor, if it is in that row and shown.
fn cursor(grid: &Grid, row: u16) -> Option<u16> {
    let (at, column) = grid.meta.cursor;
    // One past the last column waits for the next character to wrap.
    let column = column.min(grid.size().columns().saturating_sub(1));
    (at == row && !grid.meta.cursor_hidden).then_some(column)
}

/// How many columns the first of these cells takes.
fn columns(cells: &[Cell]) -> u16 {
    match cells {
        [cell, next, ..] if cell.width() == Width::Wide && next.width() == Width::Continuation => 2,
        _ => 1,
    }
}

fn draw(
    cell: &Cell,
    columns: u16,
    under_cursor: bool,
    lines: &mut [Rgb],
    (left, width): (usize, usize),
) {
    let style = cell.style();
    let (text, behind) = palette::colours(style, under_cursor);
    let mut dots = dots(cell, columns);
    if style.has(Style::UNDERLINE) {
        shape::fill(&mut dots, 0..columns.saturating_mul(CELL_WIDTH), UNDERLINE);
    }
    let across = usize::from(columns.saturating_mul(CELL_WIDTH));
    for (bits, line) in dots.iter().zip(lines.chunks_exact_mut(width)) {
        let place = line.iter_mut().skip(left).take(across);
        for (column, pixel) in (0u32..).zip(place) {
            let lit = bits.checked_shl(column).unwrap_or(0) & 0x8000 != 0;
            *pixel = if lit { text } else { behind };
        }
    }
}

/// What a cell shows, without the marks on a letter.
fn dots(cell: &Cell, columns: u16) -> Dots {
    let Some(character) = cell.text().chars().next().filter(|character| *character != ' ') else {
        return Dots::default();
    };
    if let Some(shape) = shape::shape(character) {
        return shape;
    }
    let Some(mut dots) = font::glyph(character) else {
        return shape::unknown(columns.saturating_mul(CELL_WIDTH));
    };
    if columns == 2 {
        dots = dots.map(|row| row >> (CELL_WIDTH / 2));
    }
    // Lines have a weight of their own, and would leave their cell.
    if cell.style().has(Style::BOLD) && !('\u{2500}'..='\u{259f}').contains(&character) {
        let within = if columns == 2 { u16::MAX } else { 0xff00 };
        dots = dots.map(|row| row | row >> 1 & within);
    }
    dots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::terminal::Emulator;
    use crate::media::terminal::TerminalSize;

    fn screen(columns: u16, rows: u16, bytes: &str) -> Picture {
        let mut emulator = Emulator::new(TerminalSize::new(columns, rows));
        emulator.process(bytes.as_bytes());
        paint(&emulator.grid()).unwrap()
    }

    /// Lit pixels of a cell, row by row.
    fn cell(picture: &Picture, column: usize, row: usize) -> Vec<String> {
        let width = picture.width() as usize;
        let (left, top) = (column * 8, row * 16);
        let lines = picture.y().chunks(width).skip(top).take(16);
        let dot = |luma: &u8| if *luma > 100 { '#' } else { '.' };
        lines.map(|line| line[left..left + 8].iter().map(dot).collect()).collect()
    }

    fn rgb(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
        let at = (y * picture.width() as usize + x) * 3;
        picture.to_rgb()[at..at + 3].try_into().unwrap()
    }

    fn near(one: [u8; 3], other: [u8; 3]) -> bool {
        one.iter().zip(other).all(|(one, other)| one.abs_diff(other) < 6)
    }

    #[test]
    fn a_letter_looks_as_in_the_font() {
        let picture = screen(10, 2, "\x1b[?25lA\x1b[1mA");
        assert_eq!((picture.width(), picture.height()), (80, 32));
        let golden = [
            "........", "........", ".#####..", "##...##.", "##...##.", "##...##.", "#######.",
            "##...##.", "##...##.", "##...##.", "##...##.", "##...##.", "........", "........",
            "........", "........",
        ];
        assert_eq!(cell(&picture, 0, 0), golden);
        let bold = cell(&picture, 1, 0);
        assert_eq!(bold[2], ".######.");
        assert!(cell(&picture, 2, 0).iter().all(|row| row == "........"));
    }

    #[test]
    fn colours_underlines_and_the_cursor_are_seen() {
        let picture = screen(
            10,
            2,
            "\x1b[41m \x1b[48;5;21m \x1b[48;2;10;200;30m \x1b[0;7m \x1b[0;4m \x1b[0m\r\n",
        );
        let behind = |column: usize| rgb(&picture, column * 8 + 4, 6);
        assert!(near(behind(0), [205, 0, 0]), "{:?}", behind(0));
        assert!(near(behind(1), [0, 0, 255]), "{:?}", behind(1));
        assert!(near(behind(2), [10, 200, 30]), "{:?}", behind(2));
        assert!(near(behind(3), [229; 3]), "inverse: {:?}", behind(3));
        assert!(near(behind(4), [0; 3]) && near(rgb(&picture, 36, 14), [229; 3]), "underlined");
        assert!(near(rgb(&picture, 4, 24), [229; 3]), "the cursor is in the next row");
    }

    #[test]
    fn lines_meet_and_wide_and_unknown_characters_keep_their_columns() {
        let picture = screen(10, 2, "\x1b[?25l──│█▁⣿会x");
        for column in 0..16 {
            let lit = picture.y()[..80 * 16].chunks(80).filter(|line| line[column] > 100).count();
            assert!(lit > 0, "a line across two cells has a gap at {column}");
        }
        assert!(cell(&picture, 2, 0).iter().all(|row| row.contains('#')), "from edge to edge");
        assert!(cell(&picture, 3, 0).iter().all(|row| row == "########"));
        assert_eq!(cell(&picture, 4, 0).iter().filter(|row| *row == "########").count(), 2);
        let (left, right) = (cell(&picture, 6, 0), cell(&picture, 7, 0));
        assert_eq!((&left[3][..], &right[3][..]), (".#######", "#######."), "a box for two");
        assert_eq!(cell(&picture, 8, 0), cell(&screen(10, 2, "x\x1b[?25l"), 0, 0));
    }

    #[test]
    fn the_largest_screen_has_a_picture() {
        let picture = screen(400, 200, "x");
        assert_eq!((picture.width(), picture.height()), (3200, 3200));
    }
}
