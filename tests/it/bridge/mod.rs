//! Tests of the `bridge` layer.

mod backup;
mod defect;
mod limit;
mod login;
mod malformed;
mod management;
mod media;
mod recording;
mod room;
mod secrecy;
mod sfu;
mod socket;
mod store;
mod transcript;
mod world;
