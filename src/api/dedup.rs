//! Removes facts that arrive twice.
//!
//! A bridge of the older generation repeats a departure once per remaining session, and a
//! server that speaks both generations tells some facts in both shapes (streams.md §8).
//! A fact is a repetition if the same one came shortly before and its opposite did not come
//! in between.

use std::collections::VecDeque;

use crate::model::EventKind;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

/// Two equal facts closer than this are one. Both shapes are sent in the same moment.
const WINDOW_MS: i64 = 2000;

/// How many facts are remembered; more than happen in a room within the window.
const REMEMBERED: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Presence(StreamRoomId, UserId),
    Stream(StreamRoomId, StreamId),
    Room(StreamRoomId),
}

/// Remembers what was told lately.
#[derive(Debug, Default)]
pub(super) struct Deduplicator {
    recent: VecDeque<(Subject, bool, Timestamp)>,
}

impl Deduplicator {
    /// Whether `kind` is new. `timestamp` is that of the event.
    pub(super) fn is_new(&mut self, kind: &EventKind, timestamp: Timestamp) -> bool {
        let Some((subject, begins)) = subject(kind) else { return true };
        let last = self.recent.iter().rev().find(|(known, ..)| *known == subject);
        let repeated = last.is_some_and(|(_, began, when)| {
            *began == begins && timestamp.0.saturating_sub(when.0) <= WINDOW_MS
        });
        if repeated {
            return false;
        }
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((subject, begins, timestamp));
        true
    }
}

fn subject(kind: &EventKind) -> Option<(Subject, bool)> {
    Some(match kind {
        EventKind::StreamRoomJoined { room, user } => {
            (Subject::Presence(room.clone(), user.clone()), true)
        }
        EventKind::StreamRoomLeft { room, user } => {
            (Subject::Presence(room.clone(), user.clone()), false)
        }
        EventKind::StreamUnpublished { room, stream, .. } => {
            (Subject::Stream(room.clone(), *stream), false)
        }
        EventKind::StreamPublished(data) => {
            (Subject::Stream(data.stream_room_id.clone(), data.stream.id), true)
        }
        EventKind::StreamRoomDeleted(room) => (Subject::Room(room.clone()), false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(user: &str) -> EventKind {
        EventKind::StreamRoomLeft { room: "r".into(), user: user.into() }
    }

    fn joined(user: &str) -> EventKind {
        EventKind::StreamRoomJoined { room: "r".into(), user: user.into() }
    }

    #[test]
    fn fact_told_twice_is_one_fact() {
        let mut dedup = Deduplicator::default();
        let cases = [
            ("first", left("a"), 1000, true),
            ("the same in the other shape", left("a"), 1001, false),
            ("somebody else", left("b"), 1001, true),
            ("came back", joined("a"), 1500, true),
            ("left again", left("a"), 1600, true),
            ("much later", left("a"), 9000, true),
        ];
        for (name, kind, at, new) in cases {
            assert_eq!(dedup.is_new(&kind, Timestamp(at)), new, "{name}");
        }
    }
}
