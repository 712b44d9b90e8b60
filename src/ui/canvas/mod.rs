//! From what is to be seen to the bytes that make a terminal show it.
//!
//! [`Canvas`] keeps what the terminal shows and writes only the difference, inside a
//! synchronized update, so that no half-drawn screen is ever seen. Text is always written
//! whole and at once. Pictures follow it as far as the [`VideoBudget`] goes.

pub mod backlog;
pub mod budget;
pub mod difference;
pub mod ink;
pub mod pace;
pub mod paint;
pub mod pen;

pub use backlog::Reading;
pub use budget::VideoBudget;
pub use paint::Canvas;
