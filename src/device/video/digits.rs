//! A line of big digits in a picture, drawn so that it survives encoding, scaling and a terminal
//! of few cells, and read back by measuring where it is bright.

use crate::media::video::Picture;

/// How many digits there are.
pub(super) const DIGITS: usize = 5;
/// The number after the largest one.
pub(super) const WRAP: u32 = 100_000;

const GLYPH_WIDTH: usize = 3;
const GLYPH_HEIGHT: usize = 5;
/// One dark column before each digit and one at the end.
const COLUMNS: usize = DIGITS * (GLYPH_WIDTH + 1) + 1;
/// One dark row above and one below.
const ROWS: usize = GLYPH_HEIGHT + 2;
/// Luma of dark and bright.
const DARK: u8 = 24;
const BRIGHT: u8 = 228;
/// Steps of luma between the darkest and the brightest dot, at least.
const LEAST_CONTRAST: f32 = 50.0;
/// How bright the frame around the digits may seem; 1 is as bright as a dot.
const MOST_FRAME: f32 = 0.4;
/// How far the dots may be from those of the digit, in squares of a dot's brightness.
const MOST_DEVIATION: f32 = 4.0;
/// How much further they must be from those of any other digit.
const LEAST_LEAD: f32 = 0.15;
/// Pixels that a dot must have in either direction.
const LEAST_DOT: f32 = 1.2;

/// Rows from the top, bits from the left. Any two differ in two dots or more.
const GLYPHS: [[u8; GLYPH_HEIGHT]; 10] = [
    [0b010, 0b101, 0b101, 0b101, 0b010],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b011, 0b001, 0b111],
    [0b001, 0b011, 0b101, 0b111, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b100, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b001],
];

/// Part of a picture in thousandths, so that it means the same at every size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Band {
    /// Where the dot at `column`, `row` of the line is, in pixels: left, top, right, bottom.
    fn dot(self, picture: &Picture, column: usize, row: usize) -> [f32; 4] {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let across = self.width * width / COLUMNS as f32;
        let down = self.height * height / ROWS as f32;
        let left = self.left * width + across * column as f32;
        let top = self.top * height + down * row as f32;
        [left, top, left + across, top + down]
    }
}

/// Whether a dot of the line is bright.
fn lit(digits: &[u8; DIGITS], column: usize, row: usize) -> bool {
    let place = column / (GLYPH_WIDTH + 1);
    let (Some(x), Some(y)) = ((column % (GLYPH_WIDTH + 1)).checked_sub(1), row.checked_sub(1))
    else {
        return false;
    };
    let glyph = digits.get(place).and_then(|digit| GLYPHS.get(usize::from(*digit)));
    glyph.and_then(|rows| rows.get(y)).is_some_and(|bits| bits & (0b100 >> x) != 0)
}

fn split(number: u32) -> [u8; DIGITS] {
    let mut digits = [0; DIGITS];
    let mut rest = number % WRAP;
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    digits
}

/// Draws `number` into the band, without colour.
pub(super) fn draw(picture: &mut Picture, band: Band, number: u32) {
    let digits = split(number);
    let [left, top, ..] = band.dot(picture, 0, 0);
    let [.., right, bottom] = band.dot(picture, COLUMNS - 1, ROWS - 1);
    fill(picture, [left, top, right, bottom], DARK);
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            if lit(&digits, column, row) {
                let dot = band.dot(picture, column, row);
                fill(picture, dot, BRIGHT);
            }
        }
    }
}

/// Paints a rectangle grey.
fn fill(picture: &mut Picture, [left, top, right, bottom]: [f32; 4], luma: u8) {
    let width = picture.width() as usize;
    let (left, right) = (left.round() as usize, (right.round() as usize).min(width));
    let (top, bottom) = (top.round() as usize, bottom.round() as usize);
    for row in picture.y_mut().chunks_mut(width).take(bottom).skip(top) {
        row[left..right].fill(luma);
    }
    let chroma_width = width.div_ceil(2);
    let (left, right) = (left / 2, right.div_ceil(2));
    let (top, bottom) = (top / 2, bottom.div_ceil(2));
    for row in picture.u_mut().chunks_mut(chroma_width).take(bottom).skip(top) {
        row[left..right].fill(128);
    }
    for row in picture.v_mut().chunks_mut(chroma_width).take(bottom).skip(top) {
        row[left..right].fill(128);
    }
}

