//! A shared terminal drawn: a line that says whose it is and who types, and the cells below.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::state::can_type;
use crate::api::terminal::TerminalCell;
use crate::api::terminal::TerminalColour;
use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalStatus;
use crate::api::terminal::TerminalStyle;
use crate::api::terminal::TerminalView;
use crate::api::terminal::TerminalWidth;
use crate::ui::action::Pane;
use crate::ui::layout::Layout;
use crate::ui::state::State;
use crate::ui::text;
use crate::ui::text::SafeText;
use crate::ui::theme::Depth;
use crate::ui::theme::Role;
use crate::ui::widget::line::Pen;

/// Stands for a wide character of which only one half is in sight.
const HALF: &str = " ";

/// Columns below which a title says nothing.
const LEAST_TITLE: usize = 6;

/// The terminal in front.
pub struct TerminalPane<'a> {
    /// Everything there is to show.
    pub state: &'a State,
    /// What is in front.
    pub view: &'a TerminalView,
}

impl Widget for TerminalPane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(*buf.area());
        if area.is_empty() {
            return;
        }
        self.heading(Rect { height: 1, ..area }, buf);
        let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        if !self.view.complete {
            let theme = self.state.theme();
            Pen::new(body, buf, theme).skip(1).put(Role::Dim, "the screen is on its way");
            return;
        }
        let depth = self.state.themes.depth();
        let shown = Shown::new(self.view, self.state.terminals.scrolled(), body);
        for (target, line) in (body.y..body.bottom()).zip(shown.top..) {
            let row = Rect { y: target, height: 1, ..body };
            if let Some(cells) = shown.line(self.view, line) {
                draw(cells, usize::from(shown.left), row, depth, buf);
            }
        }
        let typing = self.state.terminals.is_typing();
        if let Some(position) = shown.cursor(self.view, body).filter(|_| !typing)
            && let Some(cell) = buf.cell_mut(position)
        {
            cell.modifier.toggle(Modifier::REVERSED);
        }
    }
}

impl TerminalPane<'_> {
    fn heading(&self, row: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let view = self.view;
        let (role, control) = self.control();
        let mut pen = Pen::new(row, buf, theme);
        pen.skip(1).skip_right(1).put_right(role, &control).skip_right(2);
        let dot = theme.glyphs().dot;
        let owner = match view.stream {
            None => "yours".to_owned(),
            Some(_) => SafeText::name(view.user.as_str()).to_string(),
        };
        pen.put(Role::Strong, &owner);
        let size = view.screen.size();
        let mut facts = format!(" {dot} {}x{}", size.columns(), size.rows());
        if view.stream.is_none() {
            facts.push_str(&format!(" {dot} {} watching", view.watching));
            if view.refused > 0 {
                facts.push_str(&format!(" {dot} {} refused", view.refused));
            }
        }
        if self.state.terminals.scrolled() > 0 {
            facts.push_str(&format!(" {dot} {} up", self.state.terminals.scrolled()));
        }
        // The title gives way: it may be long, and the rest says how things are.
        let title = SafeText::new(&view.title);
        let room = usize::from(pen.rest().width).saturating_sub(facts.width() + 3);
        if room >= LEAST_TITLE {
            let title = text::fit(title.as_str(), room, theme.glyphs().ellipsis);
            pen.put(Role::Dim, &format!(" {dot} ")).put(Role::Base, &title);
        }
        pen.put(Role::Dim, &facts);
    }

    /// Who types, and the key that changes it.
    fn control(&self) -> (Role, String) {
        let view = self.view;
        match view.status {
            TerminalStatus::Running => {}
            TerminalStatus::Exited(code) => return (Role::Warn, format!("ended with {code}")),
            TerminalStatus::Killed => return (Role::Warn, "was ended".to_owned()),
        }
        if !view.live {
            return (Role::Bad, "no word from its owner".to_owned());
        }
        if self.state.terminals.is_typing() && can_type(view) {
            return (Role::Good, "YOU TYPE, Ctrl-] stops".to_owned());
        }
        let asking = view.watchers.iter().find(|watcher| watcher.asks);
        match (&view.control, asking) {
            (TerminalControl::Me, Some(watcher)) => {
                let name = SafeText::name(watcher.user.as_str());
                (Role::Warn, format!("{name} asks for control: o gives it"))
            }
            (TerminalControl::Me, None) => (Role::Good, "you have control: t types".to_owned()),
            (TerminalControl::Other(name), _) if view.stream.is_none() => {
                let name = SafeText::name(name);
                (Role::Warn, format!("{name} HAS CONTROL, b takes it back"))
            }
            (TerminalControl::Other(name), _) => {
                (Role::Base, format!("{} has control", SafeText::name(name)))
            }
            (TerminalControl::Owner, _) if view.asked => {
                (Role::Base, "asked for control".to_owned())
            }
            (TerminalControl::Owner, _) => (Role::Dim, "read-only, t asks for control".to_owned()),
        }
    }
}

/// Where the cursor of the terminal belongs while this user types.
#[must_use]
pub fn cursor(state: &State) -> Option<Position> {
    let view = state.terminals.front().filter(|_| state.terminals.is_typing())?;
    state.live_call()?;
    let area = Layout::of(state)?.pane(Pane::Stage);
    let body = Rect { y: area.y + 2, height: area.height.checked_sub(2)?, ..area };
    Shown::new(view, 0, body).cursor(view, body)
}

