//! A shared terminal as a picture, for whoever can only show pictures: letters from a bitmap
//! font, lines and blocks so that they meet, colours as xterm has them.

mod font;
mod palette;
mod pixels;
mod shape;

pub use pixels::CELL_HEIGHT;
pub use pixels::CELL_WIDTH;
pub use pixels::paint;
