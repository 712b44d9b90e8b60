//! Which rooms there are, who is in them, and which one the cursor is on.
//!
//! Invariant: the cursor is on a row whenever there is one, and stays on the same room when
//! the list changes around it.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::model::StreamRoomId;
use crate::model::UserId;
use crate::ui::event::RoomInfo;
use crate::ui::text::SafeText;
use crate::ui::widget::sparkline::Activity;
use crate::ui::widget::sparkline::INTERVAL;

/// Rooms that are kept; a bridge that lists more is misbehaving or unusable with a cursor.
const LIMIT: usize = 1000;

/// One room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRow {
    /// Its id.
    pub id: StreamRoomId,
    /// Its name.
    pub name: SafeText,
    /// Members that may take part.
    pub users: Vec<UserId>,
    /// Members that may change it.
    pub managers: Vec<UserId>,
    /// Who is in it now, as far as this client knows.
    pub present: BTreeSet<UserId>,
    /// Joining, leaving and speaking in the last while.
    pub activity: Activity,
    /// Nobody can join it any more.
    pub closed: bool,
    /// Signatures and keys hold.
    pub verified: bool,
}

/// The list and the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomsState {
    rows: Vec<RoomRow>,
    cursor: usize,
    loaded: bool,
    fault: Option<SafeText>,
    interval_ends: Option<Instant>,
}

impl RoomsState {
    /// All rooms in the order of the screen.
    #[must_use]
    pub fn rows(&self) -> &[RoomRow] {
        &self.rows
    }

    /// Index of the row under the cursor.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// A list has arrived.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Why there is no list.
    #[must_use]
    pub const fn fault(&self) -> Option<&SafeText> {
        self.fault.as_ref()
    }

    /// The room under the cursor.
    #[must_use]
    pub fn selected(&self) -> Option<&RoomRow> {
        self.rows.get(self.cursor)
    }

    /// The room with this id.
    #[must_use]
    pub fn row(&self, id: &StreamRoomId) -> Option<&RoomRow> {
        self.rows.iter().find(|row| row.id == *id)
    }

    /// The room with this name or, failing that, this id.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&RoomRow> {
        let by_name = self.rows.iter().find(|row| row.name.as_str() == name);
        by_name.or_else(|| self.rows.iter().find(|row| row.id.as_str() == name))
    }

    /// Takes the list as it is now.
    pub fn list(&mut self, rooms: Vec<RoomInfo>) {
        let selected = self.selected().map(|row| row.id.clone());
        let mut old = std::mem::take(&mut self.rows);
        for room in rooms.into_iter().take(LIMIT) {
            let known = old.iter().position(|row| row.id == room.id);
            let known = known.map(|index| old.swap_remove(index));
            self.rows.push(row(room, known));
        }
        self.loaded = true;
        self.fault = None;
        self.sort_around(selected.as_ref());
    }

    /// Takes one room as it is now.
    pub fn put(&mut self, room: RoomInfo) {
        let selected = self.selected().map(|row| row.id.clone());
        let index = self.rows.iter().position(|row| row.id == room.id);
        let known = index.map(|index| self.rows.swap_remove(index));
        if self.rows.len() < LIMIT {
            self.rows.push(row(room, known));
        }
        self.sort_around(selected.as_ref());
    }

    /// A room is gone.
    pub fn remove(&mut self, id: &StreamRoomId) {
        if let Some(index) = self.rows.iter().position(|row| row.id == *id) {
            self.rows.remove(index);
            if index < self.cursor {
                self.cursor -= 1;
            }
        }
        self.clamp();
    }

    /// The list could not be had.
    pub fn fail(&mut self, why: SafeText) {
        self.fault = Some(why);
    }

    /// Says who is in a room.
    pub fn set_present(&mut self, id: &StreamRoomId, present: impl IntoIterator<Item = UserId>) {
        if let Some(row) = self.row_mut(id) {
            row.present = present.into_iter().collect();
        }
    }

    /// Somebody came to a room or left it.
    pub fn note_presence(&mut self, id: &StreamRoomId, user: &UserId, here: bool) {
        if let Some(row) = self.row_mut(id) {
            if here {
                row.present.insert(user.clone());
            } else {
                row.present.remove(user);
            }
        }
    }

    /// Something happened in a room; true if the picture changes.
    pub fn bump(&mut self, id: &StreamRoomId, now: Instant) -> bool {
        let changed = self.row_mut(id).is_some_and(|row| row.activity.bump());
        if changed && self.interval_ends.is_none() {
            self.interval_ends = Some(now + INTERVAL);
        }
        changed
    }

    /// Moves the cursor by some rows.
    pub fn move_cursor(&mut self, by: isize) {
        self.cursor = self.cursor.saturating_add_signed(by);
        self.clamp();
    }

    /// Puts the cursor on a row.
    pub fn point(&mut self, index: usize) {
        self.cursor = index;
        self.clamp();
    }

    /// Puts the cursor on a room; false if it is not in the list.
    pub fn select(&mut self, id: &StreamRoomId) -> bool {
        let index = self.rows.iter().position(|row| row.id == *id);
        index.inspect(|&index| self.cursor = index).is_some()
    }

    /// Lets activity age; true if the picture changes.
    pub fn advance(&mut self, now: Instant) -> bool {
        let mut changed = false;
        while let Some(ends) = self.interval_ends.filter(|ends| *ends <= now) {
            for row in &mut self.rows {
                row.activity.shift();
            }
            changed = true;
            let quiet = self.rows.iter().all(|row| row.activity.is_quiet());
            self.interval_ends = (!quiet).then_some(ends + INTERVAL);
        }
        changed
    }

    /// When activity ages next; `None` once all rooms are quiet.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.interval_ends
    }

    fn row_mut(&mut self, id: &StreamRoomId) -> Option<&mut RoomRow> {
        self.rows.iter_mut().find(|row| row.id == *id)
    }

    fn sort_around(&mut self, selected: Option<&StreamRoomId>) {
        self.rows.sort_by(|a, b| {
            a.closed.cmp(&b.closed).then_with(|| a.name.cmp(&b.name)).then_with(|| a.id.cmp(&b.id))
        });
        if let Some(id) = selected {
            self.select(id);
        }
        self.clamp();
    }

    fn clamp(&mut self) {
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
    }
}

fn row(room: RoomInfo, known: Option<RoomRow>) -> RoomRow {
    let (present, activity) = known.map(|row| (row.present, row.activity)).unwrap_or_default();
    RoomRow {
        name: SafeText::name(&room.name),
        id: room.id,
        users: room.users,
        managers: room.managers,
        present,
        activity,
        closed: room.closed,
        verified: room.verified,
    }
}
