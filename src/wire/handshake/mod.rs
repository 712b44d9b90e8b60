//! Logging in, and coming back with a ticket (transport.md 4).
//!
//! [`client`] and [`server`] each turn one message into another: the client seals a login, a
//! call or a request for tickets and opens the answer; the server is fed a message and asks
//! its caller to decide what only a bridge can know. Neither keeps anything between
//! messages but what the caller holds: a [`client::ClientSession`], or a [`MasterSecret`] per
//! server session.

pub mod client;
mod error;
mod master;
mod nonce;
mod packet;
pub mod server;
pub mod ticket;
mod version;

pub use error::HandshakeError;
pub use master::MasterSecret;
pub use nonce::NonceCache;
pub use packet::AGENT;
pub use packet::ServerReply;
pub use packet::login_text;
