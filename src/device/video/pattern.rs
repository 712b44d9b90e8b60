//! A moving test picture: colour bars, a ball that bounces over them, a strip that scrolls, and
//! the number of the picture in digits that can be read back.

use std::sync::Arc;
use std::time::Instant;

use super::digits;
use super::digits::Band;
use super::pace::Pace;
use super::source::VideoFormat;
use super::source::VideoKind;
use super::source::VideoSource;
use crate::device::error::DeviceError;
use crate::media::video::MAX_SIDE;
use crate::media::video::Picture;

/// Where the digits are. They take more than half of the picture, so that they are readable in
/// two dozen cells.
const COUNTER: Band = Band { left: 0.0, top: 0.35, width: 1.0, height: 0.55 };
/// Luma and chroma of the bars: grey, yellow, cyan, green, magenta, red, blue.
const BARS: [[u8; 3]; 7] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
];
/// Share of the height that the bars take.
const BARS_END: f32 = 0.35;
/// Where the strip begins.
const STRIP: f32 = 0.9;
/// Pictures until the ball has crossed the picture once, and until it has gone up or down once.
const CROSSING: u32 = 45;
const FALL: u32 = 11;
/// Pictures until the strip has scrolled by its own width.
const SCROLL: u32 = 60;

/// The number after the largest one that a picture can show.
pub const WRAP: u32 = digits::WRAP;

/// The test picture with this number; the same each time.
///
/// # Panics
///
/// Never: sides are held between 1 and [`MAX_SIDE`].
#[must_use]
pub fn picture(number: u32, width: u32, height: u32) -> Picture {
    let side = |wanted: u32| wanted.clamp(1, MAX_SIDE);
    let mut picture =
        Picture::new(side(width), side(height)).expect("the sides are within the bounds");
    bars(&mut picture);
    ball(&mut picture, number);
    strip(&mut picture, number);
    digits::draw(&mut picture, COUNTER, number);
    picture
}

/// The number that a test picture shows, at whatever size it has come to be; `None` if it is not
/// one, or has become unreadable.
#[must_use]
pub fn read_counter(picture: &Picture) -> Option<u32> {
    digits::read(picture, COUNTER)
}

fn bars(picture: &mut Picture) {
    let (width, end) = (picture.width() as usize, (picture.height() as f32 * BARS_END).ceil());
    let rows = end as usize;
    let paint = |plane: &mut [u8], width: usize, rows: usize, part: usize| {
        for row in plane.chunks_mut(width).take(rows) {
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = BARS[x * BARS.len() / width][part];
            }
        }
    };
    paint(picture.y_mut(), width, rows, 0);
    paint(picture.u_mut(), width.div_ceil(2), rows.div_ceil(2), 1);
    paint(picture.v_mut(), width.div_ceil(2), rows.div_ceil(2), 2);
}

/// There and back again between 0 and 1 in twice `period` pictures.
fn swing(number: u32, period: u32) -> f32 {
    let at = number % (2 * period);
    let at = if at < period { at } else { 2 * period - at };
    at as f32 / period as f32
}

fn ball(picture: &mut Picture, number: u32) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let radius = height * BARS_END * 0.22;
    let x = radius + swing(number, CROSSING) * (width - 2.0 * radius);
    let y = radius + swing(number, FALL).powi(2) * (height * BARS_END - 2.0 * radius);
    let columns = picture.width() as usize;
    let inside = |px: usize, py: usize, scale: f32| {
        let (dx, dy) = ((px as f32 + 0.5) * scale - x, (py as f32 + 0.5) * scale - y);
        dx * dx + dy * dy <= radius * radius
    };
    let paint = |plane: &mut [u8], width: usize, scale: f32, value: u8| {
        for (py, row) in plane.chunks_mut(width).enumerate() {
            for (px, pixel) in row.iter_mut().enumerate() {
                if inside(px, py, scale) {
                    *pixel = value;
                }
            }
        }
    };
    paint(picture.y_mut(), columns, 1.0, 235);
    paint(picture.u_mut(), columns.div_ceil(2), 2.0, 128);
    paint(picture.v_mut(), columns.div_ceil(2), 2.0, 128);
}

