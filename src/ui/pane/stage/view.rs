//! Tiles with initials and meters; a wall of meters where tiles don't fit; a welcome
//! outside of a call.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::widgets::Block;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::grid;
use crate::ui::action::Action;
use crate::ui::action::RoomsAction;
use crate::ui::keymap;
use crate::ui::pane::people::PersonRow;
use crate::ui::state::Link;
use crate::ui::state::Phase;
use crate::ui::state::State;
use crate::ui::text;
use crate::ui::theme::Role;
use crate::ui::widget::banner::Banner;
use crate::ui::widget::banner::has_shape;
use crate::ui::widget::frame::Frame;
use crate::ui::widget::line::Pen;
use crate::ui::widget::meter::Meter;

/// The name in block letters outside of a call.
const WORDMARK: &str = "conclave";

/// Columns of one entry of the wall of meters.
const WALL_WIDTH: u16 = 32;

/// The stage. Borrows the state, decides nothing.
pub struct StagePane<'a> {
    /// Everything there is to show.
    pub state: &'a State,
    /// The pane has the keys.
    pub focused: bool,
}

impl Widget for StagePane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let title = title(self.state);
        let note = note(self.state);
        let frame = Frame { title: &title, note: &note, focused: self.focused, theme };
        let inner = frame.render(area, buf);
        match self.state.call.as_ref() {
            Some(call) if call.phase == Phase::Live => self.call(inner, buf),
            Some(call) => {
                let doing = if call.phase == Phase::Joining { "Joining" } else { "Leaving" };
                self.centred(inner, buf, &[(Role::Strong, format!("{doing} {}", call.name))]);
            }
            None => self.welcome(inner, buf),
        }
    }
}

