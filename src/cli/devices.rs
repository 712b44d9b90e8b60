//! Which devices a command uses: flags first, then settings, then defaults.

use crate::device::DeviceSpec;
use crate::device::video::VideoSpec;
use crate::profile::Settings;

use super::args::Sound;

/// Microphone, loudspeaker and what is shown in a call; an explicit choice that fails is an error, a default
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
    /// What to be seen with; nothing unless it was asked for.
    pub camera: Option<VideoSpec>,
    /// What to show besides.
    pub screen: Option<VideoSpec>,
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
            camera: shown(sound.camera.as_deref().or(settings.camera.as_deref()))?,
            screen: shown(sound.screen.as_deref().or(settings.screen.as_deref()))?,
        })
    }
}

fn shown(wanted: Option<&str>) -> anyhow::Result<Option<VideoSpec>> {
    let spec: Option<VideoSpec> = wanted.map(str::parse).transpose()?;
    Ok(spec.filter(|spec| !spec.is_off()))
}
