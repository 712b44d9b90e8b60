//! What an action does to the state, and what it asks of the outside.

use super::action::Action;
use super::action::CallAction;
use super::action::DialogAction;
use super::action::PaletteAction;
use super::action::Pane;
use super::action::RoomsAction;
use super::action::ViewAction;
use super::command;
use super::command::PaletteState;
use super::dialog::ConfirmDialog;
use super::dialog::CreateRoomDialog;
use super::dialog::DevicesDialog;
use super::dialog::Dialog;
use super::dialog::FaultDialog;
use super::dialog::HelpDialog;
use super::dialog::InviteDialog;
use super::dialog::Outcome;
use super::dialog::ShareDialog;
use super::effect::Effect;
use super::effect::Members;
use super::event::Severity;
use super::event::Trust;
use super::layout::Layout;
use super::pane::people::PersonRow;
use super::pane::rooms::RoomRow;
use super::pane::terminal;
use super::stage::update as stage;
use super::state::CallState;
use super::state::Phase;
use super::state::State;
use super::text::SafeText;
use super::widget::input;
use crate::model::StreamRoomId;

/// In place of a device: none.
pub const OFF: &str = "off";

/// Applies one action. Synchronous, total and free of I/O; asks for at most one effect.
pub fn update(state: &mut State, action: Action) -> Option<Effect> {
    state.acted_at = Some(state.clock.now);
    let effect = match action {
        Action::Quit => quit(state),
        Action::QuitNow => Some(Effect::Exit),
        Action::Suspend => Some(Effect::Suspend),
        Action::Redraw => Some(Effect::Redraw),
        Action::DebugPanic => Some(Effect::Panic),
        Action::View(action) => {
            view(state, action);
            None
        }
        Action::Rooms(action) => rooms(state, action),
        Action::Call(action) => call(state, action),
        Action::Stage(action) => {
            stage::update(state, action);
            None
        }
        Action::Terminal(action) => terminal::update(state, action),
        Action::Dialog(action) => dialog(state, action),
        Action::Palette(action) => return palette(state, action),
    };
    terminal::follow(state);
    effect.inspect(|effect| expect(state, effect))
}

/// Shows a message in passing.
pub fn toast(state: &mut State, severity: Severity, text: &str) {
    state.toasts.push(severity, SafeText::report(text), state.clock.now);
}

/// Shows at once what an effect is about to bring.
fn expect(state: &mut State, effect: &Effect) {
    match effect {
        Effect::JoinRoom(id) => begin_call(state, id),
        Effect::LeaveRoom => {
            if let Some(call) = &mut state.call {
                call.phase = Phase::Leaving;
            }
        }
        Effect::SetMuted(muted) => {
            if let Some(call) = &mut state.call {
                call.muted = *muted;
            }
        }
        Effect::SetDevices(choice) => state.devices = choice.clone(),
        Effect::SetCamera(camera) => {
            if let Some(camera) = camera {
                state.devices.camera.clone_from(camera);
            }
            if let Some(call) = &mut state.call {
                call.camera.clone_from(camera);
            }
        }
        Effect::SetShare(share) => {
            if let Some(call) = &mut state.call {
                call.share.clone_from(share);
            }
        }
        _ => {}
    }
}

/// Shows that a room is being joined.
pub fn begin_call(state: &mut State, id: &StreamRoomId) {
    let name = state.rooms.row(id).map(|room| room.name.clone());
    let name = name.unwrap_or_else(|| SafeText::name(id.as_str()));
    state.call = Some(CallState::joining(id.clone(), name));
    state.levels.reset();
    state.stage.reset();
    state.refresh_people();
}

fn quit(state: &mut State) -> Option<Effect> {
    let Some(call) = &state.call else { return Some(Effect::Exit) };
    let question = format!("Leave {} and quit?", call.name);
    confirm(state, "Quit", question, "The others go on without you.", Effect::Exit);
    None
}

