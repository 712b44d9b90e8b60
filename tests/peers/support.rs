//! Real processes, shared with the other integration tests.

#[path = "../it/support/process.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
pub mod process;
#[path = "../it/support/wait.rs"]
pub mod wait;
