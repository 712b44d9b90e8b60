//! Solutions, Contexts, their users and API keys: what an operator sets up (transport.md 10).

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::acl::Acl;
use super::error::ServiceError;
use super::outcome::MediaCommand;
use super::outcome::Notice;
use super::outcome::Outcome;
use super::outcome::Page;
use super::outcome::Profile;
use super::outcome::Recipients;
use super::outcome::Target;
use super::policy;
use crate::bridge::store::ApiKeyRecord;
use crate::bridge::store::ContextRecord;
use crate::bridge::store::SolutionRecord;
use crate::bridge::store::Tx;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::Secret;
use crate::model::SolutionId;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// What the first API key may do.
pub const FIRST_SCOPE: &[&str] =
    &["context", "apiKey", "solution", "solution:*", "inbox", "store", "thread", "stream", "kvdb"];
/// How many API keys there may be.
pub const MAX_API_KEYS: usize = 10;
/// What taking part in a call needs.
const MEDIA_FUNCTIONS: &[&str] =
    &["stream/streamRoomJoin", "stream/streamPublish", "stream/streamSubscribe"];
/// ACL of a user for whom none is given.
pub const DEFAULT_ACL: &str = "ALLOW ALL";

/// Which Solutions an API key reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach(pub Vec<String>);

impl Reach {
    /// Whether the key has this scope.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Whether the key may act on this Solution.
    #[must_use]
    pub fn covers(&self, solution: &SolutionId) -> bool {
        self.has("solution:*") || self.has(&format!("solution:{solution}"))
    }
}

/// `manager/createFirstApiKey`.
///
/// # Errors
///
/// [`ServiceError::FirstApiKeyExists`] or [`ServiceError::InitializationToken`].
pub fn create_first_api_key(
    tx: &mut Tx<'_>,
    expected: Option<&str>,
    given: &str,
    key: ApiKeyRecord,
) -> Result<(), ServiceError> {
    if !tx.api_keys()?.is_empty() {
        return Err(ServiceError::FirstApiKeyExists);
    }
    let matches =
        expected.is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(given.as_bytes())));
    if !matches {
        return Err(ServiceError::InitializationToken);
    }
    Ok(tx.insert_api_key(&key)?)
}

/// `manager/createApiKey`: never with more rights than the caller has.
///
/// # Errors
///
/// [`ServiceError::ApiKeysLimit`] or [`ServiceError::InsufficientScope`].
pub fn create_api_key(
    tx: &mut Tx<'_>,
    reach: &Reach,
    key: &ApiKeyRecord,
) -> Result<(), ServiceError> {
    let covered = |scope: &String| {
        reach.has(scope) || (scope.starts_with("solution:") && reach.has("solution:*"))
    };
    if !key.scope.iter().all(covered) {
        return Err(ServiceError::InsufficientScope);
    }
    if tx.api_keys()?.len() >= MAX_API_KEYS {
        return Err(ServiceError::ApiKeysLimit);
    }
    Ok(tx.insert_api_key(key)?)
}

/// `manager/listApiKeys`; secrets stay here.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn list_api_keys(tx: &Tx<'_>) -> Result<Value, ServiceError> {
    let list: Vec<Value> = tx
        .api_keys()?
        .iter()
        .map(|key| {
            json!({
                "id": key.id,
                "created": key.created.0,
                "enabled": key.enabled,
                "name": key.name,
                "scope": key.scope,
            })
        })
        .collect();
    Ok(json!({"list": list}))
}

/// Finds an enabled API key and checks its secret in constant time.
///
/// # Errors
///
/// [`ServiceError::InvalidCredentials`] whatever of the two is wrong.
pub fn authenticate(tx: &Tx<'_>, id: &str, secret: &str) -> Result<ApiKeyRecord, ServiceError> {
    let key = tx.api_key(id)?.filter(|key| key.enabled);
    // An unknown id costs the same comparison as a wrong secret.
    let unknown = Secret::new(String::new());
    let expected = key.as_ref().map_or(&unknown, |key| &key.secret).expose().as_bytes();
    let matches = bool::from(expected.ct_eq(secret.as_bytes())) && !secret.is_empty();
    key.filter(|_| matches).ok_or(ServiceError::InvalidCredentials)
}

fn solution_view(record: &SolutionRecord) -> Value {
    json!({"id": record.id.as_str(), "created": record.created.0, "name": record.name})
}