/// A soft wave of grey that moves to the right.
fn strip(picture: &mut Picture, number: u32) {
    let width = picture.width() as usize;
    let top = (picture.height() as f32 * STRIP) as usize;
    let shift = (number % SCROLL) as f32 / SCROLL as f32;
    for row in picture.y_mut().chunks_mut(width).skip(top) {
        for (x, pixel) in row.iter_mut().enumerate() {
            let phase = (x as f32 / width as f32 - shift + 1.0).fract();
            *pixel = (40.0 + 160.0 * (1.0 - (2.0 * phase - 1.0).abs())) as u8;
        }
    }
}

/// The test picture as a source; its counter tells the time.
#[derive(Debug)]
pub(super) struct Pattern {
    width: u32,
    height: u32,
    pace: Pace,
}

impl Pattern {
    pub(super) fn new(format: VideoFormat) -> Self {
        Self { width: format.max_width, height: format.max_height, pace: Pace::new(format.fps, 1) }
    }
}

impl VideoSource for Pattern {
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError> {
        Ok(self.pace.due(now).map(|number| {
            let number = u32::try_from(number % u64::from(WRAP)).unwrap_or_default();
            Arc::new(picture(number, self.width, self.height))
        }))
    }

    fn kind(&self) -> VideoKind {
        VideoKind::Synthetic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::video::VideoSpec;
    use crate::device::video::open;
    use std::time::Duration;

    /// Each digit at each place, and neighbours that differ in one digit only.
    fn numbers() -> impl Iterator<Item = u32> {
        (0..10).map(|digit| digit * 11_111).chain([0, 1, 9, 10, 12_345, 67_890, 98_765, 99_999])
    }

    #[test]
    fn the_counter_is_readable_at_every_usual_size() {
        for (width, height) in [(640, 360), (320, 180), (160, 90), (161, 91), (320, 240)] {
            for number in numbers() {
                let read = read_counter(&picture(number, width, height));
                assert_eq!(read, Some(number), "{width}x{height}");
            }
        }
    }

    #[test]
    fn the_counter_survives_scaling_to_a_few_cells() {
        let sizes = [(160, 90), (96, 54), (80, 44), (64, 36), (48, 28), (40, 22), (36, 20)];
        for from in [(320, 180), (160, 90)] {
            for (width, height) in sizes {
                for number in numbers() {
                    let small = picture(number, from.0, from.1).scaled_to(width, height).unwrap();
                    assert_eq!(read_counter(&small), Some(number), "{from:?} {width}x{height}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_test_picture_shows_no_number() {
        let black = Picture::new(160, 90).unwrap();
        assert_eq!(read_counter(&black), None);
        let mut noise = black.clone();
        let mut state = 1_u32;
        for pixel in noise.y_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *pixel = (state >> 24) as u8;
        }
        assert_eq!(read_counter(&noise), None);
        for size in [(1, 1), (2, 2), (8, 5)] {
            assert_eq!(read_counter(&picture(7, size.0, size.1)), None, "{size:?}");
        }
        assert_eq!(picture(u32::MAX, 3, 2), picture(u32::MAX, 3, 2));
    }

    #[test]
    fn pictures_come_at_the_rate_asked_for_and_differ() {
        let format = VideoFormat { max_width: 160, max_height: 90, fps: 15 };
        let mut source = open(&VideoSpec::Pattern, &format).unwrap();
        let begin = Instant::now();
        let mut seen = Vec::new();
        for ms in 0..1_000 {
            if let Some(picture) = source.next(begin + Duration::from_millis(ms)).unwrap() {
                seen.push(read_counter(&picture).unwrap());
            }
        }
        assert_eq!(seen, (0..15).collect::<Vec<_>>());
        assert_eq!(source.kind(), VideoKind::Synthetic);
        let late = source.next(begin + Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!(read_counter(&late), Some(150), "late pictures are skipped");
    }
}
