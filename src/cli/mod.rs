//! The command line: reads arguments, puts the layers together, prints results.

pub mod admission;
pub mod args;
mod clock;
pub mod command;
mod devices;
mod doctor;
pub mod exit;
mod export;
mod failure;
mod gate;
mod headless;
mod headless_terminal;
mod link;
mod logging;
mod look;
mod output;
mod paths;
mod pictures;
mod provision;
pub mod remote;
mod room_meta;
mod run;
mod session;
mod stop;
mod surroundings;
mod trust;
pub mod watch;

pub use run::run;
