//! The wall clock, read in one place.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::model::Timestamp;

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
