//! From the parameters of the wire to requests of services.
//!
//! What parameters there are and what they may be is written once, in [`crate::wire::dto`],
//! for both sides of the wire.

use serde_json::Value;

use crate::bridge::service::Page;
use crate::bridge::service::ServiceError;
use crate::bridge::service::query;
use crate::wire::dto::Call;
use crate::wire::dto::ListParams;
use crate::wire::dto::SortBy;
use crate::wire::dto::SortOrder;

/// Reads and checks the parameters of one call.
///
/// # Errors
///
/// [`ServiceError::InvalidParams`] names the parameter that is wrong.
pub fn read<C: Call>(raw: Value) -> Result<C, ServiceError> {
    C::parse(raw).map_err(|error| match error.data {
        Value::String(text) => ServiceError::InvalidParams(text),
        _ => ServiceError::params("params"),
    })
}

/// The page that list parameters ask for.
///
/// # Errors
///
/// [`ServiceError::InvalidParams`] if the query is none.
pub fn page(list: ListParams) -> Result<Page, ServiceError> {
    let number = |key: &str, number: i64| {
        usize::try_from(number).map_err(|_| ServiceError::params(format!("{key}: too large")))
    };
    Ok(Page {
        skip: number("skip", list.skip)?,
        limit: number("limit", list.limit)?,
        descending: list.sort_order == SortOrder::Desc,
        last_id: list.last_id,
        by_modification: list.sort_by == Some(SortBy::LastModificationDate),
        query: list.query.map(query::parse).transpose()?,
    })
}