fn confirm(
    state: &mut State,
    title: &'static str,
    question: String,
    consequence: &'static str,
    effect: Effect,
) {
    let dialog = ConfirmDialog::new(title, question, consequence, effect);
    state.dialogs.push(Dialog::Confirm(dialog), state.clock.now);
}

fn view(state: &mut State, action: ViewAction) {
    let now = state.clock.now;
    match action {
        ViewAction::Focus(pane) => focus(state, pane),
        ViewAction::FocusStep(by) => focus(state, state.focus.step(by)),
        ViewAction::Move(by) => move_in_pane(state, by),
        ViewAction::Page(by) => {
            let height = Layout::of(state)
                .map_or(1, |layout| layout.pane(state.focus).height.saturating_sub(2).max(1));
            move_in_pane(state, by.saturating_mul(isize::try_from(height).unwrap_or(1)));
        }
        ViewAction::First => move_in_pane(state, isize::MIN),
        ViewAction::Last => move_in_pane(state, isize::MAX),
        ViewAction::Point(pane, row) => {
            focus(state, pane);
            match pane {
                Pane::Rooms => state.rooms.point(row),
                Pane::People => state.people.point(row),
                Pane::Stage | Pane::Levels | Pane::Events => {}
            }
            follow_cursor(state);
        }
        ViewAction::NextTheme => {
            state.themes.next();
            let text = format!("theme {}", state.themes.theme().name());
            toast(state, Severity::Info, &text);
        }
        ViewAction::Theme(name) => {
            if !state.themes.choose(&name) {
                let known: Vec<&str> = state.themes.names().collect();
                let text = format!("no theme is called {name}: there are {}", known.join(", "));
                toast(state, Severity::Warn, &text);
            }
        }
        ViewAction::Help => state.dialogs.push(Dialog::Help(HelpDialog::default()), now),
        ViewAction::Invite => match &state.invite {
            Some(invite) => {
                let dialog = InviteDialog::new(invite);
                state.dialogs.push(Dialog::Invite(dialog), now);
            }
            None => toast(state, Severity::Warn, "there is no invite: conclave host makes one"),
        },
        ViewAction::CompareSelected => {
            let person = state.people.rows().get(state.people.cursor()).cloned();
            compare(state, person);
        }
        ViewAction::Compare(name) => {
            let mut people = state.people.rows().iter();
            let person = people.find(|person| person.name.as_str() == name).cloned();
            compare(state, person);
        }
        ViewAction::Identity => {
            let text = format!("you are {}, key {}", state.me.user, state.me.fingerprint);
            toast(state, Severity::Info, &text);
        }
    }
}

/// Shows somebody's key, for the user to compare with what that person says it is.
fn compare(state: &mut State, person: Option<PersonRow>) {
    let Some(person) = person else {
        return toast(state, Severity::Warn, "there is nobody to compare a key with");
    };
    if person.own {
        return view(state, ViewAction::Identity);
    }
    let Some(known) = state.users.get(&person.user) else {
        return toast(state, Severity::Warn, &format!("the key of {} is not known", person.name));
    };
    let fingerprint = known.fingerprint.clone();
    let shown = SafeText::new(&fingerprint);
    let consequence = match known.trust {
        Trust::Verified => {
            let text = format!("{}'s key {shown} is verified", person.name);
            return toast(state, Severity::Good, &text);
        }
        Trust::Changed => {
            "This is NOT the key that you knew: a new device, or somebody else. \
             Ask them for it by voice. Is it the same?"
        }
        Trust::Known | Trust::Unknown => "Ask them for it by voice. Is it the same?",
    };
    let question = format!("{}'s key is {shown}", person.name);
    let effect = Effect::VerifyKey { user: person.user, fingerprint };
    confirm(state, "Compare keys", question, consequence, effect);
}

/// Gives the keys to a pane; a stage that fills the screen makes room for any other.
fn focus(state: &mut State, pane: Pane) {
    state.focus = pane;
    state.stage.full &= pane == Pane::Stage;
}

