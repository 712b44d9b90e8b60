//! Why a recording ended.

use std::io;
use std::io::ErrorKind;

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Somebody stopped it.
    Stopped,
    /// It has become as large as it may.
    Size,
    /// The disk is full, or nearly.
    Disk,
    /// It could not be written.
    Failed,
    /// Everybody has left.
    Empty,
    /// The room was closed or deleted.
    Room,
    /// The bridge ended in an orderly way.
    Bridge,
}

impl EndReason {
    /// The word for it, in events and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Size => "size",
            Self::Disk => "disk",
            Self::Failed => "failed",
            Self::Empty => "empty",
            Self::Room => "room",
            Self::Bridge => "bridge",
        }
    }

    /// What a failed write means.
    pub(super) fn of_write(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Disk,
            _ => Self::Failed,
        }
    }
}
