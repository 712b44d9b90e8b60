//! From files back to pictures and sound: what a player of recordings needs.
//!
//! [`VideoFile`] and [`AudioFile`] answer what is seen and heard at a time, wherever that is;
//! [`Player`] moves along both at a speed. It is told how much time has passed and never asks.

mod audio;
mod player;
mod video;

use std::io::Read;
use std::io::Seek;

pub use audio::AudioFile;
pub use player::PlayAction;
pub use player::PlayStatus;
pub use player::Player;
pub use player::SPEEDS;
pub use video::VideoFile;

/// What is played: a file, or anything else that can be read anywhere.
pub trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

/// What a file holds, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IVF of VP8, or Y4M.
    Video,
    /// WAV, or Ogg of Opus.
    Audio,
}

impl Kind {
    /// Bytes that are enough to tell.
    pub const BYTES: usize = 4;

    /// What begins like this; `None` for what can't be played.
    #[must_use]
    pub fn of(beginning: &[u8]) -> Option<Self> {
        match beginning.first_chunk()? {
            b"DKIF" | b"YUV4" => Some(Self::Video),
            b"RIFF" | b"RF64" | b"OggS" => Some(Self::Audio),
            _ => None,
        }
    }
}
