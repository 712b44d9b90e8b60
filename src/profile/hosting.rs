//! The credentials with which a host manages its own embedded bridge: `hosting.toml` (0600).

use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use super::error::ProfileError;
use super::file;

/// An API key of the embedded bridge, and the solution and context that were made with it.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Hosting {
    /// Id of the API key.
    pub api_key_id: String,
    /// Its secret.
    pub api_key_secret: String,
    /// Solution that owns the context.
    pub solution: String,
    /// Context that all guests share.
    pub context: String,
}

impl Hosting {
    /// Loads the credentials in `directory`; `None` before the first hosting.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] or [`ProfileError::Io`].
    pub fn load(directory: &Path) -> Result<Option<Self>, ProfileError> {
        file::read_toml(&directory.join("hosting.toml"))
    }

    /// Stores the credentials in `directory`.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn store(&self, directory: &Path) -> Result<(), ProfileError> {
        file::write_toml(&directory.join("hosting.toml"), self)
    }
}
