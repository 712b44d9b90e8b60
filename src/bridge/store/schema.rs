//! The schema, and the checks that keep us from touching a file that is not ours.
//!
//! A file is examined by its header before SQLite may open it for writing: SQLite would
//! otherwise start to recover, and thereby change, a database that belongs to somebody else.

use std::fs::File;
use std::io::ErrorKind;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;

/// Version of the schema below, kept in `user_version`.
pub(super) const SCHEMA: i64 = 2;
/// Marks our files, kept in `application_id`: "Cncl".
const APPLICATION_ID: u32 = 0x436e_636c;
/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Size of the header of a SQLite file in bytes.
const HEADER: usize = 100;
/// Offset of `user_version` in that header.
const USER_VERSION_AT: usize = 60;
/// Offset of `application_id` in that header.
const APPLICATION_ID_AT: usize = 68;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE solution (id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL) STRICT;
CREATE TABLE context (
    id TEXT PRIMARY KEY, solution TEXT NOT NULL REFERENCES solution(id), name TEXT NOT NULL,
    description TEXT NOT NULL, scope TEXT NOT NULL, policy TEXT NOT NULL,
    created INTEGER NOT NULL, modified INTEGER NOT NULL) STRICT;
CREATE TABLE context_user (
    context TEXT NOT NULL REFERENCES context(id), user TEXT NOT NULL, pub_key TEXT NOT NULL,
    acl TEXT NOT NULL, created INTEGER NOT NULL, status_login INTEGER, status_time INTEGER,
    PRIMARY KEY (context, user), UNIQUE (context, pub_key)) STRICT;
CREATE INDEX context_user_key ON context_user (pub_key);
CREATE TABLE former_user (
    context TEXT NOT NULL, user TEXT NOT NULL, pub_key TEXT NOT NULL,
    PRIMARY KEY (context, user)) STRICT;
CREATE TABLE stream_room (
    id TEXT PRIMARY KEY, context TEXT NOT NULL REFERENCES context(id), resource TEXT, kind TEXT,
    creator TEXT NOT NULL, created INTEGER NOT NULL, modifier TEXT NOT NULL,
    modified INTEGER NOT NULL, key_id TEXT NOT NULL, version INTEGER NOT NULL,
    users TEXT NOT NULL, managers TEXT NOT NULL, policy TEXT NOT NULL, closed INTEGER NOT NULL,
    UNIQUE (context, resource)) STRICT;
CREATE INDEX stream_room_context ON stream_room (context, created);
CREATE TABLE stream_room_version (
    room TEXT NOT NULL REFERENCES stream_room(id) ON DELETE CASCADE, version INTEGER NOT NULL,
    key_id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (room, version)) STRICT;
CREATE TABLE stream_room_key (
    room TEXT NOT NULL REFERENCES stream_room(id) ON DELETE CASCADE, user TEXT NOT NULL,
    key_id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (room, user, key_id)) STRICT;
CREATE TABLE api_key (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, secret TEXT NOT NULL, scope TEXT NOT NULL,
    created INTEGER NOT NULL, enabled INTEGER NOT NULL) STRICT;
CREATE TABLE invite (
    id TEXT PRIMARY KEY, context TEXT NOT NULL REFERENCES context(id), token_hash BLOB NOT NULL,
    expires INTEGER NOT NULL, max_uses INTEGER NOT NULL, uses INTEGER NOT NULL, acl TEXT NOT NULL,
    created INTEGER NOT NULL, revoked INTEGER NOT NULL) STRICT;
CREATE INDEX invite_context ON invite (context);
";

/// What each version adds to the one before; the first makes version 2 of version 1.
const STEPS: &[&str] = &["
ALTER TABLE api_key ADD COLUMN public_key TEXT;
CREATE TABLE context_share (
    context TEXT NOT NULL REFERENCES context(id) ON DELETE CASCADE,
    solution TEXT NOT NULL REFERENCES solution(id), PRIMARY KEY (context, solution)) STRICT;
CREATE INDEX context_share_solution ON context_share (solution);
CREATE TABLE queued_event (
    pub_key TEXT NOT NULL, context TEXT NOT NULL REFERENCES context(id) ON DELETE CASCADE,
    room TEXT NOT NULL REFERENCES stream_room(id) ON DELETE CASCADE, container_type TEXT,
    data TEXT NOT NULL, PRIMARY KEY (pub_key, room)) STRICT;
"];

/// Looks at the file without SQLite: `true` if it is ours, `false` if there is nothing yet.
pub(super) fn examine(path: &Path) -> Result<bool, StoreError> {
    let unusable = |error: std::io::Error| StoreError::Unusable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(error)),
    };
    let mut header = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut header).map_err(unusable)?;
    if header.is_empty() {
        return Ok(false);
    }
    let number_at = |at: usize| {
        let bytes = header.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    if !header.starts_with(MAGIC) || number_at(APPLICATION_ID_AT) != Some(APPLICATION_ID) {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    let found = number_at(USER_VERSION_AT).map_or(0, i64::from);
    if found > SCHEMA {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA });
    }
    Ok(true)
}

/// Brings the tables from version `found` to [`SCHEMA`], all or nothing.
fn migrate(connection: &mut Connection, found: i64) -> Result<(), StoreError> {
    let done = usize::try_from(found - 1).unwrap_or(0);
    let tx = connection.transaction()?;
    for step in STEPS.iter().skip(done) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", SCHEMA)?;
    tx.commit()?;
    Ok(())
}

/// Sets up a connection that was just opened; `fresh` files get the tables.
pub(super) fn prepare(connection: &mut Connection, fresh: bool) -> Result<(), StoreError> {
    if fresh {
        // One transaction in the rollback journal, so that the marks are in the main file
        // from the first moment and a crash leaves either nothing or everything.
        connection.pragma_update(None, "journal_mode", "DELETE")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let tx = connection.transaction()?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", SCHEMA)?;
        tx.execute_batch(TABLES)?;
        for step in STEPS {
            tx.execute_batch(step)?;
        }
        tx.commit()?;
    }
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < SCHEMA {
        migrate(connection, found)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(())
}

/// Runs the integrity check; `Err` holds the first complaint.
pub(super) fn check(connection: &Connection) -> Result<(), String> {
    let verdict: Result<String, rusqlite::Error> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(text) if text == "ok" => Ok(()),
        Ok(text) => Err(text),
        Err(error) => Err(error.to_string()),
    }
}
