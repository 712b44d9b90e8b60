//! `recording.*`: our own methods about recordings. Beginning one is official and in `stream`.

use serde_json::Value;
use serde_json::json;

use super::dispatch::Answer;
use super::params::Params;
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
use crate::wire::dto::recording::READ_MAX;
use crate::wire::dto::recording::RecordingGet;
use crate::wire::dto::recording::RecordingList;
use crate::wire::dto::recording::RecordingPart;
use crate::wire::dto::recording::RecordingRead;

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
    let mut params = Params::new(raw)?;
    match method {
        "recording.recordingStop" => stop(core, caller, params).await,
        "recording.recordingList" => {
            let room = StreamRoomId(params.id("streamRoomId")?);
            params.finish()?;
            let id = room.clone();
            core.store.read(move |tx| recording::see(tx, &caller, &id).map(drop)).await?;
            let list = core.recorder.list(&room).iter().map(dto::Recording::from).collect();
            Ok(Answer::quiet(RecordingList::result(&dto::Recordings { list })))
        }
        "recording.recordingGet" => {
            let id = RecordingId(params.id("recordingId")?);
            params.finish()?;
            visible(core, caller, &id).await?;
            let found = core.recorder.get(&id).await?;
            Ok(Answer::quiet(RecordingGet::result(&dto::Recording::from(&found))))
        }
        "recording.recordingRead" => read(core, caller, params).await,
        "recording.recordingDelete" => {
            let id = RecordingId(params.id("recordingId")?);
            params.finish()?;
            let room = core.recorder.find(&id)?.room;
            core.store.read(move |tx| recording::manage(tx, &caller, &room).map(drop)).await?;
            core.recorder.remove(&id).await?;
            Ok(Answer::quiet(json!("OK")))
        }
        _ => Err(ServiceError::MethodNotFound),
    }
}

async fn stop(core: &Core, caller: Caller, mut params: Params) -> Result<Answer, ServiceError> {
    let room = StreamRoomId(params.id("streamRoomId")?);
    params.finish()?;
    let id = room.clone();
    core.store.read(move |tx| recording::manage(tx, &caller, &id).map(drop)).await?;
    let notices = core.stop_recording(&room, EndReason::Stopped).await;
    let Some(notices) = notices else {
        return Err(ServiceError::Recording(RecordingRefusal::NotRunning));
    };
    Ok(Answer { reply: json!("OK"), notices, turn: None })
}

async fn read(core: &Core, caller: Caller, mut params: Params) -> Result<Answer, ServiceError> {
    let id = RecordingId(params.id("recordingId")?);
    let track = params.integer("track", 1, i64::from(u32::MAX))?;
    let offset = params.integer("offset", 0, i64::MAX)?;
    let length = params.integer("length", 1, i64::from(READ_MAX))?;
    params.finish()?;
    visible(core, caller, &id).await?;
    let track = u32::try_from(track).map_err(|_| ServiceError::params("track"))?;
    let offset = u64::try_from(offset).map_err(|_| ServiceError::params("offset"))?;
    let length = u32::try_from(length).map_err(|_| ServiceError::params("length"))?;
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
