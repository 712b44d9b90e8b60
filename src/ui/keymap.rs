//! Which key does what, where. One table; the help, the status line and `docs/keymap.md`
//! are made from it, so that none of them can promise a key that does not work.

use std::fmt::Write;

use crossterm::event::Event as TerminalEvent;
use crossterm::event::KeyCode;
use tui_input::backend::crossterm::to_input_request;

use super::action::Action;
use super::action::CallAction;
use super::action::DialogAction;
use super::action::PaletteAction;
use super::action::Pane;
use super::action::RoomsAction;
use super::action::StageAction;
use super::action::TerminalAction;
use super::action::ViewAction;
use super::command;
use super::key::Key;
use super::player;
use super::state::State;
use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalView;

/// Where a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Always,
    /// While no dialog and no command line is open.
    Main,
    /// The same, when the list of rooms has the keys.
    Rooms,
    /// The same, when the people have the keys.
    People,
    /// The same, when the stage has the keys.
    Stage,
    /// A question about somebody who wants in.
    Admit,
    /// A question about something that cannot be undone.
    Confirm,
    /// A form with text.
    Form,
    /// A list to choose from.
    Choice,
    /// A text to read.
    Reader,
    /// While a shared terminal is on the stage.
    Terminal,
    /// While what is typed goes to it.
    Typing,
    /// The command line.
    Palette,
}

impl Scope {
    /// All scopes in the order of the help.
    pub const ALL: [Self; 13] = [
        Self::Main,
        Self::Rooms,
        Self::Stage,
        Self::People,
        Self::Palette,
        Self::Admit,
        Self::Confirm,
        Self::Form,
        Self::Choice,
        Self::Reader,
        Self::Terminal,
        Self::Typing,
        Self::Always,
    ];

