//! Which real devices there are.

use super::camera;
use super::error::DeviceError;
use super::real;
use super::video::Origin;
use super::video::VideoError;
use super::video::VideoSpec;
use super::video::desktop;
use super::video::desktop::Display;
use super::video::patience::within_patience;
use super::video::png;

/// Pixels of a thumbnail, at most.
const THUMBNAIL_WIDTH: u32 = 320;
const THUMBNAIL_HEIGHT: u32 = 180;

/// One real device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// For people.
    pub name: String,
    /// For the machine: stays the same when the name is translated. Either can be given.
    pub id: String,
    /// The system's default.
    pub is_default: bool,
}

/// The real devices of this machine. Empty where there are none, or no support for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceList {
    /// Microphones.
    pub inputs: Vec<DeviceInfo>,
    /// Speakers.
    pub outputs: Vec<DeviceInfo>,
}

/// Lists the real devices. May take a few seconds, never longer.
#[must_use]
pub fn list() -> DeviceList {
    real::list()
}

/// One camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoDeviceInfo {
    /// For people.
    pub name: String,
    /// For the machine. Either can be given.
    pub id: String,
    /// The one that is used if none is named.
    pub is_default: bool,
}

/// One screen, or one window of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesktopInfo {
    /// Whether it is a screen or a window.
    pub origin: Origin,
    /// For people: the name of a monitor, the title of a window.
    pub name: String,
    /// For the machine, in the words of [`VideoSpec`].
    pub id: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The one that is used if none is named.
    pub is_default: bool,
}

impl DesktopInfo {
    /// How to open it.
    #[must_use]
    pub fn spec(&self) -> VideoSpec {
        self.id.parse().unwrap_or_else(|_| VideoSpec::Named(self.id.clone()))
    }
}

/// Lists the cameras, those included that were connected since. May take a few seconds, never
/// longer.
#[must_use]
pub fn list_video() -> Vec<VideoDeviceInfo> {
    camera::list()
}

/// Lists the screens and then the windows of this session. May take a few seconds, never longer.
///
/// # Errors
///
/// [`DeviceError`] saying why none can be seen.
pub fn list_desktops() -> Result<Vec<DesktopInfo>, DeviceError> {
    let listed = within_patience("desktop list", || {
        let display = Display::open(Origin::Screen, None)?;
        desktop::list(&display).map_err(|error| unlisted(error.to_string()))
    });
    let silent = || unlisted("the X server did not answer".to_owned());
    Ok(listed.unwrap_or_else(|| Err(silent()))?)
}

fn unlisted(reason: String) -> VideoError {
    let advice = "check DISPLAY, or name file:PATH.y4m instead";
    VideoError::NoDisplay { origin: Origin::Screen, reason, advice }
}

/// A small PNG of what a screen or a window shows now. May take a few seconds, never longer.
///
/// # Errors
///
/// [`DeviceError`] if it can't be seen.
pub fn thumbnail(of: &DesktopInfo) -> Result<Vec<u8>, DeviceError> {
    let spec = of.spec();
    let taken = within_patience("thumbnail", move || {
        desktop::snapshot(&spec, (THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT), None)
    });
    let silent = || Err(unlisted("the X server did not answer".to_owned()).into());
    png::encode(&taken.unwrap_or_else(silent)?).map_err(|reason| {
        let (origin, name) = (of.origin, of.name.clone());
        VideoError::Open { origin, name, reason }.into()
    })
}
