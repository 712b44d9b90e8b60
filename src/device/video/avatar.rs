//! Somebody's picture, small enough to be part of a room's metadata.

use std::path::Path;

use super::error::VideoError;
use super::still;
use crate::device::error::DeviceError;
use crate::media::codec::webp;
use crate::media::video::Picture;

/// Pixels on a side of what is made, tried from the best down until the file is small enough.
const SIDES: [u32; 3] = [32, 24, 16];
/// Pixels on a side of what is accepted from others.
const MAX_SIDE: u32 = 256;
/// What helps if all of them take too much.
const WANTED: &str = "a simpler picture";

/// The picture of a file as a WebP file of at most `max_bytes`.
///
/// # Errors
///
/// [`DeviceError`] if the file can't be read, is no picture, or can't be made so small.
pub fn load(path: &Path, max_bytes: usize) -> Result<Vec<u8>, DeviceError> {
    let unusable = |reason| VideoError::Content { path: path.to_owned(), reason, wanted: WANTED };
    let [largest, ..] = SIDES;
    let picture = still::load(path, largest, largest)?;
    for side in SIDES {
        let small = picture.fitted(side, side).and_then(|small| webp::encode(&small, max_bytes));
        if let Some(file) = small.map_err(|error| unusable(error.to_string()))? {
            return Ok(file);
        }
    }
    Err(unusable(format!("even small it has more than {max_bytes} bytes")).into())
}

/// Decodes what [`load`] made, or what somebody else says they made with it.
///
/// # Errors
///
/// Why it can't be used.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    still::decode(bytes, MAX_SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::video::png;

    #[test]
    fn any_picture_becomes_a_small_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("face.png");
        // Noise is what a codec can do least about.
        let mut picture = Picture::new(640, 480).unwrap();
        let mut seed = 1_u32;
        let (y, u, v) = picture.planes_mut();
        for value in y.iter_mut().chain(u).chain(v) {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *value = (seed >> 24) as u8;
        }
        std::fs::write(&path, png::encode(&picture).unwrap()).unwrap();
        for max in [2000, 240, 60] {
            let small = load(&path, max).unwrap();
            let seen = decode(&small).unwrap();
            assert!(small.len() <= max && SIDES.contains(&seen.width()), "{seen:?}");
        }
        let error = load(&path, 30).unwrap_err().to_string();
        assert!(error.contains("more than 30 bytes"), "{error}");
    }

    #[test]
    fn what_others_send_is_looked_at_before_it_is_decoded() {
        let large = png::encode(&Picture::new(257, 4).unwrap()).unwrap();
        for foreign in [large.as_slice(), b"", b"\xff\xd8\xff", b"GIF89a"] {
            decode(foreign).unwrap_err();
        }
        let mut picture = Picture::new(32, 32).unwrap();
        let rows = picture.y_mut().chunks_exact_mut(32).zip((0..).step_by(7));
        rows.for_each(|(row, luma)| row.fill(luma));
        let small = webp::encode(&picture, 240).unwrap().unwrap();
        decode(&small).unwrap();
        // Whatever comes of these, it is a picture or an error.
        for place in 0..small.len() {
            let _ = decode(&small[..place]);
            for bit in 0..8 {
                let mut changed = small.clone();
                changed[place] ^= 1 << bit;
                let _ = decode(&changed);
            }
        }
    }
}
