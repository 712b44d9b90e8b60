//! Bridges that this user has an account on: one directory each below `profiles`, laid out like
//! the data directory itself (`identity.toml`, `bridge.toml`, `known_keys.toml`, …), and
//! `profiles.toml`, which names the one in use.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::bridges::KnownBridge;
use super::error::ProfileError;
use super::file;
use super::identity::Identity;

/// Longest name, in bytes; it is also the name of a directory.
const MAX_NAME_LEN: usize = 64;
/// Stands for the bridge of last time or the embedded one, so no profile can have this name.
pub const LOCAL: &str = "local";

/// The profiles below one data directory.
#[derive(Clone, Debug)]
pub struct Remotes {
    data: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
}

impl Remotes {
    /// Those below `data`; reads nothing yet.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Names of all profiles, in order.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn list(&self) -> Result<Vec<String>, ProfileError> {
        let root = self.data.join("profiles");
        let entries = match fs::read_dir(&root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(ProfileError::Io { action: "read", path: root, source }),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("bridge.toml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| checked(name).is_ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Where the files of a profile are.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoProfile`] if there is none of that name.
    pub fn directory(&self, name: &str) -> Result<PathBuf, ProfileError> {
        let directory = self.place(name)?;
        if directory.join("bridge.toml").is_file() {
            return Ok(directory);
        }
        Err(ProfileError::NoProfile(name.to_owned()))
    }

    /// The profile in use, if there is one.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] or [`ProfileError::Io`].
    pub fn current(&self) -> Result<Option<String>, ProfileError> {
        let chosen = file::read_toml::<Chosen>(&self.choice())?.unwrap_or_default();
        Ok(chosen.current)
    }

    /// Uses a profile from now on; `None` uses the bridge of last time or the embedded one.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoProfile`] or [`ProfileError::Io`].
    pub fn use_by_default(&self, name: Option<&str>) -> Result<(), ProfileError> {
        if let Some(name) = name {
            self.directory(name)?;
        }
        file::write_toml(&self.choice(), &Chosen { current: name.map(str::to_owned) })
    }

    /// Makes a profile: the key first, so that what is listed is complete.
    ///
    /// # Errors
    ///
    /// [`ProfileError::ProfileExists`], [`ProfileError::BadProfileName`] or [`ProfileError::Io`].
    pub fn add(
        &self,
        name: &str,
        bridge: &KnownBridge,
        identity: &Identity,
    ) -> Result<PathBuf, ProfileError> {
        let directory = self.place(name)?;
        // Also a key without a bridge is not replaced: it may be the only copy.
        if directory.join("bridge.toml").exists() || directory.join("identity.toml").exists() {
            return Err(ProfileError::ProfileExists { name: name.to_owned(), directory });
        }
        identity.store(&directory)?;
        bridge.store(&directory)?;
        Ok(directory)
    }

    /// Deletes a profile with its key and everything it remembers.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoProfile`] or [`ProfileError::Io`].
    pub fn remove(&self, name: &str) -> Result<(), ProfileError> {
        let directory = self.directory(name)?;
        if self.current()?.as_deref() == Some(name) {
            self.use_by_default(None)?;
        }
        fs::remove_dir_all(&directory).map_err(|source| ProfileError::Io {
            action: "delete",
            path: directory,
            source,
        })
    }

    fn place(&self, name: &str) -> Result<PathBuf, ProfileError> {
        Ok(self.data.join("profiles").join(checked(name)?))
    }

    fn choice(&self) -> PathBuf {
        self.data.join("profiles.toml")
    }
}

/// A name that is safe as a directory and on a line of text.
fn checked(name: &str) -> Result<&str, ProfileError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = (1..=MAX_NAME_LEN).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('.')
        && name != LOCAL;
    if fits { Ok(name) } else { Err(ProfileError::BadProfileName(name.to_owned())) }
}
