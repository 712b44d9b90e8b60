//! What a joined room allows next, without doing it: joined, one local stream, its tracks.
//!
//! The rules of streams.md §9.10 in one place. A publication that fails leaves the handle
//! usable, and there is one handle per room at most.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use crate::model::StreamHandle;
use crate::model::StreamRoomId;

use super::error::ApiError;

/// Handles are unique within the process, so that a stale one never names another stream.
static NEXT_HANDLE: AtomicI64 = AtomicI64::new(1);

/// How far the local stream of a room has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Made, not offered to anybody.
    Staged,
    /// A publication or update is under way.
    Negotiating,
    /// Others can subscribe to it.
    Published,
}

/// The rooms that an API object is in, and their local streams.
#[derive(Debug, Default)]
pub(super) struct LocalStreams {
    by_handle: HashMap<StreamHandle, (StreamRoomId, Stage)>,
}

impl LocalStreams {
    /// Makes the handle of a room's local stream.
    pub(super) fn create(&mut self, room: &StreamRoomId) -> Result<StreamHandle, ApiError> {
        if self.by_handle.values().any(|(held, _)| held == room) {
            return Err(ApiError::StreamExists(room.clone()));
        }
        let handle = StreamHandle(NEXT_HANDLE.fetch_add(1, Ordering::Relaxed));
        self.by_handle.insert(handle, (room.clone(), Stage::Staged));
        Ok(handle)
    }

    /// The room of a handle.
    pub(super) fn room(&self, handle: StreamHandle) -> Result<StreamRoomId, ApiError> {
        self.entry(handle).map(|(room, _)| room.clone())
    }

    /// Begins the first publication.
    pub(super) fn begin_publish(&mut self, handle: StreamHandle) -> Result<(), ApiError> {
        match self.entry(handle)?.1 {
            Stage::Staged => self.set(handle, Stage::Negotiating),
            Stage::Negotiating | Stage::Published => {
                return Err(ApiError::AlreadyPublished(handle));
            }
        }
        Ok(())
    }

    /// Checks that there is something to update or to withdraw.
    pub(super) fn require_published(&self, handle: StreamHandle) -> Result<(), ApiError> {
        match self.entry(handle)?.1 {
            Stage::Published => Ok(()),
            Stage::Staged | Stage::Negotiating => Err(ApiError::NotPublished(handle)),
        }
    }

    /// Ends a publication: done, or back to where it began.
    pub(super) fn end_publish(&mut self, handle: StreamHandle, published: bool) {
        self.set(handle, if published { Stage::Published } else { Stage::Staged });
    }

    /// Forgets a handle.
    pub(super) fn remove(&mut self, handle: StreamHandle) {
        self.by_handle.remove(&handle);
    }

    /// Forgets the handle of a room that was left.
    pub(super) fn remove_room(&mut self, room: &StreamRoomId) {
        self.by_handle.retain(|_, (held, _)| held != room);
    }

    /// Whether others can subscribe to a room's local stream.
    pub(super) fn is_published(&self, room: &StreamRoomId) -> bool {
        self.by_handle.values().any(|(held, stage)| held == room && *stage == Stage::Published)
    }

    /// The handle of a room's local stream.
    #[cfg(test)]
    fn of_room(&self, room: &StreamRoomId) -> Option<StreamHandle> {
        self.by_handle.iter().find(|(_, (held, _))| held == room).map(|(handle, _)| *handle)
    }

    fn entry(&self, handle: StreamHandle) -> Result<&(StreamRoomId, Stage), ApiError> {
        self.by_handle.get(&handle).ok_or(ApiError::UnknownHandle(handle))
    }

    fn set(&mut self, handle: StreamHandle, stage: Stage) {
        if let Some((_, held)) = self.by_handle.get_mut(&handle) {
            *held = stage;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_has_one_stream_which_is_published_once() {
        let room = StreamRoomId::from("r");
        let mut streams = LocalStreams::default();
        let handle = streams.create(&room).unwrap();
        assert!(matches!(streams.create(&room), Err(ApiError::StreamExists(_))));
        assert!(matches!(streams.require_published(handle), Err(ApiError::NotPublished(_))));
        streams.begin_publish(handle).unwrap();
        assert!(matches!(streams.begin_publish(handle), Err(ApiError::AlreadyPublished(_))));
        streams.end_publish(handle, false);
        streams.begin_publish(handle).unwrap();
        streams.end_publish(handle, true);
        streams.require_published(handle).unwrap();
        streams.remove_room(&room);
        assert!(matches!(streams.room(handle), Err(ApiError::UnknownHandle(_))));
        assert_eq!(streams.of_room(&room), None);
        assert_ne!(streams.create(&room).unwrap(), handle);
    }
}
