//! The messages of a shared terminal, as bytes and as what they mean.
//!
//! They travel sealed on data tracks, among messages of applications, and are told from those
//! by their first eight bytes. All numbers are big endian. Whatever another program sends is
//! read within the bounds given here or not at all.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::cell::Cell;
use super::cell::Colour;
use super::cell::Style;
use super::cell::Width;
use super::grid::History;
use super::grid::Meta;
use super::grid::TerminalSize;

/// What every message begins with. The last byte is the version.
const MAGIC: &[u8; 8] = b"\0cncvty\x01";

/// Longest message: a data channel carries 16 KiB, of which sealing takes some.
pub(super) const MAX_BYTES: usize = 15 * 1024;

/// Longest title and longest name.
const MAX_TEXT: usize = 255;

/// Longest sealed key and longest sealed keystrokes.
const MAX_SEALED: usize = 8 * 1024;

/// Most cells in one piece of a row; several pieces make a row.
pub(super) const MAX_SPAN: usize = 200;

const KEY: u8 = 1;
const COMMIT: u8 = 2;
const SCROLL: u8 = 4;
const META: u8 = 8;

/// Whether a data message is one of a shared terminal, well-formed or not.
#[must_use]
pub fn is_ours(data: &[u8]) -> bool {
    data.starts_with(MAGIC)
}

/// How the shared program is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    #[default]
    Running,
    /// It has ended with this code.
    Exited(u32),
    /// It was ended by a signal.
    Killed,
}

/// Who types into a shared terminal besides its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Counts the times at which control was given.
    pub grant: u32,
    /// The viewer that has it; `None` is the owner.
    pub viewer: Option<u64>,
}

/// What an owner tells all the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Names the share; chosen at random.
    pub share: u64,
    /// Number of the last update.
    pub sequence: u32,
    /// Size of the terminal.
    pub size: TerminalSize,
    /// How the program is doing.
    pub status: Status,
    /// Who has control.
    pub holding: Holding,
    /// The same as a name, for those who don't know the viewer by its number.
    pub holder: String,
    /// How many watch.
    pub watchers: u16,
    /// What is shared.
    pub title: String,
}

/// Some cells next to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Row, from 0.
    pub row: u16,
    /// Column of the first cell, from 0.
    pub column: u16,
    /// The cells.
    pub cells: Vec<Cell>,
}

/// A change of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The share.
    pub share: u64,
    /// One more than that of the update before.
    pub sequence: u32,
    /// What follows is a whole screen of this size; nothing before counts.
    pub key: Option<TerminalSize>,
    /// The screen is now as the owner's was at one moment.
    pub commit: bool,
    /// Rows by which everything moves up first.
    pub scroll: u16,
    /// The rest besides cells, if it changed.
    pub meta: Option<Meta>,
    /// Cells that changed.
    pub spans: Vec<Span>,
}

/// A message of a shared terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Owner to all: there is a shared terminal.
    Beacon(Beacon),
    /// Owner to all: its screen changed.
    Update(Update),
    /// Owner to all: a viewer may type, with the key that is sealed for its user.
    Grant {
        /// The share.
        share: u64,
        /// Number of this grant.
        grant: u32,
        /// The viewer.
        viewer: u64,
        /// The key.
        sealed: Vec<u8>,
    },
    /// Owner to all: lines that have left the screen.
    History {
        /// The share.
        share: u64,
        /// The numbering that the lines belong to.
        epoch: u32,
        /// Number of the first line.
        from: u64,
        /// The lines, one after the other.
        lines: Vec<Vec<Cell>>,
    },
    /// Owner to all: it is over.
    Bye {
        /// The share.
        share: u64,
    },
    /// Viewer to all: who shares something?
    Query,
    /// Viewer to owner: I watch; repeated.
    Watch {
        /// The share.
        share: u64,
        /// The viewer; chosen at random.
        viewer: u64,
        /// Where it has room for so much, and wants the terminal to fit.
        room: Option<TerminalSize>,
        /// It needs the whole screen.
        resync: bool,
    },
    /// Viewer to owner: I don't watch any more.
    Unwatch {
        /// The share.
        share: u64,
        /// The viewer.
        viewer: u64,
    },
    /// Viewer to owner: may I type?
    Ask {
        /// The share.
        share: u64,
        /// The viewer.
        viewer: u64,
    },
    /// Viewer to owner: take control back.
    Release {
        /// The share.
        share: u64,
        /// The viewer.
        viewer: u64,
        /// The grant that ends.
        grant: u32,
    },
    /// Viewer to owner: keystrokes, sealed with the key of the grant.
    Keys {
        /// The share.
        share: u64,
        /// The viewer.
        viewer: u64,
        /// The grant that allows it.
        grant: u32,
        /// The keystrokes.
        sealed: Vec<u8>,
    },
    /// Viewer to owner: send lines that have left the screen.
    WantHistory {
        /// The share.
        share: u64,
        /// The viewer.
        viewer: u64,
        /// Number of the first line.
        from: u64,
        /// How many lines.
        count: u16,
    },
}

