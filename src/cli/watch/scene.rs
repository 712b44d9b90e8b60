//! How things stand at one moment, as rules and figures see it: plain data.

use std::collections::BTreeMap;

use crate::model::StreamRoomId;
use crate::model::UserId;

/// All rooms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// The bridge can be reached.
    pub connected: bool,
    /// The rooms that are watched.
    pub rooms: BTreeMap<StreamRoomId, RoomScene>,
}

/// One room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomScene {
    /// Its name, fit for a terminal.
    pub name: String,
    /// What is told of it is of this moment: its call works.
    pub current: bool,
    /// Streams in it.
    pub streams: usize,
    /// Everybody who is or was there.
    pub people: BTreeMap<UserId, PersonScene>,
}

/// Somebody in a room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonScene {
    /// They are there now.
    pub present: bool,
    /// They came after watching began.
    pub arrived: bool,
    /// They were there, and are not any more.
    pub departed: bool,
    /// Their loudest track, if one is received.
    pub sound: Option<Sound>,
    /// Counters since watching began.
    pub totals: Totals,
    /// What the counters counted in the last 10 s.
    pub recent: Totals,
}

/// How somebody sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sound {
    /// Level now, dBFS.
    pub level: f64,
    /// Taken for speech.
    pub speaking: bool,
    /// They say that they are muted.
    pub muted: bool,
    /// Share of packets lost in the last seconds, 0 to 1.
    pub loss: Option<f64>,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f64,
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Packets received.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Sound invented, milliseconds.
    pub concealed_ms: u64,
    /// Frames and messages that did not authenticate.
    pub undecryptable: u64,
    /// Time spoken, milliseconds.
    pub speaking_ms: u64,
}

impl RoomScene {
    /// How many people are there.
    #[must_use]
    pub fn present(&self) -> usize {
        self.people.values().filter(|person| person.present).count()
    }
}

impl Totals {
    /// What was counted between `earlier` and this; what began anew counts in full.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        const fn step(now: u64, before: u64) -> u64 {
            if now >= before { now - before } else { now }
        }
        Self {
            packets: step(self.packets, earlier.packets),
            // A late packet takes a loss back.
            lost: self.lost.saturating_sub(earlier.lost),
            bytes: step(self.bytes, earlier.bytes),
            concealed_ms: step(self.concealed_ms, earlier.concealed_ms),
            undecryptable: step(self.undecryptable, earlier.undecryptable),
            speaking_ms: step(self.speaking_ms, earlier.speaking_ms),
        }
    }

    /// Adds `more`.
    pub const fn add(&mut self, more: &Self) {
        self.packets = self.packets.saturating_add(more.packets);
        self.lost = self.lost.saturating_add(more.lost);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.concealed_ms = self.concealed_ms.saturating_add(more.concealed_ms);
        self.undecryptable = self.undecryptable.saturating_add(more.undecryptable);
        self.speaking_ms = self.speaking_ms.saturating_add(more.speaking_ms);
    }
}
