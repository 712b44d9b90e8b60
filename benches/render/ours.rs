//! Our own renderer and canvas, and how near what a terminal then shows is to the picture.

use std::fs;
use std::fs::File;
use std::io::BufReader;
use std::io::Write;
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use conclave::ui::canvas::Canvas;
use conclave::ui::canvas::VideoBudget;
use conclave::ui::picture::CellPicture;
use conclave::ui::picture::Options;
use conclave::ui::picture::PictureView;
use conclave::ui::picture::cell;
use conclave::ui::picture::render;
use conclave::ui::theme::Depth;
use ratatui::buffer::Cell;
use ratatui::layout::Rect;
use ratatui::layout::Size;
use ratatui::style::Color;
use ratatui::widgets::Widget;

use super::Cost;
use super::clip::Clip;
use super::clip::read;
use super::peers::RUNS;

/// Time between two frames, as far as the budget is concerned.
const FRAME: Duration = Duration::from_millis(66);

/// Frames of the first second, which do not count: until then, a small budget shows little.
const SKIPPED: usize = 15;

/// A way to show pictures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ours {
    /// Each cell as it was rendered.
    Exact,
    /// Differences nobody sees are not sent: what is done unless told otherwise.
    Tolerant,
    /// At most 64 KiB in a second, at 15 frames a second.
    Budget,
}

impl Ours {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Tolerant, Self::Budget];

    /// What it is called in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "ours, exact",
            Self::Tolerant => "ours, auto",
            Self::Budget => "ours, 64KiB/s",
        }
    }

    const fn budget(self) -> VideoBudget {
        match self {
            Self::Exact => VideoBudget::Exact,
            // Auto on a terminal that never makes anybody wait.
            Self::Tolerant => VideoBudget::Rate(1 << 40),
            Self::Budget => VideoBudget::Rate(64 << 10),
        }
    }

    /// What it costs to show a clip: reading it, rendering, and writing to a pipe.
    pub fn cost(self, clip: &Clip, directory: &Path, cells: (u16, u16)) -> Cost {
        let size = Size { width: cells.0, height: cells.1 };
        let (mut cpu_ms, mut bytes) = (f64::INFINITY, 0);
        for _ in 0..RUNS {
            let (ms, length) = self.show(clip, directory, size, |_, _| {});
            (cpu_ms, bytes) = (cpu_ms.min(ms), length);
        }
        // Once more for the likeness: a terminal beside it would spoil the processor's caches.
        let mut likeness = Likeness::new(size);
        self.show(clip, directory, size, |bytes, cells| likeness.add(bytes, cells));
        let frames = clip.pictures.len() as f64;
        Cost { cpu_ms: cpu_ms / frames, bytes: bytes as f64 / frames, db: Some(likeness.db()) }
    }

    /// Shows a clip: milliseconds of processor time, bytes.
    fn show(
        self,
        clip: &Clip,
        directory: &Path,
        size: Size,
        mut shown: impl FnMut(&[u8], &CellPicture),
    ) -> (f64, usize) {
        let mut cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("every system has cat");
        let mut pipe = cat.stdin.take().unwrap();
        let mut canvas = Canvas::with_budget(self.budget());
        let mut now = Instant::now();
        let frames = clip.pictures.len();
        let mut file = BufReader::new(File::open(clip.y4m(directory)).unwrap());
        let mut picture = clip.blank();
        let mut length = 0;
        let begun = thread_ms();
        for _ in 0..frames {
            read(&mut file, &mut picture);
            let cells = render(&picture, size, Depth::True, &Options::default());
            let mut bytes = paint(&mut canvas, &cells, size, now);
            // The event loop comes back when the budget allows more, before the next frame.
            if canvas.wake_at().is_some_and(|at| at < now + FRAME) {
                bytes.extend(paint(&mut canvas, &cells, size, now + FRAME / 2));
            }
            pipe.write_all(&bytes).unwrap();
            shown(&bytes, &cells);
            length += bytes.len();
            now += FRAME;
        }
        let cpu_ms = thread_ms() - begun;
        drop(pipe);
        cat.wait().unwrap();
        (cpu_ms, length)
    }
}

fn paint(canvas: &mut Canvas, cells: &CellPicture, size: Size, now: Instant) -> Vec<u8> {
    canvas.paint(size, now, |buf| {
        PictureView { picture: cells }.render(*buf.area(), buf);
        None
    })
}

/// How like what a terminal shows is to the exact rendering.
struct Likeness {
    parser: vt100::Parser,
    size: Size,
    frames: usize,
    sum: f64,
    count: f64,
}

impl Likeness {
    fn new(size: Size) -> Self {
        let side = |cells| NonZeroU16::new(cells).unwrap();
        let parser = vt100::Parser::new(side(size.height), side(size.width), 0);
        Self { parser, size, frames: 0, sum: 0.0, count: 0.0 }
    }

    /// Shows a frame and adds up how far each colour of each quarter of a cell is off.
    fn add(&mut self, bytes: &[u8], cells: &CellPicture) {
        self.parser.process(bytes);
        self.frames += 1;
        if self.frames <= SKIPPED {
            return;
        }
        let place = cells.place(Rect::new(0, 0, self.size.width, self.size.height));
        for (y, row) in (place.y..).zip(cells.rows()) {
            for (x, wanted) in (place.x..).zip(row) {
                let mut exact = Cell::default();
                exact.set_char(wanted.symbol).set_fg(wanted.fg).set_bg(wanted.bg);
                let shown = cell::look(&seen(&self.parser, x, y));
                for (one, other) in shown.iter().flatten().zip(cell::look(&exact).iter().flatten())
                {
                    self.sum += (f64::from(*one) - f64::from(*other)).powi(2);
                    self.count += 1.0;
                }
            }
        }
    }

    /// Peak signal to noise ratio.
    fn db(&self) -> f64 {
        10.0 * (255.0 * 255.0 * self.count / self.sum).log10()
    }
}

fn seen(parser: &vt100::Parser, x: u16, y: u16) -> Cell {
    let cell = parser.screen().cell(y, x).unwrap();
    let color = |color| match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    };
    let mut seen = Cell::default();
    seen.set_symbol(if cell.has_contents() { cell.contents() } else { " " });
    seen.set_fg(color(cell.fgcolor())).set_bg(color(cell.bgcolor()));
    seen
}

/// Processor time of this thread, in milliseconds.
fn thread_ms() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e6
}
