//! Who may record a room, who may see its recordings, and what members are told about it.
//!
//! Starting and stopping need what updating the room needs; looking at recordings needs what
//! looking at the room needs. The ACL functions are the official ones next to them.

use serde_json::json;

use super::error::ServiceError;
use super::outcome::Caller;
use super::outcome::Notice;
use super::outcome::Recipients;
use super::stream::Audience;
use super::stream_room;
use super::stream_room::Access;
use crate::bridge::sfu::ClientId;
use crate::bridge::store::Tx;
use crate::model::Recording;
use crate::model::RecordingId;
use crate::model::StreamRoomId;

/// Below what every client in a room listens to anyway.
const CHANNEL: &str = "streamroom/streams/recording";

/// Checks the right to begin, end and remove recordings of a room.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`] or [`ServiceError::AccessDenied`].
pub fn manage(tx: &Tx<'_>, caller: &Caller, room: &StreamRoomId) -> Result<Access, ServiceError> {
    let access = stream_room::access(tx, caller, room, "stream/streamRoomEnableRecording", "get")?;
    access.require("update")?;
    Ok(access)
}

/// Checks the right to see recordings of a room.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`] or [`ServiceError::AccessDenied`].
pub fn see(tx: &Tx<'_>, caller: &Caller, room: &StreamRoomId) -> Result<Access, ServiceError> {
    stream_room::access(tx, caller, room, "stream/streamRoomGet", "get")
}

/// The room is being recorded.
#[must_use]
pub fn started(audience: &Audience, recording: &Recording) -> Notice {
    let data = json!({
        "streamRoomId": audience.room.id.as_str(),
        "recordingId": recording.id.as_str(),
        "userId": recording.started_by.as_str(),
    });
    audience.notice(CHANNEL, "streamRoomRecordingStarted", data)
}

/// The same for one who has just come.
#[must_use]
pub fn under_way(audience: &Audience, recording: &Recording, client: ClientId) -> Notice {
    Notice { to: Recipients::Clients(vec![client]), ..started(audience, recording) }
}

/// The room is no longer recorded.
#[must_use]
pub fn stopped(audience: &Audience, recording: &RecordingId, reason: &str) -> Notice {
    let data = json!({
        "streamRoomId": audience.room.id.as_str(),
        "recordingId": recording.as_str(),
        "reason": reason,
    });
    audience.notice(CHANNEL, "streamRoomRecordingStopped", data)
}
