//! The embedded bridge: a PrivMX-compatible server and its SFU in this process.

pub mod service;
pub mod sfu;
pub mod store;
