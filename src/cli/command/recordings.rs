//! `conclave recordings list|export|delete`: what the bridge has recorded, opened here.
//!
//! The bridge hands out sealed frames and wrapped keys; this process, which acts for a member of
//! the room, is the first place where both come together.

use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use crate::api::ApiError;
use crate::cli::args::Global;
use crate::cli::args::Recordings;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::export;
use crate::cli::export::Exported;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::paths::Paths;
use crate::cli::room_meta;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::model::Recording;
use crate::model::RecordingState;
use crate::model::StreamRoomId;
use crate::model::Timestamp;

const ACCESS_DENIED: i64 = 0x30;
const UNKNOWN_RECORDING: i64 = 0x6f12;
const STILL_RUNNING: i64 = 0x6f13;
const NO_SUCH_ROOM: i64 = 0x6122;

/// Carries the command out on the bridge of last time, or the embedded one.
pub async fn run(
    paths: Paths,
    global: &Global,
    command: &Recordings,
    output: Output,
) -> anyhow::Result<()> {
    let profile = Profile::open(paths, global.name.as_deref())?;
    let session = Session::resume(profile).await?;
    let result = match command {
        Recordings::List { room } => list(&session, room.as_deref(), output).await,
        Recordings::Export { recording, out, format } => {
            let found = find(&session, recording).await;
            match found {
                Ok(found) => {
                    let out = out.clone();
                    let out =
                        out.unwrap_or_else(|| PathBuf::from(format!("recording-{}", found.id)));
                    export_all(&session, &found, &out, (*format).into(), output).await
                }
                Err(error) => Err(error),
            }
        }
        Recordings::Delete { recording } => delete(&session, recording, output).await,
    };
    session.close().await;
    result
}

async fn list(session: &Session, room: Option<&str>, output: Output) -> anyhow::Result<()> {
    let rooms = match room {
        Some(room) => vec![(room_id(session, room).await?, room.to_owned())],
        None => {
            let rooms = session.rooms().await?.into_iter();
            rooms.map(|room| (room.stream_room_id.clone(), room_meta::name(&room))).collect()
        }
    };
    for (room, name) in rooms {
        for recording in session.api.list_recordings(&room).await.map_err(refused)? {
            output.result(&describe(&recording, &name), || in_words(&recording, &name));
        }
    }
    Ok(())
}

