//! The log of a session, newest last, and how far it is scrolled back.

use std::collections::VecDeque;

use crate::model::Timestamp;
use crate::ui::text::SafeText;

/// Entries that are kept; the oldest give way.
const LIMIT: usize = 500;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Somebody came.
    Came,
    /// Somebody left.
    Left,
    /// A room was made, changed or removed.
    Room,
    /// About the link or the program itself.
    Note,
    /// Worth attention.
    Warn,
    /// Failed.
    Bad,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub mark: Mark,
    /// Who it is about; may be empty.
    pub who: SafeText,
    /// What happened to them.
    pub what: SafeText,
}

/// The log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsState {
    entries: VecDeque<Entry>,
    back: usize,
}

impl EventsState {
    /// The entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many of the newest entries are scrolled out of sight.
    #[must_use]
    pub const fn back(&self) -> usize {
        self.back
    }

    /// Adds an entry. A view that is scrolled back stays on what it shows.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        if self.back > 0 {
            self.back += 1;
        }
        if self.entries.len() > LIMIT {
            self.entries.pop_front();
        }
        self.clamp();
    }

    /// Scrolls by some rows, down being later.
    pub fn scroll(&mut self, by: isize) {
        self.back = self.back.saturating_add_signed(by.saturating_neg());
        self.clamp();
    }

    fn clamp(&mut self) {
        self.back = self.back.min(self.entries.len().saturating_sub(1));
    }
}
