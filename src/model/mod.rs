//! The words that every layer shares: plain data, no behaviour beyond construction.
//!
//! Nothing here does I/O, reads a clock or knows a wire format. Names follow the PrivMX
//! Streams documentation, so that a reader of either finds the same things.

pub mod call;
pub mod context;
pub mod event;
pub mod id;
pub mod recording;
pub mod room;
pub mod secret;
pub mod stream;
pub mod unit;

pub use call::*;
pub use context::*;
pub use event::*;
pub use id::*;
pub use recording::*;
pub use room::*;
pub use secret::*;
pub use stream::*;
pub use unit::*;
