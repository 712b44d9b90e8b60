//! Who the user is: a name and a private key, made once and kept in `identity.toml` (0600).

use std::path::Path;
use std::sync::Arc;

use rand::CryptoRng;
use serde::Deserialize;
use serde::Serialize;
use zeroize::Zeroize;
use zeroize::Zeroizing;

use crate::crypto::key::PrivateKey;

use super::error::ProfileError;
use super::file;

/// Longest name, in characters; a context user id may have 128 bytes.
pub const MAX_NAME_CHARS: usize = 64;

/// The user's name and key.
#[derive(Debug)]
pub struct Identity {
    /// How others see the user; the bridge may append to it to keep ids unique.
    pub name: String,
    /// Signs, logs in and unwraps room keys.
    pub key: Arc<PrivateKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    private_key: String,
}

impl Identity {
    /// Makes a new identity without storing it.
    ///
    /// # Errors
    ///
    /// [`ProfileError::BadName`].
    pub fn generate(name: &str, rng: &mut impl CryptoRng) -> Result<Self, ProfileError> {
        Ok(Self { name: checked_name(name)?, key: Arc::new(PrivateKey::generate(rng)) })
    }

    /// Loads the identity in `directory`; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] if it can't be used; it is never replaced then.
    pub fn load(directory: &Path) -> Result<Option<Self>, ProfileError> {
        let path = directory.join("identity.toml");
        let Some(mut stored) = file::read_toml::<Stored>(&path)? else { return Ok(None) };
        let key = PrivateKey::from_wif(&stored.private_key);
        stored.private_key.zeroize();
        match key {
            Ok(key) => Ok(Some(Self { name: checked_name(&stored.name)?, key: Arc::new(key) })),
            Err(_) => Err(ProfileError::Corrupt {
                path,
                reason: "private_key is not a key in WIF form".to_owned(),
            }),
        }
    }

    /// Reads a key from a file of its own: a key in WIF form, or an `identity.toml`.
    ///
    /// # Errors
    ///
    /// [`ProfileError::OpenKey`] if others can read the file, else as [`load`](Self::load).
    pub fn from_key_file(path: &Path, name: &str) -> Result<Self, ProfileError> {
        let name = checked_name(name)?;
        let corrupt = |reason: &str| ProfileError::Corrupt {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let mut text = Zeroizing::new(file::read_private(path)?);
        if text.contains('=') {
            text.zeroize();
            let stored = file::read_toml::<Stored>(path)?;
            let mut stored = stored.ok_or_else(|| corrupt("it is gone"))?;
            *text = std::mem::take(&mut stored.private_key);
        }
        match PrivateKey::from_wif(text.trim()) {
            Ok(key) => Ok(Self { name, key: Arc::new(key) }),
            Err(_) => Err(corrupt("it holds no private key in WIF form")),
        }
    }

    /// Stores the identity in `directory`.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn store(&self, directory: &Path) -> Result<(), ProfileError> {
        let private_key = self.key.to_wif().expose().to_string();
        let mut stored = Stored { name: self.name.clone(), private_key };
        let result = file::write_toml(&directory.join("identity.toml"), &stored);
        stored.private_key.zeroize();
        result
    }
}

/// Trims a name and refuses what can't be shown on one line of a terminal.
///
/// # Errors
///
/// [`ProfileError::BadName`].
pub fn checked_name(name: &str) -> Result<String, ProfileError> {
    let trimmed = name.trim();
    let visible = !trimmed.is_empty()
        && trimmed.chars().count() <= MAX_NAME_CHARS
        && !trimmed.chars().any(|c| c.is_control() || is_invisible(c));
    if visible { Ok(trimmed.to_owned()) } else { Err(ProfileError::BadName(name.to_owned())) }
}

/// Zero-width and direction-changing characters, with which one name could pass for another.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
