//! The event loop: keys, signals, news and time in; effects and pictures out.
//!
//! Nothing in here blocks. Frames are written to the terminal off this task, one at a time,
//! each made of the newest state when the one before is gone, so that a slow terminal costs
//! frames and never keys, text or memory. While nothing changes the loop sleeps without a
//! timer and writes nothing.

use std::future;
use std::io;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use crossterm::event::Event as TerminalEvent;
use crossterm::event::EventStream;
use crossterm::event::KeyEventKind;
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio::time;

use super::action::Action;
use super::apply::apply;
use super::backend::Backend;
use super::backend::SessionBackend;
use super::backend::SessionConfig;
use super::canvas::Canvas;
use super::canvas::VideoBudget;
use super::effect::DeviceChoice;
use super::effect::Effect;
use super::error::UiError;
use super::event::Event;
use super::event::Severity;
use super::key::Key;
use super::keymap;
use super::mouse;
use super::pane::terminal as terminal_pane;
use super::signal;
use super::signal::Signals;
use super::signal::Wish;
use super::ssh::Connection;
use super::stage::Gallery;
use super::stage::TileContent;
use super::stage::TileId;
use super::stage::Window;
use super::state::Clock;
use super::state::Identity;
use super::state::State;
use super::terminal;
use super::terminal::Terminal;
use super::theme::Depth;
use super::theme::GlyphChoice;
use super::theme::ThemeText;
use super::theme::Themes;
use super::update::begin_call;
use super::update::toast;
use super::update::update;
use super::view::draw;
use crate::model::StreamRoomId;
use crate::model::Timestamp;

/// Shortest time between two frames: 30 a second.
const FRAME: Duration = Duration::from_millis(33);

/// The same after a key: its echo does not wait for the turn of the next frame.
const ECHO: Duration = Duration::from_millis(5);

/// Longest time between two frames, however late they arrive.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// How long goodbyes may take at the end. The bridge notices a lost client by itself.
const GOODBYE: Duration = Duration::from_secs(3);

/// Pictures as cells, and where they go.
type Drawn = Vec<(TileId, TileContent)>;

/// A task that makes them.
type Drawing = JoinHandle<Drawn>;

/// How the screen is to look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The user's themes, as text.
    pub themes: Vec<ThemeText>,
    /// The theme to start with; the first built-in one if `None`.
    pub theme: Option<String>,
    /// Colours that the terminal has.
    pub depth: Depth,
    /// Symbols that it can show.
    pub glyphs: GlyphChoice,
    /// Whether clicks are wanted; without, the terminal's own selection works as usual.
    pub mouse: bool,
    /// What the user's time zone adds to UTC, in seconds.
    pub utc_offset_s: i32,
    /// How many bytes pictures may cost.
    pub video_budget: VideoBudget,
}

/// A prepared session, and how to show it.
pub struct UiConfig {
    /// How the screen is to look.
    pub look: Look,
    /// Who the user is.
    pub me: Identity,
    /// A room to join at once.
    pub join: Option<StreamRoomId>,
    /// The session.
    pub session: SessionConfig,
}

/// Shows a session until the user has enough, then leaves the call. The connection stays
/// open.
///
/// # Errors
///
/// [`UiError`]; the terminal has been given back in any case.
pub async fn run(config: UiConfig) -> Result<(), UiError> {
    let UiConfig { look, me, join, session } = config;
    let devices = session.devices();
    run_with(look, me, devices, join, SessionBackend::new(session)).await
}

/// Takes the terminal over and shows what `backend` brings until the user has enough.
///
/// # Errors
///
/// [`UiError`]; the terminal has been given back in any case.
pub async fn run_with<B: Backend>(
    look: Look,
    me: Identity,
    devices: DeviceChoice,
    join: Option<StreamRoomId>,
    backend: B,
) -> Result<(), UiError> {
    let mut runtime = Runtime::new(look, me, backend)?;
    runtime.state.devices = devices;
    runtime.backend.attach(runtime.gallery.clone());
    runtime.backend.begin(Effect::Refresh);
    if let Some(room) = join {
        begin_call(&mut runtime.state, &room);
        runtime.backend.begin(Effect::JoinRoom(room));
    }
    let result = runtime.run().await;
    let Runtime { terminal, backend, writing, drawing, .. } = runtime;
    if let Some(drawing) = drawing {
        let _ = drawing.await;
    }
    if let Some(writing) = writing {
        let _ = writing.await;
    }
    drop(terminal);
    let _ = time::timeout(GOODBYE, backend.shutdown()).await;
    result
}

