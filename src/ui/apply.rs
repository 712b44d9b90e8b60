//! What a fact does to the state.

use super::dialog::AdmitDialog;
use super::dialog::Dialog;
use super::dialog::FaultDialog;
use super::dialog::InviteDialog;
use super::event::AdmissionRequest;
use super::event::Event;
use super::event::Fault;
use super::event::RoomInfo;
use super::event::Severity;
use super::pane::events::Entry;
use super::pane::events::Mark;
use super::pane::terminal;
use super::pane::terminal::TerminalsState;
use super::state::CallState;
use super::state::Link;
use super::state::Phase;
use super::state::State;
use super::text::SafeText;
use super::update::report;
use super::update::toast;
use crate::model;
use crate::model::AudioLevels;
use crate::model::EventKind;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

/// Writes one fact into the state. True if the picture changes.
pub fn apply(state: &mut State, event: Event) -> bool {
    let changes = write(state, event);
    terminal::follow(state);
    changes
}

fn write(state: &mut State, event: Event) -> bool {
    let now = state.clock.now;
    match event {
        Event::LevelsMeasured(levels) => return levels_measured(state, &levels),
        Event::StatsMeasured(stats) => return state.levels.set_stats(stats, now),
        Event::Connected => connected(state),
        Event::Disconnected { reason } => disconnected(state, &reason),
        Event::RoomsListed(rooms) => {
            state.rooms.list(rooms);
            name_call(state);
            state.refresh_people();
        }
        Event::RoomChanged(room) => room_changed(state, room),
        Event::RoomPeopleListed { room, present } => {
            state.rooms.set_present(&room, present);
            state.refresh_people();
        }
        Event::UsersListed(users) => {
            state.users = users.into_iter().map(|user| (user.user.clone(), user)).collect();
            state.refresh_people();
        }
        Event::DevicesListed(menu) => {
            let wanted = |dialog| match dialog {
                &mut Dialog::Devices(ref mut devices) => Some(devices),
                _ => None,
            };
            if let Some(devices) = state.dialogs.find_mut(wanted) {
                devices.fill(menu);
            }
        }
        Event::DevicesChanged(choice) => state.devices = choice,
        Event::SharesChanged(_)
        | Event::TileChanged { .. }
        | Event::CameraChanged(_)
        | Event::OwnShareChanged(_)
        | Event::ShareMenuListed(_) => return shown(state, event),
        Event::RoomCreated(id) => {
            state.rooms.select(&id);
            state.refresh_people();
            toast(state, Severity::Good, "the room is open: Enter joins it");
        }
        Event::CallJoined { room, listen_only } => joined(state, room, listen_only),
        Event::CallLeft { room, fault } => left(state, &room, fault),
        Event::ParticipantsChanged(participants) => participants_changed(state, participants),
        Event::TerminalsChanged(views) => terminal::changed(state, views),
        Event::Bridge(event) => return bridge(state, *event),
        Event::Failed(fault) => failed(state, &fault),
        Event::AdmissionRequested(request) => admission(state, &request),
        Event::AdmissionWithdrawn(id) => return state.dialogs.withdraw(id, now),
        Event::InviteReady(invite) => {
            let dialog = InviteDialog::new(&invite);
            state.dialogs.push_unasked(Dialog::Invite(dialog), now, state.acted_at);
            state.invite = Some(invite);
        }
        Event::Noticed { severity, text } => toast(state, severity, &text),
    }
    true
}

/// What is to be seen in the call, and what this user shows.
fn shown(state: &mut State, event: Event) -> bool {
    match event {
        Event::SharesChanged(shares) => state.stage.set_shares(shares),
        Event::TileChanged { tile, content } => return state.stage.set_content(tile, content),
        Event::CameraChanged(camera) => {
            if let Some(call) = &mut state.call {
                call.camera = camera;
            }
        }
        Event::OwnShareChanged(share) => {
            if let Some(call) = &mut state.call {
                call.share = share;
            }
        }
        Event::ShareMenuListed(menu) => {
            let wanted = |dialog| match dialog {
                &mut Dialog::Share(ref mut share) => Some(share),
                _ => None,
            };
            if let Some(share) = state.dialogs.find_mut(wanted) {
                share.fill(menu);
            }
        }
        _ => return false,
    }
    true
}

