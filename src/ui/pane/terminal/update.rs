//! What keys and news do to shared terminals.

use super::keys;
use super::state::can_type;
use super::view::room;
use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalOrder;
use crate::api::terminal::TerminalStatus;
use crate::api::terminal::TerminalView;
use crate::api::terminal::TerminalViews;
use crate::model::UserId;
use crate::ui::action::Pane;
use crate::ui::action::TerminalAction;
use crate::ui::effect::Effect;
use crate::ui::event::Severity;
use crate::ui::layout::Layout;
use crate::ui::stage::LayoutChoice;
use crate::ui::stage::Scene;
use crate::ui::stage::Share;
use crate::ui::stage::TileId;
use crate::ui::state::State;
use crate::ui::text::SafeText;
use crate::ui::update::toast;

/// Lines of history that are asked for beyond what is seen.
const LINES_AHEAD: u16 = 60;

/// Does what the user wants.
pub fn update(state: &mut State, action: TerminalAction) -> Option<Effect> {
    let order = match action {
        TerminalAction::Type => return begin_typing(state),
        TerminalAction::StopTyping => {
            state.terminals.typing = false;
            return None;
        }
        TerminalAction::Key(key) => {
            let view = state.terminals.front().filter(|_| state.terminals.is_typing())?;
            let bytes = keys::encode(key, view.screen.meta.application_cursor);
            if bytes.is_empty() {
                return None;
            }
            let order = TerminalOrder::Keys(view.stream, bytes);
            state.terminals.scrolled = 0;
            order
        }
        TerminalAction::Paste(text) => {
            let view = state.terminals.front().filter(|_| state.terminals.is_typing())?;
            let bytes = keys::encode_paste(&text, view.screen.meta.bracketed_paste);
            TerminalOrder::Keys(view.stream, bytes)
        }
        TerminalAction::Lend(name) => return lend(state, name),
        TerminalAction::TakeBack => return take_back(state),
        TerminalAction::Next => {
            next(state);
            return None;
        }
        TerminalAction::Share(_) if state.live_call().is_none() => {
            toast(state, Severity::Warn, "you are not in a call: Enter joins a room");
            return None;
        }
        TerminalAction::Share(command) => return Some(Effect::ShareTerminal(command)),
        TerminalAction::Stop if state.terminals.own().is_none() => {
            toast(state, Severity::Warn, "you share no terminal");
            return None;
        }
        TerminalAction::Stop => TerminalOrder::Stop,
        TerminalAction::Fix(_) if state.terminals.own().is_none() => {
            toast(state, Severity::Warn, "you share no terminal");
            return None;
        }
        TerminalAction::Fix(size) => TerminalOrder::Fix(size),
        TerminalAction::ToggleVideo => return Some(Effect::ToggleTerminalVideo),
    };
    Some(Effect::Terminal(order))
}

/// Makes the next terminal stand out, round and round.
fn next(state: &mut State) {
    let tiles: Vec<TileId> = state.terminals.tiles().map(|(tile, _)| tile).collect();
    let front = state.terminals.front_tile();
    let place = tiles.iter().position(|tile| Some(tile) == front.as_ref());
    let after = place.and_then(|place| tiles.get(place + 1)).or(tiles.first()).cloned();
    if !state.stage.choice.has_featured() {
        state.stage.choice = LayoutChoice::Auto;
    }
    state.terminals.typing = false;
    state.stage.pinned.clone_from(&after);
    state.stage.cursor = after;
}

/// Brings that terminal to the front which the stage makes stand out, or which is under the
/// cursor there. The one that is typed into stays.
pub fn follow(state: &mut State) {
    if state.terminals.views().is_empty() || state.terminals.is_typing() {
        return;
    }
    let scene = Scene::of(state);
    let tile = scene.looked_at().map(|tile| tile.id.clone());
    let view = tile.and_then(|tile| state.terminals.at(&tile)).map(|view| view.stream);
    state.terminals.set_front(view);
}

fn begin_typing(state: &mut State) -> Option<Effect> {
    let view = state.terminals.front().cloned()?;
    if view.status != TerminalStatus::Running {
        toast(state, Severity::Warn, "the shared command has ended");
        return None;
    }
    if can_type(&view) {
        state.terminals.typing = true;
        // Whoever types has to see it.
        state.focus = Pane::Stage;
        state.terminals.scrolled = 0;
        return None;
    }
    let owner = SafeText::name(view.user.as_str());
    match view.stream {
        None => {
            toast(state, Severity::Warn, "control is lent: b takes it back");
            None
        }
        Some(stream) => {
            toast(state, Severity::Info, &format!("{owner} is asked for control"));
            Some(Effect::Terminal(TerminalOrder::Ask(stream)))
        }
    }
}

fn lend(state: &mut State, name: Option<String>) -> Option<Effect> {
    let Some(own) = state.terminals.own().cloned() else {
        toast(state, Severity::Warn, "you share no terminal");
        return None;
    };
    let user = name.map(UserId::from);
    let asking = own.watchers.iter().filter(|watcher| watcher.asks).count();
    let problem = match &user {
        _ if own.watchers.is_empty() => "nobody watches your terminal",
        Some(user) if !own.watchers.iter().any(|watcher| watcher.user == *user) => {
            "nobody of that name watches your terminal"
        }
        None if asking == 0 && own.watchers.len() > 1 => {
            "nobody asks for control: :lend NAME gives it"
        }
        _ => return Some(Effect::Terminal(TerminalOrder::Lend(user))),
    };
    toast(state, Severity::Warn, problem);
    None
}