impl Message {
    /// The message as bytes, at most [`MAX_BYTES`] if its parts are within their bounds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        match self {
            Self::Beacon(beacon) => beacon.encode(&mut out),
            Self::Update(update) => update.encode(&mut out),
            Self::Grant { share, grant, viewer, sealed } => {
                out.u8(3).u64(*share).u32(*grant).u64(*viewer).bytes(sealed);
            }
            Self::History { share, epoch, from, lines } => {
                out.u8(4).u64(*share).u32(*epoch).u64(*from);
                lines.iter().for_each(|line| out.cells(line));
            }
            Self::Bye { share } => drop(out.u8(5).u64(*share)),
            Self::Query => drop(out.u8(16)),
            Self::Watch { share, viewer, room, resync } => {
                out.u8(17).u64(*share).u64(*viewer).u8(u8::from(*resync));
                if let Some(room) = room {
                    out.size(*room);
                }
            }
            Self::Unwatch { share, viewer } => drop(out.u8(18).u64(*share).u64(*viewer)),
            Self::Ask { share, viewer } => drop(out.u8(19).u64(*share).u64(*viewer)),
            Self::Release { share, viewer, grant } => {
                out.u8(20).u64(*share).u64(*viewer).u32(*grant);
            }
            Self::Keys { share, viewer, grant, sealed } => {
                out.u8(21).u64(*share).u64(*viewer).u32(*grant).bytes(sealed);
            }
            Self::WantHistory { share, viewer, from, count } => {
                out.u8(22).u64(*share).u64(*viewer).u64(*from).u16(*count);
            }
        }
        out.0
    }

    /// Reads a message; `None` if it is none of ours, or makes no sense.
    #[must_use]
    pub fn decode(data: &[u8]) -> Option<Self> {
        if data.len() > MAX_BYTES {
            return None;
        }
        let mut input = Reader(data.strip_prefix(MAGIC)?);
        let kind = input.u8()?;
        if kind == 16 {
            return Some(Self::Query);
        }
        let share = input.u64()?;
        // What follows a message is for later versions.
        Some(match kind {
            1 => Self::Beacon(Beacon::decode(share, &mut input)?),
            2 => Self::Update(Update::decode(share, &mut input)?),
            3 => {
                let (grant, viewer) = (input.u32()?, input.u64()?);
                Self::Grant { share, grant, viewer, sealed: input.bytes()? }
            }
            4 => {
                let (epoch, from) = (input.u32()?, input.u64()?);
                let mut lines = Vec::new();
                while !input.0.is_empty() {
                    lines.push(input.cells(usize::from(TerminalSize::MOST.columns()))?);
                }
                Self::History { share, epoch, from, lines }
            }
            5 => Self::Bye { share },
            17 => {
                let (viewer, resync) = (input.u64()?, input.u8()? & 1 == 1);
                let room = if input.0.is_empty() { None } else { Some(input.room()?) };
                Self::Watch { share, viewer, room, resync }
            }
            18 => Self::Unwatch { share, viewer: input.u64()? },
            19 => Self::Ask { share, viewer: input.u64()? },
            20 => Self::Release { share, viewer: input.u64()?, grant: input.u32()? },
            21 => {
                let (viewer, grant) = (input.u64()?, input.u32()?);
                Self::Keys { share, viewer, grant, sealed: input.bytes()? }
            }
            22 => {
                let (viewer, from, count) = (input.u64()?, input.u64()?, input.u16()?);
                Self::WantHistory { share, viewer, from, count }
            }
            _ => return None,
        })
    }
}

impl Beacon {
    fn encode(&self, out: &mut Writer) {
        let (status, code) = match self.status {
            Status::Running => (0, 0),
            Status::Exited(code) => (1, code),
            Status::Killed => (2, 0),
        };
        out.u8(1).u64(self.share).u32(self.sequence).size(self.size).u8(status).u32(code);
        out.u32(self.holding.grant).u8(u8::from(self.holding.viewer.is_some()));
        out.u64(self.holding.viewer.unwrap_or(0)).u16(self.watchers);
        out.text(&self.holder).text(&self.title);
    }

