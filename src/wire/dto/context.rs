//! Calls about contexts and their users (transport.md 8 and 11.6).

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::Call;
use super::Done;
use super::Invalid;
use super::limit;
use super::list::list_call;
use crate::model;
use crate::model::Timestamp;
use crate::model::UserWithPubKey;
use crate::wire::dto::ListParams;

list_call! {
    /// `context.contextList`: the contexts of the calling key.
    ContextList = "context.contextList" -> Contexts;
    {}
    check |_call| Ok(())
}

list_call! {
    /// `context.contextListUsers`: the users of a context.
    ContextListUsers = "context.contextListUsers" -> Users;
    {
        /// The context.
        context_id: String,
    }
    check |call| limit::id("contextId", &call.context_id)
}

/// `context.contextGet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextGet {
    /// The context.
    pub id: String,
}

/// `context.contextGetUsers`: the older form of [`ContextListUsers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContextGetUsers {
    /// The context.
    pub context_id: String,
}

/// `context.contextSendCustomEvent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContextSendCustomEvent {
    /// The context.
    pub context_id: String,
    /// Last part of the channel that it is delivered on.
    pub channel: String,
    /// The payload, sealed by the sender.
    pub data: Json,
    /// Who receives it, each with the key of the payload wrapped for them.
    pub users: Vec<UserKey>,
}

/// A receiver of a custom event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserKey {
    /// User id.
    pub id: String,
    /// The key of the payload, wrapped.
    pub key: String,
}

/// The answer to [`ContextList`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contexts {
    /// A page of contexts.
    pub contexts: Vec<Context>,
    /// How many there are in all pages.
    pub count: i64,
}

/// The answer to [`ContextGet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextAnswer {
    /// The context.
    pub context: Context,
}

/// A context as one of its users sees it. Clients need the first two members only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// Its id.
    pub context_id: String,
    /// The caller's own id in it.
    pub user_id: String,
    /// What the caller may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<String>,
    /// Policies of its containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Json>,
    /// When it was created, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// When it was last changed, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `private` or `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// The answer to [`ContextListUsers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// A page of users.
    pub users: Vec<User>,
    /// How many there are in all pages.
    pub count: i64,
}

/// The answer to [`ContextGetUsers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllUsers {
    /// All users.
    pub users: Vec<User>,
}

/// A user of a context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// User id.
    pub id: String,
    /// Public key in base58.
    #[serde(rename = "pub")]
    pub pub_key: String,
    /// Whether a session is connected.
    pub status: Status,
    /// When that last changed; null if it never did.
    #[serde(default)]
    pub last_status_change: Option<StatusChange>,
}

/// Whether a session of a user is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// At least one is.
    Active,
    /// None is.
    Inactive,
}

/// What a user last did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// Came or went.
    pub action: StatusAction,
    /// When, in ms.
    pub timestamp: i64,
}

/// Coming and going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusAction {
    /// The first session connected.
    Login,
    /// The last session disconnected.
    Logout,
}

impl ContextList {
    /// The page that `params` ask for.
    #[must_use]
    pub fn new(params: ListParams) -> Self {
        let ListParams { skip, limit, sort_order, last_id, sort_by: _, query } = params;
        let sort_by = None;
        Self { skip, limit, sort_order, last_id, sort_by, query }
    }
}

impl ContextListUsers {
    /// The page that `params` ask for.
    pub fn new(context_id: impl Into<String>, params: ListParams) -> Self {
        let ListParams { skip, limit, sort_order, last_id, sort_by: _, query } = params;
        let sort_by = None;
        let context_id = context_id.into();
        Self { context_id, skip, limit, sort_order, last_id, sort_by, query }
    }
}

impl Call for ContextGet {
    const METHOD: &'static str = "context.contextGet";
    type Answer = ContextAnswer;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)
    }
}

impl Call for ContextGetUsers {
    const METHOD: &'static str = "context.contextGetUsers";
    type Answer = AllUsers;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)
    }
}

impl Call for ContextSendCustomEvent {
    const METHOD: &'static str = "context.contextSendCustomEvent";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::channel("channel", &self.channel)?;
        limit::custom_data("data", &self.data)?;
        limit::receivers("users", self.users.len())?;
        self.users.iter().try_for_each(|user| {
            limit::id("users", &user.id)?;
            limit::wrapped_key("users", &user.key)
        })
    }
}

impl From<Context> for model::Context {
    fn from(context: Context) -> Self {
        Self { context_id: context.context_id.into(), user_id: context.user_id.into() }
    }
}

impl From<User> for model::UserInfo {
    fn from(user: User) -> Self {
        Self {
            user: UserWithPubKey { user_id: user.id.into(), pub_key: user.pub_key },
            active: user.status == Status::Active,
            last_status_change: user.last_status_change.map(|change| Timestamp(change.timestamp)),
        }
    }
}
