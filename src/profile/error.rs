//! What can be wrong with the files of a profile, each as one sentence for the user.

use std::io;
use std::path::PathBuf;

/// Why something of the profile could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}; check that the directory exists, is yours and has space", path.display())]
    Io {
        /// What was tried: "read", "write", …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is there, but is not what it should be. It is left as it is.
    #[error("{} is damaged ({reason}); it was left untouched: restore it from a backup, or move it away to start anew", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process uses the same data directory for hosting.
    #[error("{} is in use by another conclave process; stop that one or choose another --data directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The text is no invite.
    #[error(
        "this is not a conclave invite ({0}); ask for the whole link, it starts with conclave://"
    )]
    BadInvite(&'static str),
    /// A name that can't be shown or sent.
    #[error(
        "the name {0:?} can't be used: take 1 to 64 visible characters without control characters"
    )]
    BadName(String),
    /// A picture of a member that the room's metadata can't hold.
    #[error("the room's metadata can't hold this avatar: {0}")]
    BadAvatar(&'static str),
    /// A name that no profile can have.
    #[error(
        "{0:?} can't be the name of a profile: take 1 to 64 letters, digits, '-', '_' or '.', not \"local\""
    )]
    BadProfileName(String),
    /// There is no such profile.
    #[error("there is no profile {0:?}; `conclave profile list` shows them")]
    NoProfile(String),
    /// There is such a profile, or what is left of one, already.
    #[error("there is a profile {name:?} already in {}; choose another name, or remove that one first", directory.display())]
    ProfileExists {
        /// Its name.
        name: String,
        /// Where it is.
        directory: PathBuf,
    },
    /// Others can read a file that holds a key.
    #[error("{} holds a private key and others can read it; run `chmod 600` on it, and think about whether the key is still secret", path.display())]
    OpenKey {
        /// Which file.
        path: PathBuf,
    },
}
