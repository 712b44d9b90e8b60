//! The list of rooms of the Context.

mod state;
mod view;

pub use state::RoomRow;
pub use state::RoomsState;
pub use view::RoomsPane;