/// Reads the number back, `None` if there is none that could be told from another one.
pub(super) fn read(picture: &Picture, band: Band) -> Option<u32> {
    let [left, top, right, bottom] = band.dot(picture, 0, 0);
    if right - left < LEAST_DOT || bottom - top < LEAST_DOT {
        return None;
    }
    let mut bright = [[0.0_f32; COLUMNS]; ROWS];
    for (row, dots) in bright.iter_mut().enumerate() {
        for (column, dot) in dots.iter_mut().enumerate() {
            *dot = mean(picture, band.dot(picture, column, row));
        }
    }
    let all = || bright.iter().flatten().copied();
    let (low, high) = (all().fold(f32::MAX, f32::min), all().fold(f32::MIN, f32::max));
    if high - low < LEAST_CONTRAST {
        return None;
    }
    let scale = |dot: f32| (dot - low) / (high - low);
    // The frame around the digits is dark in every picture of ours.
    let edge = bright.iter().enumerate().flat_map(|(row, dots)| {
        let whole = row == 0 || row == ROWS - 1;
        dots.iter()
            .enumerate()
            .filter(move |(column, _)| whole || column % (GLYPH_WIDTH + 1) == 0)
            .map(|(_, dot)| scale(*dot))
    });
    let (sum, count) = edge.fold((0.0, 0.0), |(sum, count), dot| (sum + dot, count + 1.0));
    if sum / count > MOST_FRAME {
        return None;
    }
    (0..DIGITS).try_fold(0, |number, place| {
        let seen = |x: usize, y: usize| scale(bright[y + 1][place * (GLYPH_WIDTH + 1) + 1 + x]);
        Some(number * 10 + digit(&seen)?)
    })
}

/// The digit whose dots are nearest, if it is nearest by far enough.
fn digit(seen: &dyn Fn(usize, usize) -> f32) -> Option<u32> {
    let distance = |rows: &[u8; GLYPH_HEIGHT]| -> f32 {
        let dots = rows
            .iter()
            .enumerate()
            .flat_map(|(y, bits)| (0..GLYPH_WIDTH).map(move |x| (x, y, bits & (0b100 >> x) != 0)));
        dots.map(|(x, y, lit)| (seen(x, y) - if lit { 1.0 } else { 0.0 }).powi(2)).sum()
    };
    let mut ranked: Vec<(f32, u32)> =
        GLYPHS.iter().zip(0..).map(|(glyph, value)| (distance(glyph), value)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(best, value), (second, _), ..] = ranked[..] else { return None };
    (best < MOST_DEVIATION && second - best > LEAST_LEAD).then_some(value)
}

/// Mean luma of a rectangle with fractions of pixels, a little inside of its edges where there is
/// room for that.
fn mean(picture: &Picture, [left, top, right, bottom]: [f32; 4]) -> f32 {
    let inset = |from: f32, to: f32| {
        let margin = ((to - from) * 0.25).min((to - from - 1.0).max(0.0) / 2.0);
        (from + margin, to - margin)
    };
    let ((left, right), (top, bottom)) = (inset(left, right), inset(top, bottom));
    let width = picture.width() as usize;
    let cover = |at: usize, from: f32, to: f32| {
        ((at as f32 + 1.0).min(to) - (at as f32).max(from)).max(0.0)
    };
    let rows = top as usize..(bottom.ceil() as usize).min(picture.height() as usize);
    let columns = left as usize..(right.ceil() as usize).min(width);
    let (mut sum, mut area) = (0.0, 0.0);
    for y in rows {
        let line = &picture.y()[y * width..(y + 1) * width];
        for x in columns.clone() {
            let weight = cover(x, left, right) * cover(y, top, bottom);
            sum += f32::from(line[x]) * weight;
            area += weight;
        }
    }
    if area > 0.0 { sum / area } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_digits_are_alike() {
        for (one, glyph) in GLYPHS.iter().enumerate() {
            for (other, rows) in GLYPHS.iter().enumerate().skip(one + 1) {
                let apart: u32 = glyph.iter().zip(rows).map(|(a, b)| (a ^ b).count_ones()).sum();
                assert!(apart >= 2, "{one} and {other} differ in {apart} dots");
            }
        }
    }
}
