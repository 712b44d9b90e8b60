//! Bounds on what recording can take from this machine.

use std::time::Duration;

/// Bounds on recordings.
#[derive(Clone, Debug)]
pub struct RecordingLimits {
    /// Bytes of all files of one recording; it ends when they are used up. Four gibibytes are
    /// about 45 hours of one speaker, or 18 of one with video.
    pub bytes: u64,
    /// Bytes that stay free on the disk: with less, recordings end and none begins.
    pub free_bytes: u64,
    /// Recordings of one room that are kept; with more, none begins.
    pub per_room: usize,
    /// Rooms that are recorded at the same time.
    pub running: usize,
    /// Tracks of one recording; what comes on further ones is dropped and counted.
    pub tracks: usize,
    /// A recording ends when nobody has been in its room for so long.
    pub empty: Duration,
}

impl Default for RecordingLimits {
    fn default() -> Self {
        Self {
            bytes: 4 << 30,
            free_bytes: 512 << 20,
            per_room: 100,
            running: 32,
            tracks: 512,
            empty: Duration::from_secs(60),
        }
    }
}
