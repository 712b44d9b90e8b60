//! Stands in for the real devices where the crate is built without them.

use super::audio::AudioInput;
use super::audio::AudioOutput;
use super::error::DeviceError;
use super::error::Direction;
use super::list::DeviceList;

pub(super) fn open_input(_name: Option<&str>) -> Result<Box<dyn AudioInput>, DeviceError> {
    Err(DeviceError::NotBuilt { direction: Direction::Input })
}

pub(super) fn open_output(_name: Option<&str>) -> Result<Box<dyn AudioOutput>, DeviceError> {
    Err(DeviceError::NotBuilt { direction: Direction::Output })
}

pub(super) fn list() -> DeviceList {
    DeviceList::default()
}

/// Plays short sounds; here, nothing.
#[derive(Debug)]
pub(super) struct ChimeSink;

impl ChimeSink {
    pub(super) fn open(_name: Option<&str>) -> Option<Self> {
        None
    }

    pub(super) fn play(&self, _samples: Vec<f32>) {}
}
