//! Codecs.

pub mod opus;
pub mod vp8;
#[cfg(feature = "libvpx")]
#[expect(unsafe_code, reason = "libvpx has a C interface; this is the one file that speaks it")]
pub mod vp8_libvpx;
pub mod vp8_rust;
pub mod webp;

/// What encodes and decodes behind [`vp8`].
#[cfg(feature = "libvpx")]
use vp8_libvpx as vp8_engine;
/// What encodes and decodes behind [`vp8`].
#[cfg(not(feature = "libvpx"))]
use vp8_rust as vp8_engine;
