//! The PrivMX wire protocol without I/O: client and server roles side by side (transport.md).
//!
//! Bytes come in, bytes and decisions to take go out; sockets, clocks and random sources are
//! the caller's. Everything that reads bytes of a peer is bounded and never panics.
//!
//! A carrier transports messages: the body of an HTTP POST, or a WebSocket message behind a
//! request id ([`mux`]). A message is a sequence of frames ([`record`]), and every message is
//! one fresh exchange: it starts in plaintext and nothing but tickets outlives it
//! ([`handshake`]). Frames carry calls ([`rpc`], [`dto`]) in [`pson`]; events come as sealed
//! notifications ([`notification`]), chosen by [`subscription`] queries.

pub mod authorization;
pub mod dto;
pub mod handshake;
pub mod invite;
pub mod msgpack;
pub mod mux;
pub mod notification;
pub mod pson;
pub mod record;
pub mod recording;
pub mod rpc;
pub mod subscription;
pub mod url;
