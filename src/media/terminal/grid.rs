//! The screen of a shared terminal: rows of cells, and what else is to be known about it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::cell::Cell;

/// Columns and rows of a terminal, within what a shared one may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    columns: u16,
    rows: u16,
}

impl TerminalSize {
    /// What terminals have that nobody has chosen a size for.
    pub const USUAL: Self = Self { columns: 80, rows: 24 };
    /// The smallest one. Programs don't get along with less, nor does the emulation.
    pub const LEAST: Self = Self { columns: 8, rows: 2 };
    /// The largest one; bounds what a viewer has to keep.
    pub const MOST: Self = Self { columns: 400, rows: 200 };

    /// This size, or what is nearest to it and allowed.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        Self {
            columns: columns.clamp(Self::LEAST.columns, Self::MOST.columns),
            rows: rows.clamp(Self::LEAST.rows, Self::MOST.rows),
        }
    }

    /// This size, if it is allowed.
    #[must_use]
    pub fn checked(columns: u16, rows: u16) -> Option<Self> {
        let size = Self::new(columns, rows);
        (size == Self { columns, rows }).then_some(size)
    }

    /// Columns.
    #[must_use]
    pub const fn columns(self) -> u16 {
        self.columns
    }

    /// Rows.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.rows
    }

    /// The largest size that fits into both.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self { columns: self.columns.min(other.columns), rows: self.rows.min(other.rows) }
    }

    fn cells(self) -> usize {
        usize::from(self.columns).saturating_mul(usize::from(self.rows))
    }
}

/// Lines that have left the screen at the top, numbered from the start of the share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Counts the times at which numbers were given anew; lines of others are worthless.
    pub epoch: u32,
    /// The oldest one that is kept.
    pub first: u64,
    /// One more than the newest one.
    pub end: u64,
}

/// What there is to know about a screen besides its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Row and column of the cursor, from 0. The column may be one past the last.
    pub cursor: (u16, u16),
    /// The cursor is not shown.
    pub cursor_hidden: bool,
    /// The program uses the alternate screen, which has no history.
    pub alternate: bool,
    /// Cursor keys send `ESC O A` instead of `ESC [ A`.
    pub application_cursor: bool,
    /// Pasted text is to be bracketed.
    pub bracketed_paste: bool,
    /// What has left the screen.
    pub history: History,
}

/// A screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    size: TerminalSize,
    cells: Vec<Cell>,
    /// The rest.
    pub meta: Meta,
}

impl Grid {
    /// An empty screen.
    #[must_use]
    pub fn new(size: TerminalSize) -> Self {
        Self { size, cells: vec![Cell::default(); size.cells()], meta: Meta::default() }
    }

    /// Its size.
    #[must_use]
    pub const fn size(&self) -> TerminalSize {
        self.size
    }

    /// The cells of a row from left to right; none if there is no such row.
    #[must_use]
    pub fn row(&self, row: u16) -> &[Cell] {
        let (start, end) = self.range(row);
        self.cells.get(start..end).unwrap_or_default()
    }

    /// The same, to be written to.
    pub(super) fn row_mut(&mut self, row: u16) -> &mut [Cell] {
        let (start, end) = self.range(row);
        self.cells.get_mut(start..end).unwrap_or_default()
    }

    /// All rows from top to bottom.
    pub fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks_exact(usize::from(self.size.columns))
    }

    /// Moves all rows up; empty ones come in at the bottom.
    pub(super) fn scroll_up(&mut self, by: u16) {
        let gone = usize::from(by).saturating_mul(usize::from(self.size.columns));
        let gone = gone.min(self.cells.len());
        self.cells.rotate_left(gone);
        let kept = self.cells.len().saturating_sub(gone);
        self.cells.get_mut(kept..).unwrap_or_default().fill(Cell::default());
    }

    /// The text of a row without the spaces at its end.
    #[must_use]
    pub fn text(&self, row: u16) -> String {
        text(self.row(row))
    }

    fn range(&self, row: u16) -> (usize, usize) {
        let columns = usize::from(self.size.columns);
        let start = usize::from(row).saturating_mul(columns);
        (start, start.saturating_add(columns))
    }
}

fn text(cells: &[Cell]) -> String {
    let mut text = String::new();
    for cell in cells {
        match cell.text() {
            "" if cell.width() == super::cell::Width::Continuation => {}
            "" => text.push(' '),
            shown => text.push_str(shown),
        }
    }
    text.truncate(text.trim_end().len());
    text
}
