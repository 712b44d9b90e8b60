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
use super::policy::Roles;
use super::stream;
use crate::bridge::store::ApiKeyRecord;
use crate::bridge::store::ContextRecord;
use crate::bridge::store::SolutionRecord;
use crate::bridge::store::Tx;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::Secret;
use crate::model::SolutionId;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
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

    /// Whether all of `scope` is part of this.
    #[must_use]
    pub fn includes(&self, scope: &[String]) -> bool {
        scope
            .iter()
            .all(|one| self.has(one) || (one.starts_with("solution:") && self.has("solution:*")))
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
    Ok(tx.put_api_key(&key)?)
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
    if !reach.includes(&key.scope) {
        return Err(ServiceError::InsufficientScope);
    }
    if tx.api_keys()?.len() >= MAX_API_KEYS {
        return Err(ServiceError::ApiKeysLimit);
    }
    Ok(tx.put_api_key(key)?)
}

/// An API key as it is shown; its secret stays here.
fn api_key_view(key: &ApiKeyRecord) -> Value {
    let mut view = json!({
        "id": key.id,
        "created": key.created.0,
        "enabled": key.enabled,
        "name": key.name,
        "scope": key.scope,
    });
    if let Some(public_key) = &key.public_key {
        view["publicKey"] = json!(public_key);
    }
    view
}

/// `manager/listApiKeys`.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn list_api_keys(tx: &Tx<'_>) -> Result<Value, ServiceError> {
    let list: Vec<Value> = tx.api_keys()?.iter().map(api_key_view).collect();
    Ok(json!({"list": list}))
}

/// `manager/getApiKey`.
///
/// # Errors
///
/// [`ServiceError::ApiKeyDoesNotExist`].
pub fn get_api_key(tx: &Tx<'_>, id: &str) -> Result<Value, ServiceError> {
    let key = tx.api_key(id)?.ok_or(ServiceError::ApiKeyDoesNotExist)?;
    Ok(json!({"apiKey": api_key_view(&key)}))
}

/// What may be changed of an API key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyChange {
    /// Its name.
    pub name: Option<String>,
    /// What it may do.
    pub scope: Option<Vec<String>>,
    /// Whether it works.
    pub enabled: Option<bool>,
}

/// `manager/updateApiKey`: never to more rights than the caller has, nor of a key that has more.
///
/// # Errors
///
/// [`ServiceError::ApiKeyDoesNotExist`] or [`ServiceError::InsufficientScope`].
pub fn update_api_key(
    tx: &mut Tx<'_>,
    reach: &Reach,
    id: &str,
    change: ApiKeyChange,
) -> Result<Value, ServiceError> {
    let mut key = tx.api_key(id)?.ok_or(ServiceError::ApiKeyDoesNotExist)?;
    let scope = change.scope.unwrap_or_else(|| key.scope.clone());
    if !reach.includes(&key.scope) || !reach.includes(&scope) {
        return Err(ServiceError::InsufficientScope);
    }
    key.scope = scope;
    key.name = change.name.unwrap_or(key.name);
    key.enabled = change.enabled.unwrap_or(key.enabled);
    tx.put_api_key(&key)?;
    Ok(json!("OK"))
}

/// `manager/deleteApiKey`.
///
/// # Errors
///
/// [`ServiceError::ApiKeyDoesNotExist`] or [`ServiceError::InsufficientScope`].
pub fn delete_api_key(tx: &mut Tx<'_>, reach: &Reach, id: &str) -> Result<Value, ServiceError> {
    let key = tx.api_key(id)?.ok_or(ServiceError::ApiKeyDoesNotExist)?;
    if !reach.includes(&key.scope) {
        return Err(ServiceError::InsufficientScope);
    }
    tx.delete_api_key(id)?;
    Ok(json!("OK"))
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
    Ok(json!({"solution": solution_view(&solution(tx, reach, id)?)}))
}

fn solution(tx: &Tx<'_>, reach: &Reach, id: &SolutionId) -> Result<SolutionRecord, ServiceError> {
    tx.solution(id)?
        .filter(|record| reach.covers(&record.id))
        .ok_or(ServiceError::SolutionDoesNotExist)
}

/// `solution/updateSolution`.
///
/// # Errors
///
/// [`ServiceError::SolutionDoesNotExist`].
pub fn update_solution(
    tx: &mut Tx<'_>,
    reach: &Reach,
    id: &SolutionId,
    name: &str,
) -> Result<Value, ServiceError> {
    solution(tx, reach, id)?;
    tx.rename_solution(id, name)?;
    Ok(json!("OK"))
}

