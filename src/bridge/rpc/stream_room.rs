//! `stream.streamRoom*`, as far as it concerns the room and not its media.

use serde_json::Map;
use serde_json::Value;

use super::dispatch::Answer;
use super::params;
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
use crate::wire::dto;
use crate::wire::dto::stream_room::KeyEntry;
use crate::wire::dto::stream_room::PolicyParams;
use crate::wire::dto::stream_room::StreamRoomClose;
use crate::wire::dto::stream_room::StreamRoomCreate;
use crate::wire::dto::stream_room::StreamRoomDelete;
use crate::wire::dto::stream_room::StreamRoomDeleteMany;
use crate::wire::dto::stream_room::StreamRoomGet;
use crate::wire::dto::stream_room::StreamRoomList;
use crate::wire::dto::stream_room::StreamRoomListAll;
use crate::wire::dto::stream_room::StreamRoomSendCustomEvent;
use crate::wire::dto::stream_room::StreamRoomUpdate;

fn users(ids: Vec<String>) -> Vec<UserId> {
    ids.into_iter().map(UserId).collect()
}

fn keys(entries: Vec<KeyEntry>) -> Vec<RoomKey> {
    let key = |entry: KeyEntry| RoomKey {
        user: UserId(entry.user),
        key_id: KeyId(entry.key_id),
        data: entry.data,
    };
    entries.into_iter().map(key).collect()
}

fn policy(params: Option<PolicyParams>) -> Result<Option<Map<String, Value>>, ServiceError> {
    let Some(params) = params else { return Ok(None) };
    let entries = serde_json::to_value(params).map_err(|_| ServiceError::Internal)?;
    let Value::Object(entries) = entries else { return Err(ServiceError::Internal) };
    policy::check_room(&entries)?;
    Ok(Some(entries))
}

/// `stream.streamRoomCreate`.
pub async fn create(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let call: StreamRoomCreate = params::read(raw)?;
    let request = Create {
        id: core.new_room_id(),
        context: ContextId(call.context_id),
        kind: call.room_type,
        content: Content {
            resource: call.resource_id,
            users: users(call.users),
            managers: users(call.managers),
            data: call.data,
            key_id: KeyId(call.key_id),
            keys: keys(call.keys),
            policy: policy(call.policy)?,
        },
    };
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
    let call: StreamRoomUpdate = params::read(raw)?;
    let request = Update {
        id: StreamRoomId(call.id),
        version: call.version,
        force: call.force,
        content: Content {
            resource: call.resource_id,
            users: users(call.users),
            managers: users(call.managers),
            data: call.data,
            key_id: KeyId(call.key_id),
            keys: keys(call.keys),
            policy: policy(call.policy)?,
        },
    };
    let now = core.now();
    let outcome =
        core.store.write(move |tx| stream_room::update(tx, &caller, request, now)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomDelete`.
pub async fn delete(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let id = StreamRoomId(params::read::<StreamRoomDelete>(raw)?.id);
    let outcome = core.store.write(move |tx| stream_room::delete(tx, &caller, &id)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomDeleteMany`.
pub async fn delete_many(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let call: StreamRoomDeleteMany = params::read(raw)?;
    let ids: Vec<StreamRoomId> = call.ids.into_iter().map(StreamRoomId).collect();
    let outcome = core.store.write(move |tx| stream_room::delete_many(tx, &caller, &ids)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomGet`.
pub async fn get(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let call: StreamRoomGet = params::read(raw)?;
    let (id, kind) = (StreamRoomId(call.id), call.room_type);
    let reply =
        core.store.read(move |tx| stream_room::get(tx, &caller, &id, kind.as_deref())).await?;
    Ok(Answer::quiet(reply))
}

/// `stream.streamRoomList`.
pub async fn list(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let call: StreamRoomList = params::read(raw)?;
    let page = params::page(call.page())?;
    let scope = match call.scope.unwrap_or(dto::Scope::Member) {
        dto::Scope::All => Scope::All,
        dto::Scope::Manager => Scope::Manager,
        dto::Scope::User => Scope::User,
        dto::Scope::Member => Scope::Member,
        dto::Scope::Owner => Scope::Owner,
    };
    let what = (ContextId(call.context_id), call.room_type, scope);
    list_with(core, caller, what, "stream/streamRoomList", page).await
}

/// `stream.streamRoomListAll`.
pub async fn list_all(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let call: StreamRoomListAll = params::read(raw)?;
    let page = params::page(call.page())?;
    let what = (ContextId(call.context_id), call.room_type, Scope::All);
    list_with(core, caller, what, "stream/streamRoomListAll", page).await
}

async fn list_with(
    core: &Core,
    caller: Caller,
    what: (ContextId, Option<String>, Scope),
    function: &'static str,
    page: Page,
) -> Result<Answer, ServiceError> {
    let (context, kind, scope) = what;
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
    let id = StreamRoomId(params::read::<StreamRoomClose>(raw)?.stream_room_id);
    let outcome = core.store.write(move |tx| stream_room::close(tx, &caller, &id)).await?;
    Ok(core.settle(outcome).await)
}

/// `stream.streamRoomSendCustomEvent`.
pub async fn send_custom_event(
    core: &Core,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamRoomSendCustomEvent = params::read(raw)?;
    let event = RoomEvent {
        room: StreamRoomId(call.stream_room_id),
        channel: call.channel,
        key_id: call.key_id,
        data: call.data,
        users: call.users.map(users),
    };
    let outcome = core.store.read(move |tx| stream::send_custom_event(tx, &caller, event)).await?;
    Ok(core.settle(outcome).await)
}
