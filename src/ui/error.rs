//! Why the terminal client stopped against the user's will.

use std::io;

/// Why [`run`](super::run) failed. The terminal has been restored by then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UiError {
    /// Standard output or input is not a terminal.
    #[error("not a terminal: the screen needs one; the other commands work without")]
    NotATerminal,
    /// The terminal could not be set up, read or written.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
    /// A part of the program panicked; the report is on the terminal and in the log.
    #[error("the program met a fault of its own and stopped")]
    Panicked,
}

/// Why a theme could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThemeError {
    /// Not TOML, or not of the expected shape.
    #[error("theme {name}: {reason}")]
    Malformed {
        /// The theme's name as the caller gave it.
        name: String,
        /// What the parser says.
        reason: String,
    },
    /// A colour is neither `#rrggbb` nor one of the sixteen names.
    #[error("theme {name}: role {role}: no colour is called {colour:?}")]
    UnknownColour {
        /// The theme's name.
        name: String,
        /// The role that uses it.
        role: &'static str,
        /// What is written there.
        colour: String,
    },
    /// An attribute that no terminal has.
    #[error("theme {name}: role {role}: no attribute is called {attribute:?}")]
    UnknownAttribute {
        /// The theme's name.
        name: String,
        /// The role that uses it.
        role: &'static str,
        /// What is written there.
        attribute: String,
    },
    /// A role has no entry.
    #[error("theme {name}: role {role} is missing")]
    MissingRole {
        /// The theme's name.
        name: String,
        /// The role.
        role: &'static str,
    },
    /// An entry names no role.
    #[error("theme {name}: there is no role {role:?}")]
    UnknownRole {
        /// The theme's name.
        name: String,
        /// What is written there.
        role: String,
    },
}