fn connected(state: &mut State) {
    if matches!(state.link, Link::Offline { .. }) {
        log_now(state, Mark::Note, "", "connected to the bridge again");
        toast(state, Severity::Good, "connected again");
    }
    state.link = Link::Online;
}

fn disconnected(state: &mut State, reason: &str) {
    let reason = SafeText::new(reason);
    if !matches!(state.link, Link::Offline { .. }) {
        log_now(state, Mark::Warn, "", &format!("lost the bridge: {reason}"));
    }
    // Whoever joins again is told again.
    state.recorded.clear();
    state.link = Link::Offline { reason };
}

fn joined(state: &mut State, room: StreamRoomId, listen_only: bool) {
    let name = state.rooms.row(&room).map(|row| row.name.clone());
    let name = name.unwrap_or_else(|| SafeText::name(room.as_str()));
    let before = state.call.take().filter(|call| call.room == room);
    log_now(state, Mark::Note, "", &format!("you joined {name}"));
    let phase = Phase::Live;
    state.rooms.select(&room);
    let call = before.unwrap_or_else(|| CallState::joining(room, name.clone()));
    state.call = Some(CallState { name, phase, listen_only, ..call });
    state.refresh_people();
}

fn left(state: &mut State, room: &StreamRoomId, fault: Option<Fault>) {
    let Some(call) = state.call.take_if(|call| call.room == *room) else { return };
    if call.phase != Phase::Joining {
        log_now(state, Mark::Note, "", &format!("you left {}", call.name));
    }
    state.rooms.note_presence(room, &state.me.user.clone(), false);
    state.levels.reset();
    state.stage.reset();
    state.terminals = TerminalsState::default();
    state.refresh_people();
    if let Some(fault) = fault {
        failed(state, &fault);
    }
}

fn participants_changed(state: &mut State, participants: Vec<super::event::Participant>) {
    let Some(call) = &mut state.call else { return };
    let users: Vec<UserId> = participants.iter().map(|one| one.user.clone()).collect();
    state.rooms.set_present(&call.room, users);
    if let Some(own) = participants.iter().find(|one| one.user == state.me.user) {
        call.muted = own.muted;
        call.listen_only = !own.publishing && call.phase == Phase::Live;
    }
    call.participants = participants;
    state.refresh_people();
}

fn room_changed(state: &mut State, room: RoomInfo) {
    if state.rooms.row(&room.id).is_none() {
        log_now(state, Mark::Room, SafeText::name(&room.name).as_str(), "was opened");
    }
    state.rooms.put(room);
    name_call(state);
    state.refresh_people();
}

/// The list may arrive after the call was joined by id.
fn name_call(state: &mut State) {
    if let Some(call) = &mut state.call
        && let Some(row) = state.rooms.row(&call.room)
    {
        call.name = row.name.clone();
    }
}

fn levels_measured(state: &mut State, levels: &AudioLevels) -> bool {
    let now = state.clock.now;
    let Some(room) = state.live_call().map(|call| call.room.clone()) else { return false };
    let mut changed = state.people.set_levels(levels, &state.me.user, now);
    changed |= state.levels.set_levels(levels, now);
    changed |= state.stage.follow(&state.people, now);
    if levels.levels.iter().any(|level| level.speaking && !level.muted) {
        changed |= state.rooms.bump(&room, now);
    }
    changed
}

fn failed(state: &mut State, fault: &Fault) {
    log_now(state, Mark::Bad, "", &fault.what);
    if !state.rooms.is_loaded() {
        state.rooms.fail(SafeText::new(&fault.why));
    }
    report(state, FaultDialog::new(fault));
}

