//! Tests of the `media` layer, and of the devices that need no sound card.

mod pipeline;
mod support;