    fn decode(share: u64, input: &mut Reader<'_>) -> Option<Self> {
        let (sequence, size) = (input.u32()?, input.size()?);
        let status = match (input.u8()?, input.u32()?) {
            (0, _) => Status::Running,
            (1, code) => Status::Exited(code),
            _ => Status::Killed,
        };
        let (grant, held, viewer) = (input.u32()?, input.u8()? & 1 == 1, input.u64()?);
        let holding = Holding { grant, viewer: held.then_some(viewer) };
        let watchers = input.u16()?;
        let (holder, title) = (input.text()?, input.text()?);
        Some(Self { share, sequence, size, status, holding, holder, watchers, title })
    }
}

impl Update {
    fn encode(&self, out: &mut Writer) {
        let flags = [
            (self.key.is_some(), KEY),
            (self.commit, COMMIT),
            (self.scroll > 0, SCROLL),
            (self.meta.is_some(), META),
        ];
        let flags = flags.into_iter().filter(|(on, _)| *on).fold(0, |all, (_, flag)| all | flag);
        out.u8(2).u64(self.share).u32(self.sequence).u8(flags);
        if let Some(size) = self.key {
            out.size(size);
        }
        if self.scroll > 0 {
            out.u16(self.scroll);
        }
        if let Some(meta) = &self.meta {
            out.meta(meta);
        }
        for span in &self.spans {
            out.u16(span.row).u16(span.column).cells(&span.cells);
        }
    }

    fn decode(share: u64, input: &mut Reader<'_>) -> Option<Self> {
        let (sequence, flags) = (input.u32()?, input.u8()?);
        let key = if flags & KEY == 0 { None } else { Some(input.size()?) };
        let scroll = if flags & SCROLL == 0 { 0 } else { input.u16()? };
        let meta = if flags & META == 0 { None } else { Some(input.meta()?) };
        let mut spans = Vec::new();
        while !input.0.is_empty() {
            let (row, column) = (input.u16()?, input.u16()?);
            spans.push(Span { row, column, cells: input.cells(MAX_SPAN)? });
        }
        let commit = flags & COMMIT != 0;
        Some(Self { share, sequence, key, commit, scroll, meta, spans })
    }
}

/// How many bytes a span takes in an update.
pub(super) fn span_bytes(cells: &[Cell]) -> usize {
    let mut out = Writer(Vec::new());
    out.cells(cells);
    out.0.len().saturating_add(4)
}

/// How many bytes a line takes in a message with history.
pub(super) fn line_bytes(cells: &[Cell]) -> usize {
    span_bytes(cells)
}

const REPEATED: u8 = 0;
const LETTERS: u8 = 1;
const CELLS: u8 = 2;

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn size(&mut self, size: TerminalSize) -> &mut Self {
        self.u16(size.columns()).u16(size.rows())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let kept = bytes.get(..bytes.len().min(MAX_SEALED)).unwrap_or_default();
        self.u16(u16::try_from(kept.len()).unwrap_or(0));
        self.0.extend_from_slice(kept);
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let kept = text.get(..end).unwrap_or_default();
        self.u8(u8::try_from(kept.len()).unwrap_or(0));
        self.0.extend_from_slice(kept.as_bytes());
        self
    }

    fn meta(&mut self, meta: &Meta) {
        let flags =
            [meta.cursor_hidden, meta.alternate, meta.application_cursor, meta.bracketed_paste];
        let flags = flags.into_iter().rev().fold(0, |all, on| (all << 1) | u8::from(on));
        self.u16(meta.cursor.0).u16(meta.cursor.1).u8(flags);
        self.u32(meta.history.epoch).u64(meta.history.first).u64(meta.history.end);
    }

    /// Cells in runs that look the same: letters, one cell again and again, or any.
    fn cells(&mut self, cells: &[Cell]) {
        self.u16(u16::try_from(cells.len()).unwrap_or(u16::MAX));
        let mut rest = cells;
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|cell| *cell == first).count();
            let letters = rest
                .iter()
                .take_while(|cell| cell.style() == first.style() && letter(cell).is_some())
                .count();
            let styled = rest.iter().take_while(|cell| cell.style() == first.style());
            let (kind, count) = if same >= 4 || same >= letters.max(2) {
                (REPEATED, same)
            } else if letters > 0 {
                // Up to where a repetition is worth a run of its own.
                let end = rest
                    .windows(4)
                    .take(letters)
                    .position(|four| four.iter().all(|cell| Some(cell) == four.first()));
                (LETTERS, end.unwrap_or(letters).max(1))
            } else {
                (CELLS, styled.take_while(|cell| letter(cell).is_none()).count().max(1))
            };
            let count = count.min(usize::from(u8::MAX));
            let Some((run, after)) = rest.split_at_checked(count) else { return };
            self.style(first.style());
            self.u8(kind).u8(u8::try_from(count).unwrap_or(u8::MAX));
            match kind {
                REPEATED => self.cell(first),
                LETTERS => self.0.extend(run.iter().filter_map(letter)),
                _ => run.iter().for_each(|cell| self.cell(cell)),
            }
            rest = after;
        }
    }

    fn cell(&mut self, cell: &Cell) {
        let width = match cell.width() {
            Width::Narrow => 0,
            Width::Wide => 1,
            Width::Continuation => 2,
        };
        let text = cell.text();
        self.u8((width << 5) | u8::try_from(text.len() & 31).unwrap_or(0));
        self.0.extend_from_slice(text.as_bytes());
    }

    fn style(&mut self, style: Style) {
        let kind = |colour| match colour {
            Colour::Default => 0,
            Colour::Indexed(_) => 1,
            Colour::Rgb(..) => 2,
        };
        let kinds = kind(style.foreground) | (kind(style.background) << 2);
        self.u8(style.attributes).u8(kinds);
        for colour in [style.foreground, style.background] {
            match colour {
                Colour::Default => {}
                Colour::Indexed(index) => drop(self.u8(index)),
                Colour::Rgb(red, green, blue) => drop(self.u8(red).u8(green).u8(blue)),
            }
        }
    }
}

