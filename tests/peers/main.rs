//! Our clients and those of others: through Janus as the SFU, coturn as the relay, and with a
//! browser on the other side.
//!
//! Every test starts what it needs of its own on free ports and ends it. Where a program is not
//! installed its tests say so and pass; `make peers` installs what they need.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail on the unexpected, and print what they measure"
)]

#[cfg(unix)]
mod browser;
mod call;
mod coturn;
#[cfg(target_os = "linux")]
mod firewall;
mod janus;
mod member;
mod process;
mod relay;
mod room;
mod sound;
mod support;
mod video;
#[path = "../it/api/world.rs"]
#[expect(dead_code, reason = "tests of the API use more of it")]
mod world;
