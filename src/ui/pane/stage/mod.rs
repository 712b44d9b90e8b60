//! The stage: everybody in the call at a glance, whoever speaks standing out.

mod grid;
mod view;

pub use view::StagePane;
