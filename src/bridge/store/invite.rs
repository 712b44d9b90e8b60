//! Invitations.

use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use super::driver::Tx;
use super::error::StoreError;
use super::record::InviteRecord;
use crate::model::ContextId;
use crate::model::Timestamp;

const INVITE: &str = "SELECT id, context, token_hash, expires, max_uses, uses, acl, created, \
     revoked FROM invite";

fn invite_row(row: &Row<'_>) -> rusqlite::Result<InviteRecord> {
    Ok(InviteRecord {
        id: row.get(0)?,
        context: ContextId(row.get(1)?),
        token_hash: row.get(2)?,
        expires: Timestamp(row.get(3)?),
        max_uses: row.get(4)?,
        uses: row.get(5)?,
        acl: row.get(6)?,
        created: Timestamp(row.get(7)?),
        revoked: row.get(8)?,
    })
}

impl Tx<'_> {
    /// The invitation of that id.
    pub fn invite(&self, id: &str) -> Result<Option<InviteRecord>, StoreError> {
        Ok(self
            .inner
            .prepare_cached(&format!("{INVITE} WHERE id = ?1"))?
            .query_row([id], invite_row)
            .optional()?)
    }

    /// All invitations into a Context, oldest first.
    pub fn invites(&self, context: &ContextId) -> Result<Vec<InviteRecord>, StoreError> {
        let mut statement = self
            .inner
            .prepare_cached(&format!("{INVITE} WHERE context = ?1 ORDER BY created, rowid"))?;
        let rows = statement.query_map([context.as_str()], invite_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes an invitation, new or changed.
    pub fn put_invite(&mut self, record: &InviteRecord) -> Result<(), StoreError> {
        self.inner
            .prepare_cached(
                "INSERT INTO invite VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                 ON CONFLICT (id) DO UPDATE SET uses = excluded.uses, revoked = excluded.revoked",
            )?
            .execute(params![
                record.id,
                record.context.as_str(),
                record.token_hash,
                record.expires.0,
                record.max_uses,
                record.uses,
                record.acl,
                record.created.0,
                record.revoked,
            ])?;
        Ok(())
    }
}
