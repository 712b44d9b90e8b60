//! Exit codes, as documented in the README: scripts tell the kinds of failure apart by them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Success = 0,
    /// Anything without a code of its own.
    Failure = 1,
    /// The command line can't be understood (clap uses the same code).
    Usage = 2,
    /// The invite is no invite, has expired, was revoked or is used up.
    Invite = 3,
    /// The bridge can't be reached, or something else answers there.
    Unreachable = 4,
    /// The bridge or a manager refused: not admitted, not a member, not allowed.
    Denied = 5,
    /// A named device does not exist or does not work.
    Device = 6,
    /// A file of the data directory is damaged or can't be written.
    Data = 7,
    /// The address to listen on is taken or not ours.
    Listen = 8,
    /// The room is full or closed.
    RoomUnavailable = 9,
    /// Nobody shows the picture that was asked for.
    NoPicture = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure whose exit code was chosen where it happened.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// One sentence: what, why, what to do.
    pub message: String,
}

impl Failure {
    /// A failure with this code and sentence.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}
