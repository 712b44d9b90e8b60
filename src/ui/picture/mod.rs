//! Pictures as cells: from I420 planes to symbols and colours that any terminal can show.
//!
//! [`render`](fn@render) is pure and runs wherever its caller likes, preferably off the task that
//! handles keys. [`PictureView`] puts the outcome on the screen and marks its cells, so that
//! the canvas knows where it may save bytes and where it must not.

pub mod cell;
pub mod color;
pub mod fit;
pub mod options;
pub mod render;
pub mod scale;
pub mod view;

pub use cell::CellPicture;
pub use cell::MARK;
pub use cell::PictureCell;
pub use fit::View;
pub use options::Options;
pub use options::Symbols;
pub use render::render;
pub use view::PictureView;