fn admission(state: &mut State, request: &AdmissionRequest) {
    let name = SafeText::name(&request.name);
    let what = format!("asks to be let into {}", SafeText::name(&request.room));
    log_now(state, Mark::Warn, name.as_str(), &what);
    if !state.dialogs.is_empty() || state.palette.is_some() {
        toast(state, Severity::Warn, &format!("{name} {what}"));
    }
    let dialog = Dialog::Admit(AdmitDialog::new(request));
    state.dialogs.push_unasked(dialog, state.clock.now, state.acted_at);
}

fn bridge(state: &mut State, event: model::Event) -> bool {
    let at = event.timestamp;
    match event.kind {
        EventKind::Connected => connected(state),
        EventKind::Disconnected { reason } => disconnected(state, &reason),
        EventKind::StreamRoomDeleted(id) => {
            let name = room_name(state, &id);
            log(state, at, Mark::Room, "", &format!("{name} was deleted"));
            state.rooms.remove(&id);
            state.refresh_people();
        }
        EventKind::StreamRoomJoined { room, user } => presence(state, at, &room, &user, true),
        EventKind::StreamRoomLeft { room, user } => presence(state, at, &room, &user, false),
        EventKind::ContextUserStatusChanged { user, active, .. } => {
            if let Some(known) = state.users.get_mut(&user.user_id) {
                known.active = active;
            }
            let mark = if active { Mark::Came } else { Mark::Left };
            let what = if active { "is online" } else { "is offline" };
            if user.user_id != state.me.user {
                log(state, at, mark, user.user_id.as_str(), what);
            }
            state.refresh_people();
        }
        EventKind::ContextUserAdded { user, .. } => {
            log(state, at, Mark::Came, user.user_id.as_str(), "was added to the Context");
        }
        EventKind::ContextUserRemoved { user, .. } => {
            state.users.remove(&user.user_id);
            log(state, at, Mark::Left, user.user_id.as_str(), "was removed from the Context");
            state.refresh_people();
        }
        EventKind::StreamPublished(stream) => {
            state.rooms.bump(&stream.stream_room_id, state.clock.now);
        }
        EventKind::StreamRoomRecordingStarted { room, user, .. } => {
            if state.recorded.insert(room.clone()) {
                let what = format!("has {} recorded", room_name(state, &room));
                log(state, at, Mark::Warn, user.as_str(), &what);
            }
        }
        EventKind::StreamRoomRecordingStopped { room, reason, .. } => {
            if state.recorded.remove(&room) {
                let what = format!("{} is no longer recorded", room_name(state, &room));
                let why = if reason == "stopped" { String::new() } else { format!(": {reason}") };
                log(state, at, Mark::Room, "", &format!("{what}{why}"));
            }
        }
        // Rooms as such come through the list, with their names decrypted by the backend.
        _ => return false,
    }
    true
}

fn presence(state: &mut State, at: Timestamp, room: &StreamRoomId, user: &UserId, here: bool) {
    state.rooms.note_presence(room, user, here);
    state.rooms.bump(room, state.clock.now);
    let name = room_name(state, room);
    let (mark, did) = if here { (Mark::Came, "joined") } else { (Mark::Left, "left") };
    if *user != state.me.user {
        log(state, at, mark, user.as_str(), &format!("{did} {name}"));
    }
    state.refresh_people();
}

fn room_name(state: &State, id: &StreamRoomId) -> SafeText {
    state.rooms.row(id).map_or_else(|| SafeText::name(id.as_str()), |row| row.name.clone())
}

fn log_now(state: &mut State, mark: Mark, who: &str, what: &str) {
    log(state, state.clock.wall, mark, who, what);
}

fn log(state: &mut State, at: Timestamp, mark: Mark, who: &str, what: &str) {
    let entry = Entry { at, mark, who: SafeText::new(who), what: SafeText::new(what) };
    state.events.push(entry);
}
