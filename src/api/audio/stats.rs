//! Figures of single tracks, for those who watch a room rather than take part.

use crate::api::ApiError;
use crate::api::StreamApi;
use crate::model::StreamRoomId;
use crate::model::TrackStats;

impl StreamApi {
    /// Counters and level of every track of sound that is received in a joined room. What is
    /// not played is not decoded: without a loudspeaker, be it
    /// [`DeviceSpec::Null`](crate::device::DeviceSpec::Null), levels stay at the bottom.
    ///
    /// Counters belong to the track: they begin at 0 again with a new one.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the room is not joined.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes.
    pub async fn track_stats(&self, room: &StreamRoomId) -> Result<Vec<TrackStats>, ApiError> {
        let token = self.joined(room)?.room.token;
        Ok(self.audio().tracks(token).await)
    }
}