/// The part of a terminal that is in sight. Lines are counted from the oldest in the history.
struct Shown {
    top: u64,
    left: u16,
    /// The line that is the first row of the screen.
    screen: u64,
}

impl Shown {
    /// What fits into `body`: what is around the cursor, or above it by `scrolled` lines.
    fn new(view: &TerminalView, scrolled: u64, body: Rect) -> Self {
        let size = view.screen.size();
        let (row, column) = view.screen.meta.cursor;
        let down =
            (row + 1).saturating_sub(body.height).min(size.rows().saturating_sub(body.height));
        let left =
            (column + 1).saturating_sub(body.width).min(size.columns().saturating_sub(body.width));
        let screen = view.screen.meta.history.end;
        let top = screen.saturating_add(u64::from(down)).saturating_sub(scrolled);
        Self { top, left, screen }
    }

    fn line<'a>(&self, view: &'a TerminalView, line: u64) -> Option<&'a [TerminalCell]> {
        match line.checked_sub(self.screen) {
            Some(row) => u16::try_from(row).ok().map(|row| view.screen.row(row)),
            None => view.lines.get(&line).map(Vec::as_slice),
        }
    }

    fn cursor(&self, view: &TerminalView, body: Rect) -> Option<Position> {
        let meta = &view.screen.meta;
        if meta.cursor_hidden || view.status != TerminalStatus::Running {
            return None;
        }
        let line = self.screen.saturating_add(u64::from(meta.cursor.0));
        let row = u16::try_from(line.checked_sub(self.top)?).ok()?;
        // A cursor past the last column waits for the next character to wrap.
        let column = meta.cursor.1.min(view.screen.size().columns() - 1).checked_sub(self.left)?;
        (row < body.height && column < body.width)
            .then(|| Position::new(body.x + column, body.y + row))
    }
}

fn draw(cells: &[TerminalCell], left: usize, row: Rect, depth: Depth, buf: &mut Buffer) {
    let visible = cells.get(left..).unwrap_or_default();
    for (index, (x, cell)) in (row.x..row.right()).zip(visible).enumerate() {
        let Some(target) = buf.cell_mut((x, row.y)) else { continue };
        target.reset();
        target.set_style(style(cell.style(), depth));
        match cell.width() {
            TerminalWidth::Narrow if cell.text().is_empty() => {}
            TerminalWidth::Narrow => drop(target.set_symbol(cell.text())),
            TerminalWidth::Wide => {
                let whole = visible
                    .get(index + 1)
                    .is_some_and(|next| next.width() == TerminalWidth::Continuation);
                let fits = x + 1 < row.right() && whole;
                target.set_symbol(if fits { cell.text() } else { HALF });
            }
            // Covered by the cell to the left, if that is there.
            TerminalWidth::Continuation => {}
        }
    }
}

fn style(style: TerminalStyle, depth: Depth) -> Style {
    let attributes = [
        (TerminalStyle::BOLD, Modifier::BOLD),
        (TerminalStyle::DIM, Modifier::DIM),
        (TerminalStyle::ITALIC, Modifier::ITALIC),
        (TerminalStyle::UNDERLINE, Modifier::UNDERLINED),
        (TerminalStyle::INVERSE, Modifier::REVERSED),
    ];
    let modifiers = attributes.into_iter().filter(|(attribute, _)| style.has(*attribute));
    let modifier = modifiers.fold(Modifier::empty(), |all, (_, modifier)| all | modifier);
    Style::new()
        .fg(colour(style.foreground, depth))
        .bg(colour(style.background, depth))
        .add_modifier(modifier)
}

fn colour(colour: TerminalColour, depth: Depth) -> Color {
    match (colour, depth) {
        (TerminalColour::Default, _) | (_, Depth::Mono) => Color::Reset,
        (TerminalColour::Indexed(index), Depth::Ansi16) if index >= 16 => {
            let (red, green, blue) = indexed(index);
            Color::Indexed(nearest_of_16(red, green, blue))
        }
        (TerminalColour::Indexed(index), _) => Color::Indexed(index),
        (TerminalColour::Rgb(red, green, blue), Depth::True) => Color::Rgb(red, green, blue),
        (TerminalColour::Rgb(red, green, blue), Depth::Ansi256) => {
            let step = |value: u8| (u16::from(value) * 5 + 127) / 255;
            let index = 16 + 36 * step(red) + 6 * step(green) + step(blue);
            Color::Indexed(u8::try_from(index).unwrap_or(15))
        }
        (TerminalColour::Rgb(red, green, blue), Depth::Ansi16) => {
            Color::Indexed(nearest_of_16(red, green, blue))
        }
    }
}

/// The colour of one of xterm's 256 from the sixteenth on.
fn indexed(index: u8) -> (u8, u8, u8) {
    if index >= 232 {
        let grey = 8 + 10 * (index - 232);
        return (grey, grey, grey);
    }
    let cube = index.saturating_sub(16);
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}

/// Which of the sixteen colours comes nearest: hue by the channels that are on, and whether it
/// is a bright one.
fn nearest_of_16(red: u8, green: u8, blue: u8) -> u8 {
    let brightest = red.max(green).max(blue);
    let darkest = red.min(green).min(blue);
    if brightest - darkest < 32 {
        return match brightest {
            0..=63 => 0,
            64..=143 => 8,
            144..=215 => 7,
            _ => 15,
        };
    }
    let half = brightest / 2;
    let bits = u8::from(red > half) | (u8::from(green > half) << 1) | (u8::from(blue > half) << 2);
    if brightest > 191 { bits + 8 } else { bits }
}
