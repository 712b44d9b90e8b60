//! What the user has chosen: `settings.toml`. Flags and environment variables come first.

use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use super::error::ProfileError;
use super::file;

/// Settings; what is absent has its default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name that others see.
    pub name: Option<String>,
    /// Microphone, as `--mic` takes it.
    pub mic: Option<String>,
    /// Loudspeaker, as `--speaker` takes it.
    pub speaker: Option<String>,
    /// Name of the theme.
    pub theme: Option<String>,
    /// Only ASCII characters on the screen.
    pub ascii: Option<bool>,
    /// Play a sound when somebody joins or leaves.
    pub chimes: Option<bool>,
}

impl Settings {
    /// Loads the settings in `directory`; the defaults if there are none.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] if a setting is unknown or of the wrong type.
    pub fn load(directory: &Path) -> Result<Self, ProfileError> {
        Ok(file::read_toml(&directory.join("settings.toml"))?.unwrap_or_default())
    }

    /// Stores the settings in `directory`.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn store(&self, directory: &Path) -> Result<(), ProfileError> {
        file::write_toml(&directory.join("settings.toml"), self)
    }
}