/// The owner takes control back; whoever has it of another's terminal gives it back.
fn take_back(state: &mut State) -> Option<Effect> {
    let lent = |view: &TerminalView| matches!(view.control, TerminalControl::Other(_));
    if state.terminals.own().is_some_and(|own| lent(own)) {
        return Some(Effect::Terminal(TerminalOrder::TakeBack));
    }
    let view = state.terminals.front().cloned()?;
    match (view.stream, &view.control) {
        (Some(stream), TerminalControl::Me) => {
            state.terminals.typing = false;
            Some(Effect::Terminal(TerminalOrder::Release(stream)))
        }
        _ => {
            toast(state, Severity::Info, "nobody has borrowed the control of your terminal");
            None
        }
    }
}

/// Takes the terminals as they are now, and says what has happened to them.
pub fn changed(state: &mut State, views: TerminalViews) {
    let before = state.terminals.views().to_vec();
    let mut notes = Vec::new();
    for view in &views {
        let old = before.iter().find(|old| old.share == view.share);
        notes.extend(news(old.map(AsRef::as_ref), view));
    }
    for old in before.iter().filter(|old| old.stream.is_some()) {
        if !views.iter().any(|view| view.share == old.share) {
            let owner = SafeText::name(old.user.as_str());
            notes.push((Severity::Info, format!("{owner} no longer shares a terminal")));
        }
    }
    state.terminals.set(views);
    let shares = state.terminals.tiles().map(|(tile, view)| {
        let title = SafeText::new(&view.title);
        Share { tile, title }
    });
    let shares = shares.collect();
    state.stage.set_terminals(shares);
    for (severity, note) in notes {
        toast(state, severity, &note);
    }
}

fn news(old: Option<&TerminalView>, view: &TerminalView) -> Vec<(Severity, String)> {
    let mut notes = Vec::new();
    let owner = SafeText::name(view.user.as_str());
    let Some(old) = old else {
        let title = SafeText::new(&view.title);
        if view.stream.is_some() {
            notes.push((Severity::Info, format!("{owner} shares a terminal: {title}")));
        }
        return notes;
    };
    for watcher in view.watchers.iter().filter(|watcher| watcher.asks) {
        let asked = old.watchers.iter().any(|old| old.viewer == watcher.viewer && old.asks);
        if !asked {
            let name = SafeText::name(watcher.user.as_str());
            notes.push((Severity::Warn, format!("{name} asks for control: o gives it")));
        }
    }
    if view.control != old.control {
        let note = match (&view.control, view.stream) {
            (TerminalControl::Me, Some(_)) => {
                (Severity::Good, "you have control: t types".to_owned())
            }
            (TerminalControl::Me, None) => {
                (Severity::Good, "you have control of your terminal again".to_owned())
            }
            (TerminalControl::Owner, _) => (Severity::Info, format!("{owner} has control again")),
            (TerminalControl::Other(name), _) => {
                let name = SafeText::name(name);
                (Severity::Warn, format!("{name} has control of the terminal"))
            }
        };
        notes.push(note);
    }
    notes
}

/// What has to be told or asked for because of what is shown now; `None` if nothing.
pub fn due(state: &mut State) -> Option<Effect> {
    let order = room_due(state).or_else(|| lines_due(state))?;
    Some(Effect::Terminal(order))
}

/// Tells a terminal that stands out how much room it has, and others that it is not for them to
/// fit: nobody's terminal is made small because it is one of many on somebody's stage.
fn room_due(state: &mut State) -> Option<TerminalOrder> {
    if state.terminals.views().is_empty() || Layout::of(state)?.pane(Pane::Stage).is_empty() {
        return None;
    }
    let scene = Scene::of(state);
    let (source, share, room) = state.terminals.tiles().find_map(|(tile, view)| {
        let room = scene.place(&tile).and_then(room);
        let told = state.terminals.told.get(&view.share).copied();
        (room != told).then_some((view.stream, view.share, room))
    })?;
    match room {
        Some(room) => state.terminals.told.insert(share, room),
        None => state.terminals.told.remove(&share),
    };
    Some(TerminalOrder::Room(source, room))
}

/// Asks for lines above the screen that are looked at and not there.
fn lines_due(state: &mut State) -> Option<TerminalOrder> {
    let view = state.terminals.front()?;
    let scrolled = state.terminals.scrolled(view);
    let history = view.screen.meta.history;
    let first = history.end.saturating_sub(scrolled);
    let until = first.saturating_add(u64::from(LINES_AHEAD)).min(history.end);
    let missing = scrolled > 0 && (first..until).any(|line| !view.lines.contains_key(&line));
    let asked = (view.stream, first);
    if !missing || state.terminals.asked == Some(asked) {
        return None;
    }
    state.terminals.asked = Some(asked);
    Some(TerminalOrder::Lines(asked.0, first, LINES_AHEAD))
}
