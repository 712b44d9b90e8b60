//! How near a picture is to another.

use super::picture::Picture;

/// Peak signal-to-noise ratio of the luma planes, in decibels: infinite for equal planes, 0 for
/// pictures of different sizes. From about 40 dB on nobody sees a difference.
#[must_use]
pub fn psnr_y(a: &Picture, b: &Picture) -> f64 {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return 0.0;
    }
    let squares = a.y().iter().zip(b.y()).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
    let sum: u64 = squares.sum();
    if sum == 0 {
        return f64::INFINITY;
    }
    #[expect(clippy::cast_precision_loss, reason = "2^26 pixels of 2^16 each fit an f64 exactly")]
    let mean = sum as f64 / a.y().len() as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_everywhere_is_48_decibels() {
        let a = Picture::new(16, 9).unwrap();
        let mut b = a.clone();
        assert!(psnr_y(&a, &b).is_infinite());
        b.y_mut().iter_mut().for_each(|sample| *sample += 1);
        assert!((psnr_y(&a, &b) - 48.13).abs() < 0.01);
        assert!(psnr_y(&a, &Picture::new(9, 16).unwrap()).abs() < f64::EPSILON);
    }
}
