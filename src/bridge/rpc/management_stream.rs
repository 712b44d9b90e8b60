//! `stream/*` of the management API (streams.md 5.7): an operator looks at rooms from outside.

use serde_json::Value;
use serde_json::json;

use super::params::Params;
use crate::bridge::core::Core;
use crate::bridge::service::MediaCommand;
use crate::bridge::service::Notice;
use crate::bridge::service::Outcome;
use crate::bridge::service::Page;
use crate::bridge::service::ServiceError;
use crate::bridge::service::provision;
use crate::bridge::service::provision::Reach;
use crate::bridge::service::stream;
use crate::bridge::store::RoomRecord;
use crate::bridge::store::Tx;
use crate::model::ContextId;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// Rooms in one call.
const MANY_MAX: usize = 128;

type Reply = Result<Outcome, ServiceError>;

/// Carries out one of the four methods.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`], also for rooms that the API key does not reach.
pub async fn call(core: &Core, reach: Reach, method: &str, mut params: Params) -> Reply {
    match method {
        "stream/getStreamRoom" => {
            let id = StreamRoomId(params.id("streamRoomId")?);
            params.finish()?;
            let work = move |tx: &mut Tx<'_>| {
                let room = reachable(tx, &reach, &id)?;
                Ok::<_, ServiceError>(json!({"streamRoom": view(tx, &room)?}))
            };
            core.store.read(work).await.map(Outcome::quiet)
        }
        "stream/listStreamRooms" => list(core, reach, params).await,
        "stream/deleteStreamRoom" => {
            let id = StreamRoomId(params.id("streamRoomId")?);
            params.finish()?;
            let work = move |tx: &mut Tx<'_>| {
                let room = reachable(tx, &reach, &id)?;
                Ok::<_, ServiceError>(delete(tx, &room)?.map(|()| json!("OK")))
            };
            core.store.write(work).await
        }
        _ => {
            let ids = params.ids("streamRoomIds", MANY_MAX)?;
            params.finish()?;
            core.store.write(move |tx| delete_many(tx, &reach, ids)).await
        }
    }
}

fn reachable(tx: &Tx<'_>, reach: &Reach, id: &StreamRoomId) -> Result<RoomRecord, ServiceError> {
    let room = tx.room(id)?.ok_or(ServiceError::RoomDoesNotExist)?;
    provision::context(tx, reach, &room.context).map_err(|_| ServiceError::RoomDoesNotExist)?;
    Ok(room)
}

fn view(tx: &Tx<'_>, room: &RoomRecord) -> Result<Value, ServiceError> {
    let last = tx.versions(&room.id)?.pop();
    let meta = last.and_then(|mut last| last.data.get_mut("publicMetaObject").map(Value::take));
    let texts = |ids: &[UserId]| ids.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
    Ok(json!({
        "id": room.id.as_str(),
        "contextId": room.context.as_str(),
        "createDate": room.created.0,
        "creator": room.creator.as_str(),
        "lastModificationDate": room.modified.0,
        "lastModifier": room.modifier.as_str(),
        "keyId": room.key_id.as_str(),
        "users": texts(&room.users),
        "managers": texts(&room.managers),
        "version": room.version,
        "publicMeta": meta.unwrap_or(Value::Null),
        "closed": room.closed,
    }))
}

async fn list(core: &Core, reach: Reach, mut params: Params) -> Reply {
    let context = ContextId(params.id("contextId")?);
    let last_id = match params.any("from")? {
        Value::Null => None,
        Value::String(id) => Some(id),
        _ => return Err(ServiceError::params("from")),
    };
    let limit = params.integer("limit", 1, 100)?;
    let descending = params.word("sortOrder", &["asc", "desc"])? == "desc";
    let state = params.optional("state", |p, key| p.word(key, &["all", "active", "closed"]))?;
    params.finish()?;
    let limit = usize::try_from(limit).map_err(|_| ServiceError::params("limit"))?;
    let page = Page { limit, descending, last_id, ..Page::default() };
    let work = move |tx: &mut Tx<'_>| {
        provision::context(tx, &reach, &context)?;
        let mut rooms = tx.rooms(&context)?;
        rooms.retain(|room| match state {
            Some("active") => !room.closed,
            Some("closed") => room.closed,
            _ => true,
        });
        let (rooms, count) = page.cut(rooms, |room| room.id.as_str())?;
        let list = rooms.iter().map(|room| view(tx, room)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, ServiceError>(json!({"list": list, "count": count}))
    };
    core.store.read(work).await.map(Outcome::quiet)
}

fn delete(tx: &mut Tx<'_>, room: &RoomRecord) -> Result<Outcome<()>, ServiceError> {
    let mut notify: Vec<Notice> = Vec::new();
    if let Some(audience) = stream::audience(tx, &room.id)? {
        let mut data = json!({"streamRoomId": room.id.as_str()});
        if let Some(kind) = &room.kind {
            data["type"] = json!(kind);
        }
        notify.push(audience.notice("streamroom/delete", "streamRoomDeleted", data));
    }
    tx.delete_room(&room.id)?;
    Ok(Outcome { reply: (), notify, media: vec![MediaCommand::EndRoom(room.id.clone())] })
}

fn delete_many(tx: &mut Tx<'_>, reach: &Reach, ids: Vec<String>) -> Reply {
    let mut outcome = Outcome::quiet(Value::Null);
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let status = match reachable(tx, reach, &StreamRoomId(id.clone())) {
            Ok(room) => {
                let deleted = delete(tx, &room)?;
                outcome.notify.extend(deleted.notify);
                outcome.media.extend(deleted.media);
                "OK"
            }
            Err(ServiceError::RoomDoesNotExist) => "STREAM_ROOM_DOES_NOT_EXIST",
            Err(error) => return Err(error),
        };
        results.push(json!({"id": id, "status": status}));
    }
    outcome.reply = json!({"results": results});
    Ok(outcome)
}
