//! Keeping the store safe: backup while it is in use, restore, and a thorough check.
//!
//! A backup is one SQLite file that holds everything: the bridge's identity key and API keys
//! are rows of it. It is made from a snapshot on a connection of its own, so a running bridge
//! neither waits for it nor has to be asked.

use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::OpenFlags;

use super::driver::FILE;
use super::driver::LOCK;
use super::driver::Tx;
use super::driver::create_private_dir;
use super::driver::private_file;
use super::error::StoreError;
use super::schema;
use super::schema::SCHEMA;

/// How long a snapshot waits for a bridge that is just writing, in milliseconds.
const BUSY_MS: u64 = 10_000;
/// Complaints of the integrity check that are reported.
const COMPLAINTS_MAX: usize = 20;
/// What is counted, by table.
const TABLES: [&str; 9] = [
    "solution",
    "context",
    "context_user",
    "former_user",
    "stream_room",
    "stream_room_version",
    "stream_room_key",
    "api_key",
    "invite",
];
/// Rows that nothing leads to, by what they are.
const ORPHANS: [(&str, &str); 8] = [
    (
        "contexts of no solution",
        "SELECT count(*) FROM context WHERE solution NOT IN (SELECT id FROM solution)",
    ),
    (
        "users of no context",
        "SELECT count(*) FROM context_user WHERE context NOT IN (SELECT id FROM context)",
    ),
    (
        "former users of no context",
        "SELECT count(*) FROM former_user WHERE context NOT IN (SELECT id FROM context)",
    ),
    (
        "rooms of no context",
        "SELECT count(*) FROM stream_room WHERE context NOT IN (SELECT id FROM context)",
    ),
    (
        "versions of no room",
        "SELECT count(*) FROM stream_room_version WHERE room NOT IN (SELECT id FROM stream_room)",
    ),
    (
        "keys of no room",
        "SELECT count(*) FROM stream_room_key WHERE room NOT IN (SELECT id FROM stream_room)",
    ),
    (
        "rooms without their current version",
        "SELECT count(*) FROM stream_room AS r WHERE NOT EXISTS (SELECT 1 FROM \
         stream_room_version AS v WHERE v.room = r.id AND v.version = r.version)",
    ),
    (
        "invites into no context",
        "SELECT count(*) FROM invite WHERE context NOT IN (SELECT id FROM context)",
    ),
];

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Its schema.
    pub schema: i64,
    /// The schema that this release writes.
    pub known_schema: i64,
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
    /// What is wrong, in words; empty if nothing is.
    pub problems: Vec<String>,
}

impl Tx<'_> {
    /// How many rows the tables hold.
    pub fn counts(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        count(&self.inner)
    }
}

fn count(connection: &Connection) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let rows = |table: &&'static str| {
        let rows: i64 = connection
            .prepare_cached(&format!("SELECT count(*) FROM {table}"))?
            .query_row([], |row| row.get(0))?;
        Ok((*table, rows.unsigned_abs()))
    };
    TABLES.iter().map(rows).collect()
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |error| StoreError::Unusable { path: path.to_owned(), reason: error.to_string() }
}

/// Opens a file that may be in use by a bridge.
fn open(path: &Path) -> Result<Connection, StoreError> {
    if !schema::examine(path)? {
        return Err(StoreError::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    Ok(connection)
}

/// Writes a copy of the store in `dir` to `to`, whether a bridge uses it or not, and answers
/// its size in bytes. The copy is complete or not there.
///
/// # Errors
///
/// [`StoreError::Exists`] if there is a file already, [`StoreError::Missing`] if there is no
/// store, and others that say what is wrong with either.
pub fn backup(dir: &Path, to: &Path) -> Result<u64, StoreError> {
    if to.exists() {
        return Err(StoreError::Exists(to.to_owned()));
    }
    let connection = open(&dir.join(FILE))?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.draft", std::process::id()));
    let draft = to.with_file_name(name);
    // An empty file counts as none for SQLite, and this one is ours alone from the beginning.
    private_file(&draft).map_err(unusable(&draft))?.set_len(0).map_err(unusable(&draft))?;
    let written = copy(&connection, &draft).and_then(|()| publish(&draft, to));
    if written.is_err() {
        // What went wrong is told; a draft that stays behind is in nobody's way.
        drop(fs::remove_file(&draft));
    }
    written
}

fn copy(connection: &Connection, draft: &Path) -> Result<(), StoreError> {
    let path = draft.to_str().ok_or_else(|| StoreError::Unusable {
        path: draft.to_owned(),
        reason: "the name is not UTF-8".to_owned(),
    })?;
    connection.execute("VACUUM INTO ?1", [path])?;
    let copy = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    schema::check(&copy)
        .map_err(|reason| StoreError::Corrupt { path: draft.to_owned(), reason })?;
    Ok(())
}

/// Makes a finished draft what it is meant to be, for good.
fn publish(draft: &Path, to: &Path) -> Result<u64, StoreError> {
    let file = File::open(draft).map_err(unusable(draft))?;
    file.sync_all().map_err(unusable(draft))?;
    let size = file.metadata().map_err(unusable(draft))?.len();
    // A link, unlike a rename, does not replace what somebody put there meanwhile.
    fs::hard_link(draft, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists(to.to_owned()),
        _ => unusable(to)(error),
    })?;
    fs::remove_file(draft).map_err(unusable(draft))?;
    sync_dir(to)?;
    Ok(size)
}

fn sync_dir(path: &Path) -> Result<(), StoreError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(unusable(dir))
}

