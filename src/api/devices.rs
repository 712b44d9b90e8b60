//! Which devices there are to take sound and pictures from (streams.md §3.1).

use crate::device;
use crate::device::DeviceList;
use crate::device::DeviceSpec;

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
    /// How to name it to [`LocalTrack`](super::LocalTrack).
    #[must_use]
    pub fn spec(&self) -> DeviceSpec {
        DeviceSpec::Named(self.id.clone())
    }
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

    /// The cameras of this machine. None: this version takes no pictures.
    #[must_use]
    pub const fn get_video_devices(&self) -> Vec<MediaDevice> {
        Vec::new()
    }

    /// The screens or windows of this machine. None: this version takes no pictures.
    #[must_use]
    pub const fn get_desktop_devices(&self, _of: DesktopType) -> Vec<MediaDevice> {
        Vec::new()
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
