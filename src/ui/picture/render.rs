//! Picture in, cells out.

use ratatui::layout::Size;
use ratatui::style::Color;

use super::cell::CellPicture;
use super::cell::FULL;
use super::cell::PictureCell;
use super::cell::QUADRANTS;
use super::cell::RAMP;
use super::cell::UPPER;
use super::color;
use super::color::Rgb;
use super::fit::Fit;
use super::options::Options;
use super::options::Symbols;
use super::scale;
use super::scale::Axis;
use crate::media::video::Picture;
use crate::ui::theme::Depth;
use crate::ui::theme::GlyphChoice;

/// Steps of brightness that a dithered cell without colours shows per pixel: on or off.
const ON_OFF: i16 = 255;

/// Samples of a picture in the resolution of the cells' pixels.
struct Samples {
    width: usize,
    rgb: Vec<u32>,
}

impl Samples {
    fn at(&self, x: usize, y: usize) -> Rgb {
        color::unpack(self.rgb.get(y * self.width + x).copied().unwrap_or_default())
    }

    /// Upper and lower halves of cells in true colour, row by row.
    fn halves(&self) -> Vec<PictureCell> {
        let mut cells = Vec::with_capacity(self.rgb.len() / 2);
        for pair in self.rgb.chunks_exact(self.width.max(1) * 2) {
            let (upper, lower) = pair.split_at(self.width);
            cells.extend(upper.iter().zip(lower).map(|(&upper, &lower)| PictureCell {
                symbol: if upper == lower { ' ' } else { '▀' },
                fg: true_color(upper),
                bg: true_color(lower),
            }));
        }
        cells
    }
}

/// What a cell is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An upper and a lower pixel, two colours.
    Halves,
    /// Two by two pixels in two colours.
    Quadrants,
    /// Two by two pixels, on or off.
    Dots,
    /// One pixel: the background.
    Plain,
    /// One pixel: a character as bright as it.
    Ramp,
}

impl Kind {
    const fn of(depth: Depth, options: &Options) -> Self {
        match (options.glyphs, depth, options.symbols) {
            (GlyphChoice::Ascii, Depth::Mono, _) => Self::Ramp,
            (GlyphChoice::Ascii, ..) => Self::Plain,
            (GlyphChoice::Unicode, Depth::Mono, _) => Self::Dots,
            (GlyphChoice::Unicode, _, Symbols::Halves) => Self::Halves,
            (GlyphChoice::Unicode, _, Symbols::Quadrants) => Self::Quadrants,
        }
    }

    /// Pixels of a cell, across and down.
    const fn pixels(self) -> (usize, usize) {
        match self {
            Self::Halves => (1, 2),
            Self::Quadrants | Self::Dots => (2, 2),
            Self::Plain | Self::Ramp => (1, 1),
        }
    }
}

/// Makes cells of a picture: as many of `cells` as its shape allows.
#[must_use]
pub fn render(picture: &Picture, cells: Size, depth: Depth, options: &Options) -> CellPicture {
    let size = (picture.width(), picture.height());
    let Some(fit) = Fit::new(size, cells, options.cell_height, options.view) else {
        return CellPicture::default();
    };
    let kind = Kind::of(depth, options);
    let samples = sample(picture, &fit, kind, options.sharpen);
    if kind == Kind::Halves && depth == Depth::True {
        return CellPicture::new(fit.width, samples.halves());
    }
    let (width, height) = (usize::from(fit.width), usize::from(fit.height));
    let mut out = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            out.push(match kind {
                Kind::Halves => halves(&samples, x, y, depth, options.dither),
                Kind::Quadrants => quadrants(&samples, x, y, depth, options.dither),
                Kind::Dots => dots(&samples, x, y, options.dither),
                Kind::Plain => plain(&samples, x, y, depth, options.dither),
                Kind::Ramp => ramp(&samples, x, y, options.dither),
            });
        }
    }
    CellPicture::new(fit.width, out)
}

/// Averages the planes down to the pixels of the cells, each plane from its own resolution.
fn sample(picture: &Picture, fit: &Fit, kind: Kind, sharpen: u8) -> Samples {
    let (across, down) = kind.pixels();
    let (width, height) = (usize::from(fit.width) * across, usize::from(fit.height) * down);
    let (columns, rows) = (picture.width() as usize, picture.height() as usize);
    let mut sums = Vec::new();
    let mut luma = {
        let x = Axis::across(fit.columns, width, columns);
        let y = Axis::down(fit.rows, height, rows);
        scale::plane(picture.y(), columns, &x, &y, &mut sums)
    };
    if sharpen > 0 {
        luma = sharpened(&luma, width, sharpen);
    }
    let half = |(from, to): (f32, f32)| (from / 2.0, to / 2.0);
    let columns = columns.div_ceil(2);
    let x = Axis::across(half(fit.columns), width, columns);
    let y = Axis::down(half(fit.rows), height, rows.div_ceil(2));
    let u = scale::plane(picture.u(), columns, &x, &y, &mut sums);
    let v = scale::plane(picture.v(), columns, &x, &y, &mut sums);
    let mut rgb = vec![0; width * height];
    color::from_planes(&luma, &u, &v, &mut rgb);
    Samples { width, rgb }
}

