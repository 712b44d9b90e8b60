//! Shared terminals of a room: one of our own, and those of others.
//!
//! What there is to see comes out of a [`watch`](tokio::sync::watch); what is wanted goes in by
//! orders that return at once.

mod command;
mod drawn;
mod handle;
mod key;
mod task;
mod view;

pub use crate::media::terminal::Cell as TerminalCell;
pub use crate::media::terminal::Colour as TerminalColour;
pub use crate::media::terminal::Control as TerminalControl;
pub use crate::media::terminal::Grid as TerminalScreen;
pub use crate::media::terminal::Status as TerminalStatus;
pub use crate::media::terminal::Style as TerminalStyle;
pub use crate::media::terminal::TerminalSize;
pub use crate::media::terminal::Watcher as TerminalWatcher;
pub use crate::media::terminal::Width as TerminalWidth;
pub use command::SharedCommand;
pub(super) use drawn::Drawn;
pub use handle::TerminalOrder;
pub use handle::Terminals;
pub use view::TerminalView;
pub use view::TerminalViews;
