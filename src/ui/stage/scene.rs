//! The stage at one moment: which tiles there are, which one stands out, and where they go.
//! Views draw it, clicks are looked up in it, and pictures are asked for by it.

use ratatui::layout::Position;
use ratatui::layout::Rect;

use super::arrange::Arrangement;
use super::arrange::Cast;
use super::arrange::Place;
use super::arrange::Style;
use super::choice::LayoutChoice;
use super::tile::Part;
use super::tile::Share;
use super::tile::TileId;
use crate::ui::action::Pane;
use crate::ui::layout::Layout;
use crate::ui::pane::people::PersonRow;
use crate::ui::state::State;

/// One tile.
#[derive(Clone, Debug)]
pub struct Tile<'a> {
    /// Its name.
    pub id: TileId,
    /// Whose it is.
    pub person: &'a PersonRow,
    /// What they show in it; `None` if there is only the person.
    pub share: Option<&'a Share>,
}

/// The stage at one moment.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Every tile.
    pub tiles: Vec<Tile<'a>>,
    /// Which one stands out, if any.
    pub featured: Option<usize>,
    /// Which one is under the cursor.
    pub cursor: usize,
    /// The layout that is in effect.
    pub layout: LayoutChoice,
    /// A row for a word to the user; empty if there is none to say.
    pub hint: Rect,
    /// Where the tiles go.
    pub arrangement: Arrangement,
}

impl<'a> Scene<'a> {
    /// The stage as it is on the user's screen.
    #[must_use]
    pub fn of(state: &'a State) -> Self {
        let area = Layout::of(state).map(|layout| layout.pane(Pane::Stage)).unwrap_or_default();
        // The first row is the pane's title.
        let title = area.height.min(1);
        Self::new(state, Rect { y: area.y + title, height: area.height - title, ..area })
    }

    /// The stage in `area`.
    #[must_use]
    pub fn new(state: &'a State, area: Rect) -> Self {
        let mut tiles = tiles(state);
        let layout = effective(state, &tiles);
        if layout == LayoutChoice::Grid {
            pinned_first(state, &mut tiles);
        }
        let featured = featured(state, &tiles, layout);
        let stage = &state.stage;
        let place = |id: &TileId| tiles.iter().position(|tile| tile.id == *id);
        let typing = state.terminals.typing_tile();
        let cursor = typing.as_ref().or(stage.cursor.as_ref()).and_then(place);
        let cursor = cursor.or(featured).unwrap_or(0);
        let alone = tiles.iter().all(|tile| tile.person.own);
        let wanting = layout == LayoutChoice::Screen && featured.is_none();
        let rows = u16::from((alone || wanting) && area.height > 6);
        let body = Rect { height: area.height - rows, ..area };
        let hint = Rect { y: body.bottom(), height: rows, ..area };
        let pictures = tiles.iter().any(|tile| tile.share.is_some());
        let cast = Cast { count: tiles.len(), featured, cursor, pictures };
        let arrangement = Arrangement::new(body, layout, cast);
        Self { tiles, featured, cursor, layout, hint, arrangement }
    }

    /// The tile under the cursor.
    #[must_use]
    pub fn selected(&self) -> Option<&Tile<'a>> {
        self.tiles.get(self.cursor)
    }

    /// The tile that zooming and panning are about: the one that stands out, or the one
    /// under the cursor.
    #[must_use]
    pub fn looked_at(&self) -> Option<&Tile<'a>> {
        self.tiles.get(self.featured.unwrap_or(self.cursor))
    }

    /// The tile at a point of the screen.
    #[must_use]
    pub fn hit(&self, point: Position) -> Option<&Tile<'a>> {
        let place = self.arrangement.places.iter().find(|place| place.area.contains(point))?;
        self.tiles.get(place.index)
    }

    /// Where a tile is, if it is in sight.
    #[must_use]
    pub fn place(&self, tile: &TileId) -> Option<&Place> {
        let is_meant = |place: &&Place| self.tiles.get(place.index).is_some_and(|t| t.id == *tile);
        self.arrangement.places.iter().find(is_meant)
    }

    /// Tiles that a picture or an avatar may fill, and the cells for it.
    pub fn windows(&self) -> impl Iterator<Item = (&Tile<'a>, Rect)> {
        let windows = self.arrangement.places.iter().filter_map(|place| {
            let tile = self.tiles.get(place.index)?;
            Some((tile, tile.window(place)))
        });
        windows.filter(|(_, area)| !area.is_empty())
    }
}

