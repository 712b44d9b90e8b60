//! From method names to services: reads parameters, finds the caller's rights, calls.

pub mod context;
pub mod dispatch;
pub mod management;
mod management_stream;
pub mod params;
pub mod recording;
pub mod stream;
pub mod stream_room;

pub use dispatch::Answer;
pub use dispatch::Peer;
pub use dispatch::dispatch;
