//! Parameters that every call for a list has.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value as Json;

use super::Invalid;
use super::limit;
use crate::model::PagingQuery;
use crate::model::SortKey as ModelSortKey;
use crate::model::SortOrder as ModelOrder;

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortOrder {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

/// What a list of rooms is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SortBy {
    /// When the room was created.
    CreateDate,
    /// When it was last updated.
    LastModificationDate,
}

/// Which rooms of a context are meant, by the caller's part in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scope {
    /// Every room; needs the policy `listAll`.
    All,
    /// Those that the caller manages.
    Manager,
    /// Those that the caller is a user of.
    User,
    /// Users and managers: what is meant when nothing is said.
    Member,
    /// Those that the caller created.
    Owner,
}

/// The common part of all list calls, taken out of one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListParams {
    /// How many to leave out at the start.
    pub skip: i64,
    /// How many to return, 1 to 100.
    pub limit: i64,
    /// Which end comes first.
    pub sort_order: SortOrder,
    /// Start after this id.
    pub last_id: Option<String>,
    /// What to sort by, if the call allows a choice.
    pub sort_by: Option<SortBy>,
    /// A filter on public metadata.
    pub query: Option<Map<String, Json>>,
}

impl ListParams {
    /// Checks the limits.
    pub(super) fn validate(skip: i64, page: i64, last_id: Option<&str>) -> Result<(), Invalid> {
        limit::number("skip", skip, 0, "must not be negative")?;
        limit::page(page)?;
        limit::optional_id("lastId", last_id)
    }
}

impl From<&PagingQuery> for ListParams {
    fn from(paging: &PagingQuery) -> Self {
        Self {
            skip: i64::from(paging.skip),
            limit: i64::from(paging.limit),
            sort_order: match paging.sort_order {
                ModelOrder::Ascending => SortOrder::Asc,
                ModelOrder::Descending => SortOrder::Desc,
            },
            last_id: paging.last_id.clone(),
            sort_by: paging.sort_by.map(SortBy::from),
            query: None,
        }
    }
}

impl From<ModelSortKey> for SortBy {
    fn from(key: ModelSortKey) -> Self {
        match key {
            ModelSortKey::CreateDate => Self::CreateDate,
            ModelSortKey::LastModificationDate => Self::LastModificationDate,
        }
    }
}

/// Declares the parameters of a list call: its own fields and the common ones.
/// (`flatten` would do, but cannot be combined with refusing unknown keys.)
macro_rules! list_call {
    (
        $(#[$doc:meta])*
        $name:ident = $method:literal -> $answer:ty;
        { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }
        check |$this:ident| $check:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($(#[$attribute])* pub $field: $type,)*
            /// How many to leave out at the start.
            pub skip: i64,
            /// How many to return, 1 to 100.
            pub limit: i64,
            /// Which end comes first.
            pub sort_order: crate::wire::dto::SortOrder,
            /// Start after this id.
            #[serde(
                default,
                deserialize_with = "crate::wire::dto::call::present",
                skip_serializing_if = "Option::is_none"
            )]
            pub last_id: Option<String>,
            /// What to sort by.
            #[serde(
                default,
                deserialize_with = "crate::wire::dto::call::present",
                skip_serializing_if = "Option::is_none"
            )]
            pub sort_by: Option<crate::wire::dto::SortBy>,
            /// A filter on public metadata.
            #[serde(
                default,
                deserialize_with = "crate::wire::dto::call::present",
                skip_serializing_if = "Option::is_none"
            )]
            pub query: Option<serde_json::Map<String, serde_json::Value>>,
        }

        impl crate::wire::dto::Call for $name {
            const METHOD: &'static str = $method;
            type Answer = $answer;

            fn validate(&self) -> Result<(), crate::wire::dto::Invalid> {
                let last_id = self.last_id.as_deref();
                crate::wire::dto::ListParams::validate(self.skip, self.limit, last_id)?;
                let $this = self;
                $check
            }
        }

        impl $name {
            /// The common part.
            #[must_use]
            pub fn page(&self) -> crate::wire::dto::ListParams {
                crate::wire::dto::ListParams {
                    skip: self.skip,
                    limit: self.limit,
                    sort_order: self.sort_order,
                    last_id: self.last_id.clone(),
                    sort_by: self.sort_by,
                    query: self.query.clone(),
                }
            }
        }
    };
}

pub(super) use list_call;
