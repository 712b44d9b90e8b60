//! Other sizes of a picture.
//!
//! Each side is resampled by itself. Where it becomes smaller, each new sample is the mean of
//! what it covers, parts counted as parts (a box filter), so that nothing flickers when the
//! picture moves. Where it becomes larger, samples in between are interpolated.

use super::picture::MAX_SIDE;
use super::picture::Picture;
use super::picture::area;
use super::picture::side;
use crate::media::error::MediaError;

/// Weights of one sample add up to this.
const ONE: u32 = 1 << 14;
/// Sums are rounded to this many bits less between the two directions.
const BETWEEN: u32 = 6;

impl Picture {
    /// The same picture with other sides.
    ///
    /// # Errors
    ///
    /// [`MediaError::Picture`] as [`new`](Self::new).
    pub fn scaled_to(&self, width: u32, height: u32) -> Result<Self, MediaError> {
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let mut scaled = Self::new(width, height)?;
        let (chroma_width, chroma_height) = (scaled.chroma_width(), scaled.chroma_height());
        let (y, u, v) = scaled.planes_mut();
        let columns = Axis::new(self.width(), width);
        let rows = Axis::new(self.height(), height);
        resample(self.y(), side(self.width()), &columns, &rows, y);
        let columns = Axis::new(self.chroma_width(), chroma_width);
        let rows = Axis::new(self.chroma_height(), chroma_height);
        resample(self.u(), side(self.chroma_width()), &columns, &rows, u);
        resample(self.v(), side(self.chroma_width()), &columns, &rows, v);
        Ok(scaled)
    }

    /// The picture as large as it can be within `max_width` x `max_height`, but no larger than it
    /// is. Its proportions stay; what is made smaller gets even sides.
    ///
    /// # Errors
    ///
    /// [`MediaError::Picture`] if there is no room at all.
    pub fn fitted(&self, max_width: u32, max_height: u32) -> Result<Self, MediaError> {
        let (width, height) = fit((self.width(), self.height()), (max_width, max_height));
        self.scaled_to(width, height)
    }
}

/// The largest size within `room` with the proportions of `size`, no larger than `size`.
fn fit(size: (u32, u32), room: (u32, u32)) -> (u32, u32) {
    let (width, height) = (u64::from(size.0), u64::from(size.1));
    let (room_width, room_height) = (u64::from(room.0), u64::from(room.1));
    if (room_width >= width && room_height >= height) || room_width == 0 || room_height == 0 {
        return (size.0.min(room.0), size.1.min(room.1));
    }
    let (fitted_width, fitted_height) = if width * room_height > height * room_width {
        (room_width, (height * room_width + width / 2) / width)
    } else {
        ((width * room_height + height / 2) / height, room_height)
    };
    (even(fitted_width), even(fitted_height))
}

fn even(length: u64) -> u32 {
    let length = u32::try_from(length).unwrap_or(MAX_SIDE);
    if length < 2 { 1 } else { length & !1 }
}

/// Where the samples of one direction come from.
struct Axis {
    /// The first old sample of each new one, and how many weights it has.
    spans: Vec<(usize, usize)>,
    /// The weights of all, one after the other.
    weights: Vec<u32>,
}

impl Axis {
    fn new(from: u32, to: u32) -> Self {
        let mut axis = Self { spans: Vec::with_capacity(side(to)), weights: Vec::new() };
        let (from, to) = (u64::from(from.max(1)), u64::from(to.max(1)));
        for index in 0..to {
            if to >= from {
                axis.interpolate(index, from, to);
            } else {
                axis.cover(index, from, to);
            }
        }
        axis
    }

    /// The mean of the old samples that the new one covers, in units of `1 / to` old samples.
    fn cover(&mut self, index: u64, from: u64, to: u64) {
        let (begin, end) = (index * from, (index + 1) * from);
        let first = begin / to;
        let last = (end - 1) / to;
        let mut left = ONE;
        self.spans.push((position(first), position(last - first + 1)));
        for old in first..=last {
            let covered = end.min((old + 1) * to) - begin.max(old * to);
            let weight = u32::try_from(covered * u64::from(ONE) / from).unwrap_or(ONE);
            // The last one gets what rounding left over.
            let weight = if old == last { left } else { weight };
            left -= weight;
            self.weights.push(weight);
        }
    }

