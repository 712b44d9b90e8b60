//! A user, a clock and a screen for tests: keys in, effects and text out.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crossterm::event::KeyModifiers;
use crossterm::event::MouseButton;
use crossterm::event::MouseEvent;
use crossterm::event::MouseEventKind;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::layout::Size;

use super::action::Action;
use super::apply::apply;
use super::effect::Effect;
use super::event::Event;
use super::event::RoomInfo;
use super::key::Key;
use super::keymap;
use super::mouse;
use super::state::Clock;
use super::state::Identity;
use super::state::State;
use super::text::SafeText;
use super::theme::Depth;
use super::theme::GlyphChoice;
use super::theme::Themes;
use super::update::update;
use super::view::draw;
use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalScreen;
use crate::api::terminal::TerminalStatus;
use crate::api::terminal::TerminalView;
use crate::model::StreamId;
use crate::model::Timestamp;
use crate::model::UserId;

/// The wall clock at the start of every test: 14:02 on some day, in milliseconds.
const START_MS: i64 = 1_795_356_120_000;

/// The interface without a terminal, a bridge or a clock.
pub struct Harness {
    /// The state, open to inspection.
    pub state: State,
    /// What was asked of the outside so far.
    pub effects: Vec<Effect>,
}

/// A shared terminal with this screen; the own one without a stream.
#[must_use]
pub fn terminal(
    user: &str,
    stream: Option<StreamId>,
    title: &str,
    screen: TerminalScreen,
) -> Arc<TerminalView> {
    let control = if stream.is_none() { TerminalControl::Me } else { TerminalControl::Owner };
    Arc::new(TerminalView {
        stream,
        user: user.into(),
        share: stream.map_or(0, |stream| stream.0.unsigned_abs()),
        title: title.to_owned(),
        status: TerminalStatus::Running,
        control,
        asked: false,
        screen: Arc::new(screen),
        complete: true,
        live: true,
        lines: Arc::default(),
        watching: 1,
        watchers: Vec::new(),
        refused: 0,
    })
}

impl Harness {
    /// A screen of this size in full colour, a user called `ana`, no news yet.
    #[must_use]
    pub fn new(width: u16, height: u16) -> Self {
        Self::with_look(width, height, Depth::True, GlyphChoice::Unicode)
    }

    /// The same with another colour depth or glyph set.
    #[must_use]
    pub fn with_look(width: u16, height: u16, depth: Depth, glyphs: GlyphChoice) -> Self {
        let (themes, _) = Themes::new(&[], depth, glyphs);
        let me = Identity {
            user: UserId::from("ana"),
            fingerprint: SafeText::new("4f2a 91c0 77b1 03de"),
            bridge: SafeText::new("localhost:9111"),
        };
        let clock = Clock { now: Instant::now(), wall: Timestamp(START_MS), utc_offset_s: 0 };
        let state = State::new(themes, me, Size { width, height }, clock);
        Self { state, effects: Vec::new() }
    }

    /// Tells that these rooms exist, managed by `ana`.
    #[must_use]
    pub fn with_rooms(self, names: &[&str]) -> Self {
        let room = |name: &&str| RoomInfo {
            id: name.to_lowercase().into(),
            name: (*name).to_owned(),
            users: vec!["ana".into(), "ben".into()],
            managers: vec!["ana".into()],
            closed: false,
            verified: true,
        };
        let rooms = names.iter().map(room).collect();
        self.event(Event::Connected).event(Event::RoomsListed(rooms))
    }

    /// Presses keys, named as in the help and separated by spaces.
    ///
    /// # Panics
    ///
    /// If no key has such a name.
    #[must_use]
    pub fn press(mut self, keys: &str) -> Self {
        for name in keys.split_whitespace() {
            let key = Key::parse(name).expect("tests name keys that exist");
            if let Some(action) = keymap::action(&self.state, key) {
                self.act(action);
            }
        }
        self
    }

    /// Types text.
    #[must_use]
    pub fn type_text(mut self, text: &str) -> Self {
        for character in text.chars() {
            if let Some(action) = keymap::action(&self.state, Key::char(character)) {
                self.act(action);
            }
        }
        self
    }

    /// Clicks a cell.
    #[must_use]
    pub fn click(mut self, column: u16, row: u16) -> Self {
        let kind = MouseEventKind::Down(MouseButton::Left);
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        if let Some(action) = mouse::action(&self.state, &event) {
            self.act(action);
        }
        self
    }

    /// Does one thing that the user wants.
    pub fn act(&mut self, action: Action) {
        self.effects.extend(update(&mut self.state, action));
    }

    /// Lets something happen.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        apply(&mut self.state, event);
        self
    }

    /// Lets time pass.
    #[must_use]
    pub fn wait(mut self, time: Duration) -> Self {
        let clock = self.state.clock;
        let wall = Timestamp(clock.wall.0 + i64::try_from(time.as_millis()).unwrap_or(0));
        self.state.advance(Clock { now: clock.now + time, wall, ..clock });
        self
    }

    /// Changes the size of the screen.
    #[must_use]
    pub const fn resize(mut self, width: u16, height: u16) -> Self {
        self.state.size = Size { width, height };
        self
    }

    /// Draws the screen.
    #[must_use]
    pub fn draw(&self) -> (Buffer, Option<Position>) {
        let Size { width, height } = self.state.size;
        let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = draw(&self.state, &mut buf);
        (buf, cursor)
    }

    /// The screen as text, one line per row without the spaces at its end, and the
    /// position of the cursor below it if there is one.
    #[must_use]
    pub fn screen(&self) -> String {
        let (buf, cursor) = self.draw();
        let mut text = String::new();
        for row in buf.area().rows() {
            let mut line = String::new();
            let mut covered = 0;
            for position in row.positions() {
                let symbol = buf.cell(position).map_or(" ", |cell| cell.symbol());
                if covered == 0 {
                    line.push_str(symbol);
                    covered = unicode_width::UnicodeWidthStr::width(symbol).max(1);
                }
                covered -= 1;
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if let Some(position) = cursor {
            text.push_str(&format!("cursor {},{}\n", position.x, position.y));
        }
        text
    }
}
