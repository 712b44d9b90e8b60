//! Remote procedure calls: envelopes, error codes, and what the endpoint makes of them.

pub mod code;
mod endpoint;
mod envelope;

pub use endpoint::EndpointCode;
pub use endpoint::endpoint_code;
pub use envelope::EnvelopeError;
pub use envelope::Request;
pub use envelope::Response;
pub use envelope::RpcError;