/// A frame on its way to the terminal; comes to its length and how long it took.
pub(super) type Writing = JoinHandle<io::Result<(usize, Duration)>>;

struct Runtime<B> {
    terminal: Terminal,
    input: EventStream,
    signals: Signals,
    backend: B,
    state: State,
    canvas: Canvas,
    connection: Option<Connection>,
    writing: Option<Writing>,
    gallery: Gallery,
    windows: Vec<Window>,
    drawing: Option<Drawing>,
    pictures_at: Instant,
    drawn_at: Instant,
    dirty: bool,
    pressed: bool,
    quit: bool,
}

impl<B: Backend> Runtime<B> {
    fn new(look: Look, me: Identity, backend: B) -> Result<Self, UiError> {
        let (mut themes, errors) = Themes::new(&look.themes, look.depth, look.glyphs);
        let known = look.theme.as_deref().is_none_or(|name| themes.choose(name));
        let terminal = Terminal::enter(look.mouse)?;
        let clock = Clock { utc_offset_s: look.utc_offset_s, ..clock(0) };
        let mut state = State::new(themes, me, terminal.size()?, clock);
        for error in &errors {
            toast(&mut state, Severity::Warn, &error.to_string());
        }
        if let Some(name) = look.theme.filter(|_| !known) {
            toast(&mut state, Severity::Warn, &format!("no theme is called {name}"));
        }
        Ok(Self {
            terminal,
            input: EventStream::new(),
            signals: Signals::new()?,
            backend,
            state,
            canvas: Canvas::with_budget(look.video_budget),
            connection: Connection::of_ssh(),
            writing: None,
            gallery: Gallery::default(),
            windows: Vec::new(),
            drawing: None,
            pictures_at: clock.now,
            drawn_at: clock.now.checked_sub(FRAME).unwrap_or(clock.now),
            dirty: true,
            pressed: false,
            quit: false,
        })
    }

    async fn run(&mut self) -> Result<(), UiError> {
        let mut news = true;
        while !self.quit {
            let may_draw = self.dirty && self.writing.is_none();
            // A terminal that is behind gets no new pictures, only the newest once it is not.
            let may_look = self.drawing.is_none() && self.writing.is_none();
            // On a line that is behind, text is drawn less often, too.
            let pause = self.canvas.delay().clamp(FRAME, LONGEST_PAUSE);
            let pause = if self.pressed { ECHO } else { pause };
            let frame_at = time::Instant::from_std(self.drawn_at + pause);
            let deadline = self.state.deadline();
            let rest_at = self.canvas.wake_at().filter(|_| !self.dirty);
            tokio::select! {
                // The clock rations pictures, so coming first cannot starve the others, and
                // a flood of news can neither freeze the picture nor delay a key.
                biased;
                () = terminal::panicked() => {}
                written = written(&mut self.writing) => self.written(written?),
                () = time::sleep_until(frame_at), if may_draw => self.draw(),
                cells = drawn(&mut self.drawing) => self.hang(cells?),
                () = due(&self.gallery, self.pictures_at), if may_look => self.look(),
                () = sleep_until(rest_at) => self.dirty = true,
                wish = self.signals.next() => self.obey(wish).await?,
                event = self.input.next() => match event {
                    Some(event) => self.handle(event?).await?,
                    None => self.quit = true,
                },
                event = self.backend.next(), if news => match event {
                    Some(event) => self.apply(event),
                    None => news = false,
                },
                () = sleep_until(deadline) => self.advance(),
            }
            if terminal::has_panicked() {
                return Err(UiError::Panicked);
            }
        }
        Ok(())
    }

    /// Draws the state and begins to write the frame, if it differs from the last one.
    fn draw(&mut self) {
        while let Some(effect) = terminal_pane::due(&mut self.state) {
            self.backend.begin(effect);
        }
        let state = &self.state;
        let now = Instant::now();
        if let Some(connection) = &self.connection {
            self.canvas.observe(connection.read(), now);
        }
        let bytes = self.canvas.paint(state.size, now, |buf| draw(state, buf));
        self.tell_windows();
        self.dirty = false;
        self.pressed = false;
        self.drawn_at = now;
        self.writing = write(bytes);
    }

    fn written(&mut self, (bytes, took): (usize, Duration)) {
        self.canvas.written(bytes, took, Instant::now());
    }

