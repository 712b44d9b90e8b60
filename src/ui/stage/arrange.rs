//! Divides the stage into tiles.
//!
//! Whatever the layout and however small the stage, each tile is either placed or counted
//! in [`More`], and no two places overlap.

use ratatui::layout::Rect;

use super::choice::LayoutChoice;

/// The smallest tile that shows a name and something above it.
const MIN_TILE: (u16, u16) = (14, 5);

/// A tile without a picture looks empty rather than large when it is larger than this.
const MAX_PLAIN_TILE: (u16, u16) = (56, 16);

/// Sides of most pictures, and how much higher than wide a cell is.
const PICTURE: (u32, u32) = (16, 9);
const CELL_ASPECT: u32 = 2;

/// Columns of one entry of the wall of meters.
const WALL_WIDTH: u16 = 32;

/// Rows of the strip below what is large, and what the large one needs at least.
const STRIP: (u16, u16) = (4, 9);
const FEATURED_ROWS: u16 = 6;

/// Rows from which on there are tiles below a shared screen: text needs rows more than faces.
const STRIP_FROM: u16 = 20;

/// Columns of the tiles beside a shared screen, and from which width of the stage on.
const SIDE: (u16, u16) = (16, 30);
const SIDE_FROM: u16 = 72;

/// How a tile is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// In a box of its own.
    Boxed,
    /// Over all of its place, with its name below: it is alone or stands out.
    Plain,
    /// On one line.
    Line,
}

/// Where a tile goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which one, counted as they were given.
    pub index: usize,
    /// Where.
    pub area: Rect,
    /// How.
    pub style: Style,
}

/// Tiles without a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct More {
    /// Where their number goes.
    pub area: Rect,
    /// Which ones.
    pub hidden: Vec<usize>,
    /// As a tile, or on a line that has room for names.
    pub style: Style,
}

/// Where everything goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Tiles that are shown.
    pub places: Vec<Place>,
    /// Those that are not.
    pub more: Option<More>,
}

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// How many tiles.
    pub count: usize,
    /// The one that stands out where the layout has such a place.
    pub featured: Option<usize>,
    /// The one that has to be in sight.
    pub cursor: usize,
    /// At least one has a picture.
    pub pictures: bool,
}

impl Arrangement {
    /// Arranges tiles in `area`.
    #[must_use]
    pub fn new(area: Rect, layout: LayoutChoice, cast: Cast) -> Self {
        let mut made = Self::default();
        if cast.count == 0 || area.is_empty() {
            return made;
        }
        let featured = cast.featured.filter(|index| *index < cast.count);
        match (layout, featured) {
            (LayoutChoice::Meters, _) => made.wall(area, cast),
            (LayoutChoice::Speaker, Some(featured)) => made.speaker(area, featured, cast),
            (LayoutChoice::Filmstrip, Some(featured)) => made.filmstrip(area, featured, cast),
            (LayoutChoice::Screen, Some(featured)) if area.width >= SIDE_FROM => {
                made.beside(area, featured, cast);
            }
            (LayoutChoice::Screen, Some(featured)) if area.height < STRIP_FROM => {
                made.speaker(area, featured, cast);
            }
            (LayoutChoice::Screen, Some(featured)) => made.filmstrip(area, featured, cast),
            _ => made.grid(area, cast),
        }
        made
    }

    /// Everybody alike; as many as fit if not all do, and the wall if hardly any does.
    fn grid(&mut self, area: Rect, cast: Cast) {
        let all: Vec<usize> = (0..cast.count).collect();
        if cast.count == 1 && cast.pictures {
            self.place(0, area, Style::Plain);
        } else if let Some(areas) = equal(area, cast.count, cast.pictures) {
            for (index, area) in all.into_iter().zip(areas) {
                self.place(index, area, Style::Boxed);
            }
        } else {
            let capacity = (area.width / MIN_TILE.0) * (area.height / MIN_TILE.1);
            match equal(area, usize::from(capacity), cast.pictures) {
                Some(areas) if cast.pictures && capacity > 1 => {
                    self.some(&areas, &all, cast.cursor, Style::Boxed);
                }
                _ => self.wall(area, cast),
            }
        }
    }

