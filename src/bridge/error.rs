//! Why a bridge could not be started.

use std::io;
use std::net::SocketAddr;

use super::sfu::SfuError;
use super::store::StoreError;

/// A bridge could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// The TCP port can't be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was tried.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The port for metrics can't be used.
    #[error("cannot serve metrics on {address}: {source}")]
    Metrics {
        /// What was tried.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database can't be used; the text says what to do.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The media port can't be used.
    #[error("cannot open the media port: {0}")]
    Media(#[from] SfuError),
    /// The recordings can't be read, or their thread not be started.
    #[error("cannot use the recordings: {0}")]
    Recordings(io::Error),
    /// The stored identity key is not readable.
    #[error("the bridge's identity key in the database is damaged; restore it from a backup")]
    Identity,
}
