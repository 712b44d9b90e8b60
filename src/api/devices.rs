//! Which devices there are to take sound and pictures from (streams.md §3.1).

use crate::device;
use crate::device::DesktopInfo;
use crate::device::DeviceList;
use crate::device::DeviceSpec;
use crate::device::video::Origin;
use crate::device::video::VideoSpec;

use super::error::ApiError;
use super::stream_api::StreamApi;

/// What a device gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// Sound of a microphone.
    Audio,
    /// Pictures of a camera.
    Video,
    /// Pictures of a whole screen.
    Screen,
    /// Pictures of one window.
    Window,
}

/// What of a desktop is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesktopType {
    /// Whole screens.
    Screen,
    /// Single windows.
    Window,
}

impl DesktopType {
    fn includes(self, info: &DesktopInfo) -> bool {
        match self {
            Self::Screen => info.origin == Origin::Screen,
            Self::Window => info.origin == Origin::Window,
        }
    }
}

/// A device to take sound or pictures from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDevice {
    /// For people.
    pub name: String,
    /// For the machine: stays the same when the name is translated.
    pub id: String,
    /// What it gives.
    pub kind: DeviceKind,
    /// The system's default of its kind.
    pub is_default: bool,
}

impl MediaDevice {
    /// How to name a microphone to [`LocalTrack`](super::LocalTrack).
    #[must_use]
    pub fn spec(&self) -> DeviceSpec {
        DeviceSpec::Named(self.id.clone())
    }

    /// How to name what gives pictures to [`LocalTrack`](super::LocalTrack); `None` for a
    /// microphone.
    #[must_use]
    pub fn video_spec(&self) -> Option<VideoSpec> {
        match self.kind {
            DeviceKind::Audio => None,
            DeviceKind::Video => Some(VideoSpec::Named(self.id.clone())),
            DeviceKind::Screen | DeviceKind::Window => self.id.parse().ok(),
        }
    }
}

/// A screen or a window, with what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesktopDevice {
    /// What it is.
    pub device: MediaDevice,
    /// A small PNG of what it shows now; empty if that can't be seen.
    pub thumbnail: Vec<u8>,
}

impl StreamApi {
    /// The microphones of this machine; none where there is no support for sound devices. May
    /// take a few seconds.
    ///
    /// # Errors
    ///
    /// [`ApiError::Closed`] if the runtime shuts down.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get_audio_devices(&self) -> Result<Vec<MediaDevice>, ApiError> {
        let inputs = self.devices().await?.inputs;
        let devices = inputs.into_iter().map(|device| MediaDevice {
            name: device.name,
            id: device.id,
            kind: DeviceKind::Audio,
            is_default: device.is_default,
        });
        Ok(devices.collect())
    }

    /// The cameras of this machine, those that were connected since included; none where there
    /// is no support for cameras. May take a few seconds.
    ///
    /// # Errors
    ///
    /// [`ApiError::Closed`] if the runtime shuts down.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get_video_devices(&self) -> Result<Vec<MediaDevice>, ApiError> {
        let listing = tokio::task::spawn_blocking(device::list_video);
        let cameras = listing.await.map_err(|_| ApiError::Closed)?.into_iter();
        let devices = cameras.map(|camera| MediaDevice {
            name: camera.name,
            id: camera.id,
            kind: DeviceKind::Video,
            is_default: camera.is_default,
        });
        Ok(devices.collect())
    }

    /// The screens or windows of this session, with small pictures of what they show. Titles of
    /// windows are what their programs say. May take a few seconds.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Device`] if the session shows none to us; the text says why and what to do.
    /// - [`ApiError::Closed`] if the runtime shuts down.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get_desktop_devices(
        &self,
        of: DesktopType,
    ) -> Result<Vec<DesktopDevice>, ApiError> {
        let listing = tokio::task::spawn_blocking(move || {
            let found = device::list_desktops()?;
            Ok(found.iter().filter(|info| of.includes(info)).map(desktop_device).collect())
        });
        let listed = listing.await.map_err(|_| ApiError::Closed)?;
        listed.map_err(|error: device::DeviceError| ApiError::Device(error.to_string()))
    }

    /// Microphones and loudspeakers in one list. May take a few seconds.
    ///
    /// # Errors
    ///
    /// [`ApiError::Closed`] if the runtime shuts down.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn devices(&self) -> Result<DeviceList, ApiError> {
        tokio::task::spawn_blocking(device::list).await.map_err(|_| ApiError::Closed)
    }
}

fn desktop_device(info: &DesktopInfo) -> DesktopDevice {
    let kind = match info.origin {
        Origin::Window => DeviceKind::Window,
        _ => DeviceKind::Screen,
    };
    // A window may be gone or minimised by now; it is still worth listing.
    let thumbnail = device::thumbnail(info).unwrap_or_default();
    let (name, id) = (info.name.clone(), info.id.clone());
    let device = MediaDevice { name, id, kind, is_default: info.is_default };
    DesktopDevice { device, thumbnail }
}
