//! The trait behind which all sources of pictures are, and the way to open one.

use std::sync::Arc;
use std::time::Instant;

use super::clip::Clip;
use super::desktop::DesktopSource;
use super::error::VideoError;
use super::pattern::Pattern;
use super::spec::VideoSpec;
use super::still::Still;
use super::terminal::TerminalSource;
use crate::device::camera;
use crate::device::error::DeviceError;
use crate::media::video::MAX_SIDE;
use crate::media::video::Picture;

/// Most pictures per second that a source gives.
pub const MAX_FPS: u32 = 60;

/// What is wanted of a source. It gives no picture that is larger, and no more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// Pixels across, at most.
    pub max_width: u32,
    /// Pixels down, at most.
    pub max_height: u32,
    /// Pictures per second, at most.
    pub fps: u32,
}

impl Default for VideoFormat {
    fn default() -> Self {
        Self { max_width: 320, max_height: 180, fps: 15 }
    }
}

impl VideoFormat {
    /// The same with every figure where it makes sense.
    pub(super) fn bounded(self) -> Self {
        Self {
            max_width: self.max_width.clamp(16, MAX_SIDE),
            max_height: self.max_height.clamp(16, MAX_SIDE),
            fps: self.fps.clamp(1, MAX_FPS),
        }
    }
}

/// What pictures show, which decides how they are encoded and drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoKind {
    /// People: motion matters.
    Camera,
    /// Text: sharpness matters.
    Screen,
    /// Files and test pictures.
    Synthetic,
}

/// Gives pictures. May block for as long as a picture takes.
pub trait VideoSource: Send {
    /// The newest picture, or `None` while that is the one given last. The time must not run
    /// backwards.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if the source has stopped working; it gives no more pictures then.
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError>;

    /// What the pictures show.
    fn kind(&self) -> VideoKind;
}

/// Opens a source of pictures. May take a few seconds.
///
/// # Errors
///
/// [`DeviceError`] saying why there are no pictures, and what to do.
pub fn open(spec: &VideoSpec, format: &VideoFormat) -> Result<Box<dyn VideoSource>, DeviceError> {
    let format = format.bounded();
    match spec {
        VideoSpec::Default => camera::open(None, format),
        VideoSpec::Named(name) => camera::open(Some(name), format),
        VideoSpec::Clip(path) => Ok(Box::new(Clip::open(path, format)?)),
        VideoSpec::Image(path) => Ok(Box::new(Still::open(path, format)?)),
        VideoSpec::Pattern => Ok(Box::new(Pattern::new(format))),
        VideoSpec::Screen(_) | VideoSpec::Window(_) => {
            Ok(Box::new(DesktopSource::open(spec, format, None)?))
        }
        VideoSpec::Terminal(command) => Ok(Box::new(TerminalSource::open(command, format)?)),
        VideoSpec::Off => {
            let why = "it means that there are no pictures";
            Err(VideoError::Spec { spec: spec.to_string(), why }.into())
        }
    }
}
