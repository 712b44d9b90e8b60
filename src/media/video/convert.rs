//! RGB to I420 and back, BT.601 in limited range: what VP8 and webcams mean by their numbers.
//!
//! Whole-number arithmetic with 16 bits behind the point, the same on every machine.

use super::picture::Picture;
use super::picture::area;
use super::picture::plane_sizes;
use super::picture::side;
use crate::media::error::MediaError;

/// Bits behind the point.
const SHIFT: u32 = 16;
/// One half, for rounding.
const HALF: i32 = 1 << (SHIFT - 1);
/// Parts of red, green and blue in luma, of which white gets 219 above 16.
const TO_Y: [i32; 3] = [16_829, 33_039, 6_416];
/// The same for the first chroma plane.
const TO_U: [i32; 3] = [-9_714, -19_070, 28_784];
/// The same for the second.
const TO_V: [i32; 3] = [28_784, -24_103, -4_681];
/// 255 / 219.
const FROM_Y: i32 = 76_309;
const RED_FROM_V: i32 = 104_597;
const GREEN_FROM_U: i32 = -25_675;
const GREEN_FROM_V: i32 = -53_279;
const BLUE_FROM_U: i32 = 132_201;

impl Picture {
    /// A picture of `width` x `height` pixels of three bytes each: red, green, blue.
    ///
    /// # Errors
    ///
    /// [`MediaError::Picture`] as [`new`](Self::new), and if the number of bytes is another.
    pub fn from_rgb(width: u32, height: u32, rgb: &[u8]) -> Result<Self, MediaError> {
        let (luma, chroma) = plane_sizes(width, height)?;
        if rgb.len() != luma * 3 {
            return Err(MediaError::Picture("there are not three bytes for each pixel"));
        }
        let (mut y, mut u, mut v) = (Vec::new(), Vec::new(), Vec::new());
        y.reserve_exact(luma);
        u.reserve_exact(chroma);
        v.reserve_exact(chroma);
        let (pixels, _) = rgb.as_chunks::<3>();
        y.extend(pixels.iter().map(|pixel| weighed(TO_Y, pixel.map(i32::from), 1, 16)));
        let row = side(width);
        for rows in pixels.chunks(row * 2) {
            let (upper, lower) = rows.split_at_checked(row).unwrap_or((rows, &[]));
            for (index, left) in upper.chunks(2).enumerate() {
                let right = lower.get(index * 2..).unwrap_or_default();
                let block = left.iter().chain(right.iter().take(left.len()));
                let (mut sum, mut count) = ([0; 3], 0);
                for pixel in block {
                    for (sum, sample) in sum.iter_mut().zip(pixel) {
                        *sum += i32::from(*sample);
                    }
                    count += 1;
                }
                u.push(weighed(TO_U, sum, count, 128));
                v.push(weighed(TO_V, sum, count, 128));
            }
        }
        Self::from_planes(width, height, y, u, v)
    }

    /// Three bytes for each pixel: red, green, blue.
    #[must_use]
    pub fn to_rgb(&self) -> Vec<u8> {
        let mut rgb = Vec::with_capacity(area(self.width(), self.height()) * 3);
        let (row, chroma_row) = (side(self.width()), side(self.chroma_width()));
        for (index, luma) in self.y().chunks(row).enumerate() {
            let at = index / 2 * chroma_row;
            let u = self.u().get(at..).unwrap_or_default();
            let v = self.v().get(at..).unwrap_or_default();
            for (pair, (u, v)) in luma.chunks(2).zip(u.iter().zip(v)) {
                let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
                let red = RED_FROM_V * v + HALF;
                let green = GREEN_FROM_U * u + GREEN_FROM_V * v + HALF;
                let blue = BLUE_FROM_U * u + HALF;
                for luma in pair {
                    let luma = (i32::from(*luma) - 16) * FROM_Y;
                    rgb.extend([red, green, blue].map(|part| to_byte((luma + part) >> SHIFT)));
                }
            }
        }
        rgb
    }
}

/// The weighed mean of the sums of `count` pixels, above `base`.
fn weighed(weights: [i32; 3], sums: [i32; 3], count: i32, base: i32) -> u8 {
    let sum: i32 = weights.iter().zip(sums).map(|(weight, sum)| weight * sum).sum();
    // Arithmetic shift and whole division both have to round down.
    to_byte(((sum + (base << SHIFT) * count) / count + HALF) >> SHIFT)
}

fn to_byte(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_have_their_known_numbers() {
        for (rgb, yuv) in [
            ([0, 0, 0], [16, 128, 128]),
            ([255, 255, 255], [235, 128, 128]),
            ([255, 0, 0], [81, 90, 240]),
            ([0, 255, 0], [145, 54, 34]),
            ([0, 0, 255], [41, 240, 110]),
            ([128, 128, 128], [126, 128, 128]),
        ] {
            let picture = Picture::from_rgb(2, 2, &rgb.repeat(4)).unwrap();
            assert_eq!([picture.y()[3], picture.u()[0], picture.v()[0]], yuv, "{rgb:?}");
            let back = picture.to_rgb();
            assert_eq!(back.len(), 12);
            for (sample, back) in rgb.iter().zip(&back[9..]) {
                assert!(sample.abs_diff(*back) <= 2, "{rgb:?} became {back:?}");
            }
        }
    }

    #[test]
    fn every_grey_comes_back() {
        let greys: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
        let back = Picture::from_rgb(256, 1, &greys).unwrap().to_rgb();
        for (grey, back) in greys.iter().zip(back) {
            assert!(grey.abs_diff(back) <= 1, "{grey} became {back}");
        }
    }

    #[test]
    fn odd_sides_use_the_pixels_there_are() {
        let rgb = [[255, 0, 0], [255, 0, 0], [0, 0, 255]].concat().repeat(3);
        let picture = Picture::from_rgb(3, 3, &rgb).unwrap();
        assert_eq!(
            (picture.u(), picture.v()),
            (&[90, 240, 90, 240][..], &[240, 110, 240, 110][..])
        );
        assert_eq!(picture.to_rgb().len(), 27);
        assert!(Picture::from_rgb(3, 3, &rgb[1..]).is_err());
    }
}
