//! Peer connections: one that publishes and one that subscribes, per joined room.
//!
//! [`Publisher`] offers and [`Subscriber`] answers, as Streams wants it (streams.md §9, §10).
//! Both are handles to a task ([`driver`]) that owns the sockets and feeds a step function
//! ([`engine`] below a role of its own). Media is neither read nor reordered here: what comes
//! out of [`SubscriberEvent::Rtp`] is what the other side put into its [`AudioSink`] or
//! [`VideoSink`].

pub mod data;
mod driver;
mod engine;
pub mod error;
mod filter;
mod mapped;
mod outbox;
mod pacer;
pub mod peer;
mod permission;
pub mod publisher;
mod publishing;
mod relay;
pub mod rtp;
mod settings;
pub mod signal;
mod sockets;
pub mod stats;
pub mod subscriber;
mod subscribing;
mod uplink;
pub mod video;

pub use data::DataSink;
pub use error::RtcError;
pub use peer::PeerConfig;
pub use peer::PeerState;
pub use publisher::AudioSink;
pub use publisher::EncodedAudio;
pub use publisher::Publisher;
pub use publisher::TrackSink;
pub use stats::PeerStats;
pub use subscriber::Subscriber;
pub use subscriber::SubscriberEvent;
pub use video::EncodedVideo;
pub use video::VideoSink;
