//! Solutions, API keys and the bridge's own settings.

use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use super::driver::Tx;
use super::error::StoreError;
use super::record::ApiKeyRecord;
use super::record::SolutionRecord;
use super::stream_room::json;
use crate::model::Secret;
use crate::model::SolutionId;
use crate::model::Timestamp;

const API_KEY: &str = "SELECT id, name, secret, scope, created, enabled, public_key FROM api_key";

fn solution_row(row: &Row<'_>) -> rusqlite::Result<SolutionRecord> {
    Ok(SolutionRecord {
        id: SolutionId(row.get(0)?),
        name: row.get(1)?,
        created: Timestamp(row.get(2)?),
    })
}

fn api_key_row(row: &Row<'_>) -> rusqlite::Result<(ApiKeyRecord, String)> {
    let record = ApiKeyRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        secret: Secret::new(row.get(2)?),
        scope: Vec::new(),
        created: Timestamp(row.get(4)?),
        enabled: row.get(5)?,
        public_key: row.get(6)?,
    };
    Ok((record, row.get(3)?))
}

fn with_scope((mut record, scope): (ApiKeyRecord, String)) -> Result<ApiKeyRecord, StoreError> {
    record.scope = json(&scope, "api_key.scope")?;
    Ok(record)
}

impl Tx<'_> {
    /// A setting of the bridge itself.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .inner
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?)
    }

    /// Writes a setting of the bridge itself.
    pub fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
            .execute(params![key, value])?;
        Ok(())
    }

    /// The Solution of that id.
    pub fn solution(&self, id: &SolutionId) -> Result<Option<SolutionRecord>, StoreError> {
        Ok(self
            .inner
            .prepare_cached("SELECT id, name, created FROM solution WHERE id = ?1")?
            .query_row([id.as_str()], solution_row)
            .optional()?)
    }

    /// All Solutions, oldest first.
    pub fn solutions(&self) -> Result<Vec<SolutionRecord>, StoreError> {
        let mut statement = self
            .inner
            .prepare_cached("SELECT id, name, created FROM solution ORDER BY created, rowid")?;
        let rows = statement.query_map([], solution_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a Solution.
    pub fn insert_solution(&mut self, record: &SolutionRecord) -> Result<(), StoreError> {
        self.inner.prepare_cached("INSERT INTO solution VALUES (?1, ?2, ?3)")?.execute(params![
            record.id.as_str(),
            record.name,
            record.created.0
        ])?;
        Ok(())
    }

    /// The API key of that id.
    pub fn api_key(&self, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.inner
            .prepare_cached(&format!("{API_KEY} WHERE id = ?1"))?
            .query_row([id], api_key_row)
            .optional()?
            .map(with_scope)
            .transpose()
    }

    /// All API keys, oldest first.
    pub fn api_keys(&self) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let mut statement =
            self.inner.prepare_cached(&format!("{API_KEY} ORDER BY created, rowid"))?;
        let rows = statement.query_map([], api_key_row)?;
        rows.map(|row| with_scope(row?)).collect()
    }

    /// Removes API keys of this name.
    pub fn delete_api_keys_named(&mut self, name: &str) -> Result<(), StoreError> {
        self.inner.prepare_cached("DELETE FROM api_key WHERE name = ?1")?.execute([name])?;
        Ok(())
    }

    /// Adds an API key, or writes a changed one.
    pub fn put_api_key(&mut self, record: &ApiKeyRecord) -> Result<(), StoreError> {
        let scope = serde_json::Value::from(record.scope.clone()).to_string();
        self.inner
            .prepare_cached(
                "INSERT OR REPLACE INTO api_key \
                 (id, name, secret, scope, created, enabled, public_key) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                record.id,
                record.name,
                record.secret.expose(),
                scope,
                record.created.0,
                record.enabled,
                record.public_key,
            ])?;
        Ok(())
    }

    /// Removes an API key; `false` if there is none.
    pub fn delete_api_key(&mut self, id: &str) -> Result<bool, StoreError> {
        let gone = self.inner.prepare_cached("DELETE FROM api_key WHERE id = ?1")?.execute([id])?;
        Ok(gone > 0)
    }

    /// Renames a Solution.
    pub fn rename_solution(&mut self, id: &SolutionId, name: &str) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("UPDATE solution SET name = ?2 WHERE id = ?1")?
            .execute([id.as_str(), name])?;
        Ok(())
    }

    /// Removes a Solution that has no Contexts.
    pub fn delete_solution(&mut self, id: &SolutionId) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("DELETE FROM context_share WHERE solution = ?1")?
            .execute([id.as_str()])?;
        self.inner.prepare_cached("DELETE FROM solution WHERE id = ?1")?.execute([id.as_str()])?;
        Ok(())
    }
}
