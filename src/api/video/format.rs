//! What is asked of sources, and how many bits their pictures are worth.

use crate::device::video::VideoFormat;
use crate::device::video::VideoKind;
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

/// What is asked of a source of text, which has to be sharp.
pub(super) const TEXT: VideoFormat = VideoFormat { max_width: 1280, max_height: 720, fps: 5 };

/// The pictures that are asked of a source. A terminal is text also where it stands in for a
/// camera.
pub(super) fn format_of(content: VideoContent, spec: &VideoSpec) -> VideoFormat {
    match (content, spec) {
        (VideoContent::Camera, VideoSpec::Terminal(_)) => TEXT,
        (VideoContent::Camera, _) => VideoFormat::default(),
        (VideoContent::Screen | VideoContent::Terminal, _) => TEXT,
    }
}

/// The same for the encoder.
pub(super) const fn encoded_as(content: VideoContent, kind: VideoKind) -> Content {
    match (content, kind) {
        (VideoContent::Camera, VideoKind::Camera | VideoKind::Synthetic) => Content::Camera,
        _ => Content::Screen,
    }
}

/// Kilobits per second that pictures of this size are worth.
pub(super) fn worth_kbit(width: u32, height: u32, fps: u32) -> u32 {
    let pixels = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(u64::from(fps));
    u32::try_from(pixels / PIXELS_PER_KBIT).unwrap_or(u32::MAX)
}
