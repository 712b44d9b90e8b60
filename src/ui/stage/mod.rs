//! What the stage shows and where: people, shared screens and terminals, and who is to be
//! seen large. Everything in here is plain data and functions of it; how it is drawn is in
//! [`pane::stage`](super::pane::stage).

pub mod arrange;
pub mod choice;
pub mod gallery;
pub mod scene;
pub mod speaker;
pub mod state;
pub mod tile;
pub mod update;
pub mod zoom;

pub use choice::LayoutChoice;
pub use gallery::Gallery;
pub use gallery::Window;
pub use scene::Scene;
pub use state::StageState;
pub use tile::Part;
pub use tile::Share;
pub use tile::TileContent;
pub use tile::TileId;
pub use zoom::View;