impl StagePane<'_> {
    fn call(&self, area: Rect, buf: &mut Buffer) {
        let people: Vec<&PersonRow> = self.state.people.in_call().collect();
        let alone = people.iter().all(|person| person.own);
        let hint = u16::from(alone && area.height > 6);
        let body = Rect { height: area.height - hint, ..area };
        match grid::tiles(body, people.len()) {
            Some(tiles) => {
                for (tile, person) in tiles.into_iter().zip(people) {
                    self.tile(person, tile, buf);
                }
            }
            None => self.wall(&people, body, buf),
        }
        if hint > 0 {
            let row = Rect { y: body.bottom(), height: 1, ..area };
            let text = "Nobody else is here yet: they see the room in their list.".to_owned();
            self.centred(row, buf, &[(Role::Dim, text)]);
        }
    }

    fn tile(&self, person: &PersonRow, tile: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let glyphs = theme.glyphs();
        let (set, role) = match person.speaking {
            true => (glyphs.border_strong, Role::Speaking),
            false => (glyphs.border, Role::Rule),
        };
        // A reversed frame would be a slab: without colours the heavier line has to do.
        let style = theme.style(role).remove_modifier(Modifier::REVERSED);
        let block = Block::bordered().border_set(set).border_style(style);
        let inner = block.inner(tile);
        block.render(tile, buf);
        let initials = initials(person.name.as_str());
        let (width, height) = Banner::size(&initials, theme);
        let role = if person.speaking { Role::Speaking } else { Role::Strong };
        let role = if person.muted || !person.publishing { Role::Dim } else { role };
        if inner.height > height && inner.width >= width && width > 0 {
            let top = inner.y + (inner.height - 1 - height) / 2;
            let left = inner.x + (inner.width - width) / 2;
            let place = Rect { x: left, y: top, width, height };
            Banner { text: &initials, role, theme }.render(place, buf);
            let last = Rect { y: inner.bottom() - 1, height: 1, ..inner };
            self.caption(person, last, buf);
        } else {
            self.small_tile(person, role, inner, buf);
        }
    }

    /// A tile without room for an initial: the name, and the meter below it.
    fn small_tile(&self, person: &PersonRow, role: Role, inner: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let top = inner.y + inner.height.saturating_sub(2) / 2;
        let row = Rect { y: top, height: 1, ..inner }.intersection(inner);
        self.centred(row, buf, &[(role, person.name.as_str().to_owned())]);
        let row = Rect { y: top + 1, height: 1, ..inner }.intersection(inner);
        if !person.publishing {
            self.centred(row, buf, &[(Role::Dim, "listening".to_owned())]);
        } else if person.muted {
            let text = format!("{} muted", theme.glyphs().muted);
            self.centred(row, buf, &[(Role::Muted, text)]);
        } else {
            let place = Rect { x: row.x + 1, width: row.width.saturating_sub(2), ..row };
            Meter { state: &person.meter, off: false, theme }.render(place, buf);
        }
    }

    fn caption(&self, person: &PersonRow, row: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let role = if person.speaking { Role::Speaking } else { Role::Base };
        let name_width = usize::from(row.width.saturating_sub(9)).max(4);
        let mut pen = Pen::new(row, buf, theme);
        let name = text::fit(person.name.as_str(), name_width, theme.glyphs().ellipsis);
        pen.skip(1).put(role, &name).skip(1);
        if !person.publishing {
            pen.put(Role::Dim, "listening");
        } else if person.muted {
            pen.put(Role::Muted, theme.glyphs().muted).put(Role::Muted, " muted");
        } else {
            let width = pen.rest().width.saturating_sub(1).min(16);
            let place = Rect { x: pen.rest().right() - 1 - width, width, ..pen.rest() };
            Meter { state: &person.meter, off: false, theme }.render(place, buf);
        }
    }

    fn wall(&self, people: &[&PersonRow], area: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let columns = (area.width / WALL_WIDTH).max(1);
        let width = area.width / columns;
        let rows = usize::from(area.height);
        let places = usize::from(columns) * rows;
        let shown = if people.len() > places { places.saturating_sub(1) } else { people.len() };
        for (index, person) in people.iter().take(shown).enumerate() {
            let x = area.x + (index / rows.max(1)) as u16 * width;
            let y = area.y + (index % rows.max(1)) as u16;
            let row = Rect { x, y, width, height: 1 };
            let role = if person.speaking { Role::Speaking } else { Role::Base };
            let mut pen = Pen::new(row, buf, theme);
            let mark = if person.speaking { theme.glyphs().live } else { " " };
            pen.skip(1).put(Role::Speaking, mark).skip(1);
            let name_width = usize::from(width.saturating_sub(14)).max(4);
            pen.column(role, person.name.as_str(), name_width).skip(1);
            if !person.publishing || person.muted {
                pen.put(Role::Dim, if person.muted { "muted" } else { "listening" });
            } else {
                let place = Rect { width: pen.rest().width.min(8), ..pen.rest() };
                Meter { state: &person.meter, off: false, theme }.render(place, buf);
            }
        }
        if shown < people.len() && places > 0 {
            let index = places - 1;
            let x = area.x + (index / rows) as u16 * width;
            let row = Rect { x, y: area.y + (index % rows) as u16, width, height: 1 };
            let more = format!("{} more in People", people.len() - shown);
            Pen::new(row, buf, theme).skip(3).put(Role::Dim, &more);
        }
    }

    fn welcome(&self, area: Rect, buf: &mut Buffer) {
        let theme = self.state.theme();
        let (width, height) = Banner::size(WORDMARK, theme);
        let lines = self.welcome_lines();
        let count = u16::try_from(lines.len()).unwrap_or(0);
        let mut body = area;
        if area.width >= width && area.height > height + count {
            let top = area.y + (area.height - height - count - 1) / 2;
            let place = Rect { x: area.x + (area.width - width) / 2, y: top, width, height };
            Banner { text: WORDMARK, role: Role::Accent, theme }.render(place, buf);
            let y = place.bottom() + 1;
            body = Rect { y, height: count.min(area.bottom() - y), ..area };
        }
        self.centred(body, buf, &lines);
    }

    fn welcome_lines(&self) -> Vec<(Role, String)> {
        let rooms = &self.state.rooms;
        let mut lines = match &self.state.link {
            Link::Connecting => vec![(Role::Base, "Connecting to the bridge".to_owned())],
            Link::Offline { reason } => vec![
                (Role::Warn, "The link to the bridge is down; trying again".to_owned()),
                (Role::Dim, reason.as_str().to_owned()),
            ],
            Link::Online => vec![(Role::Base, "You are not in a call".to_owned())],
        };
        lines.push((Role::Dim, String::new()));
        let new = keymap::key_name(&Action::Rooms(RoomsAction::New)).unwrap_or_default();
        lines.push(match rooms.selected() {
            Some(room) if !room.closed => (Role::Dim, format!("Enter joins {}", room.name)),
            _ => (Role::Dim, format!("{new} opens a room")),
        });
        lines.push((Role::Dim, "? shows all keys, : takes commands".to_owned()));
        lines
    }

    fn centred(&self, area: Rect, buf: &mut Buffer, lines: &[(Role, String)]) {
        let theme = self.state.theme();
        let count = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let top = area.height.saturating_sub(count) / 2;
        for (row, (role, line)) in area.rows().skip(usize::from(top)).zip(lines) {
            let cut = text::fit(line, usize::from(area.width), theme.glyphs().ellipsis);
            let left = usize::from(area.width).saturating_sub(cut.width());
            Pen::new(row, buf, theme).skip(left / 2).put(*role, &cut);
        }
    }
}

/// What the stage is called: the call's room, how many are in it.
fn title(state: &State) -> String {
    match &state.call {
        Some(call) => {
            let count = state.people.in_call().count();
            format!("{} {} {count} in call", call.name, state.theme().glyphs().dot)
        }
        None => "Stage".to_owned(),
    }
}

/// The state of the encryption, in words.
fn note(state: &State) -> String {
    let glyphs = state.theme().glyphs();
    let Some(call) = state.live_call() else { return String::new() };
    let refused = state.levels.shown().map_or(0, |shown| shown.dropped);
    let verified = state.rooms.row(&call.room).is_none_or(|room| room.verified);
    match (verified, refused) {
        (false, _) => format!("E2EE {} room not verified", glyphs.bad),
        (true, 0) => format!("E2EE {}", glyphs.good),
        (true, count) => format!("E2EE {} {count} refused", glyphs.warn),
    }
}

/// One or two letters that stand for a name.
fn initials(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().and_then(|word| word.chars().next());
    let second = words.next().and_then(|word| word.chars().next());
    first.into_iter().chain(second).filter(|letter| has_shape(*letter)).collect()
}
