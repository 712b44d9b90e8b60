//! Parameters, results and events as typed structures, one file per RPC namespace.
//!
//! One structure serves both sides. Parameters are read strictly, as the server must: unknown
//! keys, missing keys and nulls are refused, and [`Call::parse`] checks every limit. Results
//! and events are read tolerantly, as the client must: unknown keys are ignored and a null
//! counts as absent.

mod call;
pub mod context;
pub mod event;
mod limit;
mod list;
pub mod management;
pub mod recording;
pub mod session;
pub mod signal;
pub mod stream;
pub mod stream_room;
mod strict;

pub use call::AnswerError;
pub use call::Call;
pub use call::Done;
pub use call::Invalid;
pub(super) use limit::is_channel;
pub use limit::json_size;
pub use list::ListParams;
pub use list::Scope;
pub use list::SortBy;
pub use list::SortOrder;
