//! The people of one room: the call's, or the one under the cursor of the list.
//!
//! Rows are put together from the room's members, the Context's users and the call's
//! participants. Their order does not depend on who speaks, so that a name stays where the
//! eye has found it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Instant;

use crate::model::AudioLevels;
use crate::model::UserId;
use crate::ui::event::ContextUser;
use crate::ui::event::Participant;
use crate::ui::event::Trust;
use crate::ui::pane::rooms::RoomRow;
use crate::ui::text::SafeText;
use crate::ui::widget::meter::MeterState;

/// Where a person is. The order is that of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// In the call.
    InCall,
    /// Connected to the bridge.
    Online,
    /// Not connected.
    #[default]
    Offline,
}

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonRow {
    /// Who.
    pub user: UserId,
    /// The id as it is shown.
    pub name: SafeText,
    /// This user.
    pub own: bool,
    /// May change the room.
    pub manager: bool,
    /// Where they are.
    pub presence: Presence,
    /// Sends sound.
    pub publishing: bool,
    /// Says that the microphone is off.
    pub muted: bool,
    /// Speaks now.
    pub speaking: bool,
    /// Packets that never came, in tenths of a percent.
    pub loss_per_mille: Option<u16>,
    /// What is known about the key.
    pub trust: Trust,
    /// Sends something that cannot be decrypted.
    pub unreadable: bool,
    /// Level of the microphone.
    pub meter: MeterState,
}

/// The list and the cursor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeopleState {
    rows: Vec<PersonRow>,
    cursor: usize,
}

impl PeopleState {
    /// All people in the order of the screen.
    #[must_use]
    pub fn rows(&self) -> &[PersonRow] {
        &self.rows
    }

    /// Those in the call.
    pub fn in_call(&self) -> impl Iterator<Item = &PersonRow> {
        self.rows.iter().filter(|row| row.presence == Presence::InCall)
    }

    /// Index of the row under the cursor.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Puts the rows together again; meters and the cursor stay with their people.
    pub fn rebuild(
        &mut self,
        room: Option<&RoomRow>,
        participants: &[Participant],
        users: &BTreeMap<UserId, ContextUser>,
        own: &UserId,
    ) {
        let selected = self.rows.get(self.cursor).map(|row| row.user.clone());
        let mut ids: BTreeSet<&UserId> = participants.iter().map(|one| &one.user).collect();
        if let Some(room) = room {
            ids.extend(room.users.iter().chain(&room.managers).chain(&room.present));
        }
        let mut old: BTreeMap<UserId, PersonRow> =
            std::mem::take(&mut self.rows).into_iter().map(|row| (row.user.clone(), row)).collect();
        for id in ids {
            let before = old.remove(id);
            let participant = participants.iter().find(|one| one.user == *id);
            self.rows.push(person(id, room, participant, users.get(id), *id == *own, before));
        }
        self.rows.sort_by(|a, b| {
            let order = a.presence.cmp(&b.presence);
            order.then(b.own.cmp(&a.own)).then_with(|| a.name.cmp(&b.name))
        });
        let place = selected.and_then(|user| self.rows.iter().position(|row| row.user == user));
        self.point(place.unwrap_or(self.cursor));
    }

    /// Takes new levels; true if the picture changes.
    pub fn set_levels(&mut self, levels: &AudioLevels, own: &UserId, now: Instant) -> bool {
        let mut changed = false;
        for row in &mut self.rows {
            let level = levels.levels.iter().find(|level| {
                if level.stream.is_none() { row.user == *own } else { row.user == level.user }
            });
            let Some(level) = level else { continue };
            changed |= row.meter.set(level.level, now);
            let speaking = level.speaking && !level.muted;
            changed |= (row.speaking, row.muted) != (speaking, level.muted);
            row.speaking = speaking;
            row.muted = level.muted;
            let loss = level.loss.map(per_mille).or(row.loss_per_mille);
            changed |= row.loss_per_mille != loss;
            row.loss_per_mille = loss;
        }
        changed
    }

    /// Moves the cursor by some rows.
    pub fn move_cursor(&mut self, by: isize) {
        self.point(self.cursor.saturating_add_signed(by));
    }

    /// Puts the cursor on a row.
    pub fn point(&mut self, index: usize) {
        self.cursor = index.min(self.rows.len().saturating_sub(1));
    }

    /// Lets peaks sink; true if the picture changes.
    pub fn advance(&mut self, now: Instant) -> bool {
        self.rows.iter_mut().fold(false, |changed, row| row.meter.advance(now) | changed)
    }

    /// When a peak sinks next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.rows.iter().filter_map(|row| row.meter.deadline()).min()
    }
}

fn per_mille(share: f32) -> u16 {
    (share.clamp(0.0, 1.0) * 1000.0).round() as u16
}

fn person(
    id: &UserId,
    room: Option<&RoomRow>,
    participant: Option<&Participant>,
    known: Option<&ContextUser>,
    own: bool,
    before: Option<PersonRow>,
) -> PersonRow {
    let in_room = room.is_some_and(|room| room.present.contains(id));
    let presence = if participant.is_some() || in_room {
        Presence::InCall
    } else if own || known.is_some_and(|user| user.active) {
        Presence::Online
    } else {
        Presence::Offline
    };
    let (meter, speaking, loss_per_mille) = match before {
        Some(row) if participant.is_some() => (row.meter, row.speaking, row.loss_per_mille),
        _ => (MeterState::default(), false, None),
    };
    PersonRow {
        user: id.clone(),
        name: SafeText::name(id.as_str()),
        own,
        manager: room.is_some_and(|room| room.managers.contains(id)),
        presence,
        publishing: participant.is_some_and(|one| one.publishing),
        muted: participant.is_some_and(|one| one.muted),
        speaking,
        loss_per_mille: participant.and_then(|one| one.loss).map(per_mille).or(loss_per_mille),
        trust: known.map(|user| user.trust).unwrap_or_default(),
        unreadable: participant.is_some_and(|one| one.unreadable),
        meter,
    }
}
