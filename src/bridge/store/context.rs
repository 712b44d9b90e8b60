//! Solutions' Contexts and their users.

use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use super::driver::Tx;
use super::error::StoreError;
use super::record::ContextRecord;
use super::record::UserRecord;
use super::stream_room::json;
use crate::model::ContextId;
use crate::model::SolutionId;
use crate::model::Timestamp;
use crate::model::UserId;

const CONTEXT: &str =
    "SELECT id, solution, name, description, scope, policy, created, modified FROM context";
const USER: &str = "SELECT context, user, pub_key, acl, created, status_login, status_time \
     FROM context_user";

fn context_row(row: &Row<'_>) -> rusqlite::Result<(ContextRecord, String)> {
    let policy: String = row.get(5)?;
    let record = ContextRecord {
        id: ContextId(row.get(0)?),
        solution: SolutionId(row.get(1)?),
        shares: Vec::new(),
        name: row.get(2)?,
        description: row.get(3)?,
        scope: row.get(4)?,
        policy: serde_json::Value::Null,
        created: Timestamp(row.get(6)?),
        modified: Timestamp(row.get(7)?),
    };
    Ok((record, policy))
}

fn with_policy((mut record, policy): (ContextRecord, String)) -> Result<ContextRecord, StoreError> {
    record.policy = json(&policy, "context.policy")?;
    Ok(record)
}

fn user_row(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    let login: Option<bool> = row.get(5)?;
    let time: Option<i64> = row.get(6)?;
    Ok(UserRecord {
        context: ContextId(row.get(0)?),
        user: UserId(row.get(1)?),
        pub_key: row.get(2)?,
        acl: row.get(3)?,
        created: Timestamp(row.get(4)?),
        last_status: login.zip(time.map(Timestamp)),
    })
}

