//! Microphones and speakers, cameras and screens, real ones and those that tests use, behind
//! three small traits.
//!
//! Devices are pulled: whoever reads or writes says what time it is, and gets or gives as much
//! sound as that time demands. Real devices have threads of their own behind the scenes;
//! the others need none.

pub mod audio;
#[cfg(feature = "camera")]
mod camera;
#[cfg(not(feature = "camera"))]
#[path = "absent_camera.rs"]
mod camera;
pub mod chime;
pub mod error;
mod file;
pub mod list;
pub mod pty;
#[cfg(feature = "audio")]
mod real;
#[cfg(not(feature = "audio"))]
#[path = "absent.rs"]
mod real;
pub mod spec;
mod synthetic;
pub mod video;
mod voice;

pub use audio::AudioInput;
pub use audio::AudioOutput;
pub use audio::open_input;
pub use audio::open_output;
pub use chime::Chime;
pub use chime::ChimePlayer;
pub use error::DeviceError;
pub use list::DesktopInfo;
pub use list::DeviceInfo;
pub use list::DeviceList;
pub use list::VideoDeviceInfo;
pub use list::list;
pub use list::list_desktops;
pub use list::list_video;
pub use list::thumbnail;
pub use pty::Pty;
pub use pty::PtyEvent;
pub use spec::DeviceSpec;
