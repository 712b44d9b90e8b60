//! One integration binary, so that it links once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "tests fail on the unexpected and tell one story each"
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
