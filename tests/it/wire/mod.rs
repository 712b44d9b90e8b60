//! Tests of the `wire` layer.

mod data;
mod pson;
mod rpc;
