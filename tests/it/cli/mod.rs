//! The program as its users run it: real processes, real sockets, real terminals.

mod avatar;
mod bad_input;
mod bridge;
mod devices;
mod doctor;
mod durable;
mod play;
mod profile;
mod recording;
mod screen;
mod snap;
mod terminal;
mod video;
mod watch;
