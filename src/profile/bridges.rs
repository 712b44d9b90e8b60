//! The bridge that this user last hosted or joined: `bridge.toml`.
//!
//! With it `conclave` and `conclave rooms` find their way back without an invite.

use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use super::error::ProfileError;
use super::file;

/// Where a bridge is and who the user is there.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct KnownBridge {
    /// Base URL.
    pub url: String,
    /// Solution to log in with.
    pub solution: String,
    /// Context of the rooms; empty if it is the only one there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// The user's id there; empty if the bridge is to be asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Key with which the bridge must identify itself (base58); without it, it is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge_key: Option<String>,
    /// It is the embedded one of this data directory.
    #[serde(default)]
    pub embedded: bool,
}

impl KnownBridge {
    /// Loads what `directory` holds; `None` if this user never was on a bridge.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] or [`ProfileError::Io`].
    pub fn load(directory: &Path) -> Result<Option<Self>, ProfileError> {
        file::read_toml(&directory.join("bridge.toml"))
    }

    /// Stores it in `directory`.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn store(&self, directory: &Path) -> Result<(), ProfileError> {
        file::write_toml(&directory.join("bridge.toml"), self)
    }
}