    /// Heading in the help.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Always => "Everywhere",
            Self::Main => "Screen",
            Self::Rooms => "Rooms",
            Self::People => "People",
            Self::Stage => "Stage",
            Self::Admit => "Somebody asks to be let in",
            Self::Confirm => "A question",
            Self::Form => "A form",
            Self::Choice => "A list to choose from",
            Self::Reader => "A text to read",
            Self::Terminal => "A shared terminal on the stage",
            Self::Typing => "Typing into a shared terminal",
            Self::Palette => "Command line",
        }
    }

    /// Keys that are bound to nothing are text here.
    #[must_use]
    pub const fn takes_text(self) -> bool {
        matches!(self, Self::Form | Self::Palette)
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Binding {
    /// Where it works.
    pub scope: Scope,
    /// Any of these.
    pub keys: &'static [Key],
    /// What it does.
    pub action: Action,
    /// The same in words.
    pub help: &'static str,
    /// The same in one word for the status line; empty keeps it off.
    pub hint: &'static str,
    /// Whether it does anything now.
    pub when: fn(&State) -> bool,
}

macro_rules! bindings {
    ($($scope:ident [$($key:expr),+] $action:expr, $help:literal, $hint:literal, $when:expr;)*) => {
        &[$(Binding {
            scope: Scope::$scope,
            keys: &[$($key),+],
            action: $action,
            help: $help,
            hint: $hint,
            when: $when,
        },)*]
    };
}

const ENTER: Key = Key::new(KeyCode::Enter);
const ESC: Key = Key::new(KeyCode::Esc);
const TAB: Key = Key::new(KeyCode::Tab);
const BACK_TAB: Key = Key::new(KeyCode::BackTab);
const LEFT: Key = Key::new(KeyCode::Left);
const RIGHT: Key = Key::new(KeyCode::Right);
const UP: Key = Key::new(KeyCode::Up);
const DOWN: Key = Key::new(KeyCode::Down);
const HOME: Key = Key::new(KeyCode::Home);
const END: Key = Key::new(KeyCode::End);
const PAGE_UP: Key = Key::new(KeyCode::PageUp);
const PAGE_DOWN: Key = Key::new(KeyCode::PageDown);
const SPACE: Key = Key::char(' ');

const fn focus(pane: Pane) -> Action {
    Action::View(ViewAction::Focus(pane))
}

/// Every key there is. The order is that of the help and of the status line.
#[rustfmt::skip]
pub static BINDINGS: &[Binding] = bindings! {
    Rooms [ENTER] Action::Rooms(RoomsAction::JoinSelected), "join the room under the cursor", "join", can_join;

    People [ENTER] Action::View(ViewAction::CompareSelected), "compare somebody's key", "compare key", has_people;

    Stage [ENTER] Action::Stage(StageAction::Pin), "make the tile under the cursor stand out, or no longer", "", in_call;
    Stage [LEFT] Action::Stage(StageAction::Pan(-1)), "to the left in a picture, or the tile before", "", in_call;
    Stage [RIGHT] Action::Stage(StageAction::Pan(1)), "to the right in a picture, or the next tile", "", in_call;
    Stage [Key::char('+'), Key::char('=')] Action::Stage(StageAction::Zoom(1)), "look closer", "zoom", has_pictures;
    Stage [Key::char('-')] Action::Stage(StageAction::Zoom(-1)), "look from farther away", "", has_pictures;
    Stage [Key::char('0')] Action::Stage(StageAction::ZoomOut), "the whole picture", "", has_pictures;
    Stage [ESC] Action::Stage(StageAction::LeaveFull), "back to all panes", "back", is_full;

    Terminal [Key::char('t')] Action::Terminal(TerminalAction::Type), "type into the terminal, or ask its owner for control", "type", always;
    Terminal [Key::char('o')] Action::Terminal(TerminalAction::Lend(None)), "give control of your terminal to whoever asks for it", "lend", is_asked;
    Terminal [Key::char('b')] Action::Terminal(TerminalAction::TakeBack), "take control of your terminal back; give another's back", "take back", is_lent;
    Terminal [Key::char('w')] Action::Terminal(TerminalAction::Next), "the next shared terminal; after the last one, everybody in the call", "next", always;

    Main [Key::char('m')] Action::Call(CallAction::ToggleMute), "turn the microphone off or on", "mute", has_microphone;
    Main [Key::char('l')] Action::Call(CallAction::Leave), "leave the call", "leave", in_call;
    Main [Key::char('v')] Action::Call(CallAction::ToggleCamera), "turn the camera on or off", "camera", in_call;
    Main [Key::char('s')] Action::Call(CallAction::Shares), "share a screen, a window or a terminal", "share", in_call;
    Main [Key::char('n')] Action::Rooms(RoomsAction::New), "open a new room", "new room", out_of_call;
    Main [Key::char('i')] Action::View(ViewAction::Invite), "show the invite", "invite", has_invite;
    Main [TAB] Action::View(ViewAction::FocusStep(1)), "next pane", "pane", always;
    Main [BACK_TAB] Action::View(ViewAction::FocusStep(-1)), "previous pane", "", always;
    Main [Key::char('z')] Action::Stage(StageAction::ToggleFull), "the stage over the whole screen, or no longer", "", in_call;
    Main [Key::char('L')] Action::Stage(StageAction::NextLayout), "divide the stage in another way", "", in_call;
    Main [Key::char('p')] Action::Stage(StageAction::Pin), "pin the tile or the person under the cursor, or no longer", "", in_call;
    Main [Key::char('h')] Action::Stage(StageAction::ToggleSelf), "hide or show your own tile", "", in_call;
    Main [Key::char('1')] focus(Pane::Rooms), "go to Rooms", "", always;
    Main [Key::char('2')] focus(Pane::Stage), "go to the stage", "", always;
    Main [Key::char('3')] focus(Pane::People), "go to People", "", always;
    Main [Key::char('4')] focus(Pane::Levels), "go to Levels", "", always;
    Main [Key::char('5')] focus(Pane::Events), "go to Events", "", always;
    Main [Key::char('j'), DOWN] Action::View(ViewAction::Move(1)), "down", "", always;
    Main [Key::char('k'), UP] Action::View(ViewAction::Move(-1)), "up", "", always;
    Main [PAGE_DOWN, Key::ctrl('f')] Action::View(ViewAction::Page(1)), "a page down", "", always;
    Main [PAGE_UP, Key::ctrl('b')] Action::View(ViewAction::Page(-1)), "a page up", "", always;
    Main [Key::char('g'), HOME] Action::View(ViewAction::First), "to the first row", "", always;
    Main [Key::char('G'), END] Action::View(ViewAction::Last), "to the last row", "", always;
    Main [Key::char('K')] Action::View(ViewAction::Identity), "show your own key", "", always;
    Main [Key::char('R')] Action::Rooms(RoomsAction::Refresh), "ask for the lists again", "", always;
    Main [Key::char('T')] Action::View(ViewAction::NextTheme), "next theme", "", always;
    Main [Key::char(':')] Action::Palette(PaletteAction::Open), "command line", "command", always;
    Main [Key::char('?')] Action::View(ViewAction::Help), "show all keys", "help", always;
    Main [Key::char('q')] Action::Quit, "quit", "quit", out_of_call;
    Main [Key::char('D')] Action::Call(CallAction::Devices), "choose microphone, speaker and camera", "devices", in_call;
    Rooms [Key::char('d')] Action::Rooms(RoomsAction::DeleteSelected), "delete the room under the cursor", "delete", can_delete;

    Palette [ENTER] Action::Palette(PaletteAction::Run), "run the command", "run", always;
    Palette [TAB] Action::Palette(PaletteAction::Complete), "take the marked completion", "complete", always;
    Palette [DOWN, Key::ctrl('n')] Action::Palette(PaletteAction::Move(1)), "mark the next completion", "", always;
    Palette [UP, Key::ctrl('p')] Action::Palette(PaletteAction::Move(-1)), "mark the previous completion", "", always;
    Palette [ESC] Action::Palette(PaletteAction::Close), "close the command line", "close", always;

    Admit [Key::char('y')] Action::Dialog(DialogAction::Yes), "let them in", "admit", always;
    Admit [Key::char('n'), ESC] Action::Dialog(DialogAction::No), "keep them out", "deny", always;

    Confirm [Key::char('y')] Action::Dialog(DialogAction::Yes), "yes, do it", "yes", always;
    Confirm [Key::char('n'), ESC] Action::Dialog(DialogAction::No), "no, leave it", "no", always;

    Form [ENTER] Action::Dialog(DialogAction::Accept), "done", "done", always;
    Form [TAB, DOWN, BACK_TAB, UP] Action::Dialog(DialogAction::NextField), "other field", "field", always;
    Form [ESC] Action::Dialog(DialogAction::Close), "close without doing anything", "cancel", always;

    Choice [Key::char('j'), DOWN] Action::Dialog(DialogAction::Move(1)), "down", "", always;
    Choice [Key::char('k'), UP] Action::Dialog(DialogAction::Move(-1)), "up", "", always;
    Choice [SPACE] Action::Dialog(DialogAction::Toggle), "choose the row under the cursor", "choose", always;
    Choice [TAB, BACK_TAB] Action::Dialog(DialogAction::NextField), "other list", "list", always;
    Choice [ENTER] Action::Dialog(DialogAction::Accept), "use what is chosen", "use", always;
    Choice [ESC, Key::char('q')] Action::Dialog(DialogAction::Close), "close without doing anything", "cancel", always;

    Reader [Key::char('j'), DOWN] Action::Dialog(DialogAction::Move(1)), "down", "", always;
    Reader [Key::char('k'), UP] Action::Dialog(DialogAction::Move(-1)), "up", "", always;
    Reader [PAGE_DOWN, SPACE] Action::Dialog(DialogAction::Move(10)), "a page down", "", always;
    Reader [PAGE_UP] Action::Dialog(DialogAction::Move(-10)), "a page up", "", always;
    Reader [ESC, ENTER, Key::char('q')] Action::Dialog(DialogAction::Close), "close", "close", always;

    Typing [Key::ctrl(']'), Key::ctrl('5')] Action::Terminal(TerminalAction::StopTyping), "stop typing; every other key goes to the terminal", "stop typing", always;

    Always [Key::ctrl('l')] Action::Redraw, "draw the screen again", "", always;
    Always [Key::ctrl('z')] Action::Suspend, "back to the shell; `fg` resumes", "", always;
    Always [Key::ctrl('c')] Action::QuitNow, "quit at once", "", always;
};

fn always(_: &State) -> bool {
    true
}

fn in_call(state: &State) -> bool {
    state.live_call().is_some()
}

fn out_of_call(state: &State) -> bool {
    state.call.is_none()
}

fn has_microphone(state: &State) -> bool {
    state.live_call().is_some_and(|call| !call.listen_only)
}

fn has_invite(state: &State) -> bool {
    state.invite.is_some()
}

fn can_join(state: &State) -> bool {
    let live = state.call.as_ref().map(|call| &call.room);
    state.rooms.selected().is_some_and(|room| !room.closed && Some(&room.id) != live)
}

fn has_pictures(state: &State) -> bool {
    !state.stage.shares().is_empty()
}

fn is_full(state: &State) -> bool {
    state.stage.full
}

fn is_asked(state: &State) -> bool {
    state.terminals.own().is_some_and(|own| own.watchers.iter().any(|watcher| watcher.asks))
}

fn is_lent(state: &State) -> bool {
    let lent = |view: &TerminalView| matches!(view.control, TerminalControl::Other(_));
    let borrowed =
        |view: &TerminalView| view.stream.is_some() && view.control == TerminalControl::Me;
    state.terminals.own().is_some_and(|own| lent(own))
        || state.terminals.front().is_some_and(|view| borrowed(view))
}

fn has_people(state: &State) -> bool {
    state.people.rows().iter().any(|person| !person.own)
}

fn can_delete(state: &State) -> bool {
    state.rooms.selected().is_some_and(|room| room.managers.contains(&state.me.user))
}

/// Where keys go now, the most particular scope first.
#[must_use]
pub fn scopes(state: &State) -> Vec<Scope> {
    let mut scopes = Vec::new();
    if state.palette.is_some() {
        scopes.push(Scope::Palette);
    } else if let Some(dialog) = state.dialogs.top() {
        scopes.push(dialog.scope());
    } else if state.terminals.is_typing() {
        // Even what works everywhere belongs to the program in the terminal.
        return vec![Scope::Typing];
    } else {
        match state.focus {
            Pane::Rooms => scopes.push(Scope::Rooms),
            Pane::People => scopes.push(Scope::People),
            Pane::Stage => scopes.push(Scope::Stage),
            Pane::Levels | Pane::Events => {}
        }
        scopes.push(Scope::Main);
        if state.live_call().is_some() && !state.terminals.views().is_empty() {
            scopes.push(Scope::Terminal);
        }
    }
    scopes.push(Scope::Always);
    scopes
}

/// What a key means now.
#[must_use]
pub fn action(state: &State, key: Key) -> Option<Action> {
    let scopes = scopes(state);
    for scope in &scopes {
        let mut bound = BINDINGS.iter().filter(|binding| binding.scope == *scope);
        if let Some(binding) = bound.find(|binding| binding.keys.contains(&key)) {
            return Some(binding.action.clone());
        }
    }
    if scopes.contains(&Scope::Typing) {
        return Some(Action::Terminal(TerminalAction::Key(key)));
    }
    let scope = scopes.into_iter().find(|scope| scope.takes_text())?;
    let request = to_input_request(&TerminalEvent::Key(key.event()))?;
    Some(match scope {
        Scope::Palette => Action::Palette(PaletteAction::Edit(request)),
        _ => Action::Dialog(DialogAction::Edit(request)),
    })
}

/// What pasted text means now.
#[must_use]
pub fn paste(state: &State, text: String) -> Option<Action> {
    if scopes(state).contains(&Scope::Typing) {
        return Some(Action::Terminal(TerminalAction::Paste(text)));
    }
    match scopes(state).into_iter().find(|scope| scope.takes_text())? {
        Scope::Palette => Some(Action::Palette(PaletteAction::Paste(text))),
        _ => Some(Action::Dialog(DialogAction::Paste(text))),
    }
}

/// Bindings that do something now and have a hint, the most useful first.
pub fn hints(state: &State) -> impl Iterator<Item = &'static Binding> {
    let scopes = scopes(state);
    BINDINGS
        .iter()
        .filter(move |binding| scopes.contains(&binding.scope))
        .filter(move |binding| !binding.hint.is_empty() && (binding.when)(state))
}

