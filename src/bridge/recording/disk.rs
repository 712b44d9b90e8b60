//! Where recordings are on the disk: `recordings/ID/recording.json` and `recordings/ID/N.track`.
//!
//! The only parts of a path that come from outside are a [`RecordingId`] that was checked to be
//! 24 hex digits, and a number. Everything here blocks.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufReader;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde::Serialize;

use crate::model::RecordedTrack;
use crate::model::Recording;
use crate::model::RecordingId;
use crate::model::RecordingState;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::wire::recording::TrackReader;

/// Length of the id of a recording in hex digits.
const ID_LENGTH: usize = 24;
/// What a recording says about itself.
const SUMMARY: &str = "recording.json";
/// The summary while it is being written.
const SUMMARY_PART: &str = "recording.json.part";
/// What directories are called while they are removed, before the id.
const REMOVED: &str = "removed-";
/// Ending of the files of tracks.
const TRACK: &str = "track";
/// Largest summary that is read.
const SUMMARY_MAX: u64 = 64 * 1024;

/// The id that a text is; `None` for anything that must not become part of a path.
pub(super) fn checked_id(text: &str) -> Option<RecordingId> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == ID_LENGTH && text.bytes().all(hex)).then(|| text.into())
}

/// A recording as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) id: String,
    pub(super) room: String,
    pub(super) started_by: String,
    pub(super) started: i64,
    /// Absent while the recording runs, and for ever if the bridge was killed meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) bytes: u64,
    #[serde(default)]
    pub(super) dropped: u64,
}

impl Summary {
    /// What others see of it.
    pub(super) fn view(&self, state: RecordingState) -> Recording {
        Recording {
            id: self.id.as_str().into(),
            room: StreamRoomId(self.room.clone()),
            started_by: UserId(self.started_by.clone()),
            started: Timestamp(self.started),
            ended: self.ended.map(Timestamp),
            state,
            reason: self.reason.clone(),
            bytes: self.bytes,
            dropped: self.dropped,
            tracks: Vec::new(),
        }
    }
}

/// The directory of all recordings.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn dir(&self, id: &RecordingId) -> io::Result<PathBuf> {
        let id = checked_id(id.as_str()).ok_or(ErrorKind::InvalidInput)?;
        Ok(self.root.join(id.as_str()))
    }

    /// The file of a track.
    pub(super) fn track_path(&self, id: &RecordingId, number: u32) -> io::Result<PathBuf> {
        Ok(self.dir(id)?.join(format!("{number}.{TRACK}")))
    }

    /// Bytes that are free for us.
    pub(super) fn free(&self) -> io::Result<u64> {
        // The directory itself may not exist before the first recording.
        let at =
            if self.root.exists() { &self.root } else { self.root.parent().unwrap_or(&self.root) };
        let stat = rustix::fs::statvfs(at)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Makes the directory of a new recording, and makes sure that it is found after a crash.
    pub(super) fn create(&self, summary: &Summary) -> io::Result<()> {
        private_dir(&self.root)?;
        let dir = self.dir(&summary.id.as_str().into())?;
        private_dir(&dir)?;
        self.write_summary(summary)?;
        File::open(&self.root)?.sync_all()
    }

    /// Replaces the summary as a whole or not at all.
    pub(super) fn write_summary(&self, summary: &Summary) -> io::Result<()> {
        let dir = self.dir(&summary.id.as_str().into())?;
        let part = dir.join(SUMMARY_PART);
        let mut file = private_file(&part, true)?;
        file.write_all(&serde_json::to_vec_pretty(summary)?)?;
        file.sync_all()?;
        fs::rename(&part, dir.join(SUMMARY))?;
        File::open(&dir)?.sync_all()
    }

    /// Everything that was ever recorded and is still there.
    pub(super) fn scan(&self) -> io::Result<Vec<Summary>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.strip_prefix(REMOVED).is_some_and(|id| checked_id(id).is_some()) {
                fs::remove_dir_all(entry.path())?;
                continue;
            }
            let Some(id) = checked_id(name) else { continue };
            match self.load(&id) {
                Ok(summary) => found.push(summary),
                Err(error) => tracing::warn!(%id, %error, "a recording can't be read"),
            }
        }
        Ok(found)
    }

    fn load(&self, id: &RecordingId) -> io::Result<Summary> {
        let dir = self.dir(id)?;
        let mut text = Vec::new();
        File::open(dir.join(SUMMARY))?.take(SUMMARY_MAX).read_to_end(&mut text)?;
        let mut summary: Summary = serde_json::from_slice(&text)?;
        if summary.id != id.as_str() {
            return Err(io::Error::new(ErrorKind::InvalidData, "it names another recording"));
        }
        if summary.ended.is_none() {
            // The bridge was killed. What the files say is what there is.
            let mut last = UNIX_EPOCH;
            for (_, path) in tracks_in(&dir)? {
                let metadata = fs::metadata(path)?;
                summary.bytes = summary.bytes.saturating_add(metadata.len());
                last = last.max(metadata.modified()?);
            }
            summary.ended = (last > UNIX_EPOCH).then(|| millis(last));
        }
        Ok(summary)
    }

    /// The tracks of a recording, as their files describe them.
    pub(super) fn tracks(&self, id: &RecordingId) -> io::Result<Vec<RecordedTrack>> {
        let mut tracks = Vec::new();
        for (number, path) in tracks_in(&self.dir(id)?)? {
            let file = File::open(&path)?;
            let bytes = file.metadata()?.len();
            match TrackReader::new(BufReader::new(file)) {
                Ok(reader) => {
                    let header = reader.header();
                    tracks.push(RecordedTrack {
                        number,
                        stream: header.stream,
                        track: header.track.as_str().into(),
                        user: header.user.as_str().into(),
                        kind: header.kind,
                        codec: header.codec.clone(),
                        bytes,
                    });
                }
                // A file that was just made, when the bridge was killed or right now.
                Err(error) => tracing::debug!(%id, number, %error, "a track is left out"),
            }
        }
        Ok(tracks)
    }

    /// A part of the file of a track, and the size of the whole.
    pub(super) fn read(
        &self,
        id: &RecordingId,
        number: u32,
        offset: u64,
        length: u64,
    ) -> io::Result<(Vec<u8>, u64)> {
        let mut file = File::open(self.track_path(id, number)?)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset.min(size)))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok((bytes, size))
    }

    /// Removes a recording: from sight at once, from the disk then.
    pub(super) fn remove(&self, id: &RecordingId) -> io::Result<()> {
        let dir = self.dir(id)?;
        let away = self.root.join(format!("{REMOVED}{id}"));
        fs::rename(&dir, &away)?;
        fs::remove_dir_all(&away)
    }
}

fn tracks_in(dir: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut tracks = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != TRACK) {
            continue;
        }
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        tracks.extend(number.map(|number| (number, path)));
    }
    tracks.sort();
    Ok(tracks)
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file that others can't read: an old one is emptied if `replace`, else refused.
pub(super) fn private_file(path: &Path, replace: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if replace {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hex_becomes_part_of_a_path() {
        assert!(checked_id("0123456789abcdef01234567").is_some());
        for bad in [
            "",
            "..",
            "../../../../etc/passwd12",
            "0123456789abcdef0123456",
            "0123456789abcdef012345678",
            "0123456789ABCDEF01234567",
            "0123456789abcdef0123456/",
        ] {
            assert!(checked_id(bad).is_none(), "{bad}");
            assert!(Disk::new("/tmp".into()).track_path(&bad.into(), 1).is_err(), "{bad}");
        }
    }
}
