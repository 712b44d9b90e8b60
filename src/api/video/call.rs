//! What a call shows, and what of others it looks at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::access::open_video;
use super::format::TEXT;
use super::wanted::Wanted;
use crate::api::ApiError;
use crate::api::Call;
use crate::api::VideoSpec;
use crate::api::publish::Source;
use crate::api::publish::VideoInput;
use crate::api::terminal::Drawn;
use crate::media::video::Picture;
use crate::model::LocalTrackId;
use crate::model::StreamHandle;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::VideoContent;

/// How long a source may take to close: more than a camera needs for a picture.
const PATIENCE: Duration = Duration::from_secs(5);

/// The video tracks of this process, and what they were opened by.
pub(in crate::api) type Shown = BTreeMap<VideoContent, (LocalTrackId, Option<VideoSpec>)>;

impl Call {
    /// Shows pictures of this camera from now on; `None` shows none any more.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Device`] if it can't be opened; then the old one goes on, unless it is the
    ///   same one, which had to be closed first.
    /// - [`ApiError::UnknownHandle`] if the call was joined without anything to publish.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the exchange.
    pub async fn set_camera(&self, camera: Option<VideoSpec>) -> Result<(), ApiError> {
        self.show(VideoContent::Camera, camera).await
    }

    /// Shows this screen, or what stands in for one; `None` shows none any more.
    ///
    /// # Errors
    ///
    /// As [`set_camera`](Self::set_camera).
    ///
    /// # Cancel safety
    ///
    /// As [`set_camera`](Self::set_camera).
    pub async fn set_screen(&self, screen: Option<VideoSpec>) -> Result<(), ApiError> {
        self.show(VideoContent::Screen, screen).await
    }

    /// Sends the own shared terminal as video, too, or no longer: for those who show no shared
    /// terminals, as official clients. While none is shared there are no pictures.
    ///
    /// # Errors
    ///
    /// [`ApiError::UnknownHandle`] if the call was joined without anything to publish.
    ///
    /// # Cancel safety
    ///
    /// As [`set_camera`](Self::set_camera).
    pub async fn set_terminal_video(&self, video: bool) -> Result<(), ApiError> {
        let mut shown = self.shown.lock().await;
        let content = VideoContent::Terminal;
        if video == shown.contains_key(&content) {
            return Ok(());
        }
        let views = self.terminals.views();
        let input = video.then(|| VideoInput {
            source: Box::new(Drawn::new(views, TEXT)),
            content,
            format: TEXT,
        });
        self.exchange(&mut shown, content, input, None).await
    }

    /// Whether this process shows something of that kind.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn is_shown(&self, content: VideoContent) -> bool {
        self.shown.lock().await.contains_key(&content)
    }

    async fn show(&self, content: VideoContent, spec: Option<VideoSpec>) -> Result<(), ApiError> {
        let spec = spec.filter(|spec| !spec.is_off());
        let mut shown = self.shown.lock().await;
        let used = shown.get(&content).and_then(|(_, used)| used.as_ref());
        if used.zip(spec.as_ref()).is_some_and(|(used, spec)| is_in_use(used, spec)) {
            self.release(&mut shown, content).await?;
        }
        let input = open_wanted(spec.clone(), content).await?;
        self.exchange(&mut shown, content, input, spec).await
    }

    /// Puts one track in the place of another one, or of none.
    async fn exchange(
        &self,
        shown: &mut Shown,
        content: VideoContent,
        input: Option<VideoInput>,
        spec: Option<VideoSpec>,
    ) -> Result<(), ApiError> {
        let handle = self.handle.ok_or(ApiError::UnknownHandle(StreamHandle(0)))?;
        let before = shown.remove(&content);
        if before.is_none() && input.is_none() {
            return Ok(());
        }
        if let Some((track, _)) = before {
            self.api.remove_stream_track(handle, &track).await?;
        }
        if let Some(input) = input {
            let track = self.api.stage(handle, Source::Video(input), false).await?;
            shown.insert(content, (track, spec));
        }
        self.api.update_stream(handle).await.map(drop)
    }

    /// Shows it no longer, and waits until its source is closed.
    async fn release(&self, shown: &mut Shown, content: VideoContent) -> Result<(), ApiError> {
        let track = shown.get(&content).map(|(track, _)| track.clone());
        let local = track.and_then(|track| self.api.video().local(&track));
        let released = local.map(|local| local.released());
        self.exchange(shown, content, None, None).await?;
        if let Some(mut released) = released {
            // A source that does not let go is told of when it is opened again.
            let _ = timeout(PATIENCE, released.wait_for(|released| *released)).await;
        }
        Ok(())
    }

    /// What this process shows, as it is captured; `None` if that is nothing.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn own_pictures(
        &self,
        content: VideoContent,
    ) -> Option<watch::Receiver<Option<Arc<Picture>>>> {
        let track = self.shown.lock().await.get(&content)?.0.clone();
        Some(self.api.video().local(&track)?.preview())
    }

    /// Why a camera or screen of this process gives no more pictures, once it does not.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn video_fault(
        &self,
        content: VideoContent,
    ) -> Option<watch::Receiver<Option<String>>> {
        let track = self.shown.lock().await.get(&content)?.0.clone();
        Some(self.api.video().local(&track)?.fault())
    }

    /// Says which pictures are looked at, out of [`Person::videos`](crate::api::Person::videos):
    /// these are received, others are not. What is not looked at any more still comes for some
    /// seconds.
    pub fn want_pictures(&self, wanted: Vec<Wanted>) {
        if let Ok(room) = self.api.room(&self.room) {
            room.video.set_sizes(room.token, &wanted);
        }
        self.looked_at.send_if_modified(|looked_at| {
            let changed = *looked_at != wanted;
            *looked_at = wanted;
            changed
        });
    }

    /// The newest picture of a track, decoded; `None` while it is not received. For pictures to
    /// come they have to be [wanted](Self::want_pictures).
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the call was left.
    pub fn pictures(
        &self,
        stream: StreamId,
        track: &TrackId,
    ) -> Result<watch::Receiver<Option<Arc<Picture>>>, ApiError> {
        self.api.pictures(&self.room, stream, track)
    }
}

/// Opens what is wanted, if anything is.
pub(in crate::api) async fn open_wanted(
    spec: Option<VideoSpec>,
    content: VideoContent,
) -> Result<Option<VideoInput>, ApiError> {
    match spec.filter(|spec| !spec.is_off()) {
        Some(spec) => open_video(spec, content).await.map(Some),
        None => Ok(None),
    }
}

/// Whether both may be one device, which can't be opened twice. The default camera has a name,
/// too.
fn is_in_use(used: &VideoSpec, wanted: &VideoSpec) -> bool {
    let is_default = |spec: &VideoSpec| *spec == VideoSpec::Default;
    let is_camera = |spec: &VideoSpec| matches!(spec, VideoSpec::Default | VideoSpec::Named(_));
    let both_cameras = is_camera(used) && is_camera(wanted);
    used == wanted || both_cameras && (is_default(used) || is_default(wanted))
}
