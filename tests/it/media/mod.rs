//! Tests of the `media` layer and of the devices that feed it.

mod audio;
mod codec;
mod container;
mod device;
mod drawn_terminal;
mod jitter;
mod pipeline;
mod playback;
mod real;
mod recording;
mod stranger;
mod support;
mod terminal;
mod video;
mod vp8;
mod wav;
