//! Everything the bridge must not forget, in one SQLite file.
//!
//! [`Store`] owns the file and a thread; services see a [`Tx`], which is one transaction.
//! What a committed transaction wrote is on the disk (WAL, `synchronous=FULL`) before the
//! caller learns of it. Nothing outside this folder names SQLite.

mod context;
mod driver;
mod error;
mod invite;
mod maintain;
mod provision;
mod queue;
mod record;
mod schema;
mod stream_room;

pub use driver::Store;
pub use driver::Tx;
pub use error::StoreError;
pub use maintain::Report;
pub use maintain::backup;
pub use maintain::check;
pub use maintain::restore;
pub use record::*;
