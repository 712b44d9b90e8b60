//! The PrivMX wire protocol without I/O: client and server roles side by side (transport.md).
//!
//! Bytes come in, bytes and decisions to take go out; sockets, clocks and random sources are
//! the caller's. Everything that reads bytes of a peer is bounded and never panics.

pub mod dto;
pub mod pson;
pub mod rpc;
