//! Colours: from luma and chroma to RGB, and to the few that some terminals have.

use ratatui::style::Color;

use crate::ui::theme::Depth;

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// The sixteen colours of xterm. What a user's terminal shows may differ; it is the best guess.
const ANSI: [(Color, Rgb); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];

/// Levels of each channel in the 6x6x6 cube of 256 colours.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Order in which a 4x4 block of pixels turns brighter.
const BAYER: [[i16; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

/// Distance of neighbouring colours of the cube, which dithering has to bridge.
const STEP_256: i16 = 40;
/// The same of the sixteen colours, roughly.
const STEP_16: i16 = 110;

/// BT.601 limited range to RGB, rounded.
#[must_use]
#[inline]
pub fn from_yuv(y: u8, u: u8, v: u8) -> Rgb {
    let luma = (i32::from(y) - 16) * 298 + 128;
    let (blue, red) = (i32::from(u) - 128, i32::from(v) - 128);
    let channel = |value: i32| (value >> 8).clamp(0, 255) as u8;
    [channel(luma + 409 * red), channel(luma - 100 * blue - 208 * red), channel(luma + 516 * blue)]
}

/// The same of whole rows of samples, each colour in one number: made so that the compiler turns
/// it into vector code.
pub fn from_planes(y: &[u8], u: &[u8], v: &[u8], out: &mut [u32]) {
    for (((out, &y), &u), &v) in out.iter_mut().zip(y).zip(u).zip(v) {
        *out = pack(from_yuv(y, u, v));
    }
}

/// A colour as one number.
#[must_use]
#[inline]
pub const fn pack([r, g, b]: Rgb) -> u32 {
    u32::from_be_bytes([0, r, g, b])
}

/// Takes such a number apart.
#[must_use]
#[inline]
pub const fn unpack(rgb: u32) -> Rgb {
    let [_, r, g, b] = rgb.to_be_bytes();
    [r, g, b]
}

/// How bright a colour is, 0 to 255.
#[must_use]
pub fn luminance([r, g, b]: Rgb) -> u8 {
    ((u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29 + 128) >> 8) as u8
}

/// What the 4x4 pattern adds at a place, from minus to plus half of `step`.
#[must_use]
pub fn pattern(x: usize, y: usize, step: i16) -> i16 {
    (BAYER[y & 3][x & 3] * 2 - 15) * step / 32
}

/// The colour of the pixel at (x, y), the nearest that a terminal of `depth` has.
#[must_use]
pub fn shade(rgb: Rgb, depth: Depth, dither: bool, x: usize, y: usize) -> Color {
    let dithered = |step| {
        let add = if dither { pattern(x, y, step) } else { 0 };
        rgb.map(|channel| (i16::from(channel) + add).clamp(0, 255) as u8)
    };
    match depth {
        Depth::True => Color::Rgb(rgb[0], rgb[1], rgb[2]),
        Depth::Ansi256 => Color::Indexed(nearest_256(dithered(STEP_256))),
        Depth::Ansi16 => nearest_16(dithered(STEP_16)),
        Depth::Mono => Color::Reset,
    }
}

/// Index of the nearest colour of the cube or the grey ramp.
#[must_use]
pub fn nearest_256(rgb: Rgb) -> u8 {
    let level = |channel: u8| match channel {
        0..48 => 0,
        48..115 => 1,
        _ => (channel - 35) / 40,
    };
    let [r, g, b] = rgb.map(level);
    let cube = [r, g, b].map(|level| CUBE[usize::from(level.min(5))]);
    let mean = (u16::from(rgb[0]) + u16::from(rgb[1]) + u16::from(rgb[2])) / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = [8 + 10 * step; 3];
    if distance(rgb, grey) < distance(rgb, cube) { 232 + step } else { 16 + 36 * r + 6 * g + b }
}

/// The nearest of the sixteen colours.
#[must_use]
pub fn nearest_16(rgb: Rgb) -> Color {
    let nearest = ANSI.iter().min_by_key(|(_, other)| distance(rgb, *other));
    nearest.map_or(Color::Reset, |(color, _)| *color)
}

/// Squared distance, channels weighted as the eye does.
fn distance(one: Rgb, other: Rgb) -> u32 {
    let square = |index: usize| {
        let difference = u32::from(one[index].abs_diff(other[index]));
        difference * difference
    };
    square(0) * 2 + square(1) * 4 + square(2) * 3
}

/// What a colour looks like; `default` is that of the terminal itself.
#[must_use]
pub fn to_rgb(color: Color, default: Rgb) -> Rgb {
    match color {
        Color::Rgb(r, g, b) => [r, g, b],
        Color::Indexed(index) => indexed(index),
        Color::Reset => default,
        named => ANSI.iter().find(|(color, _)| *color == named).map_or(default, |(_, rgb)| *rgb),
    }
}

fn indexed(index: u8) -> Rgb {
    match index {
        0..16 => ANSI[usize::from(index)].1,
        16..232 => {
            let cube = index - 16;
            [cube / 36, cube / 6 % 6, cube % 6].map(|level| CUBE[usize::from(level)])
        }
        _ => [8 + 10 * (index - 232); 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_black_and_white() {
        assert_eq!(from_yuv(16, 128, 128), [0, 0, 0]);
        assert_eq!(from_yuv(235, 128, 128), [255, 255, 255]);
        assert_eq!(from_yuv(0, 128, 128), [0, 0, 0]);
        assert_eq!(from_yuv(81, 90, 240), [255, 0, 0]);
    }

    #[test]
    fn a_colour_of_the_palette_is_its_own_nearest() {
        for index in 16..=255 {
            let rgb = indexed(index);
            assert_eq!(indexed(nearest_256(rgb)), rgb, "{index}");
        }
        for (color, rgb) in ANSI {
            assert_eq!(nearest_16(rgb), color);
            assert_eq!(to_rgb(color, [1, 2, 3]), rgb);
        }
    }

    #[test]
    fn dithering_keeps_the_mean() {
        let sum: i16 = (0..16).map(|place| pattern(place % 4, place / 4, 32)).sum();
        assert_eq!(sum, 0);
    }
}
