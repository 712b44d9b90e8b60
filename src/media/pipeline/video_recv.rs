//! From sealed RTP payloads to pictures.
//!
//! Packets are put in order, whole frames are opened and decoded, and the newest picture is
//! handed out at once: nothing is delayed to even out the network, because a picture that is
//! late is worth less than one that comes unevenly.
//!
//! A frame that is missing breaks all that follow until the next key frame, so after a gap there
//! is nothing to show: the receiver waits a little for packets that are sent again, then gives
//! the gap up, asks for a key frame and goes on there. A key frame that is complete behind a gap
//! ends the wait. The same goes for frames that don't authenticate or don't decode. So no
//! picture is ever shown that was decoded without what it refers to.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::frames::Frames;
use super::frames::Next;
use super::sequence::SequenceCounter;
use crate::crypto::frame::FrameCryptor;
use crate::crypto::frame::FrameKeys;
use crate::crypto::frame::ReplayWindow;
use crate::media::codec::vp8::Decoder;
use crate::media::video::Picture;
use crate::model::TrackKind;

/// How long a gap may be filled by packets that are sent again: two round trips across a
/// continent. Longer, and the key frame that has to be asked for comes too late.
pub const GAP_PATIENCE: Duration = Duration::from_millis(150);
/// Time between two requests for a key frame, at first; it doubles as long as none comes.
pub const FIRST_REQUEST_INTERVAL: Duration = Duration::from_millis(300);
/// Longest time between two requests for a key frame.
pub const LAST_REQUEST_INTERVAL: Duration = Duration::from_secs(2);

/// One RTP packet of video.
#[derive(Clone, Debug)]
pub struct VideoPacket {
    /// Sequence number, extended to 64 bits.
    pub seq: u64,
    /// RTP timestamp, 90 kHz.
    pub timestamp: u32,
    /// The last packet of its frame.
    pub marker: bool,
    /// Descriptor and a piece of a sealed frame.
    pub payload: Bytes,
}

/// What one incoming video track has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoReceiverStats {
    /// RTP packets that came.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// RTP packets that never came, by their numbers.
    pub lost: u64,
    /// Packets without a piece of a frame, or without room for it.
    pub unusable: u64,
    /// Frames that were put together.
    pub frames: u64,
    /// Frames that did not authenticate and were dropped.
    pub undecryptable: u64,
    /// Authentic frames that were no VP8, or referred to what was not there.
    pub undecoded: u64,
    /// Times that the stream was broken and a key frame was needed to go on.
    pub breaks: u64,
    /// Pictures that were decoded to be shown.
    pub pictures: u64,
    /// Key frames among what was decoded.
    pub key_frames: u64,
    /// Columns of the newest picture.
    pub width: u32,
    /// Rows of the newest picture.
    pub height: u32,
}

/// One incoming video track.
pub struct VideoReceiver {
    cryptor: FrameCryptor,
    replays: ReplayWindow,
    frames: Frames,
    decoder: Decoder,
    sequence: SequenceCounter,
    /// When it was noticed that a packet is missing.
    gap_since: Option<Instant>,
    asked_at: Option<Instant>,
    ask_again_after: Duration,
    opened: Vec<u8>,
    stats: VideoReceiverStats,
}

impl VideoReceiver {
    /// A receiver that has seen nothing yet.
    #[must_use]
    pub fn new(keys: Arc<FrameKeys>) -> Self {
        Self {
            cryptor: FrameCryptor::new(keys),
            replays: ReplayWindow::default(),
            frames: Frames::default(),
            decoder: Decoder::new(),
            sequence: SequenceCounter::default(),
            gap_since: None,
            asked_at: None,
            ask_again_after: FIRST_REQUEST_INTERVAL,
            opened: Vec::new(),
            stats: VideoReceiverStats::default(),
        }
    }

    /// Opens with `keys` from the next frame on.
    pub fn set_keys(&mut self, keys: Arc<FrameKeys>) {
        self.cryptor.set_keys(keys);
        // What could not be opened so far may be now.
        self.asked_at = None;
        self.ask_again_after = FIRST_REQUEST_INTERVAL;
    }

