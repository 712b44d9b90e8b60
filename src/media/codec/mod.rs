//! Codecs.

pub mod opus;