/// `solution/deleteSolution`: contexts of others that it had a share in lose it.
///
/// # Errors
///
/// [`ServiceError::SolutionDoesNotExist`] or [`ServiceError::SolutionHasContexts`].
pub fn delete_solution(
    tx: &mut Tx<'_>,
    reach: &Reach,
    id: &SolutionId,
) -> Result<Outcome, ServiceError> {
    solution(tx, reach, id)?;
    let contexts = tx.contexts(Some(id))?;
    if contexts.iter().any(|context| context.solution == *id) {
        return Err(ServiceError::SolutionHasContexts);
    }
    tx.delete_solution(id)?;
    let media = contexts
        .into_iter()
        .map(|context| MediaCommand::EjectFromSolution {
            context: context.id,
            solution: id.clone(),
        })
        .collect();
    Ok(Outcome { reply: json!("OK"), notify: Vec::new(), media })
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
    let shares: Vec<&str> = record.shares.iter().map(SolutionId::as_str).collect();
    json!({
        "id": record.id.as_str(),
        "created": record.created.0,
        "modified": record.modified.0,
        "solution": record.solution.as_str(),
        "shares": shares,
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

/// What may be changed of a Context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContextChange {
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// `private` or `public`.
    pub scope: Option<String>,
    /// Its policies.
    pub policy: Option<Map<String, Value>>,
}

/// `context/updateContext`: whoever may no longer read a room leaves it.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`], [`ServiceError::InvalidParams`], or
/// [`ServiceError::ContextIsConnected`] if it shall be private while others have a share.
pub fn update_context(
    tx: &mut Tx<'_>,
    reach: &Reach,
    id: &ContextId,
    change: ContextChange,
    now: Timestamp,
) -> Result<Outcome, ServiceError> {
    if let Some(policy) = &change.policy {
        policy::check_context(policy)?;
    }
    let before = context(tx, reach, id)?;
    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.description = change.description.unwrap_or(after.description);
    after.scope = change.scope.unwrap_or(after.scope);
    after.policy = change.policy.map_or(after.policy, Value::Object);
    after.modified = now;
    if after.scope == "private" && !after.shares.is_empty() {
        return Err(ServiceError::ContextIsConnected);
    }
    tx.update_context(&after)?;
    let mut media = Vec::new();
    if before.policy != after.policy {
        let users = tx.users(id)?;
        for room in tx.rooms(id)? {
            let may = |context: &ContextRecord, user: &UserRecord| {
                policy::allows("get", Some(&room), context, Roles::in_room(&user.user, &room))
            };
            let loses = users.iter().filter(|user| may(&before, user) && !may(&after, user));
            let pub_keys: Vec<String> = loses.map(|user| user.pub_key.clone()).collect();
            if !pub_keys.is_empty() {
                media.push(MediaCommand::EjectFromRoom { room: room.id.clone(), pub_keys });
            }
        }
    }
    Ok(Outcome { reply: json!("OK"), notify: Vec::new(), media })
}

/// `context/deleteContext`: ends all its rooms, and tells their members.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`].
pub fn delete_context(
    tx: &mut Tx<'_>,
    reach: &Reach,
    id: &ContextId,
) -> Result<Outcome, ServiceError> {
    context(tx, reach, id)?;
    let mut outcome = Outcome::quiet(json!("OK"));
    for room in tx.rooms(id)? {
        outcome.notify.extend(stream::deleted(tx, &room.id)?);
        outcome.media.push(MediaCommand::EndRoom(room.id));
    }
    tx.delete_context(id)?;
    Ok(outcome)
}

/// `context/addSolutionToContext`.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`], [`ServiceError::SolutionDoesNotExist`], or
/// [`ServiceError::InvalidParams`] for a private Context.
pub fn add_share(
    tx: &mut Tx<'_>,
    reach: &Reach,
    id: &ContextId,
    solution: &SolutionId,
) -> Result<Value, ServiceError> {
    let mut record = context(tx, reach, id)?;
    if tx.solution(solution)?.is_none() {
        return Err(ServiceError::SolutionDoesNotExist);
    }
    if record.scope == "private" {
        return Err(ServiceError::params("contextId: the context is private"));
    }
    if !record.is_seen_by(solution) {
        record.shares.push(solution.clone());
        tx.update_context(&record)?;
    }
    Ok(json!("OK"))
}

/// `context/removeSolutionFromContext`: who came through that Solution leaves the rooms.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`] or [`ServiceError::SolutionDoesNotExist`].
pub fn remove_share(
    tx: &mut Tx<'_>,
    reach: &Reach,
    id: &ContextId,
    solution: &SolutionId,
) -> Result<Outcome, ServiceError> {
    let mut record = context(tx, reach, id)?;
    if !record.shares.contains(solution) {
        return Err(ServiceError::SolutionDoesNotExist);
    }
    record.shares.retain(|share| share != solution);
    tx.update_context(&record)?;
    let (context, solution) = (id.clone(), solution.clone());
    let media = vec![MediaCommand::EjectFromSolution { context, solution }];
    Ok(Outcome { reply: json!("OK"), notify: Vec::new(), media })
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
        solutions: context.solutions(),
        kind,
        data: json!({
            "contextId": context.id.as_str(),
            "userId": user.user.as_str(),
            "pubKey": user.pub_key,
        }),
        to: Recipients::Keys(to),
        profile: Profile::Both,
        keep: false,
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
