//! Divides the stage into equal tiles.

use ratatui::layout::Rect;

/// The smallest tile that shows an initial, a name and a meter.
pub(super) const MIN_TILE: (u16, u16) = (14, 5);

/// A tile larger than this looks empty rather than large.
const MAX_TILE: (u16, u16) = (56, 16);

/// A cell is about twice as high as it is wide.
const CELL_ASPECT: u32 = 2;

/// One area per tile, centred, or `None` if `count` tiles do not fit.
pub(super) fn tiles(area: Rect, count: usize) -> Option<Vec<Rect>> {
    let count = u16::try_from(count).ok().filter(|count| *count > 0)?;
    let fits = |columns: u16| {
        let rows = count.div_ceil(columns);
        let size = (area.width / columns, area.height / rows);
        (size.0 >= MIN_TILE.0 && size.1 >= MIN_TILE.1).then_some((columns, rows, size))
    };
    // The squarest tiles win: the shorter side, in units of a cell's width, is largest.
    let squareness = |size: (u16, u16)| u32::from(size.0).min(u32::from(size.1) * CELL_ASPECT * 2);
    let (columns, rows, size) = (1..=count)
        .filter_map(fits)
        .max_by_key(|&(columns, _, size)| (squareness(size), std::cmp::Reverse(columns)))?;
    let (width, height) = (size.0.min(MAX_TILE.0), size.1.min(MAX_TILE.1));
    let top = area.y + (area.height - height * rows) / 2;
    let tile = |index: u16| {
        let row = index / columns;
        let in_row = if row + 1 == rows { count - row * columns } else { columns };
        let left = area.x + (area.width - width * in_row) / 2;
        Rect { x: left + (index % columns) * width, y: top + row * height, width, height }
    };
    Some((0..count).map(tile).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tiles_stay_inside_and_apart(width in 0u16..250, height in 0u16..80, count in 0usize..40) {
            let area = Rect::new(3, 2, width, height);
            if let Some(tiles) = tiles(area, count) {
                prop_assert_eq!(tiles.len(), count);
                for (index, tile) in tiles.iter().enumerate() {
                    prop_assert_eq!(area.intersection(*tile), *tile);
                    prop_assert!(tiles.iter().skip(index + 1).all(|other| !other.intersects(*tile)));
                }
            }
        }
    }
}
