//! The own shared terminal as pictures, for those who show no shared terminals.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::watch;

use super::view::TerminalViews;
use crate::device::DeviceError;
use crate::device::video::VideoFormat;
use crate::device::video::VideoKind;
use crate::device::video::VideoSource;
use crate::media::terminal::Grid;
use crate::media::terminal::TerminalSize;
use crate::media::terminal::paint::paint;
use crate::media::video::Picture;

/// Draws what is shared at the moment.
pub(in crate::api) struct Drawn {
    views: watch::Receiver<TerminalViews>,
    format: VideoFormat,
    /// What was drawn last, and when.
    drawn: Option<(Arc<Grid>, Instant)>,
}

impl Drawn {
    pub(in crate::api) const fn new(
        views: watch::Receiver<TerminalViews>,
        format: VideoFormat,
    ) -> Self {
        Self { views, format, drawn: None }
    }

    /// The screen to be drawn: an empty one once nothing is shared any more, so that the last
    /// one does not stay in sight.
    fn screen(&self) -> Option<Arc<Grid>> {
        let views = self.views.borrow();
        let own = views.first().filter(|view| view.stream.is_none());
        let empty = || Arc::new(Grid::new(TerminalSize::USUAL));
        own.map(|own| Arc::clone(&own.screen)).or_else(|| self.drawn.as_ref().map(|_| empty()))
    }
}

impl VideoSource for Drawn {
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError> {
        let pause = Duration::from_secs(1) / self.format.fps.max(1);
        let Some(screen) = self.screen() else { return Ok(None) };
        if let Some((drawn, at)) = &self.drawn
            && (*drawn == screen || now.saturating_duration_since(*at) < pause)
        {
            return Ok(None);
        }
        let painted = paint(&screen)
            .and_then(|picture| picture.fitted(self.format.max_width, self.format.max_height));
        self.drawn = Some((screen, now));
        // No screen is without a picture; if one were, the next one would follow.
        Ok(painted.ok().map(Arc::new))
    }

    fn kind(&self) -> VideoKind {
        VideoKind::Screen
    }
}
