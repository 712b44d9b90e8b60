//! Pictures of a process: what is captured, encoded and sent, and what is received and decoded.
//!
//! Sources and encoders have threads of their own ([`local`]), and so has the decoder
//! ([`remote`]), because each may take longer than the event loop can wait. The newest picture
//! wins everywhere: between the threads there is room for one, and whoever shows pictures reads
//! them from a [`watch`](tokio::sync::watch).

mod access;
mod call;
mod engine;
mod format;
mod local;
mod meter;
mod rate;
mod remote;
mod wanted;

pub(super) use access::open_video;
pub(super) use call::Shown;
pub(super) use call::open_wanted;
pub(super) use engine::VideoHandle;
pub(super) use format::content_of;
pub(super) use local::LocalVideo;
pub(super) use remote::NewTrack;
pub use wanted::Wanted;
pub(super) use wanted::WantedPictures;