impl Tx<'_> {
    /// The Context of that id.
    pub fn context(&self, id: &ContextId) -> Result<Option<ContextRecord>, StoreError> {
        self.inner
            .prepare_cached(&format!("{CONTEXT} WHERE id = ?1"))?
            .query_row([id.as_str()], context_row)
            .optional()?
            .map(|row| self.with_shares(with_policy(row)?))
            .transpose()
    }

    fn with_shares(&self, mut record: ContextRecord) -> Result<ContextRecord, StoreError> {
        let mut statement = self.inner.prepare_cached(
            "SELECT solution FROM context_share WHERE context = ?1 ORDER BY rowid",
        )?;
        let rows = statement.query_map([record.id.as_str()], |row| row.get(0).map(SolutionId))?;
        record.shares = rows.collect::<Result<_, _>>()?;
        Ok(record)
    }

    /// All Contexts, those that one Solution sees or all, oldest first.
    pub fn contexts(
        &self,
        solution: Option<&SolutionId>,
    ) -> Result<Vec<ContextRecord>, StoreError> {
        let solution = solution.map(SolutionId::as_str);
        let mut statement = self.inner.prepare_cached(&format!(
            "{CONTEXT} WHERE ?1 IS NULL OR solution = ?1 \
             OR id IN (SELECT context FROM context_share WHERE solution = ?1) \
             ORDER BY created, rowid"
        ))?;
        let rows = statement.query_map([solution], context_row)?;
        rows.map(|row| self.with_shares(with_policy(row?)?)).collect()
    }

    /// Adds a Context.
    pub fn insert_context(&mut self, record: &ContextRecord) -> Result<(), StoreError> {
        self.inner
            .prepare_cached("INSERT INTO context VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
            record.id.as_str(),
            record.solution.as_str(),
            record.name,
            record.description,
            record.scope,
            record.policy.to_string(),
            record.created.0,
            record.modified.0,
        ])?;
        Ok(())
    }

    /// Writes what an operator may change of a Context.
    pub fn update_context(&mut self, record: &ContextRecord) -> Result<(), StoreError> {
        self.inner
            .prepare_cached(
                "UPDATE context SET name = ?2, description = ?3, scope = ?4, policy = ?5, \
                 modified = ?6 WHERE id = ?1",
            )?
            .execute(params![
                record.id.as_str(),
                record.name,
                record.description,
                record.scope,
                record.policy.to_string(),
                record.modified.0,
            ])?;
        self.inner
            .prepare_cached("DELETE FROM context_share WHERE context = ?1")?
            .execute([record.id.as_str()])?;
        let mut insert =
            self.inner.prepare_cached("INSERT OR IGNORE INTO context_share VALUES (?1, ?2)")?;
        for solution in &record.shares {
            insert.execute([record.id.as_str(), solution.as_str()])?;
        }
        Ok(())
    }

    /// Removes a Context with its rooms, users and invitations.
    pub fn delete_context(&mut self, id: &ContextId) -> Result<(), StoreError> {
        for table in ["stream_room", "context_user", "former_user", "invite"] {
            self.inner
                .prepare_cached(&format!("DELETE FROM {table} WHERE context = ?1"))?
                .execute([id.as_str()])?;
        }
        self.inner.prepare_cached("DELETE FROM context WHERE id = ?1")?.execute([id.as_str()])?;
        Ok(())
    }

    /// The user of that id.
    pub fn user(&self, context: &ContextId, id: &UserId) -> Result<Option<UserRecord>, StoreError> {
        Ok(self
            .inner
            .prepare_cached(&format!("{USER} WHERE context = ?1 AND user = ?2"))?
            .query_row([context.as_str(), id.as_str()], user_row)
            .optional()?)
    }

    /// The user that holds that key.
    pub fn user_by_key(
        &self,
        context: &ContextId,
        pub_key: &str,
    ) -> Result<Option<UserRecord>, StoreError> {
        Ok(self
            .inner
            .prepare_cached(&format!("{USER} WHERE context = ?1 AND pub_key = ?2"))?
            .query_row([context.as_str(), pub_key], user_row)
            .optional()?)
    }

    /// All users of a Context, oldest first.
    pub fn users(&self, context: &ContextId) -> Result<Vec<UserRecord>, StoreError> {
        let mut statement = self
            .inner
            .prepare_cached(&format!("{USER} WHERE context = ?1 ORDER BY created, rowid"))?;
        let rows = statement.query_map([context.as_str()], user_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What a key is a user of, in any Context.
    pub fn users_by_key(&self, pub_key: &str) -> Result<Vec<UserRecord>, StoreError> {
        let mut statement = self
            .inner
            .prepare_cached(&format!("{USER} WHERE pub_key = ?1 ORDER BY created, rowid"))?;
        let rows = statement.query_map([pub_key], user_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a user.
    pub fn insert_user(&mut self, record: &UserRecord) -> Result<(), StoreError> {
        let (login, time) = record.last_status.unzip();
        self.inner
            .prepare_cached("INSERT INTO context_user VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                record.context.as_str(),
                record.user.as_str(),
                record.pub_key,
                record.acl,
                record.created.0,
                login,
                time.map(|time| time.0),
            ])?;
        Ok(())
    }

    /// Changes a user's ACL; `false` if there is no such user.
    pub fn set_acl(
        &mut self,
        context: &ContextId,
        user: &UserId,
        acl: &str,
    ) -> Result<bool, StoreError> {
        let changed = self
            .inner
            .prepare_cached("UPDATE context_user SET acl = ?3 WHERE context = ?1 AND user = ?2")?
            .execute([context.as_str(), user.as_str(), acl])?;
        Ok(changed > 0)
    }

    /// Remembers when a key came online or went offline, in all its Contexts.
    pub fn set_status(
        &mut self,
        pub_key: &str,
        login: bool,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner
            .prepare_cached(
                "UPDATE context_user SET status_login = ?2, status_time = ?3 WHERE pub_key = ?1",
            )?
            .execute(params![pub_key, login, time.0])?;
        Ok(())
    }

    /// Removes a user and remembers whose the id was.
    pub fn remove_user(&mut self, record: &UserRecord) -> Result<(), StoreError> {
        let key = [record.context.as_str(), record.user.as_str()];
        self.inner
            .prepare_cached("DELETE FROM context_user WHERE context = ?1 AND user = ?2")?
            .execute(key)?;
        self.inner
            .prepare_cached("INSERT OR REPLACE INTO former_user VALUES (?1, ?2, ?3)")?
            .execute([record.context.as_str(), record.user.as_str(), &record.pub_key])?;
        Ok(())
    }

    /// Everybody who was a user of this Context once: id and key.
    pub fn former_users(&self, context: &ContextId) -> Result<Vec<(UserId, String)>, StoreError> {
        let mut statement = self
            .inner
            .prepare_cached("SELECT user, pub_key FROM former_user WHERE context = ?1")?;
        let rows = statement
            .query_map([context.as_str()], |row| Ok((UserId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The key that held this id before its user was removed.
    pub fn former_key(
        &self,
        context: &ContextId,
        user: &UserId,
    ) -> Result<Option<String>, StoreError> {
        Ok(self
            .inner
            .prepare_cached("SELECT pub_key FROM former_user WHERE context = ?1 AND user = ?2")?
            .query_row([context.as_str(), user.as_str()], |row| row.get(0))
            .optional()?)
    }
}
