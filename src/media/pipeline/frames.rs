//! Puts the packets of a video track in order and whole frames together.
//!
//! Knows numbers and the clear parts of packets, no time and no keys. It holds back what came
//! too early and answers step by step what can be done next. Bounded in packets and in bytes:
//! when either is exceeded, the oldest give way.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use bytes::Bytes;

use super::descriptor;
use super::descriptor::PictureId;
use super::video_recv::VideoPacket;
use crate::media::codec::vp8::begins_like_key_frame;

/// Most packets that are held back: more than the largest frame has.
const MAX_PACKETS: usize = 4096;
/// Most packets that are held back where no frame has begun: they may belong to a key frame whose
/// start is late.
const MAX_STRAYS: usize = 512;
/// Most bytes that are held back: more than the largest frame that can be opened.
const MAX_BYTES: usize = 6 << 20;
/// Numbers further ahead than this begin a new count, as when a sender starts again.
const MAX_AHEAD: u64 = 10_000;

/// What can be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This frame is whole, and so is what it refers to as far as numbers tell.
    Frame {
        /// Clear header, ciphertext and what follows.
        sealed: Vec<u8>,
        /// It begins like a key frame.
        key: bool,
    },
    /// What came can't be continued. What comes next begins with a key frame.
    Broken,
    /// Packets are waiting behind one that is missing.
    Gap,
    /// Nothing.
    Wait,
}

#[derive(Debug)]
struct Piece {
    timestamp: u32,
    marker: bool,
    /// `None` for padding, which has a number and nothing else.
    frame: Option<Part>,
}

#[derive(Debug)]
struct Part {
    starts: bool,
    key: bool,
    id: Option<PictureId>,
    layered: bool,
    bytes: Bytes,
}

/// The packets of one track.
#[derive(Debug, Default)]
pub(super) struct Frames {
    waiting: BTreeMap<u64, Piece>,
    bytes: usize,
    /// The number whose turn it is; `None` until a key frame begins.
    next: Option<u64>,
    /// The picture id of the last frame, where it says something about the next.
    last_id: Option<PictureId>,
    /// All numbers below are done with.
    floor: u64,
}

impl Frames {
    /// Takes a packet; whether it was of use.
    pub(super) fn push(&mut self, packet: VideoPacket) -> bool {
        let VideoPacket { seq, timestamp, marker, payload } = packet;
        let newest = self.waiting.last_key_value().map_or(self.floor, |(newest, _)| *newest);
        if seq > newest.saturating_add(MAX_AHEAD) || newest > seq.saturating_add(MAX_AHEAD) {
            *self = Self { floor: seq, ..Self::default() };
        }
        if seq < self.floor {
            return false;
        }
        let frame = if payload.is_empty() {
            None
        } else {
            let Some(read) = descriptor::read(&payload) else { return false };
            let bytes = payload.slice_ref(read.piece);
            let key = read.starts && begins_like_key_frame(&bytes);
            Some(Part { starts: read.starts, key, id: read.id, layered: read.layered, bytes })
        };
        let size = frame.as_ref().map_or(0, |part| part.bytes.len());
        if self.waiting.contains_key(&seq) {
            return false;
        }
        self.bytes = self.bytes.saturating_add(size);
        self.waiting.insert(seq, Piece { timestamp, marker, frame });
        let most = if self.next.is_none() { MAX_STRAYS } else { MAX_PACKETS };
        while self.waiting.len() > most || self.bytes > MAX_BYTES {
            let Some((&oldest, _)) = self.waiting.first_key_value() else { break };
            self.drop_before(oldest.saturating_add(1));
        }
        true
    }

    /// What can be done next. To be asked until it answers [`Next::Gap`] or [`Next::Wait`].
    pub(super) fn next(&mut self) -> Next {
        if self.next.is_none() {
            self.begin();
        }
        while let Some(next) = self.next {
            let Some((&first, piece)) = self.waiting.first_key_value() else { break };
            if first > next {
                // Behind a gap only a key frame is of use; if there is one, why wait?
                return self.jump_or_wait();
            }
            if piece.frame.is_some() {
                return self.take(next);
            }
            let after = next.saturating_add(1);
            self.drop_before(after);
            self.next = Some(after);
        }
        Next::Wait
    }

    /// No key frame is on its way.
    pub(super) const fn awaits_key_frame(&self) -> bool {
        self.next.is_none()
    }

    /// Goes on with the next key frame: the packet that is missing will not come.
    pub(super) fn give_up_gap(&mut self) {
        if let Some(next) = self.next {
            self.skip_from(next.saturating_add(1));
        }
    }

    /// Goes on with the next key frame: the last frame was of no use.
    pub(super) fn skip_to_key_frame(&mut self) {
        if let Some(next) = self.next {
            self.skip_from(next);
        }
    }

    /// Forgets what can't be decoded without a key frame. Goes on with the oldest one from `seq`
    /// on that has begun to come, if there is one.
    fn skip_from(&mut self, seq: u64) {
        self.drop_before(seq);
        let start = self.waiting.iter().find(|(_, piece)| piece.starts_key());
        let start = start.map(|(seq, _)| *seq);
        // The rest of what is waiting may belong to a key frame whose start is late.
        self.next = None;
        self.last_id = None;
        if let Some(start) = start {
            self.start_at(start);
        }
    }

    /// Goes on with a key frame that is whole, or waits for what is missing.
    fn jump_or_wait(&mut self) -> Next {
        let Some(start) = self.whole_key_frame() else { return Next::Gap };
        self.start_at(start);
        Next::Broken
    }

