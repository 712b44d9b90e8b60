//! Contexts as their users see them (transport.md 8), and custom events (11.6).

use std::collections::HashMap;

use serde_json::Value;
use serde_json::json;

use super::error::ServiceError;
use super::outcome::Caller;
use super::outcome::Notice;
use super::outcome::Outcome;
use super::outcome::Page;
use super::outcome::Profile;
use super::outcome::Recipients;
use super::outcome::Target;
use super::user;
use crate::bridge::store::ContextRecord;
use crate::bridge::store::Tx;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::UserId;

/// A custom event to be passed on.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomEvent {
    /// The Context.
    pub context: ContextId,
    /// Name of the channel.
    pub channel: String,
    /// Sealed payload.
    pub data: Value,
    /// Receivers and the event key wrapped for each.
    pub users: Vec<(UserId, Value)>,
}

fn view(context: &ContextRecord, user: &UserRecord) -> Value {
    json!({
        "contextId": context.id.as_str(),
        "userId": user.user.as_str(),
        "acl": user.acl,
        "policy": context.policy,
        "created": context.created.0,
        "modified": context.modified.0,
        "name": context.name,
        "description": context.description,
        "scope": context.scope,
    })
}

/// `context.contextList`.
///
/// # Errors
///
/// [`ServiceError::NoMatchForLastId`].
pub fn list(tx: &Tx<'_>, caller: &Caller, page: &Page) -> Result<Value, ServiceError> {
    let mut found = Vec::new();
    for record in tx.users_by_key(&caller.pub_key)? {
        if let Some(context) = tx.context(&record.context)?
            && user::sees(caller, &context)
        {
            found.push((context, record));
        }
    }
    found.sort_by_key(|(context, _)| context.created);
    let (page, count) = page.cut(found, |(context, _)| context.id.as_str())?;
    let contexts: Vec<Value> = page.iter().map(|(context, record)| view(context, record)).collect();
    Ok(json!({"contexts": contexts, "count": count}))
}

/// `context.contextGet`.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`] unless the caller is a user of the Context.
pub fn get(tx: &Tx<'_>, caller: &Caller, id: &ContextId) -> Result<Value, ServiceError> {
    let member = user::member(tx, caller, id)?;
    Ok(json!({"context": view(&member.context, &member.user)}))
}

/// Users of a Context for `contextListUsers`, in ascending order.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`].
pub fn users(
    tx: &Tx<'_>,
    caller: &Caller,
    id: &ContextId,
    function: &str,
) -> Result<Vec<UserRecord>, ServiceError> {
    let member = user::member(tx, caller, id)?;
    member.require(function, &[("contextId", id.as_str())])?;
    Ok(tx.users(id)?)
}

/// `context.contextSendCustomEvent`.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`], or [`ServiceError::UserDoesNotExist`] for a receiver that
/// is not in the Context.
pub fn send_custom_event(
    tx: &Tx<'_>,
    caller: &Caller,
    event: CustomEvent,
) -> Result<Outcome, ServiceError> {
    let member = user::member(tx, caller, &event.context)?;
    member.require(
        "context/contextSendCustomNotification",
        &[("contextId", event.context.as_str())],
    )?;
    let users: HashMap<UserId, String> =
        tx.users(&event.context)?.into_iter().map(|user| (user.user, user.pub_key)).collect();
    let mut notify = Vec::with_capacity(event.users.len());
    for (receiver, key) in &event.users {
        let pub_key = users.get(receiver).ok_or(ServiceError::UserDoesNotExist)?;
        notify.push(Notice {
            target: Target {
                channel: format!("context/custom/{}", event.channel),
                context: event.context.clone(),
                container: None,
                container_type: None,
            },
            solutions: member.context.solutions(),
            kind: "custom",
            data: json!({
                "id": event.context.as_str(),
                "author": {"id": member.user.user.as_str(), "pub": member.user.pub_key},
                "key": key,
                "eventData": event.data,
            }),
            to: Recipients::Keys(vec![pub_key.clone()]),
            profile: Profile::Both,
            keep: false,
        });
    }
    Ok(Outcome { reply: json!("OK"), notify, media: Vec::new() })
}
