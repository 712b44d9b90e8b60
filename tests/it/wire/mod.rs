//! Tests of the `wire` layer.

mod data;
mod dto;
mod pson;
mod rpc;
