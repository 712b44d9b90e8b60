//! The shared terminals of the call, and how this user looks at them.

use std::sync::Arc;

use ratatui::layout::Rect;

use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalSize;
use crate::api::terminal::TerminalStatus;
use crate::api::terminal::TerminalView;
use crate::api::terminal::TerminalViews;
use crate::model::StreamId;

/// Where a terminal comes from; `None` is this user's own.
pub(super) type Source = Option<StreamId>;

/// Shared terminals.
#[derive(Debug, Default)]
pub struct TerminalsState {
    views: TerminalViews,
    front: Option<Source>,
    hidden: bool,
    /// What is typed goes to the terminal in front.
    pub(super) typing: bool,
    /// Lines by which the view is above the end.
    pub(super) scrolled: u64,
    /// The room that was last told of, and for which share.
    pub(super) told: Option<(u64, Option<TerminalSize>)>,
    /// Lines that were last asked for.
    pub(super) asked: Option<(Source, u64)>,
}

impl TerminalsState {
    /// All of them.
    #[must_use]
    pub fn views(&self) -> &[Arc<TerminalView>] {
        &self.views
    }

    /// Takes them as they are now. The one in front stays there while it is shared.
    pub fn set(&mut self, views: TerminalViews) {
        self.views = views;
        let known = |source: &Source| self.views.iter().any(|view| view.stream == *source);
        if !self.front.as_ref().is_some_and(known) {
            self.front = self.views.first().map(|view| view.stream);
            (self.typing, self.scrolled, self.hidden) = (false, 0, false);
        }
        let may_type = self.front().is_some_and(|view| can_type(view));
        self.typing &= may_type;
        let lines = self.front().map_or(0, |view| lines(view));
        self.scrolled = self.scrolled.min(lines);
    }

    /// The one that is shown, if any.
    #[must_use]
    pub fn front(&self) -> Option<&Arc<TerminalView>> {
        let front = self.front.as_ref().filter(|_| !self.hidden)?;
        self.views.iter().find(|view| view.stream == *front)
    }

    /// The own one.
    #[must_use]
    pub fn own(&self) -> Option<&Arc<TerminalView>> {
        self.views.first().filter(|view| view.stream.is_none())
    }

    /// Keys go to the terminal in front.
    #[must_use]
    pub const fn is_typing(&self) -> bool {
        self.typing
    }

    /// Lines by which the view is above the end.
    #[must_use]
    pub const fn scrolled(&self) -> u64 {
        self.scrolled
    }

    /// Shows the next one; after the last one, what the stage shows else.
    pub(super) fn next(&mut self) {
        (self.typing, self.scrolled) = (false, 0);
        let place = self.views.iter().position(|view| Some(view.stream) == self.front);
        if std::mem::take(&mut self.hidden) {
            self.front = self.views.first().map(|view| view.stream);
            return;
        }
        match place.and_then(|place| self.views.get(place + 1)) {
            Some(view) => self.front = Some(view.stream),
            None => self.hidden = !self.views.is_empty(),
        }
    }

    /// Moves the view by lines, up if positive.
    pub fn scroll(&mut self, by: isize) -> bool {
        let Some(view) = self.front() else { return false };
        let most = lines(view);
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        self.scrolled = self.scrolled.saturating_add_signed(by).min(most);
        true
    }

    /// How much room `area`, the whole of the stage, has for a terminal.
    pub(super) fn room(area: Rect) -> Option<TerminalSize> {
        // One row for the pane's title, one for that of the terminal.
        let rows = area.height.checked_sub(2).filter(|rows| *rows > 0)?;
        (area.width > 0).then(|| TerminalSize::new(area.width, rows))
    }
}

/// This user may type into it now.
pub(super) fn can_type(view: &TerminalView) -> bool {
    view.control == TerminalControl::Me && view.status == TerminalStatus::Running
}

/// Lines above the screen that can be looked at.
fn lines(view: &TerminalView) -> u64 {
    let meta = &view.screen.meta;
    if meta.alternate { 0 } else { meta.history.end.saturating_sub(meta.history.first) }
}
