//! The two traits of sound devices, and how one is opened.

use std::time::Instant;

use super::error::DeviceError;
use super::error::Direction;
use super::file::FileInput;
use super::file::FileOutput;
use super::real;
use super::spec::DeviceSpec;
use super::synthetic::NullOutput;
use super::synthetic::SilenceInput;
use super::synthetic::ToneInput;
use super::voice::VoiceInput;

/// Something that hears: 48 kHz mono.
pub trait AudioInput: Send {
    /// Appends to `out` what has been heard since the last call; the first call starts it.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Lost`] once the device is gone; it does not come back by itself.
    fn read(&mut self, now: Instant, out: &mut Vec<f32>) -> Result<(), DeviceError>;

    /// Echo, noise and volume have been dealt with already, or there are none.
    fn is_processed(&self) -> bool {
        false
    }

    /// Samples that were lost because nobody read them in time.
    fn overruns(&self) -> u64 {
        0
    }
}

/// Something that is heard: 48 kHz mono.
pub trait AudioOutput: Send {
    /// How many samples it can take now so that it neither runs dry nor lags behind.
    fn wanted(&mut self, now: Instant) -> usize;

    /// Takes samples. A little more than wanted does no harm, so whole frames can be written.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Lost`] once the device is gone; it does not come back by itself.
    fn write(&mut self, samples: &[f32]) -> Result<(), DeviceError>;

    /// Brings to an end what was written.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    fn finish(&mut self) -> Result<(), DeviceError>;

    /// Samples of silence that had to be played because nothing was written in time.
    fn underruns(&self) -> u64 {
        0
    }
}

/// Opens a microphone. May take a few seconds, never longer: call it where waiting is allowed.
///
/// # Errors
///
/// Says what is missing, why, and what to do.
pub fn open_input(spec: &DeviceSpec) -> Result<Box<dyn AudioInput>, DeviceError> {
    match spec {
        DeviceSpec::Default => real::open_input(None),
        DeviceSpec::Named(name) => real::open_input(Some(name)),
        DeviceSpec::File(path) => Ok(Box::new(FileInput::open(path)?)),
        DeviceSpec::Tone(hertz) => Ok(Box::new(ToneInput::new(*hertz))),
        DeviceSpec::Voice(number) => Ok(Box::new(VoiceInput::new(*number))),
        DeviceSpec::Silence => Ok(Box::new(SilenceInput::default())),
        DeviceSpec::Null => refuse(spec, Direction::Input),
    }
}

/// Opens a speaker. May take a few seconds, never longer: call it where waiting is allowed.
///
/// # Errors
///
/// Says what is missing, why, and what to do.
pub fn open_output(spec: &DeviceSpec) -> Result<Box<dyn AudioOutput>, DeviceError> {
    match spec {
        DeviceSpec::Default => real::open_output(None),
        DeviceSpec::Named(name) => real::open_output(Some(name)),
        DeviceSpec::File(path) => Ok(Box::new(FileOutput::create(path)?)),
        DeviceSpec::Null => Ok(Box::new(NullOutput::default())),
        DeviceSpec::Tone(_) | DeviceSpec::Voice(_) | DeviceSpec::Silence => {
            refuse(spec, Direction::Output)
        }
    }
}

fn refuse<T>(spec: &DeviceSpec, direction: Direction) -> Result<T, DeviceError> {
    Err(DeviceError::WrongDirection { spec: spec.clone(), direction })
}
