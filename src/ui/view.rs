//! The whole screen: panes where the layout puts them, then what lies on top of them.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::widgets::Clear;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::action::Pane;
use super::command;
use super::command::PaletteState;
use super::keymap;
use super::layout::Layout;
use super::layout::MIN_SIZE;
use super::pane::events::EventsPane;
use super::pane::levels::LevelsPane;
use super::pane::people::PeoplePane;
use super::pane::rooms::RoomsPane;
use super::pane::stage::StagePane;
use super::pane::terminal;
use super::state::Link;
use super::state::Phase;
use super::state::State;
use super::text;
use super::theme::Role;
use super::widget::input;
use super::widget::line::Pen;

/// Columns of the status line that are left to the keys before a lesser fact is shown.
const KEYS_WIDTH: usize = 44;

/// Columns of what the command line can be completed to.
const COMPLETION_WIDTH: usize = 20;

/// In a list narrower than this, descriptions move up to the completions.
const WIDE_PALETTE: u16 = 56;

/// Draws the state over `buf` and says where the cursor belongs, if anywhere.
pub fn draw(state: &State, buf: &mut Buffer) -> Option<Position> {
    let screen = *buf.area();
    buf.set_style(screen, state.theme().style(Role::Base));
    let Some(layout) = Layout::of(state) else {
        too_small(state, screen, buf);
        return None;
    };
    panes(state, &layout, buf);
    tabs(state, &layout, buf);
    status(state, layout.status, buf);
    let dialog = state.dialogs.top();
    let mut cursor = dialog.and_then(|top| top.render(layout.body, buf, state.theme()));
    if dialog.is_none() {
        cursor = terminal::cursor(state);
    }
    // Messages leave the newest event in sight, and of a dialog as much as they can.
    let above = u16::from(dialog.is_none());
    let corner = Rect { height: layout.body.height - above, ..layout.body };
    state.toasts.render(corner, buf, state.theme());
    if let Some(palette) = &state.palette {
        cursor = draw_palette(state, palette, &layout, buf);
    }
    cursor
}

fn panes(state: &State, layout: &Layout, buf: &mut Buffer) {
    let theme = state.theme();
    for pane in Pane::ALL {
        let area = layout.pane(pane);
        if area.is_empty() {
            continue;
        }
        let focused = pane == state.focus && state.dialogs.is_empty() && state.palette.is_none();
        match pane {
            Pane::Rooms => {
                let live = state.live_call().map(|call| &call.room);
                RoomsPane { state: &state.rooms, live, theme, focused }.render(area, buf);
            }
            Pane::Stage => StagePane { state, focused }.render(area, buf),
            Pane::People => {
                let in_call = state.live_call().is_some();
                PeoplePane { state: &state.people, in_call, theme, focused }.render(area, buf);
            }
            Pane::Levels => {
                let call = state.live_call();
                LevelsPane { state: &state.levels, call, theme, focused }.render(area, buf);
            }
            Pane::Events => {
                let utc_offset_s = state.clock.utc_offset_s;
                EventsPane { state: &state.events, utc_offset_s, theme, focused }.render(area, buf);
            }
        }
    }
}

fn tabs(state: &State, layout: &Layout, buf: &mut Buffer) {
    if layout.tabs.is_empty() {
        return;
    }
    let theme = state.theme();
    for (pane, digit) in Pane::ALL.into_iter().zip(1..) {
        let (start, width) = Layout::tab_place(pane);
        let left = layout.tabs.width.saturating_sub(start);
        let place = Rect { x: layout.tabs.x + start, width: width.min(left), ..layout.tabs };
        let role = if pane == state.focus { Role::TitleFocused } else { Role::Dim };
        Pen::new(place, buf, theme).put(role, &format!("{digit}{}", pane.title()));
    }
}

fn too_small(state: &State, screen: Rect, buf: &mut Buffer) {
    let lines = [
        "This terminal is too small.".to_owned(),
        format!("It has {}x{},", screen.width, screen.height),
        format!("{}x{} are needed.", MIN_SIZE.width, MIN_SIZE.height),
    ];
    for (row, line) in screen.rows().zip(lines) {
        Pen::new(row, buf, state.theme()).put(Role::Warn, &line);
    }
}