/// `solution/createSolution`.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn create_solution(tx: &mut Tx<'_>, record: &SolutionRecord) -> Result<Value, ServiceError> {
    tx.insert_solution(record)?;
    Ok(json!({"solutionId": record.id.as_str()}))
}

/// `solution/getSolution`.
///
/// # Errors
///
/// [`ServiceError::SolutionDoesNotExist`].
pub fn get_solution(tx: &Tx<'_>, reach: &Reach, id: &SolutionId) -> Result<Value, ServiceError> {
    let record = tx
        .solution(id)?
        .filter(|record| reach.covers(&record.id))
        .ok_or(ServiceError::SolutionDoesNotExist)?;
    Ok(json!({"solution": solution_view(&record)}))
}

/// `solution/listSolutions`.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn list_solutions(tx: &Tx<'_>, reach: &Reach) -> Result<Value, ServiceError> {
    let list: Vec<Value> = tx
        .solutions()?
        .iter()
        .filter(|record| reach.covers(&record.id))
        .map(solution_view)
        .collect();
    Ok(json!({"list": list}))
}

fn context_view(record: &ContextRecord) -> Value {
    json!({
        "id": record.id.as_str(),
        "created": record.created.0,
        "modified": record.modified.0,
        "solution": record.solution.as_str(),
        "shares": [],
        "name": record.name,
        "description": record.description,
        "scope": record.scope,
        "policy": record.policy,
    })
}

/// `context/createContext`.
///
/// # Errors
///
/// [`ServiceError::SolutionDoesNotExist`] or [`ServiceError::InvalidParams`].
pub fn create_context(
    tx: &mut Tx<'_>,
    reach: &Reach,
    mut record: ContextRecord,
    policy: Option<Map<String, Value>>,
) -> Result<Value, ServiceError> {
    let policy = policy.unwrap_or_default();
    policy::check_context(&policy)?;
    record.policy = Value::Object(policy);
    if tx.solution(&record.solution)?.is_none() || !reach.covers(&record.solution) {
        return Err(ServiceError::SolutionDoesNotExist);
    }
    tx.insert_context(&record)?;
    Ok(json!({"contextId": record.id.as_str()}))
}

/// The Context of that id, if the API key reaches it.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`].
pub fn context(tx: &Tx<'_>, reach: &Reach, id: &ContextId) -> Result<ContextRecord, ServiceError> {
    tx.context(id)?
        .filter(|record| reach.covers(&record.solution))
        .ok_or(ServiceError::ContextDoesNotExist)
}

/// `context/getContext`.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`].
pub fn get_context(tx: &Tx<'_>, reach: &Reach, id: &ContextId) -> Result<Value, ServiceError> {
    Ok(json!({"context": context_view(&context(tx, reach, id)?)}))
}

/// `context/listContexts` and `context/listContextsOfSolution`.
///
/// # Errors
///
/// [`ServiceError::NoMatchForLastId`].
pub fn list_contexts(
    tx: &Tx<'_>,
    reach: &Reach,
    solution: Option<&SolutionId>,
    page: &Page,
) -> Result<Value, ServiceError> {
    let mut contexts = tx.contexts(solution)?;
    contexts.retain(|record| reach.covers(&record.solution));
    let (contexts, count) = page.cut(contexts, |record| record.id.as_str())?;
    let list: Vec<Value> = contexts.iter().map(context_view).collect();
    Ok(json!({"list": list, "count": count}))
}

fn user_view(record: &UserRecord) -> Value {
    json!({
        "userId": record.user.as_str(),
        "pubKey": record.pub_key,
        "created": record.created.0,
        "acl": record.acl,
        "contextId": record.context.as_str(),
    })
}

/// Adds a user and tells everybody in the Context.
///
/// # Errors
///
/// [`ServiceError::PubKeyInUse`] if the key or the id belongs to a user already,
/// [`ServiceError::InvalidAcl`].
pub fn add_user(
    tx: &mut Tx<'_>,
    context: &ContextRecord,
    record: &UserRecord,
) -> Result<Vec<Notice>, ServiceError> {
    Acl::parse(&record.acl)?;
    if tx.user_by_key(&context.id, &record.pub_key)?.is_some() {
        return Err(ServiceError::PubKeyInUse);
    }
    if tx.user(&context.id, &record.user)?.is_some() {
        return Err(ServiceError::params("userId: taken by another key"));
    }
    // Rooms may still list the id of a user who was removed; nobody inherits that membership.
    if tx.former_key(&context.id, &record.user)?.is_some_and(|former| former != record.pub_key) {
        return Err(ServiceError::params("userId: belonged to another key"));
    }
    tx.insert_user(record)?;
    let to = tx.users(&context.id)?.into_iter().map(|user| user.pub_key).collect();
    Ok(vec![user_notice(context, record, "context/userAdded", "contextUserAdded", to)])
}

