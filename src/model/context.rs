//! Contexts, their users, and lists that come in pages.

use super::id::ContextId;
use super::id::UserId;
use super::unit::Timestamp;

/// A Context as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its id.
    pub context_id: ContextId,
    /// The caller's own id in this Context.
    pub user_id: UserId,
}

/// A user together with the key that stands for them (base58 of the compressed point).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserWithPubKey {
    /// Id in the Context.
    pub user_id: UserId,
    /// Public key in base58check.
    pub pub_key: String,
}

/// A user of a Context and whether one of their sessions is connected now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    /// Who it is.
    pub user: UserWithPubKey,
    /// Has a live session.
    pub active: bool,
    /// When that last changed, if ever.
    pub last_status_change: Option<Timestamp>,
}

/// Order of a list by creation date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// What a list of rooms is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// When each was created.
    #[default]
    CreateDate,
    /// When each was last updated.
    LastModificationDate,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagingQuery {
    /// How many to leave out at the start.
    pub skip: u32,
    /// How many to return, 1 to 100.
    pub limit: u32,
    /// The order to count in.
    pub sort_order: SortOrder,
    /// Start after this id instead of at the start.
    pub last_id: Option<String>,
    /// What to sort by; `None` is by creation. Lists of rooms only.
    pub sort_by: Option<SortKey>,
    /// A filter on public metadata: a JSON object as text. Lists of rooms only.
    pub query_as_json: Option<String>,
}

impl Default for PagingQuery {
    fn default() -> Self {
        Self {
            skip: 0,
            limit: 100,
            sort_order: SortOrder::Ascending,
            last_id: None,
            sort_by: None,
            query_as_json: None,
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagingList<T> {
    /// How many there are in all pages together.
    pub total_available: u64,
    /// The page asked for.
    pub items: Vec<T>,
}
