//! Pictures on their way from the call to the tiles.
//!
//! Whoever receives pictures puts the newest one of each tile in, the event loop says which
//! tiles are in sight and how large, and a task beside the loop makes cells of what is new. A
//! picture that was not looked at before the next one came is dropped: there is one place
//! per tile, so that neither a slow terminal nor a fast sender costs memory. Whoever shows
//! nothing is shown by their avatar, if there is one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use ratatui::layout::Size;
use tokio::sync::Notify;
use tokio::time;

use super::scene::Scene;
use super::tile::Part;
use super::tile::TileContent;
use super::tile::TileId;
use crate::media::video::Picture;
use crate::model::UserId;
use crate::ui::picture;
use crate::ui::picture::CellPicture;
use crate::ui::picture::Options;
use crate::ui::state::State;
use crate::ui::theme::Depth;

/// Tiles that pictures are kept for: more than fit on a screen.
const PLACES: usize = 64;

/// How much time lies at least between two drawings of a tile with fewer cells than these:
/// movement in a small tile is a hint, and many small tiles would cost as much as a large one.
const PAUSES: [(u32, Duration); 2] =
    [(96, Duration::from_millis(190)), (240, Duration::from_millis(90))];

/// A tile in sight, and how its picture is to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Which one.
    pub tile: TileId,
    /// Cells that the picture may fill.
    pub cells: Size,
    /// Colours that there are.
    pub depth: Depth,
    /// Everything else about the look.
    pub options: Options,
    /// Left and right of what is shown change places, as in a mirror.
    pub mirrored: bool,
    /// Somebody shows something; else only an avatar may stand here.
    pub live: bool,
}

impl Window {
    /// All tiles of `state` that a picture is wanted for.
    #[must_use]
    pub fn all(state: &State) -> Vec<Self> {
        if state.live_call().is_none() {
            return Vec::new();
        }
        let (depth, glyphs) = (state.themes.depth(), state.themes.glyphs());
        let scene = Scene::of(state);
        let pictures =
            scene.windows().filter(|(tile, _)| !matches!(tile.id.part, Part::Terminal(_)));
        let window = |(tile, area): (&super::scene::Tile<'_>, ratatui::layout::Rect)| {
            let shared = tile.id.part.is_shared();
            let look = if shared { Options::for_screens() } else { Options::default() };
            let view = state.stage.view(&tile.id).picture();
            Self {
                tile: tile.id.clone(),
                cells: area.as_size(),
                depth,
                options: Options { glyphs, view, ..look },
                mirrored: tile.person.own && !shared,
                live: tile.share.is_some(),
            }
        };
        pictures.map(window).take(PLACES).collect()
    }

    /// Pixels across and down that can be told apart in it: two by two to a cell, as many
    /// times more as it is magnified.
    #[must_use]
    pub fn pixels(&self) -> (u32, u32) {
        let zoom = self.options.view.zoom.clamp(1.0, picture::fit::MAX_ZOOM);
        let pixels = |cells: u16| (f32::from(cells) * 2.0 * zoom).ceil() as u32;
        (pixels(self.cells.width), pixels(self.cells.height))
    }

    /// Time between two drawings, at least.
    fn pause(&self) -> Duration {
        let cells = u32::from(self.cells.width) * u32::from(self.cells.height);
        PAUSES.iter().find(|(below, _)| cells < *below).map_or(Duration::ZERO, |(_, pause)| *pause)
    }

    fn draw(&self, picture: &Picture) -> CellPicture {
        picture::render(picture, self.cells, self.depth, &self.options)
    }

    fn draw_live(&self, picture: &Picture) -> CellPicture {
        if self.mirrored { self.draw(&mirrored(picture)) } else { self.draw(picture) }
    }
}

/// What is to be drawn.
#[derive(Clone, Debug)]
enum Subject {
    Live(Arc<Picture>),
    Avatar(Arc<Picture>),
    /// What was drawn before is not true any more, and nothing takes its place.
    Nobody,
}

impl Subject {
    fn draw(&self, window: &Window) -> TileContent {
        match self {
            Self::Live(picture) => TileContent::Picture(Arc::new(window.draw_live(picture))),
            Self::Avatar(picture) => TileContent::Avatar(Arc::new(window.draw(picture))),
            Self::Nobody => TileContent::Initials,
        }
    }
}

/// The place of one tile.
#[derive(Debug, Default)]
struct Place {
    newest: Option<Arc<Picture>>,
    avatar: Option<Arc<Picture>>,
    window: Option<Window>,
    /// Something changed since it was drawn.
    changed: bool,
    /// An avatar was drawn.
    is_avatar: bool,
    /// When a picture was drawn last in a window like this one.
    drawn_at: Option<Instant>,
}

/// When a place is to be drawn. Orders before every later time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Now,
    At(Instant),
}

