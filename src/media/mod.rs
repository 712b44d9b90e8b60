//! What happens to samples and pixels: no device, no socket, no clock.
//!
//! Everything here is a step function: samples, packets and the time go in, frames and
//! counters come out. [`pipeline`] is the paved path from a microphone's samples and a camera's
//! pictures to sealed RTP payloads and back; the other modules are its parts.

pub mod audio;
pub mod codec;
pub mod container;
pub mod error;
pub mod frame;
pub mod jitter;
pub mod pipeline;
pub mod playback;
pub mod recording;
pub mod terminal;
pub mod video;

pub use error::MediaError;
pub use frame::AudioFrame;
pub use frame::EncodedFrame;
pub use video::Picture;
