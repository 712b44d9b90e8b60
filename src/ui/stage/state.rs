//! What the user wants to see on the stage, and what there is to see.

use std::collections::BTreeMap;
use std::time::Instant;

use super::choice::LayoutChoice;
use super::speaker::ActiveSpeaker;
use super::tile::Part;
use super::tile::Share;
use super::tile::TileContent;
use super::tile::TileId;
use super::zoom::View;
use crate::model::UserId;
use crate::ui::pane::people::PeopleState;
use crate::ui::pane::people::PersonRow;

/// Shares that are listed: more than anybody can look at.
const SHARES: usize = 64;

/// The state of the stage.
#[derive(Debug, Default)]
pub struct StageState {
    /// How it is divided.
    pub choice: LayoutChoice,
    /// It fills the screen.
    pub full: bool,
    /// The user's own tile is left out.
    pub hide_self: bool,
    /// The tile that stands out whoever speaks.
    pub pinned: Option<TileId>,
    /// The tile under the cursor.
    pub cursor: Option<TileId>,
    active: ActiveSpeaker,
    shares: Vec<Share>,
    contents: BTreeMap<TileId, TileContent>,
    views: BTreeMap<TileId, View>,
}

impl StageState {
    /// Everything that somebody shows.
    #[must_use]
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// What somebody shows in a tile, if anything.
    #[must_use]
    pub fn share(&self, tile: &TileId) -> Option<&Share> {
        self.shares.iter().find(|share| share.tile == *tile)
    }

    /// What fills a tile.
    #[must_use]
    pub fn content(&self, tile: &TileId) -> &TileContent {
        self.contents.get(tile).unwrap_or(&TileContent::Initials)
    }

    /// Which part of a tile's picture is looked at.
    #[must_use]
    pub fn view(&self, tile: &TileId) -> View {
        self.views.get(tile).copied().unwrap_or_default()
    }

    /// Whoever speaks, or was the last to speak.
    #[must_use]
    pub const fn active(&self) -> Option<&UserId> {
        self.active.current()
    }

    /// Takes the pictures that are shown from now on; what is no longer shown loses its own.
    pub fn set_shares(&mut self, shares: Vec<Share>) {
        self.replace(shares, false);
    }

    /// Takes the terminals that are shared from now on.
    pub fn set_terminals(&mut self, shares: Vec<Share>) {
        self.replace(shares, true);
    }

    fn replace(&mut self, new: Vec<Share>, terminals: bool) {
        let is_meant = |share: &Share| matches!(share.tile.part, Part::Terminal(_)) == terminals;
        let mut shares = std::mem::take(&mut self.shares);
        shares.retain(|share| !is_meant(share));
        shares.extend(new.into_iter().filter(is_meant));
        shares.truncate(SHARES);
        shares.sort_by(|a, b| a.tile.cmp(&b.tile));
        shares.dedup_by(|a, b| a.tile == b.tile);
        self.shares = shares;
        let shares = &self.shares;
        let shown = |tile: &TileId| shares.iter().any(|share| share.tile == *tile);
        self.contents
            .retain(|tile, content| shown(tile) || matches!(content, TileContent::Avatar(_)));
        self.views.retain(|tile, _| shown(tile));
        self.pinned.take_if(|tile| tile.part.is_shared() && !shown(tile));
    }

    /// Takes what fills a tile from now on; false if it is not to be seen there any more.
    pub fn set_content(&mut self, tile: TileId, content: TileContent) -> bool {
        let fits = match content {
            TileContent::Picture(_) => self.share(&tile).is_some(),
            TileContent::Avatar(_) | TileContent::Initials => tile.part == Part::Person,
        };
        if fits {
            self.contents.insert(tile, content);
        }
        fits
    }

    /// Looks at another part of a tile's picture.
    pub fn set_view(&mut self, tile: &TileId, view: View) {
        if view.is_whole() {
            self.views.remove(tile);
        } else if self.share(tile).is_some() {
            self.views.insert(tile.clone(), view);
        }
    }

    /// Follows who is here and who speaks; true if the stage changes hands.
    pub fn follow(&mut self, people: &PeopleState, now: Instant) -> bool {
        let here: Vec<&PersonRow> = people.in_call().collect();
        self.active.retain(|user| here.iter().any(|person| person.user == *user));
        let is_here = |user: &UserId| here.iter().any(|person| person.user == *user);
        self.pinned.take_if(|tile| !is_here(&tile.user));
        self.contents.retain(|tile, _| is_here(&tile.user));
        let mut speaking: Vec<&PersonRow> =
            here.into_iter().filter(|person| person.speaking && !person.own).collect();
        speaking.sort_by_key(|person| std::cmp::Reverse(person.meter.level_db()));
        let speaking: Vec<&UserId> = speaking.into_iter().map(|person| &person.user).collect();
        self.active.set_speaking(&speaking, now)
    }

    /// Lets time pass; true if the picture changes.
    pub fn advance(&mut self, now: Instant) -> bool {
        self.active.advance(now)
    }

    /// When [`advance`](Self::advance) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.active.deadline()
    }

    /// The call is over: what belonged to it goes, how the user likes to look stays.
    pub fn reset(&mut self) {
        let Self { choice, hide_self, .. } = *self;
        *self = Self { choice, hide_self, ..Self::default() };
    }
}
