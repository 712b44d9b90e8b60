//! Paints: draws, compares with what the terminal shows, writes what differs.

use std::time::Duration;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::buffer::Cell;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::layout::Size;
use unicode_width::UnicodeWidthStr;

use super::backlog::Reading;
use super::budget::VideoBudget;
use super::difference::Tone;
use super::difference::UNKNOWN;
use super::difference::difference;
use super::difference::digest;
use super::difference::is_picture;
use super::ink;
use super::pace::Pace;
use super::pen::Pen;
use crate::ui::picture::MARK;
use crate::ui::picture::cell::FULL;

/// A cell of a moving picture is written anew when it differs by more than this, of 255.
pub const TOLERANCE: u8 = 5;

/// Furthest that a colour may be off where a picture is new or the budget small.
const MAX_SLACK: u8 = 24;

/// A picture that has not changed for this long is shown exactly.
const STILL: Duration = Duration::from_millis(400);

/// How soon what the budget did not allow is tried again.
const AGAIN: Duration = Duration::from_millis(33);

/// Bytes of a cell of a picture before any has been written.
const FIRST_COST: f32 = 24.0;

/// Bytes for going back to plain colours after a picture.
const PLAIN_BYTES: usize = 3;

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
const HIDE: &[u8] = b"\x1b[?25l";
const SHOW: &[u8] = b"\x1b[?25h";

/// What the terminal shows, and what it is to show.
#[derive(Debug)]
pub struct Canvas {
    shown: Buffer,
    next: Buffer,
    cursor: Option<Position>,
    stale: bool,
    pace: Pace,
    /// How far each cell of a picture is from what is shown; 0 for text.
    off: Vec<u8>,
    /// What the cells of pictures in true colour look like that are shown, and nothing else. Where
    /// there is such a cell, nothing but its mark is kept in `shown`.
    shown_tones: Vec<Tone>,
    /// The same of those that are to be shown.
    next_tones: Vec<Tone>,
    /// Bytes that a cell of a picture costs, on average.
    cost: f32,
    /// The row that comes first when not all can be written.
    turn: u16,
    /// The pictures of the last time, and since when they are the same.
    pictures: (u64, Option<Instant>),
    /// Some cell of a picture is not yet what it is to be; when to go on.
    wake_at: Option<Instant>,
    picture_bytes: usize,
    /// Bytes of the last painting.
    length: usize,
}

impl Default for Canvas {
    fn default() -> Self {
        Self::new()
    }
}

/// What a look over all cells found out.
struct Survey {
    /// How far a cell is off does not matter, only whether it is.
    exact: bool,
    /// Number of cells that are off by so much.
    off: [u32; 256],
    /// Some picture is made of blocks.
    blocks: bool,
    /// Some cell in true colour is to be another one than the last time.
    moved: bool,
    /// A number that stands for all the other cells.
    others: u64,
}

/// Which cells of pictures to write, and how.
struct Job {
    /// They are off by at least so much,
    least: u8,
    /// and at most by so much.
    most: u8,
    /// How far colours may be off afterwards.
    slack: u8,
    /// The terminal can show blocks.
    blocks: bool,
    /// How many bytes there may be then.
    limit: usize,
}

impl Canvas {
    /// Nothing is known about the terminal yet: all is drawn the first time. Pictures are
    /// shown exactly.
    #[must_use]
    pub fn new() -> Self {
        Self::with_budget(VideoBudget::Exact)
    }

    /// The same with another budget for pictures.
    #[must_use]
    pub fn with_budget(budget: VideoBudget) -> Self {
        Self {
            shown: Buffer::default(),
            next: Buffer::default(),
            cursor: None,
            stale: true,
            pace: Pace::new(budget),
            off: Vec::new(),
            shown_tones: Vec::new(),
            next_tones: Vec::new(),
            cost: FIRST_COST,
            turn: 0,
            pictures: (0, None),
            wake_at: None,
            picture_bytes: 0,
            length: 0,
        }
    }

    /// Forgets what the terminal shows: all is drawn the next time.
    pub const fn invalidate(&mut self) {
        self.stale = true;
    }

    /// When to paint again even if nothing changes: pictures are not complete yet.
    #[must_use]
    pub const fn wake_at(&self) -> Option<Instant> {
        self.wake_at
    }

    /// How many bytes of the last painting were due to pictures.
    #[must_use]
    pub const fn picture_bytes(&self) -> usize {
        self.picture_bytes
    }

