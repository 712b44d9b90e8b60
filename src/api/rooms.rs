//! The rest of what can be done with rooms as containers: lists by one's part in them, closing,
//! deleting several, and which keys are in force.

use serde_json::Value;
use tokio::sync::watch;

use crate::model::ContextId;
use crate::model::PagingList;
use crate::model::PagingQuery;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::wire::dto::Call as _;
use crate::wire::dto::ListParams;
use crate::wire::dto::Scope;
use crate::wire::dto::stream_room::StreamRoomClose;
use crate::wire::dto::stream_room::StreamRoomDeleteMany;
use crate::wire::dto::stream_room::StreamRoomList;
use crate::wire::dto::stream_room::StreamRoomListAll;
use crate::wire::dto::stream_room::StreamRooms;

use super::error::ApiError;
use super::key_ring::RoomKeyInfo;
use super::stream_api::StreamApi;

/// Which rooms of a Context are meant, by this user's part in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoomScope {
    /// Every room; needs the policy `listAll`.
    All,
    /// Those that this user manages.
    Manager,
    /// Those that this user is a user of.
    User,
    /// Those that this user is a user or a manager of.
    #[default]
    Member,
    /// Those that this user created.
    Owner,
}

/// What became of one of several rooms that were to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// It is gone.
    Deleted,
    /// There is no such room.
    NotFound,
    /// Policy forbids it.
    AccessDenied,
}

impl StreamApi {
    /// As [`list_stream_rooms`](Self::list_stream_rooms), of the rooms in which this user has
    /// this part.
    ///
    /// # Errors
    ///
    /// As [`list_stream_rooms`](Self::list_stream_rooms); [`ApiError::Net`] with code 0x30 for
    /// [`RoomScope::All`] unless policy allows it.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn list_stream_rooms_of(
        &self,
        context: &ContextId,
        scope: RoomScope,
        query: &PagingQuery,
    ) -> Result<PagingList<StreamRoom>, ApiError> {
        let scope = match scope {
            RoomScope::All => Scope::All,
            RoomScope::Manager => Scope::Manager,
            RoomScope::User => Scope::User,
            RoomScope::Member => Scope::Member,
            RoomScope::Owner => Scope::Owner,
        };
        let call = StreamRoomList::new(context.as_str(), list_params(query)?).with_scope(scope);
        Ok(self.open_page(self.core().call(&call).await?).await)
    }

    /// Lists every room of a Context, whoever its members are. What this user is no member of
    /// is listed with its `status_code` and without metadata.
    ///
    /// # Errors
    ///
    /// As [`list_stream_rooms`](Self::list_stream_rooms); [`ApiError::Net`] with code 0x30
    /// unless policy allows it.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn list_all_stream_rooms(
        &self,
        context: &ContextId,
        query: &PagingQuery,
    ) -> Result<PagingList<StreamRoom>, ApiError> {
        let call = StreamRoomListAll::new(context.as_str(), list_params(query)?);
        Ok(self.open_page(self.core().call(&call).await?).await)
    }

    /// Closes a room for good: it can be read and deleted, but not joined any more. Official
    /// bridges tell nobody, and leave those in the room who are there.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] with code 0x30 if policy forbids it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent it.
    pub async fn close_stream_room(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        let call = StreamRoomClose { stream_room_id: room.0.clone() };
        self.core().call(&call).await.map(drop)
    }

    /// Deletes up to 128 rooms of one Context for all their members, and says of each what
    /// became of it.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] with code 0x6124 if they are not all of one Context; then none is
    /// deleted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the deletion.
    pub async fn delete_stream_rooms(
        &self,
        rooms: &[StreamRoomId],
    ) -> Result<Vec<(StreamRoomId, DeleteOutcome)>, ApiError> {
        let call = StreamRoomDeleteMany { ids: rooms.iter().map(|id| id.0.clone()).collect() };
        let answer = self.core().call(&call).await?;
        let outcomes = answer.results.into_iter().map(|result| {
            let outcome = match result.status.as_str() {
                "OK" => DeleteOutcome::Deleted,
                "STREAM_ROOM_DOES_NOT_EXIST" => DeleteOutcome::NotFound,
                "ACCESS_DENIED" => DeleteOutcome::AccessDenied,
                other => {
                    let reason = format!("an unknown status {other:?}");
                    let method = StreamRoomDeleteMany::METHOD;
                    return Err(ApiError::UnexpectedAnswer { method, reason });
                }
            };
            Ok((StreamRoomId(result.id), outcome))
        });
        outcomes.collect()
    }

    /// Which keys of a joined room are in force, now and after each rotation. A new key seals
    /// at once; older ones open what was sealed with them before.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the room is not joined.
    pub fn room_keys(&self, room: &StreamRoomId) -> Result<watch::Receiver<RoomKeyInfo>, ApiError> {
        Ok(self.joined(room)?.room.key_info())
    }

    pub(super) async fn open_page(&self, page: StreamRooms) -> PagingList<StreamRoom> {
        let mut items = Vec::with_capacity(page.list.len());
        for sealed in &page.list {
            items.push(self.core().open(sealed).await.room);
        }
        PagingList { total_available: u64::try_from(page.count).unwrap_or_default(), items }
    }
}

/// The parameters of a list of rooms.
pub(super) fn list_params(query: &PagingQuery) -> Result<ListParams, ApiError> {
    let mut params = ListParams::from(query);
    if let Some(text) = &query.query_as_json {
        let Ok(Value::Object(filter)) = serde_json::from_str(text) else {
            let reason = "it has to be a JSON object".to_owned();
            return Err(ApiError::Invalid { what: "query_as_json", reason });
        };
        params.query = Some(filter);
    }
    Ok(params)
}
