//! Cameras: V4L2, AVFoundation and Media Foundation.

mod capture;
mod convert;
mod find;
mod format;

pub(super) use capture::open;
pub(super) use find::list;