    /// Between the two old samples whose centres are nearest.
    fn interpolate(&mut self, index: u64, from: u64, to: u64) {
        // The new centre in units of `1 / 2 to`, from the first old centre.
        let centre = ((2 * index + 1) * from).saturating_sub(to);
        let first = (centre / (2 * to)).min(from - 1);
        let part = (centre - first * 2 * to) * u64::from(ONE) / (2 * to);
        let part = u32::try_from(part).unwrap_or(0);
        if first + 1 >= from || part == 0 {
            self.spans.push((position(first), 1));
            self.weights.push(ONE);
        } else {
            self.spans.push((position(first), 2));
            self.weights.extend([ONE - part, part]);
        }
    }
}

fn position(index: u64) -> usize {
    usize::try_from(index).unwrap_or_default()
}

fn resample(from: &[u8], row: usize, columns: &Axis, rows: &Axis, to: &mut [u8]) {
    let width = columns.spans.len();
    let mut between = Vec::with_capacity(area(
        u32::try_from(width).unwrap_or(MAX_SIDE),
        u32::try_from(from.len() / row.max(1)).unwrap_or(MAX_SIDE),
    ));
    for line in from.chunks(row.max(1)) {
        let mut weights = columns.weights.as_slice();
        for &(first, count) in &columns.spans {
            let (own, rest) = weights.split_at_checked(count).unwrap_or_default();
            weights = rest;
            let old = line.get(first..).unwrap_or_default();
            let sum: u32 = own.iter().zip(old).map(|(weight, old)| weight * u32::from(*old)).sum();
            between.push((sum + (1 << (BETWEEN - 1))) >> BETWEEN);
        }
    }
    let mut sums = vec![0_u32; width];
    let mut weights = rows.weights.as_slice();
    for (&(first, count), line) in rows.spans.iter().zip(to.chunks_mut(width.max(1))) {
        let (own, rest) = weights.split_at_checked(count).unwrap_or_default();
        weights = rest;
        sums.fill(1 << (27 - BETWEEN));
        for (weight, old) in own.iter().zip(between.chunks(width.max(1)).skip(first)) {
            for (sum, old) in sums.iter_mut().zip(old) {
                *sum += weight * old;
            }
        }
        for (sample, sum) in line.iter_mut().zip(&sums) {
            *sample = u8::try_from(sum >> (28 - BETWEEN)).unwrap_or(u8::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, luma: u8) -> Picture {
        let mut picture = Picture::new(width, height).unwrap();
        picture.y_mut().fill(luma);
        picture
    }

    #[test]
    fn a_plain_picture_stays_plain_at_every_size() {
        for (width, height) in [(1, 1), (2, 3), (7, 5), (64, 36), (65, 37), (100, 60), (333, 1)] {
            for luma in [0, 16, 127, 255] {
                let scaled = grey(64, 36, luma).scaled_to(width, height).unwrap();
                assert!(scaled == grey(width, height, luma), "{width}x{height} {luma}");
            }
        }
    }

    #[test]
    fn what_is_covered_is_averaged() {
        let y = vec![0, 100, 200, 100, 10, 20, 30, 40];
        let picture = Picture::from_planes(4, 2, y, vec![1, 3], vec![5, 9]).unwrap();
        let half = picture.scaled_to(2, 1).unwrap();
        assert_eq!((half.y(), half.u(), half.v()), (&[33, 93][..], &[2][..], &[7][..]));
        // A third of each new sample is a half of an old one.
        let mut row = Picture::new(3, 1).unwrap();
        row.y_mut().copy_from_slice(&[30, 60, 120]);
        assert_eq!(row.scaled_to(2, 1).unwrap().y(), [40, 100]);
    }

    #[test]
    fn enlarging_interpolates() {
        let mut row = Picture::new(2, 1).unwrap();
        row.y_mut().copy_from_slice(&[0, 100]);
        assert_eq!(row.scaled_to(4, 1).unwrap().y(), [0, 25, 75, 100]);
    }

    #[test]
    fn fitting_keeps_proportions_and_never_enlarges() {
        for (size, room, fitted) in [
            ((640, 360), (160, 90), (160, 90)),
            ((640, 360), (160, 160), (160, 90)),
            ((640, 360), (1000, 90), (160, 90)),
            ((640, 480), (320, 180), (240, 180)),
            ((320, 180), (640, 360), (320, 180)),
            ((321, 181), (321, 181), (321, 181)),
            ((321, 181), (320, 180), (318, 180)),
            ((8192, 1), (100, 100), (100, 1)),
            ((1, 8192), (100, 100), (1, 100)),
            ((100, 100), (1, 50), (1, 1)),
        ] {
            assert_eq!(fit(size, room), fitted, "{size:?} in {room:?}");
        }
        assert!(grey(10, 10, 0).fitted(0, 5).is_err());
    }
}
