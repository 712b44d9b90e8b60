//! Tiles where the scene puts them; a welcome outside of a call.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Block;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::tile::TileView;
use crate::ui::action::Action;
use crate::ui::action::CallAction;
use crate::ui::action::RoomsAction;
use crate::ui::action::StageAction;
use crate::ui::keymap;
use crate::ui::pane::terminal::TerminalPane;
use crate::ui::stage::LayoutChoice;
use crate::ui::stage::Part;
use crate::ui::stage::Scene;
use crate::ui::stage::arrange::More;
use crate::ui::stage::arrange::Style;
use crate::ui::state::Link;
use crate::ui::state::Phase;
use crate::ui::state::State;
use crate::ui::text;
use crate::ui::theme::Role;
use crate::ui::widget::banner::Banner;
use crate::ui::widget::frame::Frame;
use crate::ui::widget::line::Pen;

/// The name in block letters outside of a call.
const WORDMARK: &str = "conclave";

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
        let scene = Scene::new(self.state, area);
        if scene.tiles.is_empty() {
            return self.nobody(area, buf);
        }
        let (theme, stage) = (self.state.theme(), &self.state.stage);
        for place in &scene.arrangement.places {
            let Some(tile) = scene.tiles.get(place.index) else { continue };
            let view = TileView {
                tile,
                content: stage.content(&tile.id),
                terminal: self
                    .state
                    .terminals
                    .at(&tile.id)
                    .map(|view| TerminalPane { state: self.state, view }),
                selected: self.focused && place.index == scene.cursor,
                pinned: stage.pinned.as_ref() == Some(&tile.id),
                theme,
            };
            view.render(place, buf);
        }
        if let Some(more) = &scene.arrangement.more {
            self.more(&scene, more, buf);
        }
        if !scene.hint.is_empty() {
            self.centred(scene.hint, buf, &[(Role::Dim, self.hint(&scene))]);
        }
    }

    fn hint(&self, scene: &Scene<'_>) -> String {
        if scene.layout == LayoutChoice::Screen && scene.featured.is_none() {
            let key = keymap::key_name(&Action::Call(CallAction::Shares)).unwrap_or_default();
            return format!("Nobody shares a screen: {key} shares yours.");
        }
        "Nobody else is here yet: they see the room in their list.".to_owned()
    }

    /// There are no tiles: the user is alone and hidden.
    fn nobody(&self, area: Rect, buf: &mut Buffer) {
        let key = keymap::key_name(&Action::Stage(StageAction::ToggleSelf)).unwrap_or_default();
        let lines = [
            (Role::Base, "Nobody else is here yet".to_owned()),
            (Role::Dim, format!("{key} shows your own tile")),
        ];
        self.centred(area, buf, &lines);
    }

    /// How many are not shown, and as many of their names as there is room for.
    fn more(&self, scene: &Scene<'_>, more: &More, buf: &mut Buffer) {
        let theme = self.state.theme();
        let count = format!("+{}", more.hidden.len());
        match more.style {
            Style::Line => {
                let mut pen = Pen::new(more.area, buf, theme);
                pen.skip(1).put(Role::Strong, &count);
                for tile in more.hidden.iter().filter_map(|index| scene.tiles.get(*index)) {
                    let speaks = tile.person.speaking && tile.id.part == Part::Person;
                    let (role, mark) = match speaks {
                        true => (Role::Speaking, theme.glyphs().live),
                        false => (Role::Dim, ""),
                    };
                    let name = format!("  {mark}{}", tile.person.name);
                    if !pen.fits(name.width() + 3) {
                        pen.skip(1).put(Role::Dim, theme.glyphs().ellipsis);
                        break;
                    }
                    pen.put(role, &name);
                }
            }
            Style::Boxed | Style::Plain => {
                let set = theme.glyphs().border;
                let block = Block::bordered().border_set(set).border_style(theme.style(Role::Rule));
                let inner = block.inner(more.area);
                block.render(more.area, buf);
                self.centred(inner, buf, &[(Role::Strong, count)]);
            }
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
            let dot = state.theme().glyphs().dot;
            let layout = match state.stage.choice {
                LayoutChoice::Auto => String::new(),
                chosen => format!(" {dot} {}", chosen.name()),
            };
            format!("{} {dot} {count} in call{layout}", call.name)
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
