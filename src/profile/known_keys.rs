//! Keys of other users as first seen or confirmed: `known_keys.toml`.
//!
//! A bridge that later presents another key for the same user is found out by comparing.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::model::ContextId;
use crate::model::UserWithPubKey;

use super::error::ProfileError;
use super::file;

/// Known keys, per context and user.
#[derive(Debug)]
pub struct KnownKeys {
    path: PathBuf,
    stored: Stored,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default)]
    context: BTreeMap<String, BTreeMap<String, KnownKey>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownKey {
    key: String,
    #[serde(default)]
    verified: bool,
}

/// How a presented key relates to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// First time this user is seen.
    New,
    /// The same key as before.
    Known,
    /// The same key, confirmed through an invite or by the user.
    Verified,
    /// Another key than before: do not trust it.
    Changed,
}

impl KnownKeys {
    /// Loads what `directory` holds.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] or [`ProfileError::Io`].
    pub fn load(directory: &Path) -> Result<Self, ProfileError> {
        let path = directory.join("known_keys.toml");
        let stored = file::read_toml(&path)?.unwrap_or_default();
        Ok(Self { path, stored })
    }

    /// Compares a presented key with what is known.
    #[must_use]
    pub fn standing(&self, context: &ContextId, user: &UserWithPubKey) -> Standing {
        let known =
            self.stored.context.get(context.as_str()).and_then(|users| users.get(&user.user_id.0));
        match known {
            None => Standing::New,
            Some(known) if known.key != user.pub_key => Standing::Changed,
            Some(known) if known.verified => Standing::Verified,
            Some(_) => Standing::Known,
        }
    }

    /// Reads again what other processes may have written.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); what was known stays known then.
    pub fn refresh(&mut self) -> Result<(), ProfileError> {
        self.stored = file::read_toml(&self.path)?.unwrap_or_default();
        Ok(())
    }

    /// Remembers a key that is new or the same; never replaces one by another.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn remember(
        &mut self,
        context: &ContextId,
        user: &UserWithPubKey,
        verified: bool,
    ) -> Result<Standing, ProfileError> {
        let standing = self.standing(context, user);
        let better = standing == Standing::New || (verified && standing == Standing::Known);
        if better {
            // Another process may have written meanwhile; what it knows stays known.
            self.stored = file::read_toml(&self.path)?.unwrap_or_default();
            if self.standing(context, user) == Standing::Changed {
                return Ok(Standing::Changed);
            }
            let verified = verified || self.standing(context, user) == Standing::Verified;
            let users = self.stored.context.entry(context.0.clone()).or_default();
            let known = KnownKey { key: user.pub_key.clone(), verified };
            users.insert(user.user_id.0.clone(), known);
            file::write_toml(&self.path, &self.stored)?;
        }
        Ok(standing)
    }
}