/// The name of the first key that does `action`.
#[must_use]
pub fn key_name(action: &Action) -> Option<String> {
    let binding = BINDINGS.iter().find(|binding| binding.action == *action)?;
    binding.keys.first().map(ToString::to_string)
}

/// Names of all keys of a binding.
#[must_use]
pub fn key_names(binding: &Binding) -> String {
    let names: Vec<String> = binding.keys.iter().map(ToString::to_string).collect();
    names.join(" ")
}

/// A row of a table of keys.
fn row(keys: &[Key], help: &str) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    format!("| {} | {help} |\n", keys.join(" "))
}

/// The text of `docs/keymap.md`.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Keys and commands\n\nMade from the tables of the program; a test compares the two.\n",
    );
    for scope in Scope::ALL {
        let _ = write!(text, "\n## {}\n\n| Key | What it does |\n| --- | --- |\n", scope.title());
        for binding in BINDINGS.iter().filter(|binding| binding.scope == scope) {
            text.push_str(&row(binding.keys, binding.help));
        }
    }
    text.push_str("\n## A recording (`conclave play`)\n\n| Key | What it does |\n| --- | --- |\n");
    for binding in &player::KEYS {
        text.push_str(&row(binding.keys, binding.help));
    }
    text.push_str("\nIn a form and on the command line every other key is text.\n");
    text.push_str("A click gives the keys to a pane and puts the cursor on a row or a tile, a second one pins the tile; ");
    text.push_str("the wheel scrolls.\n\n## Commands\n\n");
    text.push_str("`:` opens the command line, `Tab` completes.\n\n");
    text.push_str("| Command | What it does |\n| --- | --- |\n");
    for command in command::COMMANDS.iter().filter(|command| !command.hidden) {
        let _ = writeln!(text, "| `:{}` | {} |", command.usage(), command.about);
    }
    text
}
