//! Where the pictures of a track go, and what comes back about them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::watch;

use super::error::RtcError;
use super::publisher::Content;
use super::publisher::Frame;

/// Packets of one picture beyond which it is refused: 1.2 MB.
pub const MAX_PICTURE_PACKETS: usize = 1024;

/// One encoded (and sealed) picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedVideo {
    /// RTP payloads, in order; the last one gets the marker.
    pub payloads: Vec<Bytes>,
    /// RTP timestamp, 90000 per second.
    pub timestamp: u32,
}

/// What the SFU says about one video track.
#[derive(Debug, Default)]
pub(super) struct VideoFeedback {
    key_frame: AtomicBool,
    /// Bits per second; 0 is unknown.
    bitrate: AtomicU32,
}

impl VideoFeedback {
    pub(super) fn want_key_frame(&self) {
        self.key_frame.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_bitrate(&self, bits_per_second: f32) {
        // Saturates; a rate below 1 is as bad as none.
        self.bitrate.store((bits_per_second as u32).max(1), Ordering::Relaxed);
    }
}

/// Where the pictures of one video track go.
#[derive(Clone)]
pub struct VideoSink {
    pub(super) track: u64,
    pub(super) frames: mpsc::Sender<Frame>,
    pub(super) feedback: Arc<VideoFeedback>,
    pub(super) loss: watch::Receiver<u8>,
}

impl VideoSink {
    /// Queues one picture. Never waits: what cannot be sent now is old when it can.
    ///
    /// Pictures written before the connection is up are dropped silently; once it is, a key
    /// frame is wanted. Large pictures are sent in small bursts.
    ///
    /// # Errors
    ///
    /// [`RtcError::QueueFull`] if the task is behind or the picture has more than
    /// [`MAX_PICTURE_PACKETS`], [`RtcError::Closed`] if the task is gone. The next picture must
    /// be a key frame then, and is wanted as one.
    pub fn write(&self, picture: EncodedVideo) -> Result<(), RtcError> {
        let written = if picture.payloads.len() > MAX_PICTURE_PACKETS {
            Err(RtcError::QueueFull)
        } else {
            let frame = Frame { track: self.track, content: Content::Video(picture) };
            self.frames.try_send(frame).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => RtcError::QueueFull,
                mpsc::error::TrySendError::Closed(_) => RtcError::Closed,
            })
        };
        if written.is_err() {
            self.feedback.want_key_frame();
        }
        written
    }

    /// Whether somebody needs a picture that stands alone (PLI, FIR), or the first one is due.
    #[must_use]
    pub fn key_frame_wanted(&self) -> bool {
        self.feedback.key_frame.load(Ordering::Relaxed)
    }

    /// The same; whoever asks promises to send one.
    #[must_use]
    pub fn take_key_frame_wanted(&self) -> bool {
        self.feedback.key_frame.swap(false, Ordering::Relaxed)
    }

    /// What the SFU takes at most (REMB), in kbit/s, divided among the video tracks of the
    /// connection; `None` until it says so.
    #[must_use]
    pub fn bandwidth_kbit(&self) -> Option<u32> {
        let bits = self.feedback.bitrate.load(Ordering::Relaxed);
        (bits > 0).then(|| bits.div_ceil(1000))
    }

    /// Percent of the packets sent that the SFU says it misses, held for some seconds.
    #[must_use]
    pub fn loss(&self) -> u8 {
        *self.loss.borrow()
    }
}

impl fmt::Debug for VideoSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoSink").field("track", &self.track).finish_non_exhaustive()
    }
}
