//! The rules of the bridge, pure over a store transaction.
//!
//! Each function takes a transaction, who is calling and a validated request, and says what
//! to answer, whom to tell and what the media plane must do. It sends nothing itself.

pub mod acl;
pub mod context;
pub mod error;
pub mod invite;
pub mod key;
pub mod media_event;
pub mod outcome;
pub mod policy;
pub mod provision;
pub mod query;
pub mod recording;
pub mod stream;
pub mod stream_room;
pub mod user;

pub use error::RecordingRefusal;
pub use error::ServiceError;
pub use outcome::Caller;
pub use outcome::MediaCommand;
pub use outcome::Notice;
pub use outcome::Outcome;
pub use outcome::Page;
pub use outcome::Profile;
pub use outcome::Recipients;
pub use outcome::Target;
