//! Transports of the client: HTTP and WebSocket, each driving the protocol core in `wire`.

pub mod backoff;
pub mod error;
pub mod http;
pub mod subscriptions;
pub mod tls;
pub mod ws;

pub use error::NetError;
