//! `recording.*`: our own methods about recordings. Beginning one is official and in `stream`.

use serde_json::Value;
use serde_json::json;

use super::dispatch::Answer;
use super::params;
use crate::bridge::core::Core;
use crate::bridge::recording::EndReason;
use crate::bridge::recording::RecorderError;
use crate::bridge::service::Caller;
use crate::bridge::service::RecordingRefusal;
use crate::bridge::service::ServiceError;
use crate::bridge::service::recording;
use crate::model::Recording;
use crate::model::RecordingId;
use crate::model::StreamRoomId;
use crate::wire::dto::Call;
use crate::wire::dto::recording as dto;
use crate::wire::dto::recording::RecordingDelete;
use crate::wire::dto::recording::RecordingGet;
use crate::wire::dto::recording::RecordingList;
use crate::wire::dto::recording::RecordingPart;
use crate::wire::dto::recording::RecordingRead;
use crate::wire::dto::recording::RecordingStop;

/// Carries out one of the methods.
///
/// # Errors
///
/// What the method refuses.
pub async fn call(
    core: &Core,
    caller: Caller,
    method: &str,
    raw: Value,
) -> Result<Answer, ServiceError> {
    match method {
        "recording.recordingStop" => stop(core, caller, raw).await,
        "recording.recordingList" => {
            let room = StreamRoomId(params::read::<RecordingList>(raw)?.stream_room_id);
            let id = room.clone();
            core.store.read(move |tx| recording::see(tx, &caller, &id).map(drop)).await?;
            let list = core.recorder.list(&room).iter().map(dto::Recording::from).collect();
            Ok(Answer::quiet(RecordingList::result(&dto::Recordings { list })))
        }
        "recording.recordingGet" => {
            let id = RecordingId(params::read::<RecordingGet>(raw)?.recording_id);
            visible(core, caller, &id).await?;
            let found = core.recorder.get(&id).await?;
            Ok(Answer::quiet(RecordingGet::result(&dto::Recording::from(&found))))
        }
        "recording.recordingRead" => read(core, caller, raw).await,
        "recording.recordingDelete" => {
            let id = RecordingId(params::read::<RecordingDelete>(raw)?.recording_id);
            let room = core.recorder.find(&id)?.room;
            core.store.read(move |tx| recording::manage(tx, &caller, &room).map(drop)).await?;
            core.recorder.remove(&id).await?;
            Ok(Answer::quiet(json!("OK")))
        }
        _ => Err(ServiceError::MethodNotFound),
    }
}

async fn stop(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let room = StreamRoomId(params::read::<RecordingStop>(raw)?.stream_room_id);
    let id = room.clone();
    core.store.read(move |tx| recording::manage(tx, &caller, &id).map(drop)).await?;
    let notices = core.stop_recording(&room, EndReason::Stopped).await;
    let Some(notices) = notices else {
        return Err(ServiceError::Recording(RecordingRefusal::NotRunning));
    };
    Ok(Answer { reply: json!("OK"), notices, turn: None })
}

async fn read(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let RecordingRead { recording_id, track, offset, length } = params::read(raw)?;
    let id = RecordingId(recording_id);
    visible(core, caller, &id).await?;
    let (bytes, size) = core.recorder.read(&id, track, offset, length).await?;
    Ok(Answer::quiet(RecordingRead::result(&RecordingPart::new(&bytes, size))))
}

/// The recording, if the caller may see its room.
async fn visible(core: &Core, caller: Caller, id: &RecordingId) -> Result<Recording, ServiceError> {
    let found = core.recorder.find(id)?;
    let room = found.room.clone();
    core.store.read(move |tx| recording::see(tx, &caller, &room).map(drop)).await?;
    Ok(found)
}

impl From<RecorderError> for ServiceError {
    fn from(error: RecorderError) -> Self {
        if let RecorderError::Io(source) = &error {
            tracing::error!(error = %source, "recordings");
            return Self::Internal;
        }
        Self::Recording(match error {
            RecorderError::Unknown => RecordingRefusal::Unknown,
            RecorderError::StillRunning => RecordingRefusal::StillRunning,
            RecorderError::DiskFull => RecordingRefusal::DiskFull,
            RecorderError::TooManyRunning | RecorderError::TooManyKept => RecordingRefusal::TooMany,
            RecorderError::Unavailable | RecorderError::Io(_) => RecordingRefusal::Unavailable,
        })
    }
}
