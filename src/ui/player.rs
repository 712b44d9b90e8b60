//! Plays a film on the whole terminal: the picture, and below it where it is, how fast it goes
//! and how loud it is.
//!
//! What is played is somebody else's business ([`Film`]); this shows it and takes the keys. The
//! terminal is given back whatever happens. Pictures are written within the same budget as those of
//! a call, and a terminal that is behind gets only the newest one.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crossterm::event::Event;
use crossterm::event::EventStream;
use crossterm::event::KeyCode;
use crossterm::event::KeyEventKind;
use futures_util::StreamExt;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::layout::Size;
use ratatui::widgets::Widget;

use super::canvas::Canvas;
use super::error::UiError;
use super::key::Key;
use super::picture::Options;
use super::picture::PictureView;
use super::picture::render;
use super::runtime;
use super::runtime::Look;
use super::runtime::Writing;
use super::signal::Signals;
use super::signal::Wish;
use super::ssh::Connection;
use super::terminal;
use super::terminal::Terminal;
use super::text::SafeText;
use super::theme::Depth;
use super::theme::GlyphChoice;
use super::theme::Role;
use super::theme::Theme;
use super::theme::Themes;
use super::widget::meter::Meter;
use super::widget::meter::MeterState;
use crate::media::video::Picture;
use crate::model::Level;

/// Time between two pictures on the screen.
const FRAME: Duration = Duration::from_millis(33);
/// Columns of the meter.
const METER: u16 = 16;
/// Keys, and what they do.
pub struct PlayBinding {
    /// All keys that do it.
    pub keys: &'static [Key],
    /// What they ask for; `None` ends it.
    pub asks: Option<PlayKey>,
    /// In a word, on the last line.
    pub hint: &'static str,
    /// In a sentence.
    pub help: &'static str,
}

/// All keys.
pub static KEYS: [PlayBinding; 6] = [
    PlayBinding {
        keys: &[
            Key::char('q'),
            Key::char('Q'),
            Key::new(KeyCode::Esc),
            Key::ctrl('c'),
            Key::ctrl('d'),
        ],
        asks: None,
        hint: "quit",
        help: "back to the shell",
    },
    PlayBinding {
        keys: &[Key::char(' ')],
        asks: Some(PlayKey::Pause),
        hint: "pause",
        help: "pause, or go on",
    },
    PlayBinding {
        keys: &[Key::new(KeyCode::Left), Key::char('h')],
        asks: Some(PlayKey::Back),
        hint: "back",
        help: "go back a little",
    },
    PlayBinding {
        keys: &[Key::new(KeyCode::Right), Key::char('l')],
        asks: Some(PlayKey::Forward),
        hint: "forward",
        help: "skip a little",
    },
    PlayBinding {
        keys: &[Key::char('+'), Key::char('=')],
        asks: Some(PlayKey::Faster),
        hint: "faster",
        help: "play faster",
    },
    PlayBinding {
        keys: &[Key::char('-')],
        asks: Some(PlayKey::Slower),
        hint: "slower",
        help: "play slower",
    },
];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayKey {
    /// Pause, or go on.
    Pause,
    /// Back a little.
    Back,
    /// Forward a little.
    Forward,
    /// Faster.
    Faster,
    /// Slower.
    Slower,
}

/// Where a film is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilmState {
    /// Played so far.
    pub position: Duration,
    /// All there is.
    pub length: Duration,
    /// Speed in percent.
    pub speed: u32,
    /// Nothing moves.
    pub paused: bool,
    /// There is nothing more.
    pub ended: bool,
    /// How loud it is; `None` without sound.
    pub level: Option<Level>,
    /// It can't go on; whoever made it knows why.
    pub failed: bool,
}

/// What is played.
pub trait Film {
    /// Lets real time pass; answers a picture if there is a new one.
    fn advance(&mut self, elapsed: Duration) -> Option<Arc<Picture>>;
    /// Does what a key asks for.
    fn handle(&mut self, key: PlayKey);
    /// Where it is.
    fn state(&self) -> FilmState;
}

