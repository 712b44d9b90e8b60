//! Own microphone, loudspeaker and the quality of the link.

mod state;
mod view;

pub use state::LevelsState;
pub use view::LevelsPane;
