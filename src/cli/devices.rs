//! Which microphone and loudspeaker a command uses: flags first, then settings, then defaults.

use crate::device::DeviceSpec;
use crate::profile::Settings;

use super::args::Sound;

/// Microphone and loudspeaker of a call; an explicit choice that fails is an error, a default
/// that fails only means to go without.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The microphone; `None` only listens.
    pub mic: Option<DeviceSpec>,
    /// The user named it.
    pub mic_named: bool,
    /// The loudspeaker.
    pub speaker: DeviceSpec,
    /// The user named it.
    pub speaker_named: bool,
}

impl Choice {
    /// Combines what the command line and the settings say.
    ///
    /// # Errors
    ///
    /// [`crate::device::DeviceError`] if a name can't be one of a device.
    pub fn new(sound: &Sound, settings: &Settings) -> anyhow::Result<Self> {
        let mic = sound.mic.as_deref().or(settings.mic.as_deref());
        let speaker = sound.speaker.as_deref().or(settings.speaker.as_deref());
        Ok(Self {
            mic: match mic.unwrap_or("default").parse()? {
                DeviceSpec::Null => None,
                spec => Some(spec),
            },
            mic_named: mic.is_some(),
            speaker: speaker.unwrap_or("default").parse()?,
            speaker_named: speaker.is_some(),
        })
    }
}
