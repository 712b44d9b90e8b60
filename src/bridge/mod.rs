//! The embedded bridge: a PrivMX-compatible server and its SFU in this process.
//!
//! [`Bridge::start`] serves HTTP and WebSocket on one TCP port and media on one UDP port.
//! A request passes through [`listener`], an exchange that decrypts it, [`rpc`] that reads
//! it, and [`service`] that decides over one transaction of the [`store`]; what follows for
//! others goes out through [`notify`], what follows for media through [`sfu`].

mod authority;
mod budget;
pub mod config;
mod conn;
mod core;
mod deadline;
pub mod error;
mod exchange;
mod handle;
mod limit;
mod listener;
mod management_socket;
mod media;
mod metrics;
mod metrics_port;
mod notify;
mod presence;
pub mod recording;
mod rpc;
pub mod service;
mod session;
pub mod sfu;
pub mod store;
mod turn;

pub use config::BridgeConfig;
pub use config::BridgeLimits;
pub use config::EventProfile;
pub use config::TurnServer;
pub use error::BridgeError;
pub use handle::Bridge;
pub use handle::BridgeHandle;
pub use handle::LocalApiKey;
pub use recording::RecordingLimits;
