//! From a picture to the bytes that make a terminal show it.
//!
//! Keeps what the terminal shows and writes only the difference, inside a synchronized
//! update, so that no half-drawn picture is ever seen. A picture that is the same as the
//! one before comes to no bytes at all.

use std::io;
use std::io::Write;

use crossterm::cursor::Hide;
use crossterm::cursor::MoveTo;
use crossterm::cursor::Show;
use crossterm::queue;
use crossterm::terminal::BeginSynchronizedUpdate;
use crossterm::terminal::Clear;
use crossterm::terminal::ClearType;
use crossterm::terminal::EndSynchronizedUpdate;
use ratatui::backend::Backend;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::layout::Size;

/// What the terminal shows.
#[derive(Debug, Default)]
pub struct Canvas {
    shown: Buffer,
    next: Buffer,
    cursor: Option<Position>,
    stale: bool,
}

impl Canvas {
    /// Nothing is known about the terminal yet: the first picture is drawn in full.
    #[must_use]
    pub fn new() -> Self {
        Self { stale: true, ..Self::default() }
    }

    /// Forgets what the terminal shows: the next picture is drawn in full.
    pub const fn invalidate(&mut self) {
        self.stale = true;
    }

    /// Lets `draw` make a picture of `size` and returns the bytes that show it, none if it
    /// is there already. `draw` says where the cursor belongs.
    ///
    /// # Errors
    ///
    /// None in practice: the bytes go to memory.
    pub fn paint(
        &mut self,
        size: Size,
        draw: impl FnOnce(&mut Buffer) -> Option<Position>,
    ) -> io::Result<Vec<u8>> {
        let area = Rect::new(0, 0, size.width, size.height);
        if self.shown.area != area {
            self.shown = Buffer::empty(area);
            self.stale = true;
        }
        self.next.resize(area);
        self.next.reset();
        let cursor = draw(&mut self.next);
        if self.stale {
            self.shown.reset();
        }
        let difference = self.shown.diff(&self.next);
        let mut bytes = Vec::new();
        if !self.stale && difference.is_empty() && cursor == self.cursor {
            return Ok(bytes);
        }
        queue!(bytes, BeginSynchronizedUpdate, Hide)?;
        if self.stale {
            queue!(bytes, Clear(ClearType::All))?;
        }
        CrosstermBackend::new(&mut bytes).draw(difference.into_iter())?;
        if let Some(Position { x, y }) = cursor {
            queue!(bytes, MoveTo(x, y), Show)?;
        }
        queue!(bytes, EndSynchronizedUpdate)?;
        bytes.flush()?;
        std::mem::swap(&mut self.shown, &mut self.next);
        self.cursor = cursor;
        self.stale = false;
        Ok(bytes)
    }
}
