//! A picture from a file that does not move.

use std::fs::File;
use std::io::Cursor;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use image::DynamicImage;
use image::ImageDecoder;
use image::ImageReader;
use image::Limits;

use super::error::VideoError;
use super::pace::Pace;
use super::source::VideoFormat;
use super::source::VideoKind;
use super::source::VideoSource;
use crate::device::error::DeviceError;
use crate::media::video::MAX_SIDE;
use crate::media::video::Picture;

/// Largest file that is read.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// Most memory that decoding may take: the largest picture in four bytes per pixel.
const MAX_DECODED: u64 = 4 * (MAX_SIDE as u64) * (MAX_SIDE as u64);
/// What can be read.
const WANTED: &str = "a PNG, JPEG, WebP or GIF picture of at most 8192 pixels on a side";

/// Shows the same picture once a second, so that whoever comes later sees it, too.
#[derive(Debug)]
pub(super) struct Still {
    picture: Arc<Picture>,
    pace: Pace,
}

impl Still {
    pub(super) fn open(path: &Path, format: VideoFormat) -> Result<Self, DeviceError> {
        let picture = load(path, format.max_width, format.max_height)?;
        Ok(Self { picture: Arc::new(picture), pace: Pace::new(1, 1) })
    }
}

/// The picture of a file, no larger than this.
pub(super) fn load(path: &Path, max_width: u32, max_height: u32) -> Result<Picture, DeviceError> {
    let bytes = read(path)?;
    let picture = decode(&bytes, MAX_SIDE);
    let fitted = picture.and_then(|picture| {
        picture.fitted(max_width, max_height).map_err(|error| error.to_string())
    });
    let unusable = |reason| VideoError::Content { path: path.to_owned(), reason, wanted: WANTED };
    Ok(fitted.map_err(unusable)?)
}

fn read(path: &Path) -> Result<Vec<u8>, DeviceError> {
    let failed = |source| DeviceError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        let reason = format!("it is larger than {} MiB", MAX_FILE >> 20);
        let path = path.to_owned();
        return Err(VideoError::Content { path, reason, wanted: WANTED }.into());
    }
    Ok(bytes)
}

/// Decodes a picture of any kind that we know, of at most so many pixels on a side. Its size is
/// looked at before that.
pub(in crate::device) fn decode(bytes: &[u8], max_side: u32) -> Result<Picture, String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| error.to_string())?;
    if reader.format().is_none() {
        return Err("it is of no kind that is known".to_owned());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(max_side);
    limits.max_image_height = Some(max_side);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if width > max_side || height > max_side {
        return Err(format!("it has {width}x{height} pixels"));
    }
    let orientation = decoder.orientation();
    let decoded = DynamicImage::from_decoder(decoder);
    let mut image = decoded.map_err(|error| error.to_string())?;
    if let Ok(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    let (width, height) = (image.width(), image.height());
    Picture::from_rgb(width, height, &on_black(&image)).map_err(|error| error.to_string())
}

/// Three bytes for each pixel; what is transparent becomes black.
fn on_black(image: &DynamicImage) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.to_rgb8().into_raw();
    }
    let shade = |value: u8, alpha: u8| (u16::from(value) * u16::from(alpha) / 255) as u8;
    let pixels = image.to_rgba8();
    pixels
        .pixels()
        .flat_map(|pixel| {
            let [red, green, blue, alpha] = pixel.0;
            [shade(red, alpha), shade(green, alpha), shade(blue, alpha)]
        })
        .collect()
}

impl VideoSource for Still {
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError> {
        Ok(self.pace.due(now).map(|_| Arc::clone(&self.picture)))
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
    use image::ImageFormat;
    use image::Rgba;
    use image::RgbaImage;
    use std::time::Duration;

    /// Left half red, right half green, the bottom half of both transparent.
    fn drawing() -> DynamicImage {
        let paint = |x: u32, y: u32| {
            let [red, green] = if x < 32 { [255, 0] } else { [0, 255] };
            Rgba([red, green, 0, if y < 32 { 255 } else { 0 }])
        };
        DynamicImage::ImageRgba8(RgbaImage::from_fn(64, 64, paint))
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = match format {
            ImageFormat::Jpeg => DynamicImage::ImageRgb8(drawing().to_rgb8()),
            _ => drawing(),
        };
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn luma(picture: &Picture, x: usize, y: usize) -> u8 {
        picture.y()[y * picture.width() as usize + x]
    }

    #[test]
    fn each_kind_of_picture_is_shown_once_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let kinds = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
        for kind in kinds {
            // The name says nothing about the kind.
            let path = directory.path().join("picture.dat");
            std::fs::write(&path, encoded(kind)).unwrap();
            let format = VideoFormat { max_width: 32, max_height: 200, fps: 15 };
            let mut source = open(&VideoSpec::Image(path), &format).unwrap();
            let begin = Instant::now();
            let mut shown = Vec::new();
            for ms in (0..3_000).step_by(10) {
                shown.extend(source.next(begin + Duration::from_millis(ms)).unwrap());
            }
            assert_eq!(shown.len(), 3, "{kind:?}");
            let picture = &shown[0];
            assert_eq!((picture.width(), picture.height()), (32, 32), "{kind:?}");
            // BT.601: red is 81 or so, green 145.
            assert!(luma(picture, 8, 8).abs_diff(81) < 4, "{kind:?} {}", luma(picture, 8, 8));
            assert!(luma(picture, 24, 8).abs_diff(145) < 4, "{kind:?}");
            if kind != ImageFormat::Jpeg {
                assert!(luma(picture, 8, 24) < 20, "what is transparent is black: {kind:?}");
            }
        }
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused_before_it_is_decoded() {
        // A PNG that says it has 60000 x 60000 pixels, and has none.
        let mut huge = encoded(ImageFormat::Png);
        huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let mut wide = Cursor::new(Vec::new());
        let pixels = image::GrayImage::new(MAX_SIDE + 1, 1);
        pixels.write_to(&mut wide, ImageFormat::Png).unwrap();
        let mut long = b"GIF89a".to_vec();
        long.extend([0xff, 0xff, 1, 0, 0, 0, 0]);
        for (bytes, what) in [
            (huge, "too large"),
            (wide.into_inner(), "one pixel too wide"),
            (long, "too wide"),
            (b"not a picture".to_vec(), "no kind that is known"),
            (Vec::new(), "no kind that is known"),
            (encoded(ImageFormat::Png)[..60].to_vec(), "cut off"),
        ] {
            let refused = decode(&bytes, MAX_SIDE).unwrap_err();
            println!("{what}: {refused}");
            if what.contains("known") {
                assert!(refused.contains(what), "{refused}");
            }
        }
        let missing = VideoSpec::Image("/no/such/picture.png".into());
        let error = open(&missing, &VideoFormat::default()).map(drop).unwrap_err();
        assert!(error.to_string().contains("/no/such/picture.png"), "{error}");
    }
}
