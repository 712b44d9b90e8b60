//! Screens and windows of an X11 display, as sources of pictures.
//!
//! A window is taken from its own off-screen buffer (the Composite extension), so that nothing
//! that lies over it is shown by mistake.

mod cursor;
mod display;
mod grab;
mod source;
mod target;
#[cfg(test)]
mod tests;

pub(in crate::device) use display::Display;
pub(in crate::device) use source::DesktopSource;
pub(in crate::device) use source::snapshot;
pub(in crate::device) use target::list;
