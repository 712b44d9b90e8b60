//! Tests of the `wire` layer.

mod data;
mod dto;
mod handshake;
mod pson;
mod record;
mod rpc;
