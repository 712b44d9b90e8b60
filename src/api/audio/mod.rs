//! The audio engine: microphones to publishers, subscribers to the loudspeaker.
//!
//! [`mixdown`] is the step function, [`driver`] the one task that feeds it. It ticks every
//! 10 ms while there is something to hear or to say, ten times a second while there is only
//! digital silence, and not at all while there is nothing.

mod driver;
mod loss;
mod mixdown;
mod stats;

pub(super) use driver::AudioEngine;
pub(super) use driver::AudioHandle;
pub(super) use mixdown::Microphone;
pub(super) use mixdown::RoomToken;
pub(super) use mixdown::TrackKey;
pub(super) use mixdown::VersionedKeys;
