//! What one tile stands for, and what fills it.

use std::sync::Arc;

use crate::model::UserId;
use crate::ui::picture::CellPicture;
use crate::ui::text::SafeText;

/// What a tile shows of somebody. The order is that of the stage: what is shared comes
/// before whoever is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A shared screen or window, by number.
    Screen(u16),
    /// A shared terminal, by number.
    Terminal(u16),
    /// The person: their camera, or who they are.
    Person,
}

impl Part {
    /// Something that is shared, to be read rather than to be looked at.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        !matches!(self, Self::Person)
    }
}

/// Names a tile. The same for as long as somebody shows the same thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Whose it is.
    pub user: UserId,
    /// What of theirs.
    pub part: Part,
}

impl TileId {
    /// The tile of a person.
    #[must_use]
    pub const fn person(user: UserId) -> Self {
        Self { user, part: Part::Person }
    }

    /// The tile of a shared screen.
    #[must_use]
    pub const fn screen(user: UserId, number: u16) -> Self {
        Self { user, part: Part::Screen(number) }
    }

    /// The tile of a shared terminal.
    #[must_use]
    pub const fn terminal(user: UserId, number: u16) -> Self {
        Self { user, part: Part::Terminal(number) }
    }
}

/// Something that somebody shows at the moment: a camera, a screen, a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Where it is shown.
    pub tile: TileId,
    /// What it is called; may be empty.
    pub title: SafeText,
}

/// What fills a tile, unless it is a terminal.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TileContent {
    /// Nothing has come yet, or never will: initials stand for the person.
    #[default]
    Initials,
    /// The same for whoever has a picture of themselves in the room.
    Avatar(Arc<CellPicture>),
    /// The newest picture of a camera or a screen, made for the size of the tile.
    Picture(Arc<CellPicture>),
}
