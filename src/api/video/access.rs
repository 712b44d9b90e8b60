//! The way to the pictures of a room, and to sources of pictures.

use std::sync::Arc;

use tokio::sync::watch;

use crate::api::ApiError;
use crate::api::StreamApi;
use crate::api::publish::VideoInput;
use crate::device;
use crate::device::video::VideoSpec;
use crate::media::video::Picture;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::TrackId;
use crate::model::VideoContent;

use super::format::format_of;

impl StreamApi {
    /// The newest picture of a video track, decoded; `None` while nothing is received of it.
    /// It is received while somebody [subscribes](Self::subscribe_to_remote_streams) to it.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the room is not joined.
    pub fn pictures(
        &self,
        room: &StreamRoomId,
        stream: StreamId,
        track: &TrackId,
    ) -> Result<watch::Receiver<Option<Arc<Picture>>>, ApiError> {
        let token = self.joined(room)?.room.token;
        Ok(self.video().pictures(token, stream, track))
    }
}

/// Opens a source of pictures where waiting is allowed.
pub(in crate::api) async fn open_video(
    spec: VideoSpec,
    content: VideoContent,
) -> Result<VideoInput, ApiError> {
    let format = format_of(content, &spec);
    let opening = tokio::task::spawn_blocking(move || device::video::open(&spec, &format));
    let source = opening.await.map_err(|_| ApiError::Closed)?;
    let source = source.map_err(|error| ApiError::Device(error.to_string()))?;
    Ok(VideoInput { source, content, format })
}
