//! Pieces that panes and dialogs are made of. They know no pane.

pub mod banner;
pub mod frame;
pub mod input;
pub mod line;
pub mod meter;
pub mod sparkline;
pub mod toast;
