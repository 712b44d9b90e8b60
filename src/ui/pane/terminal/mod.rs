//! Shared terminals on the stage: the cells, who types, and the keys that pass through.

mod keys;
mod state;
mod update;
mod view;

pub use keys::encode;
pub use keys::encode_paste;
pub use state::TerminalsState;
pub use update::changed;
pub use update::due;
pub use update::follow;
pub use update::update;
pub use view::TerminalPane;
pub use view::body;
pub use view::cursor;
