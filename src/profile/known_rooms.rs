//! What never changes about the rooms that this user has seen: `known_rooms.toml`.
//!
//! A bridge that later shows another room under the id of a known one is found out by comparing,
//! also by a process that has never seen the room before.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::model::ContextId;
use crate::model::StreamRoomId;

use super::error::ProfileError;
use super::file;

/// Rooms that are remembered. Known ones are never given up for new ones, or a bridge could
/// wash out what it wants forgotten; further rooms are remembered by their process only.
const MAX_ROOMS: usize = 5000;

/// Known rooms, per context.
#[derive(Debug)]
pub struct KnownRooms {
    path: PathBuf,
    stored: Stored,
    changed: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default)]
    context: BTreeMap<String, BTreeMap<String, String>>,
}

/// How a room relates to what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// First time that this room is seen; it is known from now on.
    New,
    /// The same room as before.
    Same,
    /// Another room under the same id: do not trust it.
    Another,
}

impl KnownRooms {
    /// Loads what `directory` holds.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Corrupt`] or [`ProfileError::Io`].
    pub fn load(directory: &Path) -> Result<Self, ProfileError> {
        let path = directory.join("known_rooms.toml");
        let stored = file::read_toml(&path)?.unwrap_or_default();
        Ok(Self { path, stored, changed: false })
    }

    /// Compares a room with what is known, and remembers it if it is new. Nothing is written
    /// before [`flush`](Self::flush).
    pub fn meet(
        &mut self,
        context: &ContextId,
        room: &StreamRoomId,
        anchor: &[u8; 32],
    ) -> Acquaintance {
        let anchor = hex::encode(anchor);
        let known = self.stored.context.get(context.as_str()).and_then(|c| c.get(room.as_str()));
        match known {
            Some(known) if *known == anchor => Acquaintance::Same,
            Some(_) => Acquaintance::Another,
            None => {
                if self.len() < MAX_ROOMS {
                    let rooms = self.stored.context.entry(context.0.clone()).or_default();
                    rooms.insert(room.0.clone(), anchor);
                    self.changed = true;
                }
                Acquaintance::New
            }
        }
    }

    /// Writes down what is new, together with what other processes have written meanwhile.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`], or [`ProfileError::Corrupt`] if the file was damaged meanwhile.
    pub fn flush(&mut self) -> Result<(), ProfileError> {
        if !self.changed {
            return Ok(());
        }
        let others = file::read_toml::<Stored>(&self.path)?.unwrap_or_default();
        for (context, rooms) in others.context {
            // Who wrote first saw the room first.
            self.stored.context.entry(context).or_default().extend(rooms);
        }
        file::write_toml(&self.path, &self.stored)?;
        self.changed = false;
        Ok(())
    }

    fn len(&self) -> usize {
        self.stored.context.values().map(BTreeMap::len).sum()
    }
}
