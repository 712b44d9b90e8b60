//! Recording rooms to disk: sealed frames as they arrived, one file per track, no key.
//!
//! The SFU hands the packets of recorded rooms to a [`Recorder`], whose own thread (`writer`)
//! appends them to files below `recordings/` (`disk`); the format is `wire::recording`. The
//! thread is the only one to write, and the SFU never waits for it: what it can't take is
//! dropped and counted. A recording that a crash cut off stays readable up to its last second.

mod disk;
mod end;
mod limits;
mod recorder;
mod writer;

pub use end::EndReason;
pub use limits::RecordingLimits;
pub use recorder::Begun;
pub use recorder::Ended;
pub use recorder::Recorder;
pub use recorder::RecorderError;
pub use recorder::Wish;