    /// Begins to make cells of pictures that are new.
    fn look(&mut self) {
        let gallery = self.gallery.clone();
        let now = Instant::now();
        self.pictures_at = now + FRAME;
        self.drawing = Some(tokio::task::spawn_blocking(move || gallery.draw(now)));
    }

    /// Puts pictures into their tiles.
    fn hang(&mut self, drawn: Drawn) {
        for (tile, content) in drawn {
            self.dirty |= self.state.stage.set_content(tile, content);
        }
    }

    /// Tells whoever brings pictures which ones are in sight, if that has changed.
    fn tell_windows(&mut self) {
        let windows = Window::all(&self.state);
        if windows != self.windows {
            self.gallery.set_windows(&windows);
            self.backend.look_at(&windows);
            self.windows = windows;
        }
    }

    async fn handle(&mut self, event: TerminalEvent) -> Result<(), UiError> {
        self.advance();
        let action = match event {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
                keymap::action(&self.state, Key::of(&key))
            }
            TerminalEvent::Mouse(event) => mouse::action(&self.state, &event),
            TerminalEvent::Paste(text) => keymap::paste(&self.state, text),
            TerminalEvent::Resize(width, height) => {
                self.state.size = ratatui::layout::Size { width, height };
                self.dirty = true;
                None
            }
            _ => None,
        };
        match action {
            Some(action) => self.act(action).await,
            None => Ok(()),
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), UiError> {
        self.dirty = true;
        self.pressed = true;
        match update(&mut self.state, action) {
            None => Ok(()),
            Some(Effect::Exit) => {
                self.quit = true;
                Ok(())
            }
            Some(Effect::Suspend) => self.suspend().await,
            Some(Effect::Redraw) => {
                self.canvas.invalidate();
                Ok(())
            }
            Some(Effect::Panic) => fail_on_purpose(),
            Some(effect) => {
                self.backend.begin(effect);
                Ok(())
            }
        }
    }

    async fn obey(&mut self, wish: Wish) -> Result<(), UiError> {
        match wish {
            Wish::Exit => {
                self.quit = true;
                Ok(())
            }
            Wish::Suspend => self.suspend().await,
        }
    }

    /// Gives the terminal back, stops, and takes it over again when resumed.
    async fn suspend(&mut self) -> Result<(), UiError> {
        if let Some(writing) = self.writing.take() {
            let written = written(&mut Some(writing)).await?;
            self.written(written);
        }
        self.terminal.suspend();
        signal::stop()?;
        self.terminal.resume()?;
        self.state.size = self.terminal.size()?;
        self.canvas.invalidate();
        self.dirty = true;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        self.advance();
        self.dirty |= apply(&mut self.state, event);
    }

    fn advance(&mut self) {
        self.dirty |= self.state.advance(clock(self.state.clock.utc_offset_s));
    }
}

/// Waits until pictures are made of cells; for ever if none are being made.
async fn drawn(drawing: &mut Option<Drawing>) -> Result<Drawn, UiError> {
    let Some(task) = drawing.as_mut() else { return future::pending().await };
    let result = task.await;
    *drawing = None;
    result.map_err(|_| UiError::Panicked)
}

/// Waits for a new picture, and not before an instant.
async fn due(gallery: &Gallery, instant: Instant) {
    time::sleep_until(instant.into()).await;
    gallery.due().await;
}

/// Begins to write a frame, if there is anything in it.
pub(super) fn write(bytes: Vec<u8>) -> Option<Writing> {
    if bytes.is_empty() {
        return None;
    }
    Some(tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        let mut out = io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()?;
        Ok((bytes.len(), begun.elapsed()))
    }))
}

/// Waits until a frame is written; for ever if none is being written.
pub(super) async fn written(writing: &mut Option<Writing>) -> Result<(usize, Duration), UiError> {
    let Some(task) = writing.as_mut() else { return future::pending().await };
    let result = task.await;
    *writing = None;
    match result {
        Ok(result) => Ok(result?),
        Err(_) => Err(UiError::Panicked),
    }
}

/// Waits for an instant; for ever if there is none.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline.into()).await,
        None => future::pending().await,
    }
}

fn clock(utc_offset_s: i32) -> Clock {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since_epoch.map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    Clock { now: Instant::now(), wall: Timestamp(ms), utc_offset_s }
}

/// `:debug panic`: shows that a panic leaves the terminal as it was.
#[expect(clippy::panic, reason = "a panic is what was asked for")]
fn fail_on_purpose() -> Result<(), UiError> {
    panic!("asked for by :debug panic")
}
