//! Tests of the `api` layer: whole clients against the embedded bridge, in one process.

mod call;
mod complete;
mod connection;
mod defect;
mod generation;
mod reconnect;
mod recording;
mod room;
mod stand_in;
mod terminal;
mod transcript;
mod video;
mod world;
mod wrong_key;
