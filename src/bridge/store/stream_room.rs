//! Stream Rooms, their versions and their wrapped keys.

use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;
use serde::de::DeserializeOwned;

use super::driver::Tx;
use super::error::StoreError;
use super::record::RoomKey;
use super::record::RoomRecord;
use super::record::RoomVersion;
use crate::model::ContextId;
use crate::model::KeyId;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

const ROOM: &str = "SELECT id, context, resource, kind, creator, created, modifier, modified, \
     key_id, version, closed, users, managers, policy FROM stream_room";

/// Reads a JSON column of ours.
pub(super) fn json<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged(what))
}

fn ids(text: &str, what: &'static str) -> Result<Vec<UserId>, StoreError> {
    Ok(json::<Vec<String>>(text, what)?.into_iter().map(UserId).collect())
}

fn ids_text(ids: &[UserId]) -> String {
    serde_json::Value::from_iter(ids.iter().map(UserId::as_str)).to_string()
}

type RoomRow = (RoomRecord, String, String, String);

fn room_row(row: &Row<'_>) -> rusqlite::Result<RoomRow> {
    let record = RoomRecord {
        id: StreamRoomId(row.get(0)?),
        context: ContextId(row.get(1)?),
        resource: row.get(2)?,
        kind: row.get(3)?,
        creator: UserId(row.get(4)?),
        created: Timestamp(row.get(5)?),
        modifier: UserId(row.get(6)?),
        modified: Timestamp(row.get(7)?),
        key_id: KeyId(row.get(8)?),
        version: row.get(9)?,
        closed: row.get(10)?,
        users: Vec::new(),
        managers: Vec::new(),
        policy: serde_json::Value::Null,
    };
    Ok((record, row.get(11)?, row.get(12)?, row.get(13)?))
}

fn with_lists((mut record, users, managers, policy): RoomRow) -> Result<RoomRecord, StoreError> {
    record.users = ids(&users, "stream_room.users")?;
    record.managers = ids(&managers, "stream_room.managers")?;
    record.policy = json(&policy, "stream_room.policy")?;
    Ok(record)
}

