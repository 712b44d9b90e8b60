//! A shared terminal: cells, not pixels (docs/protocol/terminal.md).
//!
//! [`Owner`] has the output of a pseudo-terminal and tells others what is on its screen;
//! [`Viewer`] shows it to somebody who may ask for control. Both are step functions: messages,
//! keystrokes and the time go in, messages and deeds come out. What a viewer gets are cells
//! whose text was filtered here, never bytes that a terminal would obey.

mod cell;
mod emulator;
mod grid;
mod message;
mod owner;
pub mod paint;
mod screen_diff;
mod viewer;

pub use cell::Cell;
pub use cell::Colour;
pub use cell::Style;
pub use cell::Width;
pub use emulator::Emulator;
pub use grid::Grid;
pub use grid::History;
pub use grid::Meta;
pub use grid::TerminalSize;
pub use message::Beacon;
pub use message::Message;
pub use message::Status;
pub use message::is_ours;
pub use owner::Deed;
pub use owner::Owner;
pub use owner::Watcher;
pub use viewer::Control;
pub use viewer::Received;
pub use viewer::Viewer;
