//! The stage: everybody in the call at a glance, what they show, whoever speaks standing out.

mod tile;
mod view;

pub use view::StagePane;
