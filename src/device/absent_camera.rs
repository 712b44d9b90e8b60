//! Stands in for the cameras where the crate is built without them.

use super::error::DeviceError;
use super::list::VideoDeviceInfo;
use super::video::Origin;
use super::video::VideoError;
use super::video::VideoFormat;
use super::video::VideoSource;

pub(super) fn open(
    _name: Option<&str>,
    _format: VideoFormat,
) -> Result<Box<dyn VideoSource>, DeviceError> {
    Err(VideoError::NotBuilt { origin: Origin::Camera, feature: "camera" }.into())
}

pub(super) fn list() -> Vec<VideoDeviceInfo> {
    Vec::new()
}
