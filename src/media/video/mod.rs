//! Pictures: planes of samples, their colours, their sizes, and how near one is to another.

mod convert;
mod picture;
mod psnr;
mod scale;

pub use picture::MAX_SIDE;
pub use picture::Picture;
pub use psnr::psnr_y;
