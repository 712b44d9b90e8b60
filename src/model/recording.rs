//! Recordings that a bridge keeps of its rooms.

use super::id::KeyId;
use super::id::RecordingId;
use super::id::StreamId;
use super::id::StreamRoomId;
use super::id::TrackId;
use super::id::UserId;
use super::secret::Secret;
use super::stream::TrackKind;
use super::unit::Timestamp;

/// Whether a recording goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// It does.
    Running,
    /// It was ended, by somebody or by a limit.
    Ended,
    /// The bridge went away while it ran; what had arrived until then is there.
    Interrupted,
}

/// One recording of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its id.
    pub id: RecordingId,
    /// The room.
    pub room: StreamRoomId,
    /// Who started it.
    pub started_by: UserId,
    /// When.
    pub started: Timestamp,
    /// When it ended; an estimate for interrupted ones.
    pub ended: Option<Timestamp>,
    /// Whether it goes on.
    pub state: RecordingState,
    /// Why it ended: `stopped`, `size`, `disk`, `empty` and so on.
    pub reason: Option<String>,
    /// Size of all its files.
    pub bytes: u64,
    /// Packets that were not written because the disk did not keep up.
    pub dropped: u64,
    /// Its tracks; empty in lists.
    pub tracks: Vec<RecordedTrack>,
}

/// One track of a recording: everything that came from one source of one publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTrack {
    /// Its number within the recording, from 1.
    pub number: u32,
    /// The stream that it was part of.
    pub stream: StreamId,
    /// Its id within the stream.
    pub track: TrackId,
    /// Who published it.
    pub user: UserId,
    /// What it carries.
    pub kind: TrackKind,
    /// `opus`, `vp8` or `data`.
    pub codec: String,
    /// Size of its file.
    pub bytes: u64,
}

/// A key that opens frames of a recording: SHA-256 of a room key, under the id of that key.
#[derive(Debug)]
pub struct RecordingEncKey {
    /// Id of the room key; the frames that it opens name it.
    pub id: KeyId,
    /// The derived key.
    pub key: Secret<[u8; 32]>,
}
