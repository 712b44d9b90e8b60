//! What never changes about each room: how a bridge that puts another room under a known id is
//! found out.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::model::ContextId;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;

use super::key_ring::Anchor;

/// The application's memory of rooms, so that one visit knows what an earlier one saw.
pub trait RoomVerifier: Send + Sync {
    /// Whether `anchor` (see [`StreamApi::room_anchor`](super::StreamApi::room_anchor)) is that
    /// of the room as it was known before. An unknown room is for the application to judge;
    /// usually it is accepted and remembered. Asked once per room and connection.
    fn verify(&self, context: &ContextId, room: &StreamRoomId, anchor: &[u8; 32]) -> bool;
}

/// Anchors of the rooms that this connection has seen.
#[derive(Default)]
pub(super) struct Anchors {
    verifier: Option<Arc<dyn RoomVerifier>>,
    seen: Mutex<HashMap<StreamRoomId, Anchor>>,
}

impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchors").finish_non_exhaustive()
    }
}

impl Anchors {
    pub(super) fn new(verifier: Option<Arc<dyn RoomVerifier>>) -> Self {
        Self { verifier, seen: Mutex::default() }
    }

    /// Whether the room is what it was when it was first seen, here and by the application.
    pub(super) fn accepts(&self, room: &StreamRoom, anchor: Anchor) -> bool {
        let id = &room.stream_room_id;
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        if let Some(known) = known {
            return known == anchor;
        }
        // Not under the lock: the application may read and write files.
        let accepted = self
            .verifier
            .as_ref()
            .is_none_or(|verifier| verifier.verify(&room.context_id, id, &anchor));
        if !accepted {
            return false;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry(id.clone()).or_insert(anchor) == anchor
    }
}