    /// Looks for a key frame to begin with.
    fn begin(&mut self) {
        let start = self.waiting.iter().find(|(_, piece)| piece.starts_key());
        if let Some(start) = start.map(|(seq, _)| *seq) {
            self.start_at(start);
        }
    }

    fn start_at(&mut self, seq: u64) {
        self.drop_before(seq);
        self.next = Some(seq);
        self.last_id = None;
    }

    /// The start of the first key frame that is waiting as a whole.
    fn whole_key_frame(&self) -> Option<u64> {
        let starts = self.waiting.iter().filter(|(_, piece)| piece.starts_key());
        let mut starts = starts.map(|(seq, _)| *seq);
        starts.find(|start| matches!(self.extent(*start), Extent::Whole(_)))
    }

    /// How far the frame that starts with this number reaches.
    fn extent(&self, start: u64) -> Extent {
        let Some(first) = self.waiting.get(&start) else { return Extent::Partial };
        let mut expected = start;
        for (&seq, piece) in self.waiting.range(start..) {
            if seq != expected {
                return Extent::Partial;
            }
            let Some(part) = &piece.frame else { return Extent::Broken };
            if part.starts != (seq == start) || piece.timestamp != first.timestamp {
                return Extent::Broken;
            }
            if piece.marker {
                return Extent::Whole(seq);
            }
            expected = seq.saturating_add(1);
        }
        Extent::Partial
    }

    /// Takes the frame that starts at `next`, whose packet is there.
    fn take(&mut self, next: u64) -> Next {
        let last = match self.extent(next) {
            Extent::Whole(last) => last,
            Extent::Broken => {
                self.skip_from(next.saturating_add(1));
                return Next::Broken;
            }
            Extent::Partial => {
                // Either the rest is still to come, or something behind it came already.
                let ahead = self.waiting.range(next..).zip(next..).any(|((at, _), seq)| *at != seq);
                return if ahead { self.jump_or_wait() } else { Next::Wait };
            }
        };
        let after = last.saturating_add(1);
        let mut sealed = Vec::new();
        for piece in self.waiting.range(next..after).filter_map(|(_, piece)| piece.frame.as_ref()) {
            sealed.extend_from_slice(&piece.bytes);
        }
        let first = self.waiting.get(&next).and_then(|piece| piece.frame.as_ref());
        let (key, id, layered) =
            first.map_or((false, None, true), |part| (part.key, part.id, part.layered));
        self.drop_before(after);
        self.next = Some(after);
        let follows = key || id.zip(self.last_id).is_none_or(|(id, last)| id.follows(last));
        // With layers, frames that nothing refers to may be left out on the way.
        self.last_id = if layered { None } else { id };
        if follows {
            return Next::Frame { sealed, key };
        }
        self.skip_from(after);
        Next::Broken
    }

    fn drop_before(&mut self, seq: u64) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() < seq) {
            let piece = entry.remove();
            let size = piece.frame.map_or(0, |part| part.bytes.len());
            self.bytes = self.bytes.saturating_sub(size);
        }
        self.floor = self.floor.max(seq);
    }
}

impl Piece {
    fn starts_key(&self) -> bool {
        self.frame.as_ref().is_some_and(|part| part.key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Up to and with this number.
    Whole(u64),
    /// A packet is missing.
    Partial,
    /// The packets that are there don't make a frame.
    Broken,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece of a frame of 1000 bytes.
    fn packet(seq: u64, starts: bool) -> VideoPacket {
        let mut payload = descriptor::write(starts, 0).to_vec();
        payload.resize(1000, 0);
        VideoPacket { seq, timestamp: 0, marker: false, payload: payload.into() }
    }

    #[test]
    fn frames_that_never_end_take_no_more_than_there_is_room_for() {
        let mut frames = Frames::default();
        frames.push(packet(0, true));
        assert_eq!(frames.next(), Next::Wait);
        for seq in 1..9000 {
            frames.push(packet(seq, false));
            assert!(frames.waiting.len() <= MAX_PACKETS && frames.bytes <= MAX_BYTES);
        }
        assert_eq!(frames.next(), Next::Gap);
        frames.give_up_gap();
        assert!(frames.awaits_key_frame());
        assert_eq!(frames.next(), Next::Wait);
    }

    #[test]
    fn any_amount_of_padding_is_passed_over() {
        let mut frames = Frames::default();
        let mut whole = packet(0, true);
        whole.marker = true;
        frames.push(whole);
        assert!(matches!(frames.next(), Next::Frame { key: true, .. }));
        for seq in (1..4000).rev() {
            let payload = Bytes::new();
            frames.push(VideoPacket { seq, timestamp: 0, marker: false, payload });
        }
        assert_eq!((frames.next(), frames.waiting.len()), (Next::Wait, 0));
    }

    #[test]
    fn packets_without_a_beginning_are_soon_forgotten() {
        let mut frames = Frames::default();
        for seq in 0..2000 {
            frames.push(packet(seq * 2, false));
            assert_eq!(frames.next(), Next::Wait);
            assert!(frames.waiting.len() <= MAX_STRAYS);
        }
        // A step that is too large begins a new count, in either direction.
        frames.push(packet(1 << 40, true));
        assert_eq!((frames.waiting.len(), frames.next()), (1, Next::Wait));
        frames.push(packet(5, true));
        assert_eq!((frames.waiting.len(), frames.next()), (1, Next::Wait));
    }
}
