//! Tests of the `bridge` layer.

mod login;
mod management;
mod room;
mod sfu;
mod socket;
mod store;
mod world;