impl Place {
    /// `None` if there is nothing to draw, and nothing that would have to go.
    fn subject(&self) -> Option<Subject> {
        let window = self.window.as_ref()?;
        let newest = self.newest.clone().filter(|_| window.live).map(Subject::Live);
        newest
            .or_else(|| self.avatar.clone().map(Subject::Avatar))
            .or_else(|| self.is_avatar.then_some(Subject::Nobody))
    }

    /// `None` while there is nothing to draw.
    fn due(&self, now: Instant) -> Option<Due> {
        let window = self.window.as_ref().filter(|_| self.changed && self.subject().is_some())?;
        let at = self.drawn_at.map(|at| at + window.pause());
        Some(at.filter(|at| *at > now).map_or(Due::Now, Due::At))
    }
}

#[derive(Debug, Default)]
struct Shared {
    places: Mutex<BTreeMap<TileId, Place>>,
    changed: Notify,
}

/// The newest picture of each tile. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gallery(Arc<Shared>);

impl Gallery {
    /// Puts a picture in the place of the one before.
    pub fn show(&self, tile: &TileId, picture: Arc<Picture>) {
        let mut places = self.places();
        if !places.contains_key(tile) && places.len() >= PLACES {
            return;
        }
        let place = places.entry(tile.clone()).or_default();
        place.newest = Some(picture);
        place.changed = true;
        let is_seen = place.window.is_some();
        drop(places);
        if is_seen {
            self.0.changed.notify_one();
        }
    }

    /// Forgets a picture: nothing is shown in this tile any more.
    pub fn end(&self, tile: &TileId) {
        if let Some(place) = self.places().get_mut(tile) {
            place.newest = None;
        }
    }

    /// Takes the avatars of everybody who has one; nobody else has one any more.
    pub fn set_avatars(&self, avatars: BTreeMap<UserId, Arc<Picture>>) {
        let mut places = self.places();
        for place in places.values_mut().filter(|place| place.avatar.is_some()) {
            place.avatar = None;
            place.changed = true;
        }
        for (user, avatar) in avatars {
            let tile = TileId::person(user);
            if places.contains_key(&tile) || places.len() < PLACES {
                let place = places.entry(tile).or_default();
                place.avatar = Some(avatar);
                place.changed = true;
            }
        }
        drop(places);
        self.0.changed.notify_one();
    }

    /// Says which tiles are in sight from now on. What is out of sight is not drawn.
    pub fn set_windows(&self, windows: &[Window]) {
        let mut places = self.places();
        places.retain(|tile, place| {
            place.newest.is_some()
                || place.avatar.is_some()
                || windows.iter().any(|window| window.tile == *tile)
        });
        for (tile, place) in &mut *places {
            if !windows.iter().any(|window| window.tile == *tile) {
                place.window = None;
            }
        }
        for window in windows {
            let place = places.entry(window.tile.clone()).or_default();
            if place.window.as_ref() != Some(window) {
                place.window = Some(window.clone());
                place.changed = true;
                place.drawn_at = None;
            }
        }
        drop(places);
        self.0.changed.notify_one();
    }

