//! PSON, the binary JSON of the PrivMX protocol (transport.md 6.1 and 6.2).
//!
//! It differs from JSON in two ways that matter here: bytes and text are different types,
//! and integers are never floating point. [`Value`] keeps both apart; what carries no bytes
//! converts to `serde_json::Value` and back.

mod decode;
mod dictionary;
mod encode;
mod error;
mod value;

pub use decode::Limits;
pub use decode::decode;
pub use decode::decode_with;
pub use dictionary::Dictionary;
pub use encode::encode;
pub use encode::encode_json;
pub use encode::encode_member;
pub use encode::object_of;
pub use error::PsonError;
pub use value::Value;
