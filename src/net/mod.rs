//! Transports of the client: HTTP and WebSocket, each driving the protocol core in `wire`.
//!
//! [`session`] is what the layers above use; [`http`] and [`ws`] are the two carriers,
//! [`driver`] the task that owns a session's socket.

pub mod backoff;
mod driver;
pub mod error;
mod exchange;
pub mod http;
mod link;
pub mod session;
pub mod subscriptions;
pub mod tls;
pub mod ws;

pub use error::NetError;
