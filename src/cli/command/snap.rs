//! `conclave snap ROOM --user U -o FILE.png`: saves a picture of what somebody shows.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api::ApiError;
use crate::api::Call;
use crate::api::CallConfig;
use crate::api::Person;
use crate::api::VideoTrack;
use crate::api::Wanted;
use crate::cli::args::Global;
use crate::cli::args::Shown;
use crate::cli::args::Snap;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::paths::Paths;
use crate::cli::room_meta;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::cli::stop::Stop;
use crate::device::DeviceSpec;
use crate::device::video::png;
use crate::media::video::Picture;
use crate::model::StreamRoom;
use crate::model::VideoContent;

/// Joins listen-only, waits for a picture, saves it and leaves.
pub async fn run(paths: Paths, global: &Global, snap: &Snap, output: Output) -> anyhow::Result<()> {
    let session = Session::resume(Profile::open(paths, global.name.as_deref())?).await?;
    let result = carry_out(&session, snap, output).await;
    session.close().await;
    result
}

async fn carry_out(session: &Session, snap: &Snap, output: Output) -> anyhow::Result<()> {
    if session.hosted.is_some() {
        // The bridge that was started for this command ends with it, and nobody else is on it.
        let text = "no bridge is running on which somebody could show something; start one with \
                    `conclave host`, or name one with --bridge";
        return Err(Failure::new(Exit::Unreachable, text).into());
    }
    let mut stop = Stop::new()?;
    let room = session.expect_room(&snap.room).await?;
    let config = CallConfig::new(room.stream_room_id.clone())
        .with_microphone(None)
        .with_speaker(DeviceSpec::Null)
        .with_data(false);
    let began = Instant::now();
    let call = Call::join(session.api.clone(), config).await?;
    let found = stop.unless_signalled(timeout(snap.timeout, first_picture(&call, snap))).await;
    let reason = missing(&call.people().borrow(), snap, &room);
    if let Err(error) = call.leave().await {
        tracing::info!(%error, "the room was not left properly");
    }
    let (picture, content) = match found {
        None => return Ok(()),
        Some(Ok(found)) => found?,
        Some(Err(_)) => return Err(Failure::new(Exit::NoPicture, reason).into()),
    };
    save(&picture, &snap.out)?;
    let after_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (width, height) = (picture.width(), picture.height());
    let file = snap.out.display().to_string();
    let line = json!({"event": "snapped", "user": snap.user, "room": room.stream_room_id.as_str(),
        "content": content.label(), "width": width, "height": height, "file": file,
        "after_ms": after_ms});
    output.result(&line, || format!("{} is in {file}, {width}x{height}", clean(&snap.user)));
    Ok(())
}

/// What of somebody is to be saved, if they show it.
fn choose<'a>(people: &'a [Person], snap: &Snap) -> Option<&'a VideoTrack> {
    use VideoContent::{Camera, Screen, Terminal};
    let wanted: &[VideoContent] = match snap.what {
        Some(Shown::Camera) => &[Camera],
        Some(Shown::Screen) => &[Screen, Terminal],
        None => &[Screen, Terminal, Camera],
    };
    let shows = |content: &VideoContent| {
        let theirs = people.iter().filter(|person| person.user.as_str() == snap.user);
        let mut tracks = theirs.flat_map(|person| &person.videos);
        tracks.find(|track| track.content == *content)
    };
    wanted.iter().find_map(shows)
}

/// Waits for as long as it takes.
async fn first_picture(call: &Call, snap: &Snap) -> Result<(Arc<Picture>, VideoContent), ApiError> {
    let mut people = call.people();
    loop {
        let track = choose(&people.borrow_and_update(), snap).cloned();
        let Some(track) = track else {
            people.changed().await.map_err(|_| ApiError::Closed)?;
            continue;
        };
        let (stream, name) = (track.stream, track.track.clone());
        call.want_pictures(vec![Wanted { stream, track: name, max_width: 0, max_height: 0 }]);
        let mut pictures = call.pictures(track.stream, &track.track)?;
        tokio::select! {
            picture = arrived(&mut pictures) => return Ok((picture?, track.content)),
            // Perhaps they show it on another stream now.
            changed = people.changed() => changed.map_err(|_| ApiError::Closed)?,
        }
    }
}

async fn arrived(
    pictures: &mut watch::Receiver<Option<Arc<Picture>>>,
) -> Result<Arc<Picture>, ApiError> {
    loop {
        if let Some(picture) = pictures.borrow_and_update().clone() {
            return Ok(picture);
        }
        pictures.changed().await.map_err(|_| ApiError::Closed)?;
    }
}

/// Why there was no picture, and what to do.
fn missing(people: &[Person], snap: &Snap, room: &StreamRoom) -> String {
    let user = clean(&snap.user);
    let waited = humantime::format_duration(snap.timeout);
    let what = match snap.what {
        Some(Shown::Camera) => "no camera",
        Some(Shown::Screen) => "no screen",
        None => "nothing",
    };
    if choose(people, snap).is_some() {
        return format!(
            "no picture of {user} arrived within {waited}; try a longer --timeout, and \
             `conclave doctor` for the way that media takes"
        );
    }
    let room = room_meta::name(room);
    if people.iter().any(|person| person.user.as_str() == snap.user) {
        format!("{user} shows {what} in {room}; ask them to, or wait longer with --timeout")
    } else {
        format!(
            "{user} is not in {room}; `conclave rooms show` lists its members, --timeout waits longer"
        )
    }
}

/// The file is there as a whole or not at all.
fn save(picture: &Picture, path: &Path) -> anyhow::Result<()> {
    let written = png::encode(picture).and_then(|bytes| {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let write = || {
            let mut file = NamedTempFile::new_in(directory.unwrap_or_else(|| Path::new(".")))?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)
        };
        write().map(drop).map_err(|error: std::io::Error| error.to_string())
    });
    written.map_err(|reason| {
        let text = format!(
            "the picture could not be written to {}: {reason}; name another file with --out",
            path.display()
        );
        Failure::new(Exit::Failure, text).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::video::pattern;

    #[test]
    fn a_saved_picture_is_whole_and_replaces_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("frame.png");
        std::fs::write(&path, "old").unwrap();
        save(&pattern::picture(4_711, 160, 90), &path).unwrap();
        let read = png::decode(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(pattern::read_counter(&read), Some(4_711));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
        let nowhere = directory.path().join("no/such/frame.png");
        let refused = save(&read, &nowhere).unwrap_err().to_string();
        assert!(refused.contains("no/such/frame.png") && refused.contains("--out"), "{refused}");
    }
}
