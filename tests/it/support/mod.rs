//! What tests share: real processes, real sound cards and terminals, and ears to judge sound by.

pub mod bridge;
pub mod burst;
pub mod letters;
pub mod lossy;
pub mod process;
pub mod tmux;
pub mod wait;
pub mod xvfb;
