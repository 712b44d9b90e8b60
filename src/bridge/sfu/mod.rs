//! The selective forwarding unit: passes on sealed frames that it can't read.
//!
//! A client publishes over one connection, on which it makes the offers, and receives over a
//! second one, on which the SFU does. One UDP port carries everything.

mod channels;
mod config;
mod connection;
mod driver;
mod error;
mod handle;
mod hub;
mod keyframe;
mod publisher;
mod record;
mod rewrite;
mod room;
mod route;
mod sdp;
mod sequence;
mod stats;
mod subscriber;
#[cfg(test)]
mod tests;

pub use config::SfuConfig;
pub use config::SfuLimits;
pub use config::Tap;
pub use config::Tapped;
pub use error::SfuError;
pub use handle::ClientId;
pub use handle::Departure;
pub use handle::PublishAnswer;
pub use handle::Sfu;
pub use handle::SfuEvent;
pub use handle::SfuHandle;
pub use handle::SubscribeAnswer;
pub use record::RecordSink;
pub use record::Recorded;
pub use stats::SfuStats;
