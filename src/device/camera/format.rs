//! Which of the formats of a camera is the best for what is wanted.

use nokhwa::utils::CameraFormat;
use nokhwa::utils::FrameFormat;

use crate::device::video::VideoFormat;

/// Formats that we can read, the cheapest one first.
pub(super) const READABLE: [FrameFormat; 6] = [
    FrameFormat::NV12,
    FrameFormat::YUYV,
    FrameFormat::MJPEG,
    FrameFormat::GRAY,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
];

/// Fast enough first, then large enough with as little to spare as possible, then cheap to read.
pub(super) fn best(offered: &[CameraFormat], wanted: VideoFormat) -> Option<CameraFormat> {
    let rank = |format: &CameraFormat| {
        let cost = READABLE.iter().position(|readable| *readable == format.format())?;
        let pixels = u64::from(format.width()) * u64::from(format.height());
        let too_slow = wanted.fps.saturating_sub(format.frame_rate());
        let missing = u64::from(wanted.max_width.saturating_sub(format.width()))
            + u64::from(wanted.max_height.saturating_sub(format.height()));
        let too_fast = format.frame_rate().saturating_sub(wanted.fps);
        Some((too_slow, missing, pixels, cost, too_fast))
    };
    offered
        .iter()
        .filter_map(|format| Some((rank(format)?, *format)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, format)| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_format_that_suffices_is_chosen() {
        let format = CameraFormat::new_from;
        let (yuyv, mjpeg) = (FrameFormat::YUYV, FrameFormat::MJPEG);
        let offered = [
            format(1920, 1080, yuyv, 5),
            format(1920, 1080, mjpeg, 30),
            format(640, 480, mjpeg, 30),
            format(640, 480, yuyv, 30),
            format(640, 480, yuyv, 60),
            format(160, 120, yuyv, 30),
        ];
        let wanted = |max_width, max_height, fps| VideoFormat { max_width, max_height, fps };
        let table = [
            (wanted(320, 180, 15), Some(offered[3])),
            (wanted(160, 90, 15), Some(offered[5])),
            (wanted(1280, 720, 15), Some(offered[1])),
            (wanted(640, 480, 50), Some(offered[4])),
            (wanted(8000, 8000, 30), Some(offered[1])),
        ];
        for (wanted, expected) in table {
            assert_eq!(best(&offered, wanted), expected, "{wanted:?}");
        }
        assert_eq!(best(&[], wanted(320, 180, 15)), None);
    }
}
