//! A picture as a PNG file.

use std::io::Cursor;

use image::ExtendedColorType;
use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use crate::media::video::MAX_SIDE;
use crate::media::video::Picture;

/// Encodes a picture as PNG, without loss.
///
/// # Errors
///
/// What the encoder said.
pub fn encode(picture: &Picture) -> Result<Vec<u8>, String> {
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (picture.width(), picture.height());
    PngEncoder::new(&mut bytes)
        .write_image(&picture.to_rgb(), width, height, ExtendedColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}

/// Decodes a PNG, or a picture of another kind that we know. Its size is looked at before that.
///
/// # Errors
///
/// Why it can't be used.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    super::still::decode(bytes, MAX_SIDE)
}
