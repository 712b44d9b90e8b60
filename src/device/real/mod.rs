//! Real sound devices, through `cpal`; chimes through `rodio`.
//!
//! The device's thread and ours meet in a lock-free ring. The callbacks move samples and count,
//! and do nothing else: no lock, no allocation, no log. Opening happens on a thread with a
//! deadline, because a sound server that hangs must not take the program with it.

mod capture;
mod chime;
mod deadline;
mod fault;
mod host;
mod playback;
mod stream;

pub(super) use capture::open_input;
pub(super) use chime::ChimeSink;
pub(super) use host::list;
pub(super) use playback::open_output;
