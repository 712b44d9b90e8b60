//! What to tell somebody who has one screen and is to have another.
//!
//! Invariant: applying the updates to a copy of the old screen gives the new one, cell for cell.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::cell::Cell;
use super::grid::Grid;
use super::message::MAX_BYTES;
use super::message::MAX_SPAN;
use super::message::Span;
use super::message::Update;
use super::message::span_bytes;

/// What an update takes besides its spans, at most.
const HEAD_BYTES: usize = 64;

/// Cells that stay as they are between two changes of a row before it takes two spans.
const BRIDGE: usize = 12;

/// The whole of `grid`, numbered from after `sequence` on.
pub(super) fn whole(share: u64, sequence: &mut u32, grid: &Grid) -> Vec<Update> {
    let blank = Grid::new(grid.size());
    let mut updates = changes(share, sequence, &blank, grid);
    if let Some(first) = updates.first_mut() {
        first.key = Some(grid.size());
    }
    updates
}

/// From `old` to `new`, which have the same size; at least one update.
pub(super) fn changes(share: u64, sequence: &mut u32, old: &Grid, new: &Grid) -> Vec<Update> {
    let scroll = scrolled(old, new);
    let mut base = None;
    if scroll > 0 {
        let mut moved = old.clone();
        moved.scroll_up(scroll);
        base = Some(moved);
    }
    let base = base.as_ref().unwrap_or(old);
    let mut packer = Packer { share, sequence, done: Vec::new(), bytes: HEAD_BYTES };
    packer.begin();
    if let Some(first) = packer.done.last_mut() {
        first.scroll = scroll;
        first.meta = Some(new.meta);
    }
    for row in 0..new.size().rows() {
        spans(base.row(row), new.row(row), |column, cells| packer.put(row, column, cells));
    }
    let mut updates = packer.done;
    if let Some(last) = updates.last_mut() {
        last.commit = true;
    }
    updates
}

/// Puts an update onto a screen; false if it does not fit there.
pub(super) fn apply(grid: &mut Grid, update: &Update) -> bool {
    if let Some(size) = update.key {
        *grid = Grid::new(size);
    }
    if update.scroll > 0 {
        grid.scroll_up(update.scroll);
    }
    if let Some(meta) = update.meta {
        let (rows, columns) = (grid.size().rows(), grid.size().columns());
        grid.meta = meta;
        grid.meta.cursor.0 = meta.cursor.0.min(rows.saturating_sub(1));
        grid.meta.cursor.1 = meta.cursor.1.min(columns);
    }
    for span in &update.spans {
        let start = usize::from(span.column);
        let end = start.saturating_add(span.cells.len());
        let Some(place) = grid.row_mut(span.row).get_mut(start..end) else { return false };
        place.copy_from_slice(&span.cells);
    }
    true
}

/// Calls `put` with each stretch of cells that differ, short ones joined, long ones cut.
fn spans(old: &[Cell], new: &[Cell], mut put: impl FnMut(usize, &[Cell])) {
    let mut differing = old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new);
    let Some((mut start, _)) = differing.next() else { return };
    let mut last = start;
    let mut flush = |start: usize, last: usize| {
        let cells = new.get(start..=last).unwrap_or_default();
        let mut column = start;
        for piece in cells.chunks(MAX_SPAN) {
            put(column, piece);
            column = column.saturating_add(piece.len());
        }
    };
    for (column, _) in differing {
        if column.saturating_sub(last) > BRIDGE {
            flush(start, last);
            start = column;
        }
        last = column;
    }
    flush(start, last);
}

/// By how many rows the screen has moved up: 0 unless that explains most of it.
fn scrolled(old: &Grid, new: &Grid) -> u16 {
    let rows = new.size().rows();
    let differs = |row: u16| old.row(row) != new.row(row);
    let changed = (0..rows).filter(|row| differs(*row)).count();
    if changed.saturating_mul(2) < usize::from(rows) {
        return 0;
    }
    let stays = usize::from(rows).saturating_sub(changed);
    let explained = |by: u16| {
        let moved = (by..rows).filter(|row| {
            let target = row.saturating_sub(by);
            let line = old.row(*row);
            line == new.row(target) && line.iter().any(|cell| *cell != Cell::default())
        });
        moved.count()
    };
    let best = (1..rows)
        .map(|by| (explained(by), by))
        .max_by_key(|(lines, by)| (*lines, rows.saturating_sub(*by)));
    match best {
        Some((lines, by)) if lines > stays => by,
        _ => 0,
    }
}

struct Packer<'a> {
    share: u64,
    sequence: &'a mut u32,
    done: Vec<Update>,
    bytes: usize,
}

impl Packer<'_> {
    fn begin(&mut self) {
        *self.sequence = self.sequence.wrapping_add(1);
        self.bytes = HEAD_BYTES;
        self.done.push(Update {
            share: self.share,
            sequence: *self.sequence,
            key: None,
            commit: false,
            scroll: 0,
            meta: None,
            spans: Vec::new(),
        });
    }

    fn put(&mut self, row: u16, column: usize, cells: &[Cell]) {
        let bytes = span_bytes(cells);
        if self.bytes.saturating_add(bytes) > MAX_BYTES {
            self.begin();
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let column = u16::try_from(column).unwrap_or(u16::MAX);
        if let Some(update) = self.done.last_mut() {
            update.spans.push(Span { row, column, cells: cells.to_vec() });
        }
    }
}
