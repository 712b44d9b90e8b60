//! The invites that this user has issued, with their secrets: `invites.toml` (0600).
//!
//! The bridge can't check a voucher, so whoever is asked to admit a guest must still hold the secret.

use std::path::Path;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Serialize;

use crate::crypto::key::PublicKey;
use crate::model::Secret;
use crate::model::StreamRoomId;
use crate::model::Timestamp;

use super::error::ProfileError;
use super::file;
use super::invite;
use super::invite::Invite;

/// How many are kept; the oldest go first.
const MAX_INVITES: usize = 1000;

/// All invites issued from one data directory.
#[derive(Debug)]
pub struct IssuedInvites {
    path: PathBuf,
    stored: Stored,
}

/// One issued invite.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct IssuedInvite {
    /// Id on the bridge.
    pub id: String,
    /// Room that it leads to.
    pub room: String,
    /// When it ends, in ms since the epoch.
    pub expires: i64,
    secret: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default)]
    invite: Vec<IssuedInvite>,
}

impl IssuedInvites {
    /// Loads what `directory` holds.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] or [`ProfileError::Io`].
    pub fn load(directory: &Path) -> Result<Self, ProfileError> {
        let path = directory.join("invites.toml");
        let stored = file::read_toml(&path)?.unwrap_or_default();
        Ok(Self { path, stored })
    }

    /// Remembers an invite; it is on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn add(&mut self, invite: &Invite) -> Result<(), ProfileError> {
        self.stored.invite.push(IssuedInvite {
            id: invite.id.clone(),
            room: invite.room.0.clone(),
            expires: invite.expires.0,
            secret: STANDARD.encode(invite.secret.expose()),
        });
        let surplus = self.stored.invite.len().saturating_sub(MAX_INVITES);
        self.stored.invite.drain(..surplus);
        file::write_toml(&self.path, &self.stored)
    }

    /// Forgets an invite, which then vouches for nobody any more.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`].
    pub fn remove(&mut self, id: &str) -> Result<(), ProfileError> {
        self.stored.invite.retain(|issued| issued.id != id);
        file::write_toml(&self.path, &self.stored)
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> &[IssuedInvite] {
        &self.stored.invite
    }

    /// Whether invite `id` leads to `room`, has not ended and vouches for that guest's key.
    #[must_use]
    pub fn vouch(
        &self,
        id: &str,
        room: &StreamRoomId,
        name: &str,
        guest: &PublicKey,
        proof: &[u8],
        now: Timestamp,
    ) -> bool {
        self.stored
            .invite
            .iter()
            .filter(|issued| issued.id == id && issued.room == room.0 && now.0 < issued.expires)
            .filter_map(|issued| STANDARD.decode(&issued.secret).ok()?.try_into().ok())
            .any(|secret| invite::vouches(&Secret::new(secret), id, name, guest, proof))
    }
}
