//! What has to keep up with the clock: real calls that are listened to.
//!
//! These tests have a binary of their own, which cargo runs alone, and they take turns: a
//! machine that is busy with something else delays sound, and that is not what they judge.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail on the unexpected, and print what they measure"
)]

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

mod ear;
mod pulse;
mod support;
mod voice;

/// Waits until no other test of this binary runs.
fn take_turns() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has had its turn.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
