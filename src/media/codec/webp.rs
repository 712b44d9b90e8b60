//! A still picture in as few bytes as there are: a VP8 key frame in the container of WebP
//! (RFC 9649, section 2.5).

use super::vp8_rust;
use crate::media::error::MediaError;
use crate::media::video::Picture;

/// From the finest quantiser that is worth its bytes to the coarsest there is.
const QUANTIZERS: std::ops::RangeInclusive<u8> = 8..=127;

/// Encodes a picture as finely as `max_bytes` allow; `None` if not even coarsely.
///
/// # Errors
///
/// [`MediaError::Vp8`] if the codec refuses.
pub fn encode(picture: &Picture, max_bytes: usize) -> Result<Option<Vec<u8>>, MediaError> {
    for quantizer in QUANTIZERS.step_by(7) {
        let file = contained(&vp8_rust::key_frame(picture, quantizer)?);
        if file.len() <= max_bytes {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn contained(frame: &[u8]) -> Vec<u8> {
    let padding = frame.len() % 2;
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend(size(4 + 8 + frame.len() + padding));
    file.extend(b"WEBPVP8 ");
    file.extend(size(frame.len()));
    file.extend(frame);
    file.resize(file.len() + padding, 0);
    file
}
