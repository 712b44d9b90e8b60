//! The screen of a command in a terminal of its own, drawn: for those who can be shown pictures
//! only. Nobody types into it.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::pace::Pace;
use super::source::VideoFormat;
use super::source::VideoKind;
use super::source::VideoSource;
use crate::device::error::DeviceError;
use crate::device::pty::Pty;
use crate::device::pty::PtyEvent;
use crate::media::terminal::Emulator;
use crate::media::terminal::Grid;
use crate::media::terminal::TerminalSize;
use crate::media::terminal::paint::paint;
use crate::media::video::Picture;

/// Pieces of output that are taken in at once, so that a command that never stops writing is
/// shown all the same.
const PIECES: usize = 256;

/// An empty screen is shown after so long; most commands have written something by then.
const SILENCE: Duration = Duration::from_secs(1);

/// A command and the terminal that it believes to run in.
#[derive(Debug)]
pub(super) struct TerminalSource {
    pty: Option<Pty>,
    emulator: Emulator,
    format: VideoFormat,
    started: Option<Instant>,
    pace: Pace,
    /// Something was written since the screen was looked at.
    written: bool,
    /// What was shown last.
    shown: Option<Grid>,
}

impl TerminalSource {
    pub(super) fn open(command: &str, format: VideoFormat) -> Result<Self, DeviceError> {
        let size = TerminalSize::USUAL;
        Ok(Self {
            pty: Some(Pty::spawn(command, size.columns(), size.rows())?),
            emulator: Emulator::new(size),
            format,
            started: None,
            pace: Pace::new(format.fps, 1),
            written: false,
            shown: None,
        })
    }

    /// Takes in what the command has written, and answers what it has asked. Its end leaves the
    /// screen as it is.
    fn read(&mut self) {
        let Some(pty) = &mut self.pty else { return };
        for _ in 0..PIECES {
            match pty.try_event() {
                Some(PtyEvent::Output(bytes)) => {
                    self.emulator.process(&bytes);
                    self.written = true;
                }
                Some(PtyEvent::Exited(_) | PtyEvent::Killed) => {}
                None => break,
            }
        }
        let replies = self.emulator.take_replies();
        if !replies.is_empty() && !pty.type_bytes(replies) {
            tracing::debug!("a command takes no answers");
        }
    }
}

impl Drop for TerminalSource {
    fn drop(&mut self) {
        // As a camera, it is free again once it is closed.
        if let Some(pty) = self.pty.take() {
            pty.close();
        }
    }
}

impl VideoSource for TerminalSource {
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError> {
        let started = *self.started.get_or_insert(now);
        self.read();
        let silent = self.shown.is_none() && now.saturating_duration_since(started) >= SILENCE;
        if !(self.written || silent) || self.pace.due(now).is_none() {
            return Ok(None);
        }
        self.written = false;
        let grid = self.emulator.grid();
        if self.shown.as_ref() == Some(&grid) {
            return Ok(None);
        }
        let painted = paint(&grid)
            .and_then(|picture| picture.fitted(self.format.max_width, self.format.max_height));
        self.shown = Some(grid);
        // No screen is without a picture; if one were, the next one would follow.
        Ok(painted.ok().map(Arc::new))
    }

    fn kind(&self) -> VideoKind {
        VideoKind::Screen
    }
}
