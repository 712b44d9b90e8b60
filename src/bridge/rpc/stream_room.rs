//! `stream.streamRoom*`, as far as it concerns the room and not its media.

use serde_json::Value;

use super::context::channel;
use super::dispatch::Answer;
use super::params;
use super::params::Params;
use crate::bridge::core::Core;
use crate::bridge::service::Caller;
use crate::bridge::service::Page;
use crate::bridge::service::ServiceError;
use crate::bridge::service::policy;
use crate::bridge::service::stream;
use crate::bridge::service::stream::RoomEvent;
use crate::bridge::service::stream_room;
use crate::bridge::service::stream_room::Content;
use crate::bridge::service::stream_room::Create;
use crate::bridge::service::stream_room::Scope;
use crate::bridge::service::stream_room::Update;
use crate::bridge::store::RoomKey;
use crate::bridge::store::Tx;
use crate::model::ContextId;
use crate::model::KeyId;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// Rooms in one `streamRoomDeleteMany`.
const DELETE_MAX: usize = 128;

fn content(params: &mut Params) -> Result<Content, ServiceError> {
    let policy = params.optional("policy", Params::map)?;
    if let Some(policy) = &policy {
        policy::check_room(policy)?;
    }
    Ok(Content {
        resource: params.optional("resourceId", Params::uuid)?,
        users: params.users("users")?,
        managers: params.users("managers")?,
        data: params.sealed("data", params::DATA_MAX)?,
        key_id: KeyId(params.id("keyId")?),
        keys: params.objects("keys", params::LIST_MAX, |key| {
            Ok(RoomKey {
                user: UserId(key.id("user")?),
                key_id: KeyId(key.id("keyId")?),
                data: key.sealed("data", params::DATA_MAX)?,
            })
        })?,
        policy,
    })
}

/// `stream.streamRoomCreate`.
pub async fn create(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let request = Create {
        id: core.new_room_id(),
        context: ContextId(params.id("contextId")?),
        kind: params.optional("type", Params::id)?,
        content: content(&mut params)?,
    };
    params.finish()?;
    let now = core.now();
    let rooms_max = core.config.limits.rooms_per_context;
    let work = move |tx: &mut Tx<'_>| {
        let context = request.context.clone();
        let outcome = stream_room::create(tx, &caller, request, now)?;
        if tx.count_rooms(&context)? > rooms_max {
            return Err(ServiceError::TooManyRooms);
        }
        Ok(outcome)
    };
    let outcome = core.store.write(work).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomUpdate`.
pub async fn update(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let request = Update {
        id: StreamRoomId(params.id("id")?),
        version: params.integer("version", 0, i64::MAX)?,
        force: params.flag("force")?,
        content: content(&mut params)?,
    };
    params.finish()?;
    let now = core.now();
    let outcome =
        core.store.write(move |tx| stream_room::update(tx, &caller, request, now)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomDelete`.
pub async fn delete(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let id = StreamRoomId(params.id("id")?);
    params.finish()?;
    let outcome = core.store.write(move |tx| stream_room::delete(tx, &caller, &id)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomDeleteMany`.
pub async fn delete_many(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let ids: Vec<StreamRoomId> =
        params.ids("ids", DELETE_MAX)?.into_iter().map(StreamRoomId).collect();
    params.finish()?;
    let outcome = core.store.write(move |tx| stream_room::delete_many(tx, &caller, &ids)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomGet`.
pub async fn get(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let id = StreamRoomId(params.id("id")?);
    let kind = params.optional("type", Params::id)?;
    params.finish()?;
    let reply =
        core.store.read(move |tx| stream_room::get(tx, &caller, &id, kind.as_deref())).await?;
    Ok(Answer::quiet(reply))
}

fn room_page(params: &mut Params) -> Result<Page, ServiceError> {
    let mut page = params.page()?;
    let sort_by =
        params.optional("sortBy", |p, key| p.word(key, &["createDate", "lastModificationDate"]))?;
    page.by_modification = sort_by == Some("lastModificationDate");
    Ok(page)
}

/// `stream.streamRoomList`.
pub async fn list(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let words = ["ALL", "MANAGER", "USER", "MEMBER", "OWNER"];
    let scope = match params.optional("scope", |p, key| p.word(key, &words))? {
        Some("ALL") => Scope::All,
        Some("MANAGER") => Scope::Manager,
        Some("USER") => Scope::User,
        Some("OWNER") => Scope::Owner,
        _ => Scope::Member,
    };
    list_with(core, caller, params, "stream/streamRoomList", scope).await
}

/// `stream.streamRoomListAll`.
pub async fn list_all(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let params = Params::new(raw)?;
    list_with(core, caller, params, "stream/streamRoomListAll", Scope::All).await
}

async fn list_with(
    core: &Core,
    caller: Caller,
    mut params: Params,
    function: &'static str,
    scope: Scope,
) -> Result<Answer, ServiceError> {
    let context = ContextId(params.id("contextId")?);
    let kind = params.optional("type", Params::id)?;
    let page = room_page(&mut params)?;
    params.finish()?;
    let reply = core
        .store
        .read(move |tx| {
            let filter = (kind.as_deref(), scope);
            stream_room::list(tx, &caller, &context, function, filter, &page)
        })
        .await?;
    Ok(Answer::quiet(reply))
}

/// `stream.streamRoomClose`.
pub async fn close(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let id = StreamRoomId(params.id("streamRoomId")?);
    params.finish()?;
    let outcome = core.store.write(move |tx| stream_room::close(tx, &caller, &id)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomSendCustomEvent`.
pub async fn send_custom_event(
    core: &Core,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let mut params = Params::new(raw)?;
    let event = RoomEvent {
        room: StreamRoomId(params.id("streamRoomId")?),
        channel: channel(&mut params)?,
        key_id: params.id("keyId")?,
        data: params.sealed("data", params::EVENT_MAX)?,
        users: params.optional("users", Params::users)?,
    };
    params.finish()?;
    let outcome = core.store.read(move |tx| stream::send_custom_event(tx, &caller, event)).await?;
    Ok(core.settle(outcome).await)
}
