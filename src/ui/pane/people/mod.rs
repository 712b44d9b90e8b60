//! Who is in the call, and who else may be.

mod state;
mod view;

pub use state::PeopleState;
pub use state::PersonRow;
pub use state::Presence;
pub use view::PeoplePane;
