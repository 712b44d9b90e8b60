//! The shared terminals of the call, and how this user looks at them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalSize;
use crate::api::terminal::TerminalStatus;
use crate::api::terminal::TerminalView;
use crate::api::terminal::TerminalViews;
use crate::model::StreamId;
use crate::ui::stage::TileId;

/// Where a terminal comes from; `None` is this user's own.
pub(super) type Source = Option<StreamId>;

/// Shared terminals.
#[derive(Debug, Default)]
pub struct TerminalsState {
    views: TerminalViews,
    /// The one that keys are about: it stands out on the stage, or is under the cursor.
    front: Option<Source>,
    /// What is typed goes to the terminal in front.
    pub(super) typing: bool,
    /// Lines by which the view of the one in front is above the end.
    pub(super) scrolled: u64,
    /// The room that each share was last told of, if it was any.
    pub(super) told: BTreeMap<u64, TerminalSize>,
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
        self.told.retain(|share, _| self.views.iter().any(|view| view.share == *share));
        let front = self.front.filter(|front| self.views.iter().any(|view| view.stream == *front));
        self.set_front(front);
    }

    /// Brings one to the front, or none.
    pub(super) fn set_front(&mut self, front: Option<Source>) {
        if front != self.front {
            (self.typing, self.scrolled) = (false, 0);
            self.front = front;
        }
        let may_type = self.front().is_some_and(|view| can_type(view));
        self.typing &= may_type;
        let lines = self.front().map_or(0, |view| lines(view));
        self.scrolled = self.scrolled.min(lines);
    }

    /// The one that keys are about, if any.
    #[must_use]
    pub fn front(&self) -> Option<&Arc<TerminalView>> {
        let front = self.front.as_ref()?;
        self.views.iter().find(|view| view.stream == *front)
    }

    /// The own one.
    #[must_use]
    pub fn own(&self) -> Option<&Arc<TerminalView>> {
        self.views.first().filter(|view| view.stream.is_none())
    }

    /// Each of them with its tile on the stage: the first one of a user is number 1.
    pub fn tiles(&self) -> impl Iterator<Item = (TileId, &Arc<TerminalView>)> {
        self.views.iter().enumerate().map(|(index, view)| {
            let before = self.views.iter().take(index).filter(|other| other.user == view.user);
            let number = u16::try_from(before.count()).unwrap_or(u16::MAX).saturating_add(1);
            (TileId::terminal(view.user.clone(), number), view)
        })
    }

    /// The one in a tile.
    #[must_use]
    pub fn at(&self, tile: &TileId) -> Option<&Arc<TerminalView>> {
        let (_, view) = self.tiles().find(|(id, _)| id == tile)?;
        Some(view)
    }

    /// The tile of the one in front.
    #[must_use]
    pub fn front_tile(&self) -> Option<TileId> {
        let front = self.front.as_ref()?;
        let (tile, _) = self.tiles().find(|(_, view)| view.stream == *front)?;
        Some(tile)
    }

    /// The tile that keys go to.
    #[must_use]
    pub fn typing_tile(&self) -> Option<TileId> {
        if self.typing { self.front_tile() } else { None }
    }

    /// Keys go to the terminal in front.
    #[must_use]
    pub const fn is_typing(&self) -> bool {
        self.typing
    }

    /// Lines by which the view of a terminal is above its end.
    #[must_use]
    pub fn scrolled(&self, view: &TerminalView) -> u64 {
        if self.front == Some(view.stream) { self.scrolled } else { 0 }
    }

    /// Moves the view by lines, up if positive; false if there are none above the screen.
    pub fn scroll(&mut self, by: isize) -> bool {
        let most = self.front().map_or(0, |view| lines(view));
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        self.scrolled = self.scrolled.saturating_add_signed(by).min(most);
        most > 0
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
