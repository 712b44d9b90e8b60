//! From samples to sealed packets and back.

pub mod recv;
pub mod send;
mod sequence;

pub use recv::AudioReceiver;
pub use recv::Received;
pub use recv::ReceiverStats;
pub use send::AudioSender;