    /// Takes one RTP packet. Answers the newest picture that it completed, if any.
    pub fn handle_packet(&mut self, packet: VideoPacket, now: Instant) -> Option<Arc<Picture>> {
        let size = u64::try_from(packet.payload.len()).unwrap_or(u64::MAX);
        self.stats.bytes = self.stats.bytes.saturating_add(size);
        self.sequence.count(packet.seq);
        if !self.frames.push(packet) {
            self.stats.unusable = self.stats.unusable.saturating_add(1);
        }
        self.advance(now)
    }

    /// Notes that time has passed: gaps are given up. Answers as
    /// [`handle_packet`](Self::handle_packet). To be called some times per second.
    pub fn handle_time(&mut self, now: Instant) -> Option<Arc<Picture>> {
        self.advance(now)
    }

    /// Whether to ask the sender for a key frame now; if so, it counts as asked. Says so again
    /// and again as long as none comes, but ever less often.
    pub fn wants_key_frame(&mut self, now: Instant) -> bool {
        if !self.needs_key_frame() {
            return false;
        }
        let due = match self.asked_at {
            None => true,
            Some(asked) => now.saturating_duration_since(asked) >= self.ask_again_after,
        };
        if due {
            if self.asked_at.is_some() {
                let longer = self.ask_again_after.saturating_mul(2);
                self.ask_again_after = longer.min(LAST_REQUEST_INTERVAL);
            }
            self.asked_at = Some(now);
        }
        due
    }

    /// Nothing can be shown until a key frame comes, and none has begun to. Not so before the first packet: as long as
    /// nothing is sent there is nobody to ask.
    #[must_use]
    pub fn needs_key_frame(&self) -> bool {
        self.frames.awaits_key_frame() && self.sequence.received() > 0
    }

    /// What has been counted so far.
    #[must_use]
    pub fn stats(&self) -> VideoReceiverStats {
        VideoReceiverStats {
            packets: self.sequence.received(),
            lost: self.sequence.lost(),
            ..self.stats
        }
    }

    /// Decodes what is complete and gives up what is overdue.
    fn advance(&mut self, now: Instant) -> Option<Arc<Picture>> {
        let mut newest = None;
        loop {
            match self.frames.next() {
                Next::Frame { sealed, key } => {
                    self.gap_since = None;
                    self.stats.frames = self.stats.frames.saturating_add(1);
                    newest = self.decode(&sealed, key).or(newest);
                }
                Next::Broken => self.begin_anew(),
                Next::Gap => {
                    let since = *self.gap_since.get_or_insert(now);
                    if now.saturating_duration_since(since) < GAP_PATIENCE {
                        return newest;
                    }
                    self.frames.give_up_gap();
                    self.begin_anew();
                }
                Next::Wait => {
                    self.gap_since = None;
                    return newest;
                }
            }
        }
    }

    /// Decodes nothing until a key frame comes.
    fn begin_anew(&mut self) {
        self.gap_since = None;
        if !self.decoder.needs_key_frame() {
            self.stats.breaks = self.stats.breaks.saturating_add(1);
            self.decoder.reset();
        }
    }

    fn decode(&mut self, sealed: &[u8], key: bool) -> Option<Arc<Picture>> {
        if self.cryptor.open_into(TrackKind::Video, sealed, &mut self.opened).is_err()
            || !self.replays.accept(sealed)
        {
            self.stats.undecryptable = self.stats.undecryptable.saturating_add(1);
            self.frames.skip_to_key_frame();
            self.begin_anew();
            return None;
        }
        let Ok(picture) = self.decoder.decode(&self.opened) else {
            self.stats.undecoded = self.stats.undecoded.saturating_add(1);
            // The decoder has begun anew by itself.
            self.stats.breaks = self.stats.breaks.saturating_add(1);
            self.frames.skip_to_key_frame();
            return None;
        };
        if key {
            self.stats.key_frames = self.stats.key_frames.saturating_add(1);
            self.asked_at = None;
            self.ask_again_after = FIRST_REQUEST_INTERVAL;
        }
        let picture = picture?;
        self.stats.pictures = self.stats.pictures.saturating_add(1);
        self.stats.width = picture.width();
        self.stats.height = picture.height();
        Some(Arc::new(picture))
    }
}
