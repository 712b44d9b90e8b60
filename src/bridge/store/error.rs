//! Why the store could not be opened or used.

use std::path::PathBuf;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The path can't be created or read.
    #[error("cannot use {path}: {reason}")]
    Unusable {
        /// What was tried.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file holds something else; it was left alone.
    #[error("{0} is not a Conclave bridge database; move it away or choose another data directory")]
    Foreign(PathBuf),
    /// The file was written by a newer release; it was left alone.
    #[error(
        "{path} has schema {found}, this release knows schemas up to {known}; use a newer release"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file is damaged; it was left alone.
    #[error("{path} is damaged ({reason}); restore it from a backup or move it away")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The first complaint of the integrity check.
        reason: String,
    },
    /// There is nothing.
    #[error("{0} does not exist; name the data directory with --data, or a file that exists")]
    Missing(PathBuf),
    /// There is something already; it was left alone.
    #[error("{0} exists already and is not overwritten; choose another name")]
    Exists(PathBuf),
    /// Another process uses the same data directory.
    #[error("{0} is in use by another bridge")]
    InUse(PathBuf),
    /// A unique value exists already.
    #[error("a value that must be unique exists already")]
    Duplicate,
    /// A row does not hold what this release writes.
    #[error("stored value of {0} is not readable")]
    Damaged(&'static str),
    /// SQLite refused; nothing of the transaction was kept.
    #[error("database error: {0}")]
    Database(String),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Duplicate,
            _ => Self::Database(error.to_string()),
        }
    }
}
