//! Tests of the `bridge` layer.

mod backup;
mod defect;
mod error;
mod event;
mod limit;
mod login;
mod malformed;
mod management;
mod management_socket;
mod media;
mod message_pack;
mod method;
mod policy;
mod recording;
mod room;
mod secrecy;
mod sfu;
mod socket;
mod store;
mod transcript;
mod world;