    /// Bytes in a second that pictures are kept to, if any.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.pace.rate()
    }

    /// Takes note of how long the terminal took for the bytes of a painting.
    pub fn written(&mut self, bytes: usize, took: Duration, now: Instant) {
        self.pace.written(bytes, took, now);
    }

    /// For how long what was written last waited on its way, as far as that can be seen.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.pace.delay()
    }

    /// Takes note of how the connection stands that the terminal is at the other end of;
    /// `None` if that can't be seen any more.
    pub fn observe(&mut self, reading: Option<Reading>, now: Instant) {
        self.pace.observe(reading, now);
    }

    /// Lets `draw` make a screen of `size` and returns the bytes that show it, none if it
    /// is there already. `draw` says where the cursor belongs.
    pub fn paint(
        &mut self,
        size: Size,
        now: Instant,
        draw: impl FnOnce(&mut Buffer) -> Option<Position>,
    ) -> Vec<u8> {
        let area = Rect::new(0, 0, size.width, size.height);
        if self.shown.area != area {
            self.shown = Buffer::empty(area);
            self.shown_tones = vec![Tone::NONE; area.area() as usize];
            self.next_tones = self.shown_tones.clone();
            self.stale = true;
        }
        self.next.resize(area);
        self.next.reset();
        let cursor = draw(&mut self.next);
        // As much as last time and a bit more, so that it rarely has to grow.
        let mut pen = Pen::new(size.width, self.length + self.length / 8);
        pen.raw(BEGIN);
        if self.cursor.is_some() || self.stale {
            pen.raw(HIDE);
        }
        let untouched = pen.len();
        if self.stale {
            pen.clear();
            self.shown.reset();
            self.shown_tones.fill(Tone::NONE);
        }
        let survey = self.text(&mut pen);
        self.paint_pictures(&mut pen, &survey, now);
        if pen.len() == untouched && cursor == self.cursor {
            return Vec::new();
        }
        pen.plain();
        if let Some(Position { x, y }) = cursor {
            pen.move_to(x, y);
            pen.raw(SHOW);
        }
        pen.raw(END);
        self.cursor = cursor;
        self.stale = false;
        self.length = pen.len();
        pen.into_bytes()
    }

    /// Writes all text that differs and looks at the pictures meanwhile.
    fn text(&mut self, pen: &mut Pen) -> Survey {
        let exact = self.pace.budget() == VideoBudget::Exact;
        let mut survey = Survey { exact, off: [0; 256], blocks: false, moved: false, others: 0 };
        self.off.clear();
        self.off.resize(self.next.content.len(), 0);
        let width = usize::from(self.next.area.width).max(1);
        let rows = self.shown.content.chunks_mut(width).zip(self.next.content.chunks(width));
        let tones = self.shown_tones.chunks_mut(width).zip(self.next_tones.chunks_mut(width));
        let rows = rows.zip(tones).zip(self.off.chunks_mut(width));
        for (y, (((shown, next), (shown_tones, next_tones)), off)) in (0..).zip(rows) {
            Row { y, shown, next, shown_tones, next_tones, off }.text(pen, &mut survey);
        }
        survey
    }

    /// Writes as much of the pictures as is worth it and allowed.
    fn paint_pictures(&mut self, pen: &mut Pen, survey: &Survey, now: Instant) {
        self.picture_bytes = 0;
        self.wake_at = None;
        let since = match self.pictures {
            (others, Some(since)) if others == survey.others && !survey.moved => since,
            _ => now,
        };
        self.pictures = (survey.others, Some(since));
        let differing: u32 = survey.off.iter().skip(1).sum();
        if differing == 0 {
            return;
        }
        let still = now.saturating_duration_since(since) >= STILL;
        let exact = self.pace.budget() == VideoBudget::Exact;
        let tolerance = if still || exact { 0 } else { TOLERANCE };
        let allowance = self.pace.allowance(now);
        let (least, all) = self.least(survey, tolerance, allowance);
        // What is written may be as far off as what is not.
        let slack = (least - 1).min(MAX_SLACK);
        let start = pen.len();
        let limit = allowance.map_or(usize::MAX, |bytes| start + bytes.saturating_sub(PLAIN_BYTES));
        let further = if all { least } else { least.saturating_add(1) };
        let mut job = Job { least: further, most: UNKNOWN, slack, blocks: survey.blocks, limit };
        let (mut count, mut complete) = self.write_pictures(pen, &job);
        if complete && !all {
            (job.least, job.most) = (least, least);
            let (more, rest) = self.write_pictures(pen, &job);
            (count, complete) = (count + more, rest);
        }
        let bytes = pen.len() - start;
        if count > 0 {
            self.picture_bytes = bytes + PLAIN_BYTES;
            self.cost = self.cost * 0.75 + bytes as f32 / count as f32 * 0.25;
            self.pace.sent(self.picture_bytes, now);
        }
        let waiting = !complete || least > tolerance.saturating_add(1);
        if waiting {
            self.wake_at = Some(now + AGAIN);
        } else if !exact && !still {
            self.wake_at = Some(since + STILL);
        } else if slack > 0 {
            self.wake_at = Some(now + AGAIN);
        }
    }

    /// How far off a cell must be to be written: more than the tolerance, and so far that the
    /// cells which are further off fit the allowance. Says also whether those do that are just
    /// as far off.
    fn least(&self, survey: &Survey, tolerance: u8, allowance: Option<usize>) -> (u8, bool) {
        let least = tolerance.saturating_add(1);
        let Some(bytes) = allowance else { return (least, true) };
        let room = (bytes as f32 / self.cost.max(1.0)) as u32;
        let mut count = 0;
        for off in (least..=UNKNOWN).rev() {
            count += survey.off[usize::from(off)];
            if count > room {
                return (off, false);
            }
        }
        (least, true)
    }

    /// Writes the cells that a job is about. Returns how many, and whether that were all.
    fn write_pictures(&mut self, pen: &mut Pen, job: &Job) -> (usize, bool) {
        let Rect { width, height, .. } = self.next.area;
        let mut count = 0;
        for step in 0..height {
            let y = (self.turn % height + step) % height;
            let start = usize::from(y) * usize::from(width);
            let row = start..start + usize::from(width);
            let tones = self.shown_tones[row.clone()].iter_mut().zip(&self.next_tones[row.clone()]);
            for ((x, off), (shown, &wanted)) in (0..).zip(&self.off[row.clone()]).zip(tones) {
                if *off < job.least || *off > job.most {
                    continue;
                }
                let (len, setting) = (pen.len(), pen.setting());
                pen.move_to(x, y);
                let index = start + usize::from(x);
                let tone = if wanted == Tone::NONE {
                    ink::write_cell(pen, &self.next.content[index]);
                    wanted
                } else {
                    ink::write_tone(pen, wanted, job.slack, job.blocks)
                };
                if pen.len() > job.limit {
                    pen.undo(len, setting);
                    self.turn = y;
                    return (count, false);
                }
                if tone == Tone::NONE {
                    self.shown.content[index].clone_from(&self.next.content[index]);
                } else {
                    self.shown.content[index].modifier = MARK;
                }
                *shown = tone;
                count += 1;
            }
        }
        (count, true)
    }
}

