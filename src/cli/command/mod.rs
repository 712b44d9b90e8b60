//! One file per command.

pub mod bridge;
pub mod completions;
pub mod demo;
pub mod devices;
pub mod doctor;
pub mod host;
pub mod identity;
pub mod invites;
pub mod join;
mod members;
pub mod play;
pub mod profile;
pub mod record;
pub mod recordings;
pub mod rooms;
pub mod snap;
pub mod tui;
pub mod watch;
