//! The panes: state and view of each.

pub mod events;
pub mod levels;
pub mod people;
pub mod rooms;
pub mod stage;
pub mod terminal;
