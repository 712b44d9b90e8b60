//! What cameras send, as pictures.

use nokhwa::utils::FrameFormat;

use crate::device::video::png;
use crate::media::MediaError;
use crate::media::video::Picture;

/// One frame of a camera. The sides of MJPEG are those in the frame.
pub(super) fn picture(
    format: FrameFormat,
    width: u32,
    height: u32,
    data: &[u8],
) -> Result<Picture, String> {
    let converted = match format {
        FrameFormat::MJPEG => return png::decode(data),
        FrameFormat::YUYV => yuyv(width, height, data),
        FrameFormat::NV12 => nv12(width, height, data),
        FrameFormat::GRAY => gray(width, height, data),
        FrameFormat::RAWRGB => Picture::from_rgb(width, height, data),
        FrameFormat::RAWBGR => {
            let rgb: Vec<u8> =
                data.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
            Picture::from_rgb(width, height, &rgb)
        }
    };
    converted.map_err(|error| error.to_string())
}

const SHORT: MediaError = MediaError::Picture("the camera sent fewer bytes than pixels");

/// Two pixels in four bytes: luma, blue, luma, red. Of the chroma of two rows the mean is taken.
fn yuyv(width: u32, height: u32, data: &[u8]) -> Result<Picture, MediaError> {
    let mut picture = Picture::new(width, height)?;
    let (columns, rows) = (width as usize, height as usize);
    // Pairs are whole, also in rows of odd length.
    let stride = columns.next_multiple_of(2) * 2;
    let data = data.get(..stride * rows).ok_or(SHORT)?;
    let chroma_width = columns.div_ceil(2);
    for (row, to) in data.chunks_exact(stride).zip(picture.y_mut().chunks_exact_mut(columns)) {
        for (pair, to) in row.chunks_exact(2).zip(to) {
            *to = pair[0];
        }
    }
    let mean = |a: u8, b: u8| u8::midpoint(a, b);
    for (offset, plane) in [1, 3].into_iter().zip([0, 1]) {
        let plane = if plane == 0 { picture.u_mut() } else { picture.v_mut() };
        let pairs_of_rows = data.chunks(stride * 2);
        for (rows, to) in pairs_of_rows.zip(plane.chunks_exact_mut(chroma_width)) {
            let (upper, lower) = rows.split_at(stride);
            let lower = if lower.is_empty() { upper } else { lower };
            let pairs = upper.chunks_exact(4).zip(lower.chunks_exact(4));
            for ((upper, lower), to) in pairs.zip(to) {
                *to = mean(upper[offset], lower[offset]);
            }
        }
    }
    Ok(picture)
}

/// All luma, then blue and red in turns.
fn nv12(width: u32, height: u32, data: &[u8]) -> Result<Picture, MediaError> {
    let mut picture = Picture::new(width, height)?;
    let (luma, chroma) = (picture.y().len(), picture.u().len());
    let data = data.get(..luma + 2 * chroma).ok_or(SHORT)?;
    let (y, uv) = data.split_at(luma);
    picture.y_mut().copy_from_slice(y);
    for (to, pair) in picture.u_mut().iter_mut().zip(uv.chunks_exact(2)) {
        *to = pair[0];
    }
    for (to, pair) in picture.v_mut().iter_mut().zip(uv.chunks_exact(2)) {
        *to = pair[1];
    }
    Ok(picture)
}

/// Luma only, from 0 to 255.
fn gray(width: u32, height: u32, data: &[u8]) -> Result<Picture, MediaError> {
    let mut picture = Picture::new(width, height)?;
    let data = data.get(..picture.y().len()).ok_or(SHORT)?;
    for (to, from) in picture.y_mut().iter_mut().zip(data) {
        *to = (16 + u16::from(*from) * 219 / 255) as u8;
    }
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_format_become_pictures() {
        // 3 x 2 pixels: pairs are whole, chroma of both rows is averaged.
        let data = [
            10, 100, 20, 200, 30, 110, 99, 210, //
            40, 120, 50, 220, 60, 130, 99, 230,
        ];
        let yuyv = picture(FrameFormat::YUYV, 3, 2, &data).unwrap();
        assert_eq!(yuyv.y(), [10, 20, 30, 40, 50, 60]);
        assert_eq!((yuyv.u(), yuyv.v()), (&[110, 120][..], &[210, 220][..]));
        let one_row = picture(FrameFormat::YUYV, 3, 1, &data[..8]).unwrap();
        assert_eq!((one_row.u(), one_row.v()), (&[100, 110][..], &[200, 210][..]));

        let data = [1, 2, 3, 4, 5, 6, 100, 200, 101, 201];
        let nv12 = picture(FrameFormat::NV12, 3, 2, &data).unwrap();
        assert_eq!(nv12.y(), [1, 2, 3, 4, 5, 6]);
        assert_eq!((nv12.u(), nv12.v()), (&[100, 101][..], &[200, 201][..]));

        let gray = picture(FrameFormat::GRAY, 2, 1, &[0, 255]).unwrap();
        assert_eq!(gray.y(), [16, 235]);
        let rgb = picture(FrameFormat::RAWRGB, 2, 2, &[255, 0, 0].repeat(4)).unwrap();
        let bgr = picture(FrameFormat::RAWBGR, 2, 2, &[0, 0, 255].repeat(4)).unwrap();
        assert_eq!(rgb, bgr);
        assert!(rgb.v()[0] > 200, "red");
    }

    #[test]
    fn frames_that_are_cut_off_are_refused() {
        let formats = [
            FrameFormat::YUYV,
            FrameFormat::NV12,
            FrameFormat::GRAY,
            FrameFormat::RAWRGB,
            FrameFormat::RAWBGR,
            FrameFormat::MJPEG,
        ];
        for format in formats {
            assert!(picture(format, 64, 64, &[0; 100]).is_err(), "{format:?}");
            assert!(picture(format, 0, 64, &[]).is_err(), "{format:?}");
            assert!(picture(format, 1 << 20, 1 << 20, &[0; 100]).is_err(), "{format:?}");
        }
    }
}