fn move_in_pane(state: &mut State, by: isize) {
    match state.focus {
        Pane::Rooms => state.rooms.move_cursor(by),
        Pane::People => state.people.move_cursor(by),
        Pane::Events => state.events.scroll(by),
        Pane::Stage => {
            if !state.terminals.scroll(by.saturating_neg()) {
                stage::move_down(state, by);
            }
        }
        Pane::Levels => {}
    }
    follow_cursor(state);
}

/// Outside of a call the people pane shows the room under the cursor.
fn follow_cursor(state: &mut State) {
    if state.call.is_none() && state.focus == Pane::Rooms {
        state.refresh_people();
    }
}

fn rooms(state: &mut State, action: RoomsAction) -> Option<Effect> {
    match action {
        RoomsAction::JoinSelected => {
            let room = state.rooms.selected().cloned();
            join(state, room)
        }
        RoomsAction::Join(name) => match state.rooms.named(&name).cloned() {
            Some(room) => join(state, Some(room)),
            None => unknown_room(state, &name),
        },
        RoomsAction::New => {
            let others = state.users.keys().filter(|user| **user != state.me.user).count();
            let dialog = CreateRoomDialog::new(others);
            state.dialogs.push(Dialog::CreateRoom(dialog), state.clock.now);
            None
        }
        RoomsAction::Create(name) => Some(Effect::CreateRoom { name, members: Members::OnlyMe }),
        RoomsAction::DeleteSelected => {
            let room = state.rooms.selected().cloned();
            delete(state, room)
        }
        RoomsAction::Delete(name) => match state.rooms.named(&name).cloned() {
            Some(room) => delete(state, Some(room)),
            None => unknown_room(state, &name),
        },
        RoomsAction::Refresh => Some(Effect::Refresh),
    }
}

fn unknown_room(state: &mut State, name: &str) -> Option<Effect> {
    toast(state, Severity::Warn, &format!("no room is called {name}: n opens one"));
    None
}

fn join(state: &mut State, room: Option<RoomRow>) -> Option<Effect> {
    let Some(room) = room else {
        toast(state, Severity::Warn, "there is no room to join: n opens one");
        return None;
    };
    if room.closed {
        toast(state, Severity::Warn, &format!("{} is closed for good: open a new one", room.name));
        return None;
    }
    match &state.call {
        Some(call) if call.room == room.id => {
            toast(state, Severity::Info, &format!("you are in {} already", room.name));
            None
        }
        Some(call) => {
            let question = format!("Leave {} and join {}?", call.name, room.name);
            let consequence = "You can be in one call at a time.";
            confirm(state, "Switch", question, consequence, Effect::JoinRoom(room.id));
            None
        }
        None => Some(Effect::JoinRoom(room.id)),
    }
}

fn delete(state: &mut State, room: Option<RoomRow>) -> Option<Effect> {
    let Some(room) = room else {
        toast(state, Severity::Warn, "there is no room to delete");
        return None;
    };
    if !room.managers.contains(&state.me.user) {
        toast(state, Severity::Warn, &format!("only a manager can delete {}", room.name));
        return None;
    }
    let question = format!("Delete {}?", room.name);
    let consequence = "It is gone for everybody, and nobody can bring it back.";
    confirm(state, "Delete", question, consequence, Effect::DeleteRoom(room.id));
    None
}

