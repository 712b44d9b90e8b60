//! `stream/*` of the management API (streams.md 5.7): an operator looks at rooms from outside.

use serde_json::Value;
use serde_json::json;

use super::params;
use crate::bridge::core::Core;
use crate::bridge::service::MediaCommand;
use crate::bridge::service::Outcome;
use crate::bridge::service::Page;
use crate::bridge::service::ServiceError;
use crate::bridge::service::provision;
use crate::bridge::service::provision::Reach;
use crate::bridge::service::stream;
use crate::bridge::service::stream_room;
use crate::bridge::store::RoomRecord;
use crate::bridge::store::Tx;
use crate::model::ContextId;
use crate::model::StreamRoomId;
use crate::wire::dto::SortOrder;
use crate::wire::dto::management::DeleteManyStreamRooms;
use crate::wire::dto::management::DeleteStreamRoom;
use crate::wire::dto::management::GetStreamRoom;
use crate::wire::dto::management::ListStreamRooms;
use crate::wire::dto::management::RoomState;

type Reply = Result<Outcome, ServiceError>;

/// Carries out one of the four methods.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`], also for rooms that the API key does not reach.
pub async fn call(core: &Core, reach: Reach, method: &str, raw: Value) -> Reply {
    match method {
        "stream/getStreamRoom" => {
            let id = StreamRoomId(params::read::<GetStreamRoom>(raw)?.stream_room_id);
            let work = move |tx: &mut Tx<'_>| {
                let room = reachable(tx, &reach, &id)?;
                Ok::<_, ServiceError>(json!({"streamRoom": stream_room::operator_view(tx, &room)?}))
            };
            core.store.read(work).await.map(Outcome::quiet)
        }
        "stream/listStreamRooms" => list(core, reach, params::read(raw)?).await,
        "stream/deleteStreamRoom" => {
            let id = StreamRoomId(params::read::<DeleteStreamRoom>(raw)?.stream_room_id);
            let work = move |tx: &mut Tx<'_>| {
                let room = reachable(tx, &reach, &id)?;
                Ok::<_, ServiceError>(delete(tx, &room)?.map(|()| json!("OK")))
            };
            core.store.write(work).await
        }
        _ => {
            let ids = params::read::<DeleteManyStreamRooms>(raw)?.stream_room_ids;
            core.store.write(move |tx| delete_many(tx, &reach, ids)).await
        }
    }
}

fn reachable(tx: &Tx<'_>, reach: &Reach, id: &StreamRoomId) -> Result<RoomRecord, ServiceError> {
    let room = tx.room(id)?.ok_or(ServiceError::RoomDoesNotExist)?;
    provision::context(tx, reach, &room.context).map_err(|_| ServiceError::RoomDoesNotExist)?;
    Ok(room)
}

async fn list(core: &Core, reach: Reach, call: ListStreamRooms) -> Reply {
    let context = ContextId(call.context_id);
    let state = call.state.unwrap_or(RoomState::All);
    let limit = usize::try_from(call.limit).map_err(|_| ServiceError::params("limit"))?;
    let descending = call.sort_order == SortOrder::Desc;
    let page = Page { limit, descending, last_id: call.from, ..Page::default() };
    let work = move |tx: &mut Tx<'_>| {
        provision::context(tx, &reach, &context)?;
        let mut rooms = tx.rooms(&context)?;
        rooms.retain(|room| match state {
            RoomState::Active => !room.closed,
            RoomState::Closed => room.closed,
            RoomState::All => true,
        });
        let (rooms, count) = page.cut(rooms, |room| room.id.as_str())?;
        let list = rooms
            .iter()
            .map(|room| stream_room::operator_view(tx, room))
            .collect::<Result<Vec<_>, _>>()?;
        Ok::<_, ServiceError>(json!({"list": list, "count": count}))
    };
    core.store.read(work).await.map(Outcome::quiet)
}

fn delete(tx: &mut Tx<'_>, room: &RoomRecord) -> Result<Outcome<()>, ServiceError> {
    let notify = stream::deleted(tx, &room.id)?;
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
