//! `recording.*`: methods of our own bridge, for what official ones lack. They answer
//! METHOD_NOT_FOUND to all of these; starting a recording is `stream.streamRoomEnableRecording`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::Serialize;

use super::Call;
use super::Done;
use super::Invalid;
use super::limit;
use crate::model;
use crate::model::StreamId;
use crate::model::Timestamp;
use crate::wire::recording::kind_name;
use crate::wire::recording::kind_of;

/// Most bytes of a file that one call reads.
pub const READ_MAX: u32 = 512 * 1024;

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $wire:literal } = $method:literal -> $answer:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Which.
            pub $field: String,
        }

        impl Call for $name {
            const METHOD: &'static str = $method;
            type Answer = $answer;

            fn validate(&self) -> Result<(), Invalid> {
                limit::id($wire, &self.$field)
            }
        }
    )*};
}

calls! {
    /// `recording.recordingStop`: ends the recording of a room.
    RecordingStop { stream_room_id: "streamRoomId" } = "recording.recordingStop" -> Done;
    /// `recording.recordingList`: the recordings of a room, oldest first, without their tracks.
    RecordingList { stream_room_id: "streamRoomId" } = "recording.recordingList" -> Recordings;
    /// `recording.recordingGet`: one recording with its tracks.
    RecordingGet { recording_id: "recordingId" } = "recording.recordingGet" -> Recording;
    /// `recording.recordingDelete`: removes a recording that has ended.
    RecordingDelete { recording_id: "recordingId" } = "recording.recordingDelete" -> Done;
}

/// `recording.recordingRead`: a part of the file of one track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordingRead {
    /// The recording.
    pub recording_id: String,
    /// Number of the track.
    pub track: u32,
    /// Where to begin, in bytes.
    pub offset: u64,
    /// How many bytes at most; up to [`READ_MAX`].
    pub length: u32,
}

impl Call for RecordingRead {
    const METHOD: &'static str = "recording.recordingRead";
    type Answer = RecordingPart;

    fn validate(&self) -> Result<(), Invalid> {
        limit::id("recordingId", &self.recording_id)?;
        if self.track == 0 {
            return Err(Invalid { key: "track", rule: "must be 1 or more" });
        }
        if !(1..=READ_MAX).contains(&self.length) {
            return Err(Invalid { key: "length", rule: "must be 1 to 524288" });
        }
        Ok(())
    }
}

/// The answer to [`RecordingRead`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingPart {
    /// Base64 of the bytes; empty at the end of the file.
    pub data: String,
    /// Size of the file now.
    pub size: u64,
}

impl RecordingPart {
    /// The part of a file of `size` bytes.
    #[must_use]
    pub fn new(bytes: &[u8], size: u64) -> Self {
        Self { data: BASE64_STANDARD.encode(bytes), size }
    }

    /// The bytes; `None` if they are no base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.data).ok()
    }
}

/// The answer to [`RecordingList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recordings {
    /// The recordings.
    pub list: Vec<Recording>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Its id.
    pub recording_id: String,
    /// The room.
    pub stream_room_id: String,
    /// Who started it.
    pub started_by: String,
    /// When, in milliseconds of Unix time.
    pub started_at: i64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// `running`, `ended` or `interrupted`.
    pub state: String,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Size of its files.
    pub bytes: u64,
    /// Packets that were not written.
    pub dropped: u64,
    /// Its tracks; absent in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<RecordingTrack>,
}

/// One track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingTrack {
    /// Its number.
    pub track: u32,
    /// The stream.
    pub stream_id: i64,
    /// Its id within the stream.
    pub stream_track_id: String,
    /// Who published it.
    pub user_id: String,
    /// `audio`, `video` or `data`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is encoded with.
    pub codec: String,
    /// Size of its file.
    pub bytes: u64,
}

impl From<&model::Recording> for Recording {
    fn from(recording: &model::Recording) -> Self {
        let tracks = recording.tracks.iter().map(|track| RecordingTrack {
            track: track.number,
            stream_id: track.stream.0,
            stream_track_id: track.track.0.clone(),
            user_id: track.user.0.clone(),
            kind: kind_name(track.kind).to_owned(),
            codec: track.codec.clone(),
            bytes: track.bytes,
        });
        Self {
            recording_id: recording.id.0.clone(),
            stream_room_id: recording.room.0.clone(),
            started_by: recording.started_by.0.clone(),
            started_at: recording.started.0,
            ended_at: recording.ended.map(|at| at.0),
            state: match recording.state {
                model::RecordingState::Running => "running",
                model::RecordingState::Ended => "ended",
                model::RecordingState::Interrupted => "interrupted",
            }
            .to_owned(),
            reason: recording.reason.clone(),
            bytes: recording.bytes,
            dropped: recording.dropped,
            tracks: tracks.collect(),
        }
    }
}

impl From<Recording> for model::Recording {
    fn from(recording: Recording) -> Self {
        // Tracks of kinds that are not known here can't be played either.
        let tracks = recording.tracks.into_iter().filter_map(|track| {
            Some(model::RecordedTrack {
                number: track.track,
                stream: StreamId(track.stream_id),
                track: track.stream_track_id.into(),
                user: track.user_id.into(),
                kind: kind_of(&track.kind)?,
                codec: track.codec,
                bytes: track.bytes,
            })
        });
        Self {
            tracks: tracks.collect(),
            id: recording.recording_id.into(),
            room: recording.stream_room_id.into(),
            started_by: recording.started_by.into(),
            started: Timestamp(recording.started_at),
            ended: recording.ended_at.map(Timestamp),
            state: match recording.state.as_str() {
                "running" => model::RecordingState::Running,
                "ended" => model::RecordingState::Ended,
                _ => model::RecordingState::Interrupted,
            },
            reason: recording.reason,
            bytes: recording.bytes,
            dropped: recording.dropped,
        }
    }
}