/// Plays `film` until the viewer has enough or it fails.
///
/// # Errors
///
/// [`UiError`]; the terminal has been given back in any case.
pub async fn play(look: Look, title: &str, film: &mut impl Film) -> Result<(), UiError> {
    let mut themes = Themes::new(&look.themes, look.depth, look.glyphs).0;
    if let Some(name) = &look.theme {
        themes.choose(name);
    }
    // The guard outlives the screen, so that nothing is drawn on the ordinary one.
    let terminal = Terminal::enter(false)?;
    let mut view = View {
        size: terminal.size()?,
        canvas: Canvas::with_budget(look.video_budget),
        connection: Connection::of_ssh(),
        writing: None,
        theme: themes.theme().clone(),
        depth: look.depth,
        options: Options { glyphs: look.glyphs, ..Options::default() },
        title: SafeText::new(title),
        picture: None,
        meter: MeterState::default(),
    };
    let result = view.run(film).await;
    if view.writing.is_some() {
        let _ = runtime::written(&mut view.writing).await;
    }
    drop(terminal);
    result
}

struct View {
    size: Size,
    canvas: Canvas,
    connection: Option<Connection>,
    writing: Option<Writing>,
    theme: Theme,
    depth: Depth,
    options: Options,
    title: SafeText,
    picture: Option<Arc<Picture>>,
    meter: MeterState,
}

impl View {
    async fn run(&mut self, film: &mut impl Film) -> Result<(), UiError> {
        let mut input = EventStream::new();
        let mut signals = Signals::new()?;
        let mut ticks = tokio::time::interval(FRAME);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut before = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = terminal::panicked() => return Err(UiError::Panicked),
                wish = signals.next() => {
                    if wish == Wish::Exit {
                        return Ok(());
                    }
                }
                event = input.next() => match event {
                    None => return Ok(()),
                    Some(event) => if !self.handle(&event?, film) {
                        return Ok(());
                    },
                },
                written = runtime::written(&mut self.writing) => {
                    let (bytes, took) = written?;
                    self.canvas.written(bytes, took, Instant::now());
                }
                _ = ticks.tick() => {
                    let now = Instant::now();
                    let picture = film.advance(now.saturating_duration_since(before));
                    before = now;
                    self.picture = picture.or(self.picture.take());
                    let state = film.state();
                    if state.failed {
                        return Ok(());
                    }
                    self.meter.set(state.level.unwrap_or_default(), now);
                    self.meter.advance(now);
                    if self.writing.is_none() {
                        if let Some(connection) = &self.connection {
                            self.canvas.observe(connection.read(), now);
                        }
                        self.writing = runtime::write(self.paint(&state, now));
                    }
                }
            }
        }
    }

    /// Does what the viewer wants; false if that is to leave.
    fn handle(&mut self, event: &Event, film: &mut impl Film) -> bool {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => match binding(Key::of(key)) {
                Some(PlayBinding { asks: None, .. }) => return false,
                Some(PlayBinding { asks: Some(key), .. }) => film.handle(*key),
                None => {}
            },
            Event::Resize(width, height) => self.size = Size { width: *width, height: *height },
            _ => {}
        }
        true
    }

    fn paint(&mut self, state: &FilmState, now: Instant) -> Vec<u8> {
        let room = Size { height: self.size.height.saturating_sub(2), ..self.size };
        let picture = self.picture.as_deref();
        let cells = picture.map(|picture| render(picture, room, self.depth, &self.options));
        let (theme, title) = (&self.theme, self.title.as_str());
        let ascii = self.options.glyphs == GlyphChoice::Ascii;
        let meter = state.level.map(|_| &self.meter);
        self.canvas.paint(self.size, now, |buf| {
            let area = buf.area;
            buf.set_style(area, theme.style(Role::Base));
            if let Some(picture) = &cells {
                PictureView { picture }.render(Rect { height: room.height, ..area }, buf);
            }
            bottom(Bottom { state, title, meter, theme, ascii }, buf);
            None
        })
    }
}

struct Bottom<'a> {
    state: &'a FilmState,
    title: &'a str,
    meter: Option<&'a MeterState>,
    theme: &'a Theme,
    ascii: bool,
}