    /// One alone, the others on a line below.
    fn speaker(&mut self, area: Rect, featured: usize, cast: Cast) {
        let others = others(featured, cast.count);
        let line = u16::from(!others.is_empty() && area.height > 1);
        let top = Rect { height: area.height - line, ..area };
        self.place(featured, top, Style::Plain);
        if !others.is_empty() {
            let row = Rect { y: top.bottom(), height: line, ..area };
            self.more = Some(More { area: row, hidden: others, style: Style::Line });
        }
    }

    /// One large, the others in a row below.
    fn filmstrip(&mut self, area: Rect, featured: usize, cast: Cast) {
        let others = others(featured, cast.count);
        let height = (area.height / 4).clamp(STRIP.0, STRIP.1);
        if area.height < height + FEATURED_ROWS || area.width < MIN_TILE.0 {
            return self.speaker(area, featured, cast);
        }
        let height = if others.is_empty() { 0 } else { height };
        let top = Rect { height: area.height - height, ..area };
        self.place(featured, top, Style::Plain);
        let width = (height.saturating_sub(1) * 4).max(MIN_TILE.0).min(area.width);
        let fit = area.width / width;
        let shown = usize::from(fit).min(others.len());
        // What is left over goes to the tiles alike, and the rest to either side of the row.
        let width = (area.width / shown.max(1) as u16).min(width + width / 3);
        let left = area.x + (area.width - width * shown as u16) / 2;
        let strip =
            |place: usize| Rect { x: left + place as u16 * width, y: top.bottom(), width, height };
        let areas: Vec<Rect> = (0..shown).map(strip).collect();
        self.some(&areas, &others, cast.cursor, Style::Boxed);
    }

    /// One large, the others in a column at the right.
    fn beside(&mut self, area: Rect, featured: usize, cast: Cast) {
        let others = others(featured, cast.count);
        let width = (area.width / 5).clamp(SIDE.0, SIDE.1);
        let height = (width / 4 + 2).max(MIN_TILE.1);
        if area.height < height {
            return self.speaker(area, featured, cast);
        }
        let width = if others.is_empty() { 0 } else { width };
        let large = Rect { width: area.width - width, ..area };
        self.place(featured, large, Style::Plain);
        let shown = usize::from(area.height / height).min(others.len());
        let tile = |place: usize| Rect {
            x: large.right(),
            y: area.y + place as u16 * height,
            width,
            height,
        };
        let areas: Vec<Rect> = (0..shown).map(tile).collect();
        self.some(&areas, &others, cast.cursor, Style::Boxed);
    }

    /// One line for each, in columns.
    fn wall(&mut self, area: Rect, cast: Cast) {
        let columns = (area.width / WALL_WIDTH).max(1);
        let width = area.width / columns;
        let places = usize::from(columns) * usize::from(area.height);
        let row = |place: usize| Rect {
            x: area.x + (place / usize::from(area.height)) as u16 * width,
            y: area.y + (place % usize::from(area.height)) as u16,
            width,
            height: 1,
        };
        let areas: Vec<Rect> = (0..places.min(cast.count)).map(row).collect();
        let all: Vec<usize> = (0..cast.count).collect();
        self.some(&areas, &all, cast.cursor, Style::Line);
    }

    /// Puts tiles where there are places; if these are too few, the last one is for the
    /// number of those that are left. The one under the cursor is among those that are shown.
    fn some(&mut self, areas: &[Rect], indexes: &[usize], cursor: usize, style: Style) {
        if indexes.len() <= areas.len() {
            for (index, area) in indexes.iter().zip(areas) {
                self.place(*index, *area, style);
            }
            return;
        }
        let Some((last, areas)) = areas.split_last() else {
            return;
        };
        let at = indexes.iter().position(|index| *index == cursor).unwrap_or(0);
        let first = (at + 1).saturating_sub(areas.len());
        let shown = first..first + areas.len();
        for (index, area) in indexes.iter().skip(first).zip(areas) {
            self.place(*index, *area, style);
        }
        let left = indexes.iter().enumerate().filter(|(place, _)| !shown.contains(place));
        let hidden = left.map(|(_, index)| *index).collect();
        self.more = Some(More { area: *last, hidden, style });
    }

    fn place(&mut self, index: usize, area: Rect, style: Style) {
        self.places.push(Place { index, area, style });
    }
}

fn others(featured: usize, count: usize) -> Vec<usize> {
    (0..count).filter(|index| *index != featured).collect()
}

