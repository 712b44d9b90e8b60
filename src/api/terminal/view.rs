//! Shared terminals as they are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::media::terminal::Cell;
use crate::media::terminal::Control;
use crate::media::terminal::Grid;
use crate::media::terminal::Status;
use crate::media::terminal::Watcher;
use crate::model::StreamId;
use crate::model::UserId;

/// A shared terminal as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TerminalView {
    /// The stream it comes on; `None` is this process's own.
    pub stream: Option<StreamId>,
    /// Whose it is.
    pub user: UserId,
    /// Names the share: what is shared later has another one.
    pub share: u64,
    /// What it shows, in words of its owner.
    pub title: String,
    /// How the program is doing.
    pub status: Status,
    /// Who types.
    pub control: Control,
    /// This process has asked for control.
    pub asked: bool,
    /// The screen.
    pub screen: Arc<Grid>,
    /// A complete screen has come.
    pub complete: bool,
    /// The owner can be reached.
    pub live: bool,
    /// Lines that have left the screen, by their numbers, as far as they were asked for.
    pub lines: Arc<BTreeMap<u64, Vec<Cell>>>,
    /// How many watch.
    pub watching: u16,
    /// Who watches; known to the owner.
    pub watchers: Vec<Watcher>,
    /// Messages with keystrokes that were dropped because they came from somebody without
    /// control; known to the owner.
    pub refused: u64,
}

/// All shared terminals of a room, the own one first.
pub type TerminalViews = Vec<Arc<TerminalView>>;
