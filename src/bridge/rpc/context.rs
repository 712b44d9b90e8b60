//! `context.*`.

use serde_json::Value;
use serde_json::json;

use super::dispatch::Answer;
use super::params;
use crate::bridge::core::Core;
use crate::bridge::service::Caller;
use crate::bridge::service::ServiceError;
use crate::bridge::service::context;
use crate::bridge::service::context::CustomEvent;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::UserId;
use crate::wire::dto::context::ContextGet;
use crate::wire::dto::context::ContextGetUsers;
use crate::wire::dto::context::ContextList;
use crate::wire::dto::context::ContextListUsers;
use crate::wire::dto::context::ContextSendCustomEvent;

/// `context.contextList`.
pub async fn list(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let page = params::page(params::read::<ContextList>(raw)?.page())?;
    page.refuse_query()?;
    let reply = core.store.read(move |tx| context::list(tx, &caller, &page)).await?;
    Ok(Answer::quiet(reply))
}

/// `context.contextGet`.
pub async fn get(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let id = ContextId(params::read::<ContextGet>(raw)?.id);
    let reply = core.store.read(move |tx| context::get(tx, &caller, &id)).await?;
    Ok(Answer::quiet(reply))
}

/// `context.contextListUsers`.
pub async fn list_users(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let call: ContextListUsers = params::read(raw)?;
    let page = params::page(call.page())?;
    page.refuse_query()?;
    let id = ContextId(call.context_id);
    let function = "context/contextListUsers";
    let users = core.store.read(move |tx| context::users(tx, &caller, &id, function)).await?;
    let (users, count) = page.cut(users, |user| user.user.as_str())?;
    let list: Vec<Value> = users.iter().map(|user| user_view(core, user, true)).collect();
    Ok(Answer::quiet(json!({"users": list, "count": count})))
}

/// `context.contextGetUsers`.
pub async fn get_users(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let id = ContextId(params::read::<ContextGetUsers>(raw)?.context_id);
    let function = "context/contextGetUsers";
    let users = core.store.read(move |tx| context::users(tx, &caller, &id, function)).await?;
    let list: Vec<Value> = users.iter().map(|user| user_view(core, user, false)).collect();
    Ok(Answer::quiet(json!({"users": list})))
}

fn user_view(core: &Core, user: &UserRecord, with_change: bool) -> Value {
    let presence = core.presence.of(&user.pub_key);
    let mut view = json!({
        "id": user.user.as_str(),
        "pub": user.pub_key,
        "status": if presence.active { "active" } else { "inactive" },
    });
    if with_change {
        let change = presence.last_change.or(user.last_status).map(|(login, time)| {
            json!({"action": if login { "login" } else { "logout" }, "timestamp": time.0})
        });
        view["lastStatusChange"] = change.unwrap_or(Value::Null);
    }
    view
}

/// `context.contextSendCustomEvent`.
pub async fn send_custom_event(
    core: &Core,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: ContextSendCustomEvent = params::read(raw)?;
    let event = CustomEvent {
        context: ContextId(call.context_id),
        channel: call.channel,
        data: call.data,
        users: call
            .users
            .into_iter()
            .map(|user| (UserId(user.id), Value::String(user.key)))
            .collect(),
    };
    let outcome = core.store.read(move |tx| context::send_custom_event(tx, &caller, event)).await?;
    Ok(core.settle(outcome).await)
}