/// The last line: keys that work now at the left, the state of things at the right.
fn status(state: &State, area: Rect, buf: &mut Buffer) {
    let theme = state.theme();
    buf.set_style(area, theme.style(Role::Status));
    let facts = facts(state);
    let mut pen = Pen::new(area, buf, theme);
    pen.skip(1).skip_right(1);
    // The state of things wins over the keys: the first facts are the most important.
    for (index, (role, fact)) in facts.iter().enumerate() {
        let keys = if index == 0 { 10 } else { KEYS_WIDTH };
        if usize::from(pen.rest().width) < fact.width() + keys {
            break;
        }
        if index > 0 {
            pen.put_right(Role::Status, "  ");
        }
        pen.put_right(*role, fact);
    }
    pen.skip_right(1);
    for binding in keymap::hints(state) {
        let key = binding.keys.first().map(ToString::to_string).unwrap_or_default();
        let width = key.width() + binding.hint.width() + 5;
        if width > usize::from(pen.rest().width) + 2 {
            break;
        }
        pen.put(Role::Status, "[").put(Role::Key, &key).put(Role::Status, "] ");
        pen.put(Role::Status, binding.hint).skip(2);
    }
}

/// What the user must know about the state of things, the most important first.
fn facts(state: &State) -> Vec<(Role, String)> {
    let glyphs = state.theme().glyphs();
    let mut facts = Vec::new();
    match &state.link {
        Link::Online => {}
        Link::Connecting => facts.push((Role::Warn, "connecting".to_owned())),
        Link::Offline { .. } => {
            facts.push((Role::Bad, format!("{} reconnecting", glyphs.bad)));
        }
    }
    let Some(call) = &state.call else {
        if facts.is_empty() {
            facts.push((Role::Dim, "not in a call".to_owned()));
        }
        return facts;
    };
    match call.phase {
        Phase::Joining => facts.push((Role::Warn, "joining".to_owned())),
        Phase::Leaving => facts.push((Role::Warn, "leaving".to_owned())),
        Phase::Live if call.listen_only => facts.push((Role::Muted, "listen-only".to_owned())),
        Phase::Live if call.muted => {
            facts.push((Role::Muted, format!("{} MUTED", glyphs.muted)));
        }
        Phase::Live => facts.push((Role::Good, format!("{} mic on", glyphs.live))),
    }
    // What others can see is as important as what they can hear.
    if call.camera.is_some() {
        facts.push((Role::Good, format!("{} camera on", glyphs.live)));
    }
    if call.share.is_some() {
        facts.push((Role::Warn, format!("{} sharing", glyphs.live)));
    }
    if state.recorded.contains(&call.room) {
        facts.push((Role::Bad, format!("{} REC", glyphs.live)));
    }
    let waiting = state.dialogs.waiting();
    if waiting > 1 {
        facts.push((Role::Warn, format!("{waiting} waiting")));
    }
    if let Some(shown) = state.levels.shown() {
        let (up, down) = (glyphs.up, glyphs.down);
        let traffic = format!("{up}{} {down}{} kbit/s", shown.up_kbit, shown.down_kbit);
        facts.push((Role::Status, traffic));
    }
    facts
}

fn draw_palette(
    state: &State,
    palette: &PaletteState,
    layout: &Layout,
    buf: &mut Buffer,
) -> Option<Position> {
    let theme = state.theme();
    let completions = command::completions(palette.input.value(), state);
    let first = (palette.marked + 1).saturating_sub(command::SHOWN);
    let shown: Vec<_> = completions.iter().enumerate().skip(first).take(command::SHOWN).collect();
    let height = u16::try_from(shown.len()).unwrap_or(0).min(layout.body.height);
    let list = Rect { y: layout.body.bottom() - height, height, ..layout.body };
    let list = Rect { width: list.width.min(64), ..list };
    Clear.render(list, buf);
    buf.set_style(list, theme.style(Role::Base));
    buf.set_style(list, theme.style(Role::Dialog));
    let widest = shown.iter().map(|(_, completion)| completion.line.width()).max().unwrap_or(0);
    let column =
        if list.width < WIDE_PALETTE { widest.min(COMPLETION_WIDTH) } else { COMPLETION_WIDTH };
    for (row, (index, completion)) in list.rows().zip(shown) {
        let mut pen = Pen::new(row, buf, theme);
        let mark = if index == palette.marked { theme.glyphs().cursor } else { " " };
        let line = text::column(&completion.line, column, theme.glyphs().ellipsis);
        pen.put(Role::Accent, mark).put(Role::Strong, &line).skip(1);
        pen.put(Role::Dim, completion.about);
        if index == palette.marked {
            buf.set_style(row, theme.style(Role::Selected));
        }
    }
    buf.set_style(layout.status, theme.style(Role::Base));
    Clear.render(layout.status, buf);
    buf.set_style(layout.status, theme.style(Role::Base));
    Pen::new(layout.status, buf, theme).put(Role::Accent, theme.glyphs().prompt);
    let field = Rect { x: layout.status.x + 1, width: layout.status.width - 1, ..layout.status };
    input::render(&palette.input, field, buf, theme)
}