impl Tile<'_> {
    /// The cells that a picture or an avatar may fill. Whoever shows nothing has a meter below.
    #[must_use]
    pub fn window(&self, place: &Place) -> Rect {
        let area = inside(place);
        let meter = u16::from(self.share.is_none());
        Rect { height: area.height.saturating_sub(meter), ..area }
    }
}

/// The part of a place that pictures and initials may fill; the rest is box and name.
#[must_use]
pub fn inside(place: &Place) -> Rect {
    let area = place.area;
    match place.style {
        Style::Boxed => Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        }
        .intersection(area),
        Style::Plain => Rect { height: area.height.saturating_sub(1), ..area },
        Style::Line => Rect { width: 0, height: 0, ..area },
    }
}

/// All tiles: what is shared first, then people in the order of their list, those with a
/// picture before the others.
fn tiles(state: &State) -> Vec<Tile<'_>> {
    let stage = &state.stage;
    let people: Vec<&PersonRow> = state.people.in_call().collect();
    let shared = stage.shares().iter().filter(|share| share.tile.part.is_shared());
    let shared = shared.filter_map(|share| {
        let person = people.iter().find(|person| person.user == share.tile.user)?;
        Some(Tile { id: share.tile.clone(), person, share: Some(share) })
    });
    let mut tiles: Vec<Tile<'_>> = shared.collect();
    let shown = people.iter().filter(|person| !(person.own && stage.hide_self));
    tiles.extend(shown.map(|person| {
        let id = TileId::person(person.user.clone());
        Tile { share: stage.share(&id), id, person }
    }));
    // Where not all have a place, those with something to see have one.
    tiles.sort_by_key(|tile| tile.share.is_none());
    tiles
}

/// Where everybody is alike, at least whoever is pinned comes first.
fn pinned_first(state: &State, tiles: &mut [Tile<'_>]) {
    let pinned = state.stage.pinned.as_ref();
    if let Some(place) = tiles.iter().position(|tile| Some(&tile.id) == pinned) {
        tiles.get_mut(..=place).unwrap_or_default().rotate_right(1);
    }
}

fn effective(state: &State, tiles: &[Tile<'_>]) -> LayoutChoice {
    match state.stage.choice {
        LayoutChoice::Auto => {
            let stands_out = tiles.iter().any(|tile| tile.id.part.is_shared());
            let stands_out = stands_out || state.stage.pinned.is_some();
            if stands_out { LayoutChoice::Screen } else { LayoutChoice::Grid }
        }
        chosen => chosen,
    }
}

fn featured(state: &State, tiles: &[Tile<'_>], layout: LayoutChoice) -> Option<usize> {
    if !layout.has_featured() {
        return None;
    }
    let place = |wanted: &dyn Fn(&Tile<'_>) -> bool| tiles.iter().position(wanted);
    // What is typed into stays where it is.
    let typing = state.terminals.typing_tile();
    let pinned = typing.as_ref().or(state.stage.pinned.as_ref());
    let pinned = pinned.and_then(|pinned| place(&|tile| tile.id == *pinned));
    if layout == LayoutChoice::Screen {
        return pinned.or_else(|| place(&|tile| tile.id.part.is_shared()));
    }
    let is_person = |tile: &Tile<'_>| tile.id.part == Part::Person;
    let active = state.stage.active();
    pinned
        .or_else(|| place(&|tile| is_person(tile) && Some(&tile.person.user) == active))
        .or_else(|| place(&|tile| is_person(tile) && !tile.person.own && tile.share.is_some()))
        .or_else(|| place(&|tile| is_person(tile) && !tile.person.own))
        .or(if tiles.is_empty() { None } else { Some(0) })
}