fn call(state: &mut State, action: CallAction) -> Option<Effect> {
    let Some(call) = state.live_call() else {
        toast(state, Severity::Warn, "you are not in a call: Enter joins a room");
        return None;
    };
    let mut choice = state.devices.clone();
    match action {
        CallAction::ToggleMute if call.listen_only => {
            toast(state, Severity::Warn, "there is no microphone in this call: D chooses one");
            None
        }
        CallAction::ToggleMute => Some(Effect::SetMuted(!call.muted)),
        // One can come back, unless the room is closed behind the last one.
        CallAction::Leave if call.participants.len() > 1 => Some(Effect::LeaveRoom),
        CallAction::Leave => {
            let question = format!("Leave {}?", call.name);
            let consequence =
                "You are the last one here. Some bridges close an empty room for good.";
            confirm(state, "Leave", question, consequence, Effect::LeaveRoom);
            None
        }
        CallAction::Devices => {
            let dialog = DevicesDialog::new(&state.devices);
            state.dialogs.push(Dialog::Devices(dialog), state.clock.now);
            Some(Effect::ListDevices)
        }
        CallAction::Microphone(name) => {
            choice.microphone = name;
            Some(Effect::SetDevices(choice))
        }
        CallAction::Speaker(name) => {
            choice.speaker = name;
            Some(Effect::SetDevices(choice))
        }
        CallAction::ToggleCamera if call.camera.is_some() => Some(Effect::SetCamera(None)),
        CallAction::ToggleCamera => {
            let camera = Some(choice.camera).filter(|name| !name.is_empty());
            Some(Effect::SetCamera(Some(camera.unwrap_or_else(|| "default".to_owned()))))
        }
        CallAction::Camera(name) => Some(Effect::SetCamera(named(name))),
        CallAction::Shares => {
            let dialog = ShareDialog::new(call.share.as_deref());
            state.dialogs.push(Dialog::Share(dialog), state.clock.now);
            Some(Effect::ListShares)
        }
        CallAction::Share(name) => Some(Effect::SetShare(named(name))),
    }
}

/// What a name chooses; `off` is nothing.
fn named(name: String) -> Option<String> {
    Some(name).filter(|name| name != OFF)
}

fn dialog(state: &mut State, action: DialogAction) -> Option<Effect> {
    let now = state.clock.now;
    let screen = Layout::of(state).map(|layout| layout.body);
    match state.dialogs.top_mut()?.handle(action, now, screen.unwrap_or_default()) {
        Outcome::Stay => None,
        Outcome::Close(effect) => {
            state.dialogs.pop(now);
            effect
        }
    }
}

fn palette(state: &mut State, action: PaletteAction) -> Option<Effect> {
    if action == PaletteAction::Open {
        state.palette = Some(PaletteState::default());
        return None;
    }
    let mut palette = state.palette.take()?;
    let line = palette.input.value().to_owned();
    let completions = command::completions(&line, state);
    match action {
        PaletteAction::Open | PaletteAction::Close => return None,
        PaletteAction::Run => return run(state, palette, &completions),
        PaletteAction::Complete => command::complete(&mut palette, &completions),
        PaletteAction::Move(by) => {
            let last = completions.len().saturating_sub(1);
            palette.marked = palette.marked.saturating_add_signed(by).min(last);
        }
        PaletteAction::Edit(request) => {
            input::edit(&mut palette.input, request);
            palette.marked = 0;
        }
        PaletteAction::Paste(text) => {
            input::paste(&mut palette.input, &text);
            palette.marked = 0;
        }
    }
    state.palette = Some(palette);
    None
}

/// Runs the line, or the marked completion if the line alone means nothing.
fn run(
    state: &mut State,
    mut palette: PaletteState,
    completions: &[command::Completion],
) -> Option<Effect> {
    let line = palette.input.value().to_owned();
    if line.trim().is_empty() && palette.marked == 0 {
        return None;
    }
    let marked = completions.get(palette.marked);
    match (command::parse(&line), marked) {
        (Ok(action), None) => update(state, action),
        (Ok(action), Some(_)) if palette.marked == 0 => update(state, action),
        (_, Some(completion)) if completion.needs_argument => {
            command::complete(&mut palette, completions);
            state.palette = Some(palette);
            None
        }
        (_, Some(completion)) => match command::parse(&completion.line) {
            Ok(action) => update(state, action),
            Err(_) => None,
        },
        (Err(why), None) => {
            toast(state, Severity::Warn, &why);
            None
        }
    }
}

/// Opens a report of something that went wrong, below what the user is looking at.
pub fn report(state: &mut State, dialog: FaultDialog) {
    state.dialogs.push_unasked(Dialog::Fault(dialog), state.clock.now, state.acted_at);
}
