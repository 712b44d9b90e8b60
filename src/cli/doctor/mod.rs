//! Checks of what a meeting needs: files, terminal, sound, pictures, bridge, media.
//!
//! Each file finds out about one of them; [`finding`] is what they have in common.

pub mod bridge;
pub mod files;
pub mod finding;
pub mod media;
pub mod pictures;
pub mod sound;
pub mod terminal;

pub use finding::Finding;
pub use finding::Report;