/// Puts a backup in the place of the store in `dir`, which no bridge may be using. A store that
/// is there already is kept beside it; answers where.
///
/// # Errors
///
/// [`StoreError::InUse`], and others that say what is wrong with either file. The store is then
/// as it was.
pub fn restore(dir: &Path, from: &Path, now_s: u64) -> Result<Option<PathBuf>, StoreError> {
    let report = check(from)?;
    if let Some(problem) = report.problems.into_iter().next() {
        return Err(StoreError::Corrupt { path: from.to_owned(), reason: problem });
    }
    create_private_dir(dir).map_err(unusable(dir))?;
    let lock_path = dir.join(LOCK);
    let lock = private_file(&lock_path).map_err(unusable(&lock_path))?;
    if lock.try_lock().is_err() {
        return Err(StoreError::InUse(dir.to_owned()));
    }
    let path = dir.join(FILE);
    let draft = dir.join(format!("{FILE}.restored"));
    drop(fs::remove_file(&draft));
    private_file(&draft).map_err(unusable(&draft))?;
    // Through SQLite, so that a backup which another program has opened comes over whole.
    copy(&open(from)?, &draft)?;
    File::open(&draft).and_then(|file| file.sync_all()).map_err(unusable(&draft))?;
    let kept = set_aside(dir, &path, now_s)?;
    fs::rename(&draft, &path).map_err(unusable(&path))?;
    sync_dir(&path)?;
    Ok(kept)
}

/// Moves a store out of the way with what belongs to it.
fn set_aside(dir: &Path, path: &Path, now_s: u64) -> Result<Option<PathBuf>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    if let Ok(connection) = open(path) {
        // Into the main file with everything; a damaged one is moved as it is.
        drop(connection.pragma_update(None, "journal_mode", "DELETE"));
    }
    let old = format!("{FILE}.before-{now_s}");
    // The journals first: a store that lost its main file is noticed, one that lost a journal not.
    for ending in ["-wal", "-shm", ""] {
        let (from, to) = (dir.join(format!("{FILE}{ending}")), dir.join(format!("{old}{ending}")));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unusable(&from)(error));
            }
            _ => {}
        }
    }
    Ok(Some(dir.join(old)))
}

/// Looks through a store or a backup; `path` is a file, or a directory with a store.
///
/// # Errors
///
/// A [`StoreError`] if it can't be looked at; what is wrong inside is in the report.
pub fn check(path: &Path) -> Result<Report, StoreError> {
    let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    let connection = open(&path)?;
    let mut problems = integrity(&connection);
    let schema: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let mut rows = Vec::new();
    if problems.is_empty() {
        rows = count(&connection)?;
        problems.extend(orphans(&connection)?);
        problems.extend(identity(&connection)?);
    }
    Ok(Report { path, schema, known_schema: SCHEMA, rows, problems })
}

fn integrity(connection: &Connection) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut statement =
            connection.prepare(&format!("PRAGMA integrity_check({COMPLAINTS_MAX})"))?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.filter(|line| !matches!(line, Ok(text) if text == "ok")).collect()
    };
    read().unwrap_or_else(|error| vec![error.to_string()])
}

fn orphans(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for (what, query) in ORPHANS {
        let rows: i64 = connection.query_row(query, [], |row| row.get(0))?;
        if rows > 0 {
            found.push(format!("{rows} {what}"));
        }
    }
    Ok(found)
}

/// A store without its key would come up as another bridge, which clients refuse.
fn identity(connection: &Connection) -> Result<Option<String>, StoreError> {
    let query = "SELECT count(*) FROM meta WHERE key = 'identity' AND length(value) = 32";
    let keys: i64 = connection.query_row(query, [], |row| row.get(0))?;
    Ok((keys != 1).then(|| "the bridge's identity key is missing".to_owned()))
}
