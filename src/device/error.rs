//! Why a device could not be opened or stopped working: what, why, and what to do about it.

use std::path::PathBuf;

use super::spec::DeviceSpec;
use super::video::VideoError;
use crate::media::MediaError;

/// Whether sound comes from it or goes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A microphone.
    Input,
    /// A speaker.
    Output,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Input => "microphone",
            Self::Output => "speaker",
        })
    }
}

/// Why a device could not be opened or stopped working.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name of the device can't be understood.
    #[error(
        "`{spec}` names no device: {why}; use default, a device's name, file:PATH, tone:HZ, voice:N, silence or null"
    )]
    Spec {
        /// What was given.
        spec: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `silence` as a speaker, `null` as a microphone, and the like.
    #[error("`{spec}` can't be a {direction}; name another device")]
    WrongDirection {
        /// What was given.
        spec: DeviceSpec,
        /// What it was to be.
        direction: Direction,
    },
    /// The machine has no such device at all.
    #[error(
        "there is no {direction}, because no sound server runs and no sound card was found; connect one, or name a file:PATH instead"
    )]
    NoDevice {
        /// What was looked for.
        direction: Direction,
    },
    /// This build has no real devices.
    #[error(
        "there is no {direction}, because this build has no sound support; build it with the feature `audio`, or name a file:PATH instead"
    )]
    NotBuilt {
        /// What was looked for.
        direction: Direction,
    },
    /// No device has that name.
    #[error(
        "there is no {direction} `{name}`; the ones that exist are listed by `conclave devices`"
    )]
    NotFound {
        /// What was looked for.
        direction: Direction,
        /// What was given.
        name: String,
    },
    /// Several devices match the name.
    #[error("`{name}` fits more than one {direction} ({matches}); write more of the name")]
    Ambiguous {
        /// What was looked for.
        direction: Direction,
        /// What was given.
        name: String,
        /// Names of those that match.
        matches: String,
    },
    /// The device exists, but the system did not let us have it.
    #[error(
        "the {direction} `{name}` could not be opened: {reason}; close what else uses it, or choose another one"
    )]
    Open {
        /// What was looked for.
        direction: Direction,
        /// The device.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// The sound server did not answer.
    #[error(
        "the {direction} could not be opened, because the sound server did not answer; restart it, or name a file:PATH instead"
    )]
    Timeout {
        /// What was looked for.
        direction: Direction,
    },
    /// The device was there and is gone.
    #[error("the {direction} `{name}` was lost: {reason}; connect it again, or choose another one")]
    Lost {
        /// What it was.
        direction: Direction,
        /// The device.
        name: String,
        /// What happened.
        reason: String,
    },
    /// A command could not be started in a pseudo-terminal.
    #[error("`{command}` could not be started in a terminal: {reason}; share another command")]
    Command {
        /// What was to be started.
        command: String,
        /// What the system said.
        reason: String,
    },
    /// A file could not be opened, read or written.
    #[error("the file {} could not be used: {source}; choose another path", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A file is not a usable WAV file.
    #[error("the file {} could not be used: {source}; convert it to a PCM WAV file", path.display())]
    Wav {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: MediaError,
    },
    /// There are no pictures.
    #[error(transparent)]
    Video(#[from] VideoError),
}
