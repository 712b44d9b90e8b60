//! From the recorded packets of one track to a file that players understand.
//!
//! All tracks of a recording share one clock: that of the server, which noted when each packet
//! came. [`Timeline`] turns arrival times and RTP timestamps into the place of each packet on
//! that clock, without the jitter of the network; the exports put the sound or the picture
//! there. So the files of all tracks, each starting with the recording, play in sync.

mod audio;
mod reorder;
mod timeline;
mod video;

pub use audio::AudioExport;
pub use audio::SoundFormat;
pub use timeline::Stamp;
pub use timeline::Timeline;
pub use video::VideoExport;

/// What an export has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Packets that were there.
    pub packets: u64,
    /// Packets that are missing, by their numbers.
    pub lost: u64,
    /// Frames that could not be opened: sealed with a key that the member does not have.
    pub unopened: u64,
    /// Frames that were opened and then made no sense, or were incomplete.
    pub unreadable: u64,
    /// From the start of the recording to the end of the track, in milliseconds.
    pub length_ms: u64,
}
