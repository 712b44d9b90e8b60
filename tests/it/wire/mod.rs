//! Tests of the `wire` layer.

mod carrier;
mod data;
mod dto;
mod handshake;
mod pson;
mod record;
mod rpc;
mod subscription;
