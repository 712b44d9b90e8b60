//! Real processes, and a network that loses, shared with the other integration tests.

#[path = "../it/support/lossy.rs"]
pub mod lossy;
#[path = "../it/support/process.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
pub mod process;
#[path = "../it/support/wait.rs"]
pub mod wait;