/// The room of that name or id; an id of a room that is not this user's goes to the bridge,
/// which knows why.
async fn room_id(session: &Session, wanted: &str) -> anyhow::Result<StreamRoomId> {
    match session.find_room(wanted).await? {
        Some(room) => Ok(room.stream_room_id),
        None if is_id(wanted) => Ok(wanted.into()),
        None => Ok(session.expect_room(wanted).await?.stream_room_id),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A recording by its id, or the last one of a room.
async fn find(session: &Session, wanted: &str) -> anyhow::Result<Recording> {
    if is_id(wanted) {
        match session.api.get_recording(&wanted.into()).await {
            Err(error) if error.code() == Some(UNKNOWN_RECORDING) => {}
            result => return result.map_err(refused),
        }
    }
    let room = room_id(session, wanted).await?;
    let recordings = session.api.list_recordings(&room).await.map_err(refused)?;
    let Some(last) = recordings.last() else {
        let text = format!("nothing was ever recorded in {}", clean(wanted));
        return Err(Failure::new(Exit::Failure, text).into());
    };
    session.api.get_recording(&last.id).await.map_err(refused)
}

async fn export_all(
    session: &Session,
    recording: &Recording,
    out: &Path,
    format: export::Format,
    output: Output,
) -> anyhow::Result<()> {
    let keys = session.api.get_stream_room_recording_keys(&recording.room).await;
    let keys = export::Keys::new(keys.map_err(refused)?);
    std::fs::create_dir_all(out).map_err(|error| {
        let text = format!("{} can't be made: {error}", out.display());
        Failure::new(Exit::Data, text)
    })?;
    let mut files = 0_u32;
    for track in &recording.tracks {
        let fetched = export::fetch(&session.api, &recording.id, track.number, out).await?;
        let exported = export::track(fetched, track.number, out, &keys, format).await?;
        let Some(exported) = exported else { continue };
        files += 1;
        report(recording, &exported, output);
    }
    let dir = out.display().to_string();
    let line = json!({"event": "export_done", "recording": recording.id.as_str(),
        "directory": dir, "files": files, "dropped": recording.dropped});
    output.result(&line, || format!("{files} files in {dir}, which start together"));
    if recording.dropped > 0 {
        Output::note(&format!(
            "conclave: the bridge's disk did not keep up; {} packets are missing",
            recording.dropped
        ));
    }
    Ok(())
}

fn report(recording: &Recording, exported: &Exported, output: Output) {
    let Exported { number, header, file, report, torn } = exported;
    let line = json!({"event": "exported", "recording": recording.id.as_str(), "track": number,
        "user": header.user, "kind": crate::wire::recording::kind_name(header.kind),
        "file": file.display().to_string(), "started_us": header.started_us,
        "length_ms": report.length_ms, "packets": report.packets, "lost": report.lost,
        "unopened": report.unopened, "unreadable": report.unreadable, "torn": torn});
    output.result(&line, || {
        let seconds = report.length_ms / 1000;
        let lost = match report.lost {
            0 => String::new(),
            lost => format!(", {lost} of {} packets missing", report.packets + lost),
        };
        let torn = if *torn { ", cut off by a crash" } else { "" };
        format!("{}  {}, {seconds} s{lost}{torn}", file.display(), clean(&header.user))
    });
    if report.unopened > 0 {
        Output::note(&format!(
            "conclave: {} frames of {} can't be opened: you don't have the key that they were \
             sealed with",
            report.unopened,
            file.display()
        ));
    }
}

async fn delete(session: &Session, wanted: &str, output: Output) -> anyhow::Result<()> {
    session.api.delete_recording(&wanted.into()).await.map_err(refused)?;
    let line = json!({"event": "recording_deleted", "recording": wanted});
    output.result(&line, || format!("recording {} is deleted", clean(wanted)));
    Ok(())
}

fn describe(recording: &Recording, name: &str) -> Value {
    json!({"event": "recording", "recording": recording.id.as_str(),
        "room": recording.room.as_str(), "name": name, "state": state(recording),
        "reason": recording.reason, "started_by": recording.started_by.as_str(),
        "started_at": recording.started.0, "ended_at": recording.ended.map(|at| at.0),
        "bytes": recording.bytes, "dropped": recording.dropped})
}

const fn state(recording: &Recording) -> &'static str {
    match recording.state {
        RecordingState::Running => "running",
        RecordingState::Ended => "ended",
        RecordingState::Interrupted => "interrupted",
    }
}

fn in_words(recording: &Recording, name: &str) -> String {
    let Timestamp(started) = recording.started;
    let when = jiff::Timestamp::from_millisecond(started).unwrap_or_default();
    let when = when.to_zoned(jiff::tz::TimeZone::system()).strftime("%F %H:%M");
    let length = recording.ended.map_or_else(String::new, |ended| {
        format!(", {} s", ended.0.saturating_sub(started) / 1000)
    });
    let reason = recording
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(" ({})", clean(reason)));
    let size = recording.bytes.div_ceil(1024);
    let (name, state) = (clean(name), state(recording));
    format!("{}  {name}  {when}{length}, {size} KiB, {state}{reason}", recording.id)
}

/// The sentence for somebody who may not, or asks for what is not there.
fn refused(error: ApiError) -> anyhow::Error {
    let (exit, text) = match error.code() {
        Some(ACCESS_DENIED) => (
            Exit::Denied,
            "you are not a member of the room that was recorded, or not allowed to do that",
        ),
        Some(UNKNOWN_RECORDING) => {
            (Exit::Failure, "there is no such recording; `conclave recordings list` shows yours")
        }
        Some(STILL_RUNNING) => {
            (Exit::Failure, "the recording still runs; `conclave record ROOM --stop` ends it")
        }
        Some(NO_SUCH_ROOM) => (Exit::Failure, "there is no such room, or it was deleted"),
        _ => return error.into(),
    };
    Failure::new(exit, text).into()
}