/// The byte of a cell that holds one narrow ASCII character.
fn letter(cell: &Cell) -> Option<u8> {
    match cell.text().as_bytes() {
        [byte @ 0x20..=0x7e] if cell.width() == Width::Narrow => Some(*byte),
        _ => None,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn size(&mut self) -> Option<TerminalSize> {
        TerminalSize::checked(self.u16()?, self.u16()?)
    }

    /// What a viewer has room for; the owner decides what to make of it.
    fn room(&mut self) -> Option<TerminalSize> {
        Some(TerminalSize::new(self.u16()?, self.u16()?))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(self.u16()?);
        if length > MAX_SEALED {
            return None;
        }
        self.take(length).map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.u8()?);
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        Some(text.chars().filter(|character| !character.is_control()).collect())
    }

    fn meta(&mut self) -> Option<Meta> {
        let (cursor, flags) = ((self.u16()?, self.u16()?), self.u8()?);
        let on = |bit: u32| flags.wrapping_shr(bit) & 1 == 1;
        let history = History { epoch: self.u32()?, first: self.u64()?, end: self.u64()? };
        Some(Meta {
            cursor,
            cursor_hidden: on(0),
            alternate: on(1),
            application_cursor: on(2),
            bracketed_paste: on(3),
            history,
        })
    }

    fn cells(&mut self, most: usize) -> Option<Vec<Cell>> {
        let count = usize::from(self.u16()?);
        if count > most {
            return None;
        }
        let mut cells = Vec::with_capacity(count);
        while cells.len() < count {
            let style = self.style()?;
            let (kind, run) = (self.u8()?, usize::from(self.u8()?));
            if run == 0 || cells.len().saturating_add(run) > count {
                return None;
            }
            match kind {
                REPEATED => {
                    let cell = self.cell(style)?;
                    cells.extend(std::iter::repeat_n(cell, run));
                }
                LETTERS => {
                    let letters = self.take(run)?.iter();
                    cells.extend(letters.map(|letter| Cell::ascii(*letter, style)));
                }
                CELLS => {
                    for _ in 0..run {
                        cells.push(self.cell(style)?);
                    }
                }
                _ => return None,
            }
        }
        Some(cells)
    }

    fn cell(&mut self, style: Style) -> Option<Cell> {
        let head = self.u8()?;
        let width = match head >> 5 {
            0 => Width::Narrow,
            1 => Width::Wide,
            2 => Width::Continuation,
            _ => return None,
        };
        let text = std::str::from_utf8(self.take(usize::from(head & 31))?).ok()?;
        Some(Cell::new(text, width, style))
    }

    fn style(&mut self) -> Option<Style> {
        let (attributes, kinds) = (self.u8()? & Style::ATTRIBUTES, self.u8()?);
        let mut colour = |kind: u8| {
            Some(match kind & 3 {
                0 => Colour::Default,
                1 => Colour::Indexed(self.u8()?),
                2 => Colour::Rgb(self.u8()?, self.u8()?, self.u8()?),
                _ => return None,
            })
        };
        let (foreground, background) = (colour(kinds)?, colour(kinds >> 2)?);
        Some(Style { foreground, background, attributes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Cell> {
        let colour = prop_oneof![
            Just(Colour::Default),
            any::<u8>().prop_map(Colour::Indexed),
            any::<(u8, u8, u8)>().prop_map(|(r, g, b)| Colour::Rgb(r, g, b)),
        ];
        let style =
            (colour.clone(), colour, 0u8..32).prop_map(|(foreground, background, attributes)| {
                Style { foreground, background, attributes }
            });
        let style = prop_oneof![3 => Just(Style::default()), 1 => style];
        let text = prop_oneof![
            4 => "[a-c ]".prop_map(|text| (text, Width::Narrow)),
            1 => Just((String::new(), Width::Narrow)),
            1 => Just((String::new(), Width::Continuation)),
            1 => Just(("会".to_owned(), Width::Wide)),
            1 => Just(("e\u{301}".to_owned(), Width::Narrow)),
        ];
        (text, style).prop_map(|((text, width), style)| Cell::new(&text, width, style))
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            spans in prop::collection::vec((0u16..50, 0u16..200, prop::collection::vec(cell(), 0..40)), 0..6),
            numbers in any::<(u64, u32, u16, bool)>(),
            key in prop::option::of((8u16..400, 2u16..200)),
            cursor in any::<(u16, u16, bool, bool, bool, bool, u64)>(),
        ) {
            let (share, sequence, scroll, commit) = numbers;
            let (row, column, cursor_hidden, alternate, application_cursor, bracketed_paste, end) = cursor;
            let meta = Meta {
                cursor: (row, column),
                cursor_hidden,
                alternate,
                application_cursor,
                bracketed_paste,
                history: History { epoch: sequence, first: 1, end },
            };
            let update = Message::Update(Update {
                share,
                sequence,
                key: key.map(|(columns, rows)| TerminalSize::new(columns, rows)),
                commit,
                scroll,
                meta: commit.then_some(meta),
                spans: spans.iter().map(|(row, column, cells)| Span { row: *row, column: *column, cells: cells.clone() }).collect(),
            });
            prop_assert_eq!(Message::decode(&update.encode()), Some(update));
            let lines = spans.into_iter().map(|(_, _, cells)| cells).collect();
            let history = Message::History { share, epoch: sequence, from: end, lines };
            prop_assert_eq!(Message::decode(&history.encode()), Some(history));
        }

        #[test]
        fn bytes_of_others_never_panic(kind in 0u8..24, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut message = MAGIC.to_vec();
            message.push(kind);
            message.extend_from_slice(&bytes);
            if let Some(message) = Message::decode(&message) {
                // What can be understood can be said.
                prop_assert_eq!(Message::decode(&message.encode()), Some(message));
            }
            prop_assert_eq!(Message::decode(&bytes), None);
        }
    }

    #[test]
    fn small_messages_come_back_as_they_were() {
        let (share, viewer, grant) = (7, 8, 9);
        let room = Some(TerminalSize::USUAL);
        let messages = [
            Message::Beacon(Beacon {
                share,
                sequence: 3,
                size: TerminalSize::USUAL,
                status: Status::Exited(2),
                holding: Holding { grant, viewer: Some(viewer) },
                holder: "ben".to_owned(),
                watchers: 4,
                title: "vim \u{4f1a}".to_owned(),
            }),
            Message::Grant { share, grant, viewer, sealed: vec![1, 2] },
            Message::Bye { share },
            Message::Query,
            Message::Watch { share, viewer, room, resync: true },
            Message::Watch { share, viewer, room: None, resync: false },
            Message::Unwatch { share, viewer },
            Message::Ask { share, viewer },
            Message::Release { share, viewer, grant },
            Message::Keys { share, viewer, grant, sealed: vec![3; 100] },
            Message::WantHistory { share, viewer, from: 5, count: 6 },
        ];
        for message in messages {
            let encoded = message.encode();
            assert!(is_ours(&encoded));
            assert_eq!(Message::decode(&encoded), Some(message));
            assert_eq!(Message::decode(encoded.get(..9).unwrap()).is_some(), encoded.len() == 9);
        }
        assert!(!is_ours(b"hello"));
        assert!(Message::decode(&vec![0; MAX_BYTES + 1]).is_none());
    }
}