    /// Waits until there is something to draw.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is taken.
    pub async fn due(&self) {
        loop {
            let changed = self.0.changed.notified();
            let now = Instant::now();
            let due = self.places().values().filter_map(|place| place.due(now)).min();
            match due {
                Some(Due::Now) => return,
                Some(Due::At(at)) => {
                    let _ = time::timeout_at(at.into(), changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Makes cells of everything that is new and in sight, small tiles less often than large
    /// ones. Takes milliseconds: not for a task that handles keys.
    #[must_use]
    pub fn draw(&self, now: Instant) -> Vec<(TileId, TileContent)> {
        let mut due = Vec::new();
        for (tile, place) in &mut *self.places() {
            if place.due(now) == Some(Due::Now) {
                let (subject, window) = (place.subject(), place.window.clone());
                place.changed = false;
                place.drawn_at = Some(now);
                place.is_avatar = matches!(subject, Some(Subject::Avatar(_)));
                due.extend(subject.zip(window).map(|what| (tile.clone(), what)));
            }
        }
        let draw =
            |(tile, (subject, window)): (TileId, (Subject, Window))| (tile, subject.draw(&window));
        due.into_iter().map(draw).collect()
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<TileId, Place>> {
        // A picture is whole or not there: nothing in here can be half done.
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The picture as its subject knows itself.
fn mirrored(picture: &Picture) -> Picture {
    let mut mirrored = picture.clone();
    let (width, chroma_width) = (picture.width() as usize, picture.chroma_width() as usize);
    let (y, u, v) = mirrored.planes_mut();
    for (plane, width) in [(y, width), (u, chroma_width), (v, chroma_width)] {
        plane.chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
    }
    mirrored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(tile: &TileId, width: u16, mirrored: bool) -> Window {
        let (cells, options) = (Size::new(width, 4), Options::default());
        Window { tile: tile.clone(), cells, depth: Depth::True, options, mirrored, live: true }
    }

    fn grey(luma: u8) -> Arc<Picture> {
        let mut picture = Picture::new(32, 8).expect("small");
        picture.y_mut().fill(luma);
        Arc::new(picture)
    }

    #[test]
    fn the_newest_picture_wins_and_is_drawn_once() {
        let (gallery, now) = (Gallery::default(), Instant::now());
        let tile = TileId::person("ben".into());
        gallery.show(&tile, grey(20));
        assert!(gallery.draw(now).is_empty(), "nobody looks");
        gallery.set_windows(&[window(&tile, 16, false)]);
        gallery.show(&tile, grey(90));
        gallery.show(&tile, grey(200));
        let drawn = gallery.draw(now);
        let expected = TileContent::Picture(Arc::new(window(&tile, 16, false).draw(&grey(200))));
        assert_eq!(drawn, [(tile.clone(), expected)]);
        assert!(gallery.draw(now).is_empty(), "it is drawn already");
        gallery.set_windows(&[window(&tile, 8, false)]);
        assert_eq!(gallery.draw(now).len(), 1, "another size is another picture");
        gallery.set_windows(&[]);
        gallery.show(&tile, grey(30));
        assert!(gallery.draw(now).is_empty(), "out of sight");
        gallery.set_windows(&[window(&tile, 8, false)]);
        assert_eq!(gallery.draw(now).len(), 1, "back in sight, without waiting for the next one");
        gallery.end(&tile);
        gallery.set_windows(&[window(&tile, 9, false)]);
        assert!(gallery.draw(now).is_empty(), "nothing is shown any more");
    }

    #[test]
    fn avatars_stand_for_whoever_shows_nothing() {
        let (gallery, now) = (Gallery::default(), Instant::now());
        let tile = TileId::person("ben".into());
        let seen = |live: bool| Window { live, ..window(&tile, 60, true) };
        let avatar = |luma| {
            let cells = Arc::new(window(&tile, 60, false).draw(&grey(luma)));
            vec![(tile.clone(), TileContent::Avatar(cells))]
        };
        gallery.set_windows(&[seen(false)]);
        assert!(gallery.draw(now).is_empty(), "initials are what stands there without us");
        gallery.set_avatars(BTreeMap::from([("ben".into(), grey(50))]));
        assert_eq!(gallery.draw(now), avatar(50));
        gallery.set_windows(&[seen(true)]);
        assert_eq!(gallery.draw(now), avatar(50), "the first picture is not there yet");
        gallery.show(&tile, grey(200));
        assert!(matches!(gallery.draw(now)[..], [(_, TileContent::Picture(_))]));
        gallery.set_windows(&[seen(false)]);
        assert_eq!(gallery.draw(now), avatar(50), "the last picture of a camera does not stay");
        gallery.set_avatars(BTreeMap::from([("ben".into(), grey(90)), ("chi".into(), grey(9))]));
        assert_eq!(gallery.draw(now), avatar(90));
        gallery.set_avatars(BTreeMap::new());
        assert_eq!(gallery.draw(now), [(tile.clone(), TileContent::Initials)]);
        assert!(gallery.draw(now).is_empty());
    }

    #[test]
    fn small_tiles_are_drawn_less_often() {
        let start = Instant::now();
        let drawings = |width: u16| {
            let (gallery, tile) = (Gallery::default(), TileId::person("ben".into()));
            gallery.set_windows(&[window(&tile, width, false)]);
            let drawn = (0..30u32).filter(|number| {
                gallery.show(&tile, grey(20));
                let now = start + Duration::from_secs(1) * *number / 15;
                !gallery.draw(now).is_empty()
            });
            drawn.count()
        };
        // Windows of 4 rows, 30 pictures within two seconds.
        assert_eq!([drawings(90), drawings(40), drawings(16)], [30, 15, 10]);
    }

    #[test]
    fn places_are_bounded() {
        let gallery = Gallery::default();
        for number in 0..1000 {
            gallery.show(&TileId::screen("ben".into(), number), grey(9));
        }
        assert_eq!(gallery.places().len(), PLACES);
    }

    #[test]
    fn a_mirror_changes_left_and_right() {
        let mut picture = Picture::new(5, 3).expect("small");
        picture.y_mut().copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        picture.u_mut().copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        let seen = mirrored(&picture);
        assert_eq!(seen.y(), [5, 4, 3, 2, 1, 10, 9, 8, 7, 6, 15, 14, 13, 12, 11]);
        assert_eq!(seen.u(), [3, 2, 1, 6, 5, 4]);
        assert_eq!(mirrored(&seen), picture);
    }
}
