//! Events that wait for somebody who was not there.

use rusqlite::params;

use super::driver::Tx;
use super::error::StoreError;
use super::record::QueuedEvent;
use super::stream_room::json;
use crate::model::ContextId;
use crate::model::StreamRoomId;

impl Tx<'_> {
    /// Keeps an event until it can be told.
    pub fn queue_event(&mut self, event: &QueuedEvent) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("INSERT OR REPLACE INTO queued_event VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                event.pub_key,
                event.context.as_str(),
                event.room.as_str(),
                event.container_type,
                event.data.to_string(),
            ])?;
        Ok(())
    }

    /// What waits for a key, oldest first.
    pub fn queued_events(&self, pub_key: &str) -> Result<Vec<QueuedEvent>, StoreError> {
        let mut statement = self.inner.prepare_cached(
            "SELECT pub_key, context, room, container_type, data FROM queued_event \
             WHERE pub_key = ?1 ORDER BY rowid",
        )?;
        let rows = statement.query_map([pub_key], |row| {
            let event = QueuedEvent {
                pub_key: row.get(0)?,
                context: ContextId(row.get(1)?),
                room: StreamRoomId(row.get(2)?),
                container_type: row.get(3)?,
                data: serde_json::Value::Null,
            };
            Ok((event, row.get::<_, String>(4)?))
        })?;
        rows.map(|row| {
            let (mut event, data) = row?;
            event.data = json(&data, "queued_event.data")?;
            Ok(event)
        })
        .collect()
    }

    /// Keys for which something about a room waits.
    pub fn queued_for(&self, room: &StreamRoomId) -> Result<Vec<String>, StoreError> {
        let mut statement =
            self.inner.prepare_cached("SELECT pub_key FROM queued_event WHERE room = ?1")?;
        let rows = statement.query_map([room.as_str()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets what waits for a key about a room.
    pub fn unqueue_event(&mut self, pub_key: &str, room: &StreamRoomId) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("DELETE FROM queued_event WHERE pub_key = ?1 AND room = ?2")?
            .execute([pub_key, room.as_str()])?;
        Ok(())
    }
}
