//! What the user has chosen: `settings.toml`. Flags and environment variables come first.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::error::ProfileError;
use super::file;
use crate::model::Secret;

/// Name of the file.
const SETTINGS: &str = "settings.toml";

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
    /// What to be seen with, as `--camera` takes it.
    pub camera: Option<String>,
    /// What to show besides, as `--screen` takes it.
    pub screen: Option<String>,
    /// Name of the theme.
    pub theme: Option<String>,
    /// Only ASCII characters on the screen.
    pub ascii: Option<bool>,
    /// Play a sound when somebody joins or leaves.
    pub chimes: Option<bool>,
    /// Send and receive media through TURN servers only.
    pub relay_only: Option<bool>,
    /// TURN servers that the embedded bridge tells its clients about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turn: Vec<TurnSetting>,
    /// How pictures are shown.
    #[serde(skip_serializing_if = "VideoSettings::is_empty")]
    pub video: VideoSettings,
}

/// How pictures are shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct VideoSettings {
    /// What they may cost, as `--video-budget` takes it.
    pub budget: Option<String>,
}

impl VideoSettings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A TURN server that shares a secret with the embedded bridge, as coturn does with
/// `use-auth-secret`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TurnSetting {
    /// `turn:HOST[:PORT][?transport=udp]`.
    pub url: String,
    /// File with the secret; a relative path starts at the folder of `settings.toml`.
    pub secret_file: PathBuf,
}

impl TurnSetting {
    /// Reads the secret.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`] if the file can't be read, [`ProfileError::Corrupt`] if there is
    /// nothing in it, or if the URL is not that of a TURN server.
    pub fn secret(&self, directory: &Path) -> Result<Secret<String>, ProfileError> {
        if !["turn:", "turns:"].iter().any(|scheme| self.url.starts_with(scheme)) {
            let reason = format!("the URL of a TURN server starts with turn:, not {:?}", self.url);
            return Err(ProfileError::Corrupt { path: directory.join(SETTINGS), reason });
        }
        let path = directory.join(&self.secret_file);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Secret::new(text),
            Err(source) => return Err(ProfileError::Io { action: "read", path, source }),
        };
        let secret = text.expose().trim();
        if secret.is_empty() {
            let reason = "the secret of a TURN server is expected in it".to_owned();
            return Err(ProfileError::Corrupt { path, reason });
        }
        Ok(Secret::new(secret.to_owned()))
    }
}

impl Settings {
    /// Loads the settings in `directory`; the defaults if there are none.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] if a setting is unknown or of the wrong type.
    pub fn load(directory: &Path) -> Result<Self, ProfileError> {
        Ok(file::read_toml(&directory.join(SETTINGS))?.unwrap_or_default())
    }

    /// Stores the settings in `directory`.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn store(&self, directory: &Path) -> Result<(), ProfileError> {
        file::write_toml(&directory.join(SETTINGS), self)
    }
}