fn user_notice(
    context: &ContextRecord,
    user: &UserRecord,
    channel: &str,
    kind: &'static str,
    to: Vec<String>,
) -> Notice {
    Notice {
        target: Target {
            channel: channel.to_owned(),
            context: context.id.clone(),
            container: None,
            container_type: None,
        },
        solution: context.solution.clone(),
        kind,
        data: json!({
            "contextId": context.id.as_str(),
            "userId": user.user.as_str(),
            "pubKey": user.pub_key,
        }),
        to: Recipients::Keys(to),
        profile: Profile::Both,
    }
}

/// `context/removeUserFromContext`: their media ends at once.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`] or [`ServiceError::UserDoesNotExist`].
pub fn remove_user(
    tx: &mut Tx<'_>,
    reach: &Reach,
    context_id: &ContextId,
    user: &UserId,
) -> Result<Outcome, ServiceError> {
    let context = context(tx, reach, context_id)?;
    let record = tx.user(context_id, user)?.ok_or(ServiceError::UserDoesNotExist)?;
    // The one who goes is told too, so the list is read before.
    let to = tx.users(context_id)?.into_iter().map(|user| user.pub_key).collect();
    tx.remove_user(&record)?;
    let notice = user_notice(&context, &record, "context/userRemoved", "contextUserRemoved", to);
    let eject = MediaCommand::EjectFromContext { context: context.id, pub_key: record.pub_key };
    Ok(Outcome { reply: json!("OK"), notify: vec![notice], media: vec![eject] })
}

/// `context/setUserAcl`: whoever loses a right to media leaves the rooms concerned, and may
/// come back with the rights that are left.
///
/// # Errors
///
/// [`ServiceError::InvalidAcl`], [`ServiceError::ContextDoesNotExist`] or
/// [`ServiceError::UserDoesNotExist`].
pub fn set_user_acl(
    tx: &mut Tx<'_>,
    reach: &Reach,
    context_id: &ContextId,
    user: &UserId,
    acl: &str,
) -> Result<Outcome, ServiceError> {
    let after = Acl::parse(acl)?;
    context(tx, reach, context_id)?;
    let record = tx.user(context_id, user)?.ok_or(ServiceError::UserDoesNotExist)?;
    let before = Acl::parse(&record.acl)?;
    tx.set_acl(context_id, user, acl)?;
    let loses = |room: &StreamRoomId| {
        let arguments = [("streamRoomId", room.as_str())];
        MEDIA_FUNCTIONS.iter().any(|function| {
            before.allows(function, &arguments) && !after.allows(function, &arguments)
        })
    };
    let media = tx
        .rooms(context_id)?
        .into_iter()
        .map(|room| room.id)
        .filter(loses)
        .map(|room| MediaCommand::EjectFromRoom { room, pub_keys: vec![record.pub_key.clone()] })
        .collect();
    Ok(Outcome { reply: json!("OK"), notify: Vec::new(), media })
}

/// `context/getUserFromContext`.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`] or [`ServiceError::UserDoesNotExist`].
pub fn get_user(
    tx: &Tx<'_>,
    reach: &Reach,
    context_id: &ContextId,
    user: &UserId,
) -> Result<Value, ServiceError> {
    context(tx, reach, context_id)?;
    let record = tx.user(context_id, user)?.ok_or(ServiceError::UserDoesNotExist)?;
    Ok(json!({"user": user_view(&record)}))
}

/// `context/listUsersFromContext`.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`] or [`ServiceError::NoMatchForLastId`].
pub fn list_users(
    tx: &Tx<'_>,
    reach: &Reach,
    context_id: &ContextId,
    page: &Page,
) -> Result<Value, ServiceError> {
    context(tx, reach, context_id)?;
    let (users, count) = page.cut(tx.users(context_id)?, |user| user.user.as_str())?;
    let list: Vec<Value> = users.iter().map(user_view).collect();
    Ok(json!({"users": list, "count": count}))
}
