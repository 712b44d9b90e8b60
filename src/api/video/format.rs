//! What is asked of sources, and how many bits their pictures are worth.

use crate::device::video::VideoFormat;
use crate::device::video::VideoSpec;
use crate::media::codec::vp8::Content;
use crate::model::VideoContent;

/// Pixels per second and kbit/s at which small pictures are good: 320x180 at 15 pictures per
/// second take 150 kbit/s.
const PIXELS_PER_KBIT: u64 = 5760;

/// What a track shows whose pictures come from there.
pub(in crate::api) const fn content_of(spec: &VideoSpec) -> VideoContent {
    match spec {
        VideoSpec::Screen(_) | VideoSpec::Window(_) | VideoSpec::Terminal(_) => {
            VideoContent::Screen
        }
        _ => VideoContent::Camera,
    }
}

/// The pictures that are asked of a source: people move, text has to be sharp.
pub(super) fn format_of(content: VideoContent) -> VideoFormat {
    match content {
        VideoContent::Camera => VideoFormat::default(),
        VideoContent::Screen => VideoFormat { max_width: 1280, max_height: 720, fps: 5 },
    }
}

/// The same for the encoder.
pub(super) const fn encoded_as(content: VideoContent) -> Content {
    match content {
        VideoContent::Camera => Content::Camera,
        VideoContent::Screen => Content::Screen,
    }
}

/// Kilobits per second that pictures of this size are worth.
pub(super) fn worth_kbit(width: u32, height: u32, fps: u32) -> u32 {
    let pixels = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(u64::from(fps));
    u32::try_from(pixels / PIXELS_PER_KBIT).unwrap_or(u32::MAX)
}
