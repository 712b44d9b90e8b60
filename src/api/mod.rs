//! The public library: `Endpoint` connects, `Connection` and `StreamApi` do the rest.

mod error;
mod management;

pub use error::ApiError;
pub use management::ApiKey;
pub use management::ManagementClient;
