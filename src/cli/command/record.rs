//! `conclave record ROOM [--stop]`: the bridge records a room, or no longer does.

use serde_json::json;

use crate::api::ApiError;
use crate::cli::args::Global;
use crate::cli::args::Record;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::room_meta;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::model::RecordingState;
use crate::model::StreamRoom;

const ACCESS_DENIED: i64 = 0x30;
const NOT_RUNNING: i64 = 0x6f11;

/// Starts or stops the recording of a room, and returns.
pub async fn run(
    paths: Paths,
    global: &Global,
    record: &Record,
    output: Output,
) -> anyhow::Result<()> {
    let profile = Profile::open(paths, global.name.as_deref())?;
    let session = Session::resume(profile).await?;
    let result = carry_out(&session, record, output).await;
    session.close().await;
    result
}

async fn carry_out(session: &Session, record: &Record, output: Output) -> anyhow::Result<()> {
    if session.hosted.is_some() {
        // The bridge that was started for this command ends with it.
        let text = "no bridge is running that could record; start one with `conclave host`";
        return Err(Failure::new(Exit::Unreachable, text).into());
    }
    let room = session.expect_room(&record.room).await?;
    if record.stop {
        stop(session, &room, output).await
    } else {
        start(session, &room, output).await
    }
}

async fn start(session: &Session, room: &StreamRoom, output: Output) -> anyhow::Result<()> {
    let (api, id) = (&session.api, &room.stream_room_id);
    // Only somebody who is in a room can have it recorded; being there for a moment suffices.
    api.join_stream_room(id).await?;
    let enabled = api.enable_stream_room_recording(id).await;
    if let Err(error) = api.leave_stream_room(id).await {
        tracing::info!(%error, "the room was not left properly");
    }
    enabled.map_err(refused)?;
    let name = room_meta::name(room);
    let recordings = api.list_recordings(id).await.unwrap_or_default();
    let running = recordings.iter().find(|one| one.state == RecordingState::Running);
    let line = json!({"event": "recording_started", "room": id.as_str(), "name": name,
        "recording": running.map(|one| one.id.as_str())});
    output.result(&line, || match running {
        Some(running) => format!("recording {name} as {}; --stop ends it", running.id),
        None => format!("recording {name}; this bridge keeps it to itself and can't stop it"),
    });
    Ok(())
}

async fn stop(session: &Session, room: &StreamRoom, output: Output) -> anyhow::Result<()> {
    let id = &room.stream_room_id;
    session.api.stop_stream_room_recording(id).await.map_err(refused)?;
    let name = room_meta::name(room);
    let line = json!({"event": "recording_stopped", "room": id.as_str(), "name": name});
    output.result(&line, || format!("{name} is no longer recorded"));
    Ok(())
}

/// The sentence for somebody who may not, or can't.
fn refused(error: ApiError) -> anyhow::Error {
    let (exit, text) = match error.code() {
        Some(ACCESS_DENIED) => (Exit::Denied, "only managers of a room can have it recorded"),
        Some(NOT_RUNNING) => (Exit::Failure, "the room is not being recorded"),
        _ => return error.into(),
    };
    Failure::new(exit, text).into()
}
