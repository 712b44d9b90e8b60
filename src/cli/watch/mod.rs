//! Watching rooms: what is measured, when it is worth an alert, and who is told.
//!
//! [`rule`] reads alert rules and [`monitor`] decides when they hold; [`tally`] adds figures up;
//! all three are step functions without I/O. [`watcher`] is the driver: it joins the rooms,
//! feeds them, and hands what they say to the output, to [`action`] and to [`server`].

pub mod action;
pub mod describe;
pub mod metrics;
pub mod monitor;
pub mod rule;
pub mod scene;
pub mod server;
pub mod tally;
pub mod watcher;

pub use rule::Rule;
