//! A shared terminal drawn: a line that says whose it is and who types, and the cells below.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use crate::api::terminal::TerminalCell;
use crate::api::terminal::TerminalColour;
use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalSize;
use crate::api::terminal::TerminalStatus;
use crate::api::terminal::TerminalStyle;
use crate::api::terminal::TerminalView;
use crate::api::terminal::TerminalWidth;
use crate::ui::stage::Scene;
use crate::ui::stage::arrange::Place;
use crate::ui::stage::arrange::Style as TileStyle;
use crate::ui::stage::scene;
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

/// A terminal in a tile.
#[derive(Clone, Copy)]
pub struct TerminalPane<'a> {
    /// Everything there is to show.
    pub state: &'a State,
    /// The terminal.
    pub view: &'a TerminalView,
}

/// Draws the cells, as many as fit.
impl Widget for TerminalPane<'_> {
    fn render(self, body: Rect, buf: &mut Buffer) {
        let body = body.intersection(*buf.area());
        if body.is_empty() {
            return;
        }
        if !self.view.complete {
            let theme = self.state.theme();
            Pen::new(body, buf, theme).skip(1).put(Role::Dim, "the screen is on its way");
            return;
        }
        let depth = self.state.themes.depth();
        let shown = Shown::new(self.view, self.state.terminals.scrolled(self.view), body);
        for (target, line) in (body.y..body.bottom()).zip(shown.top..) {
            let row = Rect { y: target, height: 1, ..body };
            if let Some(cells) = shown.line(self.view, line) {
                draw(cells, usize::from(shown.left), row, depth, buf);
            }
        }
        if let Some(position) = shown.cursor(self.view, body).filter(|_| !self.is_typing())
            && let Some(cell) = buf.cell_mut(position)
        {
            cell.modifier.toggle(Modifier::REVERSED);
        }
    }
}

impl TerminalPane<'_> {
    /// This user types into it.
    fn is_typing(&self) -> bool {
        let terminals = &self.state.terminals;
        terminals.is_typing()
            && terminals.front().is_some_and(|front| front.share == self.view.share)
    }

    /// Draws a line that says whose it is, how it is doing and who types. `facts` come after
    /// the name.
    pub fn heading(&self, mark: &str, facts: &[(Role, String)], row: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let view = self.view;
        let (role, control) = self.control();
        let mut pen = Pen::new(row, buf, theme);
        pen.put(Role::Accent, mark).skip_right(1).put_right(role, &control).skip_right(2);
        let dot = theme.glyphs().dot;
        let owner = match view.stream {
            None => "yours".to_owned(),
            Some(_) => SafeText::name(view.user.as_str()).to_string(),
        };
        pen.put(Role::Strong, &owner);
        for (role, fact) in facts {
            pen.put(*role, " ").put(*role, fact);
        }
        let size = view.screen.size();
        let mut facts = format!(" {dot} {}x{}", size.columns(), size.rows());
        if view.stream.is_none() {
            facts.push_str(&format!(" {dot} {} watching", view.watching));
            if view.refused > 0 {
                facts.push_str(&format!(" {dot} {} refused", view.refused));
            }
        }
        let scrolled = self.state.terminals.scrolled(view);
        if scrolled > 0 {
            facts.push_str(&format!(" {dot} {scrolled} up"));
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

    /// Who types, in as few words as a name tag has room for.
    #[must_use]
    pub fn fact(&self) -> (Role, String) {
        let view = self.view;
        let asks = view.watchers.iter().any(|watcher| watcher.asks);
        let (role, word) = match (&view.status, &view.control) {
            (TerminalStatus::Running, _) if !view.live => (Role::Bad, "no word"),
            (TerminalStatus::Running, _) if self.is_typing() => (Role::Good, "YOU TYPE"),
            (TerminalStatus::Running, TerminalControl::Me) if asks => (Role::Warn, "asked for"),
            (TerminalStatus::Running, TerminalControl::Me) => (Role::Good, "you have control"),
            (TerminalStatus::Running, TerminalControl::Other(name)) => {
                let role = if view.stream.is_none() { Role::Warn } else { Role::Base };
                return (role, format!("{} has control", SafeText::name(name)));
            }
            (TerminalStatus::Running, TerminalControl::Owner) => (Role::Dim, "read-only"),
            _ => (Role::Warn, "ended"),
        };
        (role, word.to_owned())
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
        if self.is_typing() {
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

/// The part of a tile's place that the cells of a terminal may fill: below its heading, or in its
/// box.
#[must_use]
pub fn body(place: &Place) -> Rect {
    let area = place.area;
    match place.style {
        TileStyle::Plain => {
            let heading = area.height.min(1);
            Rect { y: area.y + heading, height: area.height - heading, ..area }
        }
        TileStyle::Boxed | TileStyle::Line => scene::inside(place),
    }
}

/// How much room there is for a terminal that stands out.
pub(super) fn room(place: &Place) -> Option<TerminalSize> {
    let body = body(place);
    let stands_out = place.style == TileStyle::Plain && !body.is_empty();
    stands_out.then(|| TerminalSize::new(body.width, body.height))
}

/// Where the cursor of the terminal belongs while this user types.
#[must_use]
pub fn cursor(state: &State) -> Option<Position> {
    state.live_call()?;
    let tile = state.terminals.typing_tile()?;
    let view = state.terminals.front()?;
    let body = body(Scene::of(state).place(&tile)?);
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
        (TerminalColour::Indexed(index), Depth::Ansi16) => match colour.beyond_basic() {
            Some((red, green, blue)) => Color::Indexed(nearest_of_16(red, green, blue)),
            None => Color::Indexed(index),
        },
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
