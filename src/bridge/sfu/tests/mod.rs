//! Rooms with real peer connections in them, on a network and a clock of our own.

mod client;
mod hostile;
mod media;
mod negotiation;
mod socket;
mod world;
