//! `context.*`.

use serde_json::Value;
use serde_json::json;

use super::dispatch::Answer;
use super::params;
use super::params::Params;
use crate::bridge::core::Core;
use crate::bridge::service::Caller;
use crate::bridge::service::ServiceError;
use crate::bridge::service::context;
use crate::bridge::service::context::CustomEvent;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::UserId;

/// Receivers of one custom event.
const RECEIVERS_MAX: usize = 1024;

/// `context.contextList`.
pub async fn list(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let page = params.page()?;
    params.optional("sortBy", |p, key| p.word(key, &["createDate"]))?;
    params.finish()?;
    let reply = core.store.read(move |tx| context::list(tx, &caller, &page)).await?;
    Ok(Answer::quiet(reply))
}

/// `context.contextGet`.
pub async fn get(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let id = ContextId(params.id("id")?);
    params.finish()?;
    let reply = core.store.read(move |tx| context::get(tx, &caller, &id)).await?;
    Ok(Answer::quiet(reply))
}

/// `context.contextListUsers`.
pub async fn list_users(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let id = ContextId(params.id("contextId")?);
    let page = params.page()?;
    params.optional("sortBy", |p, key| p.word(key, &["createDate"]))?;
    params.finish()?;
    let function = "context/contextListUsers";
    let users = core.store.read(move |tx| context::users(tx, &caller, &id, function)).await?;
    let (users, count) = page.cut(users, |user| user.user.as_str())?;
    let list: Vec<Value> = users.iter().map(|user| user_view(core, user, true)).collect();
    Ok(Answer::quiet(json!({"users": list, "count": count})))
}

/// `context.contextGetUsers`.
pub async fn get_users(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let id = ContextId(params.id("contextId")?);
    params.finish()?;
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
    let mut params = Params::new(raw)?;
    let event = CustomEvent {
        context: ContextId(params.id("contextId")?),
        channel: channel(&mut params)?,
        data: params.sealed("data", params::EVENT_MAX)?,
        users: params.objects("users", RECEIVERS_MAX, |user| {
            Ok((UserId(user.id("id")?), user.sealed("key", params::DATA_MAX)?))
        })?,
    };
    params.finish()?;
    let outcome = core.store.read(move |tx| context::send_custom_event(tx, &caller, event)).await?;
    Ok(core.settle(outcome).await)
}

/// A channel name of a custom event.
pub fn channel(params: &mut Params) -> Result<String, ServiceError> {
    let channel = params.text("channel", 1, params::CHANNEL_MAX)?;
    if params::is_channel(&channel) { Ok(channel) } else { Err(ServiceError::params("channel")) }
}