/// Draws the last two lines: progress, and the keys.
fn bottom(bottom: Bottom<'_>, buf: &mut Buffer) {
    let Bottom { state, title, meter, theme, ascii } = bottom;
    let area = buf.area;
    let Some(last) = area.bottom().checked_sub(1).filter(|_| area.height >= 3) else { return };
    let mut rest = Rect { y: last - 1, height: 1, ..area };
    let text = progress(state, ascii);
    if let Some(meter) = meter {
        // One column each: the text is made of digits and known symbols.
        let taken = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
        let width = METER.min(rest.width.saturating_sub(taken));
        let place = Rect { x: rest.right() - width, width, ..rest };
        Meter { state: meter, off: state.paused || state.ended, theme }.render(place, buf);
        rest.width -= width;
    }
    let width = usize::from(rest.width);
    buf.set_stringn(rest.x, rest.y, text, width, theme.style(Role::Strong));
    let help = help();
    let width = usize::from(area.width);
    buf.set_style(Rect { y: last, height: 1, ..area }, theme.style(Role::Status));
    let (next, _) = buf.set_stringn(area.x, last, help, width, theme.style(Role::Status));
    let left = usize::from(area.right().saturating_sub(next + 2));
    if left > 0 {
        buf.set_stringn(next + 2, last, title, left, theme.style(Role::Dim));
    }
}

/// What the keys do, in one line.
fn help() -> String {
    let hints = KEYS.iter().filter_map(|binding| {
        let key = binding.keys.first()?;
        Some(format!("{key} {}", binding.hint))
    });
    hints.collect::<Vec<_>>().join("  ")
}

/// What is known of the film, as one line of text.
fn progress(state: &FilmState, ascii: bool) -> String {
    let mark = match (state.ended, state.paused, ascii) {
        (true, _, true) => "[end] ",
        (true, _, false) => "\u{25a0} ",
        (_, true, true) => "[paused] ",
        (_, true, false) => "\u{2016} ",
        (_, _, true) => "> ",
        (_, _, false) => "\u{25b6} ",
    };
    let position = clock(state.position);
    let length = clock(state.length);
    let speed = f64::from(state.speed) / 100.0;
    format!("{mark}{position} / {length}  {speed}x ")
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn binding(key: Key) -> Option<&'static PlayBinding> {
    KEYS.iter().find(|binding| binding.keys.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_below_tells_where_it_is() {
        let mut state = FilmState {
            position: Duration::from_secs(62),
            length: Duration::from_secs(3723),
            speed: 150,
            paused: false,
            ended: false,
            level: None,
            failed: false,
        };
        assert_eq!(progress(&state, true), "> 1:02 / 1:02:03  1.5x ");
        state.paused = true;
        assert_eq!(progress(&state, true), "[paused] 1:02 / 1:02:03  1.5x ");
        state.ended = true;
        assert_eq!(progress(&state, false), "\u{25a0} 1:02 / 1:02:03  1.5x ");
    }

    #[test]
    fn no_key_is_bound_twice() {
        for binding in &KEYS {
            for &key in binding.keys {
                let bound = KEYS.iter().filter(|binding| binding.keys.contains(&key));
                assert_eq!(bound.count(), 1, "{key}");
            }
        }
        assert_eq!(help(), "q quit  Space pause  Left back  Right forward  + faster  - slower",);
    }

    #[test]
    fn every_terminal_has_room_or_shows_less() {
        let themes = Themes::new(&[], Depth::True, GlyphChoice::Unicode).0;
        let state = FilmState {
            position: Duration::ZERO,
            length: Duration::ZERO,
            speed: 100,
            paused: false,
            ended: false,
            level: Some(Level::FLOOR),
            failed: false,
        };
        let meter = MeterState::default();
        for (width, height) in [(0, 0), (1, 1), (1, 3), (5, 3), (40, 12), (200, 60)] {
            let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
            let theme = themes.theme();
            let meter = Some(&meter);
            bottom(Bottom { state: &state, title: "chi", meter, theme, ascii: false }, &mut buf);
        }
    }
}
