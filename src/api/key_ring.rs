//! Which keys of a joined room are in force: a step function that decides about each update.
//!
//! What a bridge calls the newest state of a room has to be a continuation of what is known.
//! The container secret, which the bridge does not know and which never changes (crypto.md
//! 6.6), keeps a bridge from replacing the room by one of its own; and a key that was
//! replaced once never comes back, since somebody who was removed may hold it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::crypto::frame::FrameKeys;
use crate::model::KeyId;

/// SHA-256 of a room's container secret: what all versions of a room have in common.
pub(super) type Anchor = [u8; 32];

/// The keys of one version of a room, all of them verified.
#[derive(Clone, Debug)]
pub(super) struct RoomKeys {
    /// Which version; counted by the bridge and signed by nobody.
    pub(super) version: i64,
    /// Of which room.
    pub(super) anchor: Anchor,
    /// What is sealed with.
    pub(super) current: KeyId,
    /// What was sealed with before.
    pub(super) older: Vec<KeyId>,
    /// All of them, for media.
    pub(super) frame: Arc<FrameKeys>,
}

/// Which keys of a room are in force. Names only: the keys themselves stay inside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomKeyInfo {
    /// What everything is sealed with from now on.
    pub current: KeyId,
    /// How many keys the room has had, as far as this user can know: 1 is the first. It grows
    /// with every rotation.
    pub epoch: u64,
    /// Keys that still open what was sealed with them, the current one included.
    pub accepted: Vec<KeyId>,
    /// The version of the room that brought them.
    pub version: i64,
}

impl RoomKeyInfo {
    pub(super) fn of(keys: &RoomKeys) -> Self {
        let mut accepted = vec![keys.current.clone()];
        accepted.extend(keys.older.iter().cloned());
        Self {
            current: keys.current.clone(),
            epoch: u64::try_from(accepted.len()).unwrap_or(u64::MAX),
            accepted,
            version: keys.version,
        }
    }
}

/// Why keys do not come into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Something newer is known: events and answers may overtake each other.
    #[error("a newer version is known")]
    Outdated,
    /// Not a version of this room.
    #[error("it has another secret than the room")]
    AnotherRoom,
    /// A key that was in force before, or a second one for the same version.
    #[error("its key was replaced before")]
    Replayed,
}

/// The keys in force and those that never are again.
#[derive(Debug)]
pub(super) struct KeyRing {
    keys: RoomKeys,
    retired: HashSet<KeyId>,
}

impl KeyRing {
    pub(super) fn new(keys: RoomKeys) -> Self {
        let retired = keys.older.iter().cloned().collect();
        Self { keys, retired }
    }

    /// The keys in force.
    pub(super) const fn keys(&self) -> &RoomKeys {
        &self.keys
    }

    /// Puts keys in force if they continue what is known.
    pub(super) fn accept(&mut self, keys: RoomKeys) -> Result<(), Refusal> {
        let known = &self.keys;
        if keys.anchor != known.anchor {
            return Err(Refusal::AnotherRoom);
        }
        if keys.version < known.version {
            return Err(Refusal::Outdated);
        }
        let rotated = keys.current != known.current;
        if self.retired.contains(&keys.current) || (rotated && keys.version == known.version) {
            return Err(Refusal::Replayed);
        }
        if rotated {
            self.retired.insert(known.current.clone());
        }
        self.retired.extend(keys.older.iter().cloned());
        self.keys = keys;
        Ok(())
    }
}
