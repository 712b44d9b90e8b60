//! Why something in this layer failed.

use crate::crypto::frame::FrameError;

/// Why samples or pictures could not be turned into packets or back, or a file not into either.
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
    /// The VP8 codec refused.
    #[error("VP8 could not {action}: {reason}")]
    Vp8 {
        /// What was asked of it.
        action: &'static str,
        /// Its answer.
        reason: &'static str,
    },
    /// A picture that can't be.
    #[error("not a picture that can be used: {0}")]
    Picture(&'static str),
    /// A frame could not be encrypted.
    #[error("a frame could not be encrypted")]
    Seal(#[source] FrameError),
    /// The file is no WAV file, or one of a kind that is not read.
    #[error("not a WAV file that can be read: {0}")]
    Wav(&'static str),
    /// The file is as large as a WAV file can be.
    #[error("the WAV file has reached its largest size, 4 GiB")]
    WavFull,
    /// The file is no Ogg file of Opus, or is damaged.
    #[error("not an Ogg file of Opus that can be read: {0}")]
    Ogg(&'static str),
    /// The file is no IVF file of VP8, or is damaged.
    #[error("not an IVF file that can be read: {0}")]
    Ivf(&'static str),
    /// The file is no YUV4MPEG2 file, or one of a kind that is not read.
    #[error("not a Y4M file that can be read: {0}")]
    Y4m(&'static str),
    /// Reading or writing failed.
    #[error("reading or writing a media file failed")]
    Io(#[from] std::io::Error),
}
