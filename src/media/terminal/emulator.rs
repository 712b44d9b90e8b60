//! The terminal that the shared program believes to run in: bytes in, a screen out.
//!
//! It also answers what programs ask terminals, so that none of them waits for it.

use std::num::NonZeroU16;

use vt100::Callbacks;
use vt100::MouseProtocolMode;
use vt100::Parser;
use vt100::Screen;
use vt100::capture::RowContents;

use super::cell::Cell;
use super::cell::Colour;
use super::cell::Style;
use super::cell::Width;
use super::grid::Grid;
use super::grid::History;
use super::grid::Meta;
use super::grid::TerminalSize;

/// Lines that are kept when they leave the screen at the top.
const HISTORY_LINES: usize = 1000;

/// Bytes of answers to the program that wait to be fetched; more is nothing a program asks.
const MAX_REPLIES: usize = 4096;

/// Characters of a title.
const MAX_TITLE: usize = 80;

/// What the program has done besides writing on the screen.
#[derive(Default)]
struct Notes {
    replies: Vec<u8>,
    title: String,
    /// Lines that were dropped from the history.
    dropped: u64,
}

impl Notes {
    fn reply(&mut self, bytes: &[u8]) {
        if self.replies.len() + bytes.len() <= MAX_REPLIES {
            self.replies.extend_from_slice(bytes);
        }
    }
}

impl Callbacks for Notes {
    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        let title = String::from_utf8_lossy(title);
        let shown = title.chars().filter(|character| !character.is_control());
        self.title = shown.take(MAX_TITLE).collect();
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut Screen,
        first: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        command: char,
    ) {
        let param = params.first().and_then(|param| param.first()).copied().unwrap_or(0);
        match (first, command, param) {
            // A VT220 with colours, of no particular make.
            (None, 'c', 0) => self.reply(b"\x1b[?62;22c"),
            (Some(b'>'), 'c', 0) => self.reply(b"\x1b[>1;1;0c"),
            (None, 'n', 5) => self.reply(b"\x1b[0n"),
            (None, 'n', 6) => {
                let (row, column) = screen.cursor_position();
                let columns = screen.size().1.get();
                let column = column.min(columns - 1);
                self.reply(format!("\x1b[{};{}R", row + 1, column + 1).as_bytes());
            }
            _ => {}
        }
    }

    fn on_scroll(&mut self, _: RowContents<'_>, alternate_screen: bool) {
        if !alternate_screen {
            self.dropped += 1;
        }
    }
}

/// A terminal.
pub struct Emulator {
    parser: Parser<Notes>,
    size: TerminalSize,
    history: History,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Emulator {
    /// An empty terminal.
    #[must_use]
    pub fn new(size: TerminalSize) -> Self {
        let (rows, columns) = sides(size);
        let parser = Parser::new_with_callbacks(rows, columns, HISTORY_LINES, Notes::default());
        Self { parser, size, history: History::default() }
    }

    /// Takes what the program has written.
    pub fn process(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
        self.update_history();
    }

    /// Changes the size.
    pub fn resize(&mut self, size: TerminalSize) {
        let (rows, columns) = sides(size);
        self.parser.set_size(rows, columns);
        self.size = size;
        // Lines may have come back to the screen, to leave it again as others.
        self.history.epoch = self.history.epoch.wrapping_add(1);
        self.update_history();
    }

    /// Its size.
    #[must_use]
    pub const fn size(&self) -> TerminalSize {
        self.size
    }

    /// What the program wants to be told.
    pub fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.parser.callbacks_mut().replies)
    }

    /// What the program calls itself; may be empty.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.parser.callbacks().title
    }

    /// The program wants to hear of the mouse, which shared terminals don't offer.
    #[must_use]
    pub fn wants_mouse(&self) -> bool {
        self.parser.screen().mouse_protocol_mode() != MouseProtocolMode::None
    }

    /// What is on the screen.
    #[must_use]
    pub fn grid(&self) -> Grid {
        let screen = self.parser.screen();
        let mut grid = Grid::new(self.size);
        for row in 0..self.size.rows() {
            for (column, cell) in (0..).zip(grid.row_mut(row)) {
                *cell = screen.cell(row, column).map(convert).unwrap_or_default();
            }
        }
        grid.meta = Meta {
            cursor: screen.cursor_position(),
            cursor_hidden: screen.hide_cursor(),
            alternate: screen.alternate_screen(),
            application_cursor: screen.application_cursor(),
            bracketed_paste: screen.bracketed_paste(),
            history: self.history,
        };
        grid
    }

    /// Lines that have left the screen: at most `count` from number `from` on, and the
    /// number of the first of them.
    pub fn history(&mut self, from: u64, count: u16) -> (u64, Vec<Vec<Cell>>) {
        let History { first, end, .. } = self.history;
        let from = from.clamp(first, end);
        let mut lines = Vec::new();
        if self.parser.screen().alternate_screen() {
            return (from, lines);
        }
        let rows = u64::from(self.size.rows());
        let until = end.min(from.saturating_add(u64::from(count)));
        let mut next = from;
        while next < until {
            // The top row of the view is line `next`, then.
            let offset = usize::try_from(end - next).unwrap_or(usize::MAX);
            let screen = self.parser.screen_mut();
            screen.set_scrollback(offset);
            for row in 0..rows.min(until - next) {
                let row = u16::try_from(row).unwrap_or(0);
                let columns = 0..self.size.columns();
                let cells =
                    columns.map(|column| screen.cell(row, column).map(convert).unwrap_or_default());
                lines.push(cells.collect());
            }
            next += rows.min(until - next);
        }
        self.parser.screen_mut().set_scrollback(0);
        (from, lines)
    }

    fn update_history(&mut self) {
        let screen = self.parser.screen();
        if screen.alternate_screen() {
            return;
        }
        let first = self.parser.callbacks().dropped;
        let end = first + u64::try_from(screen.scrollback_len()).unwrap_or(0);
        if end < self.history.end {
            self.history.epoch = self.history.epoch.wrapping_add(1);
        }
        (self.history.first, self.history.end) = (first, end);
    }
}

fn sides(size: TerminalSize) -> (NonZeroU16, NonZeroU16) {
    let side = |length| NonZeroU16::new(length).unwrap_or(NonZeroU16::MIN);
    (side(size.rows()), side(size.columns()))
}

fn convert(cell: &vt100::Cell) -> Cell {
    let width = match (cell.is_wide(), cell.is_wide_continuation()) {
        (_, true) => Width::Continuation,
        (true, false) => Width::Wide,
        (false, false) => Width::Narrow,
    };
    let attributes = [
        (cell.bold(), Style::BOLD),
        (cell.dim(), Style::DIM),
        (cell.italic(), Style::ITALIC),
        (cell.underline(), Style::UNDERLINE),
        (cell.inverse(), Style::INVERSE),
    ];
    let style = Style {
        foreground: colour(cell.fgcolor()),
        background: colour(cell.bgcolor()),
        attributes: attributes.into_iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum(),
    };
    Cell::new(cell.contents(), width, style)
}

const fn colour(colour: vt100::Color) -> Colour {
    match colour {
        vt100::Color::Default => Colour::Default,
        vt100::Color::Idx(index) => Colour::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => Colour::Rgb(red, green, blue),
    }
}
