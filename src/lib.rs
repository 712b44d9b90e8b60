//! Conclave: encrypted voice meetings in the terminal.
//!
//! The crate is a client library for PrivMX Streams ([`api`]), a terminal program on top of
//! it (`ui`, `cli`) and an embedded server for it ([`bridge`]). `docs/architecture.md` is the
//! map; each layer below may use the ones above it and none of those that follow.

pub mod model;

#[doc(hidden)]
pub mod crypto;

#[doc(hidden)]
pub mod wire;

#[doc(hidden)]
pub mod media;

#[doc(hidden)]
pub mod device;

#[doc(hidden)]
pub mod net;

#[doc(hidden)]
pub mod rtc;

pub mod api;

#[doc(hidden)]
pub mod profile;

pub mod bridge;

#[doc(hidden)]
pub mod ui;

#[doc(hidden)]
pub mod cli;
