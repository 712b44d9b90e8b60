//! Who came and went, and what else happened.

mod state;
mod view;

pub use state::Entry;
pub use state::EventsState;
pub use state::Mark;
pub use view::EventsPane;