impl Tx<'_> {
    /// The room of that id.
    pub fn room(&self, id: &StreamRoomId) -> Result<Option<RoomRecord>, StoreError> {
        self.inner
            .prepare_cached(&format!("{ROOM} WHERE id = ?1"))?
            .query_row([id.as_str()], room_row)
            .optional()?
            .map(with_lists)
            .transpose()
    }

    /// How many rooms a Context holds, closed ones included.
    pub fn count_rooms(&self, context: &ContextId) -> Result<u64, StoreError> {
        let rows: i64 = self
            .inner
            .prepare_cached("SELECT count(*) FROM stream_room WHERE context = ?1")?
            .query_row([context.as_str()], |row| row.get(0))?;
        Ok(rows.unsigned_abs())
    }

    /// All rooms of a Context, oldest first.
    pub fn rooms(&self, context: &ContextId) -> Result<Vec<RoomRecord>, StoreError> {
        let mut statement = self
            .inner
            .prepare_cached(&format!("{ROOM} WHERE context = ?1 ORDER BY created, rowid"))?;
        let rows = statement.query_map([context.as_str()], room_row)?;
        rows.map(|row| with_lists(row?)).collect()
    }

    /// Adds a room with its first version. [`StoreError::Duplicate`] if the resource id is taken.
    pub fn insert_room(
        &mut self,
        room: &RoomRecord,
        first: &RoomVersion,
    ) -> Result<(), StoreError> {
        self.inner
            .prepare_cached(
                "INSERT INTO stream_room (id, context, resource, kind, creator, created, \
                 modifier, modified, key_id, version, users, managers, policy, closed) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                room.id.as_str(),
                room.context.as_str(),
                room.resource,
                room.kind,
                room.creator.as_str(),
                room.created.0,
                room.modifier.as_str(),
                room.modified.0,
                room.key_id.as_str(),
                room.version,
                ids_text(&room.users),
                ids_text(&room.managers),
                room.policy.to_string(),
                room.closed,
            ])?;
        self.insert_version(room, first)
    }

    /// Writes what an update or a close may change.
    pub fn update_room(&mut self, room: &RoomRecord) -> Result<(), StoreError> {
        self.inner
            .prepare_cached(
                "UPDATE stream_room SET resource = ?2, modifier = ?3, modified = ?4, key_id = ?5, \
                 version = ?6, users = ?7, managers = ?8, policy = ?9, closed = ?10 WHERE id = ?1",
            )?
            .execute(params![
                room.id.as_str(),
                room.resource,
                room.modifier.as_str(),
                room.modified.0,
                room.key_id.as_str(),
                room.version,
                ids_text(&room.users),
                ids_text(&room.managers),
                room.policy.to_string(),
                room.closed,
            ])?;
        Ok(())
    }

    /// Appends the version that `room.version` counts.
    pub fn insert_version(
        &mut self,
        room: &RoomRecord,
        version: &RoomVersion,
    ) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("INSERT INTO stream_room_version VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                room.id.as_str(),
                room.version,
                version.key_id.as_str(),
                version.data.to_string(),
            ])?;
        Ok(())
    }

    /// Removes the oldest versions of a room; the last `kept` stay.
    pub fn prune_versions(&mut self, room: &RoomRecord, kept: i64) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("DELETE FROM stream_room_version WHERE room = ?1 AND version <= ?2")?
            .execute(params![room.id.as_str(), room.version.saturating_sub(kept)])?;
        Ok(())
    }

    /// Removes a room with everything in it.
    pub fn delete_room(&mut self, id: &StreamRoomId) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("DELETE FROM stream_room WHERE id = ?1")?
            .execute([id.as_str()])?;
        Ok(())
    }

    /// All versions of a room, oldest first.
    pub fn versions(&self, id: &StreamRoomId) -> Result<Vec<RoomVersion>, StoreError> {
        let mut statement = self.inner.prepare_cached(
            "SELECT key_id, data FROM stream_room_version WHERE room = ?1 ORDER BY version",
        )?;
        let rows = statement.query_map([id.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.map(|row| {
            let (key_id, data) = row?;
            let data = json(&data, "stream_room_version.data")?;
            Ok(RoomVersion { key_id: KeyId(key_id), data })
        })
        .collect()
    }

    /// The version of a room that counts.
    pub fn last_version(&self, id: &StreamRoomId) -> Result<Option<RoomVersion>, StoreError> {
        let row: Option<(String, String)> = self
            .inner
            .prepare_cached(
                "SELECT key_id, data FROM stream_room_version WHERE room = ?1 \
                 ORDER BY version DESC LIMIT 1",
            )?
            .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((key_id, data)) = row else { return Ok(None) };
        let data = json(&data, "stream_room_version.data")?;
        Ok(Some(RoomVersion { key_id: KeyId(key_id), data }))
    }

    /// Key ids used by the versions of a room.
    pub fn version_key_ids(&self, id: &StreamRoomId) -> Result<Vec<KeyId>, StoreError> {
        let mut statement = self
            .inner
            .prepare_cached("SELECT DISTINCT key_id FROM stream_room_version WHERE room = ?1")?;
        let rows = statement.query_map([id.as_str()], |row| row.get(0).map(KeyId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All wrapped keys of a room, in the order they were stored.
    pub fn room_keys(&self, id: &StreamRoomId) -> Result<Vec<RoomKey>, StoreError> {
        let mut statement = self.inner.prepare_cached(
            "SELECT user, key_id, data FROM stream_room_key WHERE room = ?1 ORDER BY rowid",
        )?;
        let rows = statement.query_map([id.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?;
        rows.map(|row| {
            let (user, key_id, data) = row?;
            let data = json(&data, "stream_room_key.data")?;
            Ok(RoomKey { user: UserId(user), key_id: KeyId(key_id), data })
        })
        .collect()
    }

    /// Replaces all wrapped keys of a room.
    pub fn set_room_keys(&mut self, id: &StreamRoomId, keys: &[RoomKey]) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("DELETE FROM stream_room_key WHERE room = ?1")?
            .execute([id.as_str()])?;
        let mut insert = self.inner.prepare_cached(
            "INSERT INTO stream_room_key (room, user, key_id, data) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for key in keys {
            insert.execute(params![
                id.as_str(),
                key.user.as_str(),
                key.key_id.as_str(),
                key.data.to_string(),
            ])?;
        }
        Ok(())
    }
}
