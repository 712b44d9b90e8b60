//! Which real devices there are.

use super::real;

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
