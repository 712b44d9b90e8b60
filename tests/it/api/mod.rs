//! Tests of the `api` layer: whole clients against the embedded bridge, in one process.

mod call;
mod connection;
mod room;
mod world;
mod wrong_key;
