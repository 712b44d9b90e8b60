//! Why there are no pictures: what, why, and what to do about it.

use std::path::PathBuf;

/// What pictures were to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A camera.
    Camera,
    /// A whole screen.
    Screen,
    /// One window.
    Window,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Camera => "camera",
            Self::Screen => "screen",
            Self::Window => "window",
        })
    }
}

/// Why a source of pictures could not be opened or stopped working.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// The name can't be understood, or names what can't be opened as pictures.
    #[error(
        "`{spec}` names no source of pictures: {why}; use default, a camera's name, screen, screen:N, window:TITLE, file:PATH.y4m, image:PATH, terminal:\"COMMAND\", pattern or off"
    )]
    Spec {
        /// What was given.
        spec: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The machine has no camera.
    #[error(
        "there is no camera on this machine, because the system lists none; connect one, or name pattern, screen or file:PATH.y4m instead"
    )]
    NoCamera,
    /// This build has no support for it.
    #[error(
        "there is no {origin}, because this build has no support for it; build it with the feature `{feature}`, or name pattern or file:PATH.y4m instead"
    )]
    NotBuilt {
        /// What was looked for.
        origin: Origin,
        /// What to build with.
        feature: &'static str,
    },
    /// There is no screen that we could see.
    #[error("no {origin} can be shared, because {reason}; {advice}")]
    NoDisplay {
        /// What was looked for.
        origin: Origin,
        /// Why not.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// Nothing has that name.
    #[error("there is no {origin} `{name}`; the ones that exist are listed by `conclave devices`")]
    NotFound {
        /// What was looked for.
        origin: Origin,
        /// What was given.
        name: String,
    },
    /// Several fit the name.
    #[error("`{name}` fits more than one {origin} ({matches}); write more of the name, or its id")]
    Ambiguous {
        /// What was looked for.
        origin: Origin,
        /// What was given.
        name: String,
        /// Names of those that fit.
        matches: String,
    },
    /// The system does not let this user have it.
    #[error("the {origin} `{name}` may not be used: {reason}; {advice}")]
    Denied {
        /// What was looked for.
        origin: Origin,
        /// The device.
        name: String,
        /// What the system said.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// It exists, but could not be opened.
    #[error(
        "the {origin} `{name}` could not be opened: {reason}; close what else uses it, or choose another one"
    )]
    Open {
        /// What was looked for.
        origin: Origin,
        /// The device.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// It was there and is gone.
    #[error("the {origin} `{name}` was lost: {reason}; bring it back, or choose another one")]
    Lost {
        /// What it was.
        origin: Origin,
        /// The device.
        name: String,
        /// What happened.
        reason: String,
    },
    /// A file holds no pictures that can be used.
    #[error("the file {} holds no pictures that can be used: {reason}; convert it to {wanted}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What would be right.
        wanted: &'static str,
    },
}