/// One row while text is written.
struct Row<'a> {
    y: u16,
    shown: &'a mut [Cell],
    next: &'a [Cell],
    shown_tones: &'a mut [Tone],
    next_tones: &'a mut [Tone],
    off: &'a mut [u8],
}

impl Row<'_> {
    fn text(&mut self, pen: &mut Pen, survey: &mut Survey) {
        // Up to here, writing a wide symbol or over one has wiped what was shown.
        let mut wiped = 0;
        let mut x = 0;
        while let Some(next) = self.next.get(x) {
            if is_picture(next) {
                // A picture over a wide symbol wipes what the symbol reaches over, too.
                if self.shown_tones[x] == Tone::NONE && !is_picture(&self.shown[x]) {
                    wiped = wiped.max(x + columns(&self.shown[x]));
                }
                if x < wiped {
                    self.shown[x].reset();
                    self.shown_tones[x] = Tone::NONE;
                }
                self.survey(x, survey);
                x += 1;
                continue;
            }
            let columns = columns(next).min(self.next.len() - x);
            if x < wiped || self.shown[x] != *next {
                let covered = &self.shown[x..x + columns];
                let reach =
                    covered.iter().enumerate().map(|(at, cell)| x + at + self::columns(cell));
                wiped = wiped.max(reach.max().unwrap_or(0));
                pen.move_to(x as u16, self.y);
                pen.style(next.fg, next.bg, next.modifier);
                pen.put(next.symbol(), columns as u16);
            }
            let covered = x..x + columns;
            self.shown_tones[covered.clone()].fill(Tone::NONE);
            self.shown[covered.clone()].clone_from_slice(&self.next[covered]);
            x += columns;
        }
    }

    fn survey(&mut self, x: usize, survey: &mut Survey) {
        let next = &self.next[x];
        let (tone, shown) = (Tone::of(next), self.shown_tones[x]);
        survey.moved |= self.next_tones[x] != tone;
        self.next_tones[x] = tone;
        let off = match (shown, tone) {
            (shown, tone) if shown != Tone::NONE && tone != Tone::NONE => match survey.exact {
                true => u8::from(shown != tone),
                false => shown.apart(tone),
            },
            (Tone::NONE, Tone::NONE) => difference(&self.shown[x], next),
            _ => UNKNOWN,
        };
        self.off[x] = off;
        survey.off[usize::from(off)] += 1;
        if tone == Tone::NONE {
            // The multiplier is that of the FNV hash: any odd number with many bits would do.
            survey.others =
                (survey.others.rotate_left(5) ^ digest(next)).wrapping_mul(0x0000_0100_0000_01b3);
        } else {
            survey.blocks |= tone.filled() != FULL;
        }
    }
}

/// Columns of a cell's symbol: one, or two if it is wide.
fn columns(cell: &Cell) -> usize {
    let symbol = cell.symbol();
    if symbol.len() == 1 { 1 } else { symbol.width().max(1) }
}
