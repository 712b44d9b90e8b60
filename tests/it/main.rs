//! One integration binary, so that it links once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected must fail"
)]

mod api;
mod bridge;
mod cli;
mod crypto;
mod media;
mod profile;
mod rtc;
mod support;
mod ui;
mod wire;
