//! Why something in this layer failed.

use crate::crypto::frame::FrameError;

/// Why samples could not be turned into packets or back, or a file not into samples.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// libopus refused; the text is its own.
    #[error("opus could not {action}: {reason}")]
    Opus {
        /// What was asked of it.
        action: &'static str,
        /// Its answer.
        reason: &'static str,
    },
    /// A frame could not be encrypted.
    #[error("a sound frame could not be encrypted")]
    Seal(#[source] FrameError),
    /// The file is no WAV file, or one of a kind that is not read.
    #[error("not a WAV file that can be read: {0}")]
    Wav(&'static str),
    /// The file is as large as a WAV file can be.
    #[error("the WAV file has reached its largest size, 4 GiB")]
    WavFull,
    /// Reading or writing failed.
    #[error("reading or writing sound failed")]
    Io(#[from] std::io::Error),
}
