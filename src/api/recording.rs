//! Recording of rooms by the media server, and the keys to what it recorded (streams.md §13).

use std::sync::Arc;

use crate::crypto::room_key;
use crate::model::KeyId;
use crate::model::Secret;
use crate::model::StreamRoomId;
use crate::wire::dto::stream_room::StreamRoomEnableRecording;

use super::error::ApiError;
use super::presence::untrusted;
use super::stream_api::StreamApi;

/// A key that recordings of a room are encrypted with.
#[derive(Clone, Debug)]
pub struct RecordingEncKey {
    /// What recorded frames name it by.
    pub id: KeyId,
    /// The key of AES-256-GCM, ready for use: SHA-256 of the room's key of this id.
    pub key: Arc<Secret<[u8; 32]>>,
}

impl StreamApi {
    /// Makes the media server record everybody in a joined room from now on, sealed as it is.
    /// Official bridges tell nobody and offer no way to end it.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotJoined`] if the room is not joined.
    /// - [`ApiError::Net`] with code 0x30 unless policy lets this user update the room.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the recording.
    pub async fn enable_stream_room_recording(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        self.joined(room)?;
        let call = StreamRoomEnableRecording { stream_room_id: room.0.clone() };
        self.core().call(&call).await.map(drop)
    }

    /// The keys that open recordings of a room: one per key that the room has had and that
    /// this user holds, the current one first. Works as long as the room exists.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Untrusted`] if the room does not verify.
    /// - [`ApiError::Net`] as [`get_stream_room`](Self::get_stream_room).
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn get_stream_room_recording_keys(
        &self,
        room: &StreamRoomId,
    ) -> Result<Vec<RecordingEncKey>, ApiError> {
        let (_, opened) = self.fetch(room).await?;
        let trusted = opened.trusted.ok_or_else(|| untrusted(&opened.room))?;
        let current = trusted.current_key_id().clone();
        let mut keys: Vec<_> = room_key::media_keys(trusted.keys())
            .into_iter()
            .map(|key| RecordingEncKey { id: key.id, key: Arc::new(key.key) })
            .collect();
        keys.sort_by_key(|key| key.id != current);
        Ok(keys)
    }
}