fn true_color(rgb: u32) -> Color {
    let [r, g, b] = color::unpack(rgb);
    Color::Rgb(r, g, b)
}

/// Moves each sample away from the mean of its four neighbours, by `amount` sixteenths of
/// the difference to each.
fn sharpened(luma: &[u8], width: usize, amount: u8) -> Vec<u8> {
    let at = |index: usize| luma.get(index).map(|&sample| i32::from(sample));
    let mut out = Vec::with_capacity(luma.len());
    for (index, &sample) in luma.iter().enumerate() {
        let own = i32::from(sample);
        let column = index % width.max(1);
        let left = if column > 0 { at(index - 1) } else { None };
        let right = if column + 1 < width { at(index + 1) } else { None };
        let above = index.checked_sub(width).and_then(at);
        let around = [left, right, above, at(index + width)];
        let edge: i32 = around.into_iter().map(|other| own - other.unwrap_or(own)).sum();
        out.push((own + edge * i32::from(amount) / 16).clamp(0, 255) as u8);
    }
    out
}

fn halves(samples: &Samples, x: usize, y: usize, depth: Depth, dither: bool) -> PictureCell {
    let pixel = |y: usize| color::shade(samples.at(x, y), depth, dither, x, y);
    two_colours(UPPER, pixel(y * 2), pixel(y * 2 + 1))
}

/// A block in two colours; a space if they are the same.
fn two_colours(filled: u8, fg: Color, bg: Color) -> PictureCell {
    let symbol = if fg == bg { ' ' } else { QUADRANTS[usize::from(filled & FULL)] };
    PictureCell { symbol, fg, bg }
}

/// The two colours and the block that come nearest to four pixels.
fn quadrants(samples: &Samples, x: usize, y: usize, depth: Depth, dither: bool) -> PictureCell {
    let (left, top) = (x * 2, y * 2);
    let pixels = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| samples.at(left + dx, top + dy));
    // A block and its inverse are the same in exchanged colours: eight ways to part four.
    // The upper half comes first and wins what is equal, so that plain areas stay plain.
    let candidates = [UPPER, 0b0101, 0b0001, 0b0010, 0b0100, 0b0111, 0b0110, 0];
    let best = candidates.into_iter().min_by_key(|&filled| {
        let (fg, bg) = (mean(&pixels, filled), mean(&pixels, !filled & FULL));
        pixels
            .iter()
            .enumerate()
            .map(|(index, &pixel)| error(pixel, if filled >> index & 1 == 1 { fg } else { bg }))
            .sum::<u32>()
    });
    let filled = best.unwrap_or(UPPER);
    let (fg, bg) = (mean(&pixels, filled), mean(&pixels, !filled & FULL));
    // Two pixels per cell are dithered, whatever their shape.
    let upper = color::shade(fg, depth, dither, x, y * 2);
    let lower = color::shade(bg, depth, dither, x, y * 2 + 1);
    two_colours(filled, if filled == 0 { lower } else { upper }, lower)
}

/// The mean of the pixels that are chosen.
fn mean(pixels: &[Rgb; 4], chosen: u8) -> Rgb {
    let count = chosen.count_ones().max(1);
    let mut sums = [count / 2; 3];
    for (index, pixel) in pixels.iter().enumerate() {
        if chosen >> index & 1 == 1 {
            for (sum, &channel) in sums.iter_mut().zip(pixel) {
                *sum += u32::from(channel);
            }
        }
    }
    sums.map(|sum| (sum / count) as u8)
}

fn error(one: Rgb, other: Rgb) -> u32 {
    let square = |index: usize| u32::from(one[index].abs_diff(other[index])).pow(2);
    square(0) + square(1) + square(2)
}

/// Brightness of a pixel after dithering, 0 to 255.
fn bright(samples: &Samples, x: usize, y: usize, dither: bool, step: i16) -> i16 {
    let add = if dither { color::pattern(x, y, step) } else { 0 };
    (i16::from(color::luminance(samples.at(x, y))) + add).clamp(0, 255)
}

fn dots(samples: &Samples, x: usize, y: usize, dither: bool) -> PictureCell {
    let on = |dx: usize, dy: usize| bright(samples, x * 2 + dx, y * 2 + dy, dither, ON_OFF) >= 128;
    let filled = usize::from(on(0, 0))
        | usize::from(on(1, 0)) << 1
        | usize::from(on(0, 1)) << 2
        | usize::from(on(1, 1)) << 3;
    PictureCell { symbol: QUADRANTS[filled], fg: Color::Reset, bg: Color::Reset }
}

fn plain(samples: &Samples, x: usize, y: usize, depth: Depth, dither: bool) -> PictureCell {
    let color = color::shade(samples.at(x, y), depth, dither, x, y);
    PictureCell { symbol: ' ', fg: color, bg: color }
}

fn ramp(samples: &Samples, x: usize, y: usize, dither: bool) -> PictureCell {
    let most = RAMP.len() - 1;
    let level = bright(samples, x, y, dither, ON_OFF / most as i16);
    let symbol = RAMP[(usize::from(level.unsigned_abs()) * most + 127) / 255];
    PictureCell { symbol, fg: Color::Reset, bg: Color::Reset }
}