/// One area per tile, centred, or `None` if `count` tiles do not fit.
fn equal(area: Rect, count: usize, pictures: bool) -> Option<Vec<Rect>> {
    let count = u16::try_from(count).ok().filter(|count| *count > 0)?;
    let fits = |columns: u16| {
        let rows = count.div_ceil(columns);
        let size = (area.width / columns, area.height / rows);
        (size.0 >= MIN_TILE.0 && size.1 >= MIN_TILE.1).then_some((columns, rows, size))
    };
    let (columns, rows, size) = (1..=count)
        .filter_map(fits)
        .max_by_key(|&(columns, _, size)| (magnification(size), std::cmp::Reverse(columns)))?;
    let most = if pictures { (u16::MAX, u16::MAX) } else { MAX_PLAIN_TILE };
    let (width, height) = (size.0.min(most.0), size.1.min(most.1));
    let top = area.y + (area.height - height * rows) / 2;
    let tile = |index: u16| {
        let row = index / columns;
        let in_row = if row + 1 == rows { count - row * columns } else { columns };
        let left = area.x + (area.width - width * in_row) / 2;
        Rect { x: left + (index % columns) * width, y: top + row * height, width, height }
    };
    Some((0..count).map(tile).collect())
}

/// How large a picture is in a box of that size, compared with other boxes.
fn magnification((width, height): (u16, u16)) -> u32 {
    let (width, height) = (width.saturating_sub(2), height.saturating_sub(2));
    (u32::from(width) * PICTURE.1).min(u32::from(height) * CELL_ASPECT * PICTURE.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cells that a picture covers in the box of a tile.
    fn covered(width: f64, height: f64) -> f64 {
        let (width, height) = (width - 2.0, (height - 2.0) * 2.0);
        let scale = (width / 16.0).min(height / 9.0);
        scale * scale * 16.0 * 9.0 / 2.0
    }

    proptest! {
        #[test]
        fn no_other_grid_has_larger_pictures(
            size in (14u16..250, 5u16..80), count in 2usize..20,
        ) {
            let area = Rect::new(0, 0, size.0, size.1);
            let Some(areas) = equal(area, count, true) else { return Ok(()) };
            let ours = covered(f64::from(areas[0].width), f64::from(areas[0].height));
            for columns in 1..=count as u16 {
                for rows in 1..=count as u16 {
                    let (width, height) = (size.0 / columns, size.1 / rows);
                    let fits = width >= MIN_TILE.0 && height >= MIN_TILE.1;
                    if usize::from(columns) * usize::from(rows) >= count && fits {
                        let theirs = covered(f64::from(width), f64::from(height));
                        prop_assert!(theirs <= ours + 1e-9, "{}x{} of {:?}", columns, rows, areas);
                    }
                }
            }
        }

        #[test]
        fn tiles_stay_inside_and_apart_and_nobody_is_lost(
            size in (0u16..250, 0u16..80),
            layout in prop::sample::select(LayoutChoice::ALL.to_vec()),
            count in 0usize..40,
            featured in prop::option::of(0usize..40),
            cursor in 0usize..40,
            pictures in any::<bool>(),
        ) {
            let area = Rect::new(3, 2, size.0, size.1);
            let cast = Cast { count, featured, cursor, pictures };
            let made = Arrangement::new(area, layout, cast);
            let mut areas: Vec<Rect> = made.places.iter().map(|place| place.area).collect();
            areas.extend(made.more.iter().map(|more| more.area));
            for (index, tile) in areas.iter().enumerate() {
                prop_assert_eq!(area.intersection(*tile), *tile);
                prop_assert!(areas.iter().skip(index + 1).all(|other| !other.intersects(*tile)));
            }
            let mut seen: Vec<usize> = made.places.iter().map(|place| place.index).collect();
            seen.extend(made.more.iter().flat_map(|more| more.hidden.clone()));
            seen.sort_unstable();
            let expected = if area.is_empty() { 0 } else { count };
            prop_assert_eq!(seen, (0..expected).collect::<Vec<_>>());
            // A name and a number need room.
            if size.0 >= 14 && size.1 >= 2 && count > 0 {
                prop_assert!(areas.iter().all(|tile| !tile.is_empty()));
                let sees = |index| made.places.iter().any(|place| place.index == index);
                if let (LayoutChoice::Grid, true) = (layout, cursor < count) {
                    prop_assert!(sees(cursor), "the cursor is in sight");
                }
            }
        }
    }
}
