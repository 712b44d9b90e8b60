//! What keys lead to.

use std::time::Duration;

use conclave::ui::Effect;
use conclave::ui::action::Pane;
use conclave::ui::effect::DeviceChoice;
use conclave::ui::effect::Members;
use conclave::ui::event::AdmissionId;
use conclave::ui::event::DeviceMenu;
use conclave::ui::event::Event;
use conclave::ui::testing::Harness;

use super::world;

/// Longer than answers to an unasked question are ignored.
const SEEN: Duration = Duration::from_secs(1);

#[test]
fn enter_joins_the_room_under_the_cursor() {
    let ui = Harness::new(80, 24).with_rooms(&["Daily", "Design"]).press("j enter");
    assert_eq!(ui.effects, [Effect::JoinRoom("design".into())]);
    assert!(ui.screen().contains("Joining Design"));
}

#[test]
fn the_cursor_stays_on_its_room_when_the_list_changes() {
    let ui = Harness::new(80, 24).with_rooms(&["Daily", "Design"]).press("j");
    let ui = ui.with_rooms(&["Accounts", "Daily", "Design"]);
    assert_eq!(ui.state.rooms.selected().unwrap().name.as_str(), "Design");
}

#[test]
fn one_call_at_a_time() {
    let ui = world::in_call(80, 24).press("k k enter");
    assert_eq!(ui.effects.len(), 1, "switching asks first");
    let ui = ui.press("y");
    assert_eq!(ui.effects[1..], [Effect::JoinRoom("on-call".into())]);
}

#[test]
fn m_mutes_and_unmutes() {
    let ui = world::in_call(80, 24).press("m m");
    assert_eq!(ui.effects[1..], [Effect::SetMuted(true), Effect::SetMuted(false)]);
    let ui = Harness::new(80, 24).press("m");
    assert!(ui.effects.is_empty() && ui.screen().contains("not in a call"));
}

#[test]
fn leaving_and_quitting_ask_first() {
    let ui = world::in_call(80, 24).press("q esc");
    assert_eq!(ui.effects.len(), 1, "no is no");
    let alone = Event::ParticipantsChanged(world::participants()[..1].to_vec());
    let last = world::in_call(80, 24).event(alone).press("l");
    assert_eq!(last.effects.len(), 1, "the room may close behind the last one");
    assert_eq!(last.press("y").effects[1..], [Effect::LeaveRoom]);
    let ui = ui.press("l");
    assert_eq!(ui.effects[1..], [Effect::LeaveRoom], "one can come back");
    let ui = ui.event(Event::CallLeft { room: "war-room".into(), fault: None }).press("q");
    assert_eq!(ui.effects[2..], [Effect::Exit], "outside of a call nothing is lost");
    assert_eq!(world::in_call(80, 24).press("ctrl-c").effects[1..], [Effect::Exit]);
}

#[test]
fn only_managers_are_offered_to_delete() {
    let ui = world::lobby(Harness::new(80, 24)).press("d");
    assert!(ui.effects.is_empty() && ui.screen().contains("only a manager can delete on-call"));
    let ui = ui.press("j d y");
    assert_eq!(ui.effects, [Effect::DeleteRoom("standup".into())]);
}

#[test]
fn a_room_is_created_by_name() {
    let ui = world::lobby(Harness::new(80, 24)).press("n enter").type_text("ops").press("enter");
    let only_me = Effect::CreateRoom { name: "ops".to_owned(), members: Members::OnlyMe };
    assert_eq!(ui.effects, [only_me]);
    let ui =
        world::lobby(Harness::new(80, 24)).press("n").type_text("ops").press("tab space enter");
    let all = Effect::CreateRoom { name: "ops".to_owned(), members: Members::Everybody };
    assert_eq!(ui.effects, [all]);
}

#[test]
fn somebody_is_admitted_or_denied() {
    let ask = |id| Event::AdmissionRequested(world::request(id, true));
    let ui = world::in_call(80, 24).event(ask(7)).event(ask(8)).wait(SEEN).press("y");
    let ui = ui.wait(SEEN).press("n");
    let (first, second) = (AdmissionId(7), AdmissionId(8));
    assert_eq!(ui.effects[1..], [Effect::Admit(first), Effect::Deny(second)]);
    assert!(ui.state.dialogs.is_empty());
}

#[test]
fn a_key_that_was_under_way_admits_nobody() {
    let ask = |id| Event::AdmissionRequested(world::request(id, true));
    let ui = world::in_call(80, 24).press("m").event(ask(1)).press("y");
    assert_eq!(ui.effects.len(), 2, "it has only just appeared");
    let ui = ui.wait(SEEN).event(ask(2)).press("y y");
    let admitted = Effect::Admit(AdmissionId(1));
    assert_eq!(ui.effects.last(), Some(&admitted));
    assert_eq!(ui.effects.len(), 3, "the next one was not seen yet");
    let idle = world::in_call(80, 24).wait(SEEN).event(ask(1)).press("y");
    assert_eq!(idle.effects[1..], [admitted], "nothing else was under way");
    let ui = world::in_call(80, 24).press("n").event(ask(1)).wait(SEEN).type_text("yes");
    assert_eq!(ui.effects.len(), 1, "what is typed goes into the form");
    let ui = world::in_call(80, 24).press("q").event(ask(1)).wait(SEEN).press("y");
    assert_eq!(ui.effects[1..], [Effect::Exit], "the question in sight is answered");
}

#[test]
fn a_request_that_is_withdrawn_is_not_asked_about() {
    let ui = world::in_call(80, 24)
        .event(Event::AdmissionRequested(world::request(1, true)))
        .event(Event::AdmissionWithdrawn(AdmissionId(1)));
    assert!(ui.state.dialogs.is_empty());
}

#[test]
fn devices_are_chosen_from_what_there_is() {
    let menu = DeviceMenu {
        microphones: vec!["default".to_owned(), "headset".to_owned()],
        speakers: vec!["default".to_owned(), "hall".to_owned()],
        cameras: vec!["default".to_owned(), "lid".to_owned()],
    };
    let ui = world::in_call(80, 24).press("D").event(Event::DevicesListed(menu));
    let ui = ui.press("j space tab j space tab j enter");
    let choice = DeviceChoice {
        microphone: "headset".to_owned(),
        speaker: "hall".to_owned(),
        camera: "lid".to_owned(),
    };
    assert_eq!(ui.effects[1..], [Effect::ListDevices, Effect::SetDevices(choice)]);
}

#[test]
fn commands_are_completed_and_run() {
    let ui = world::lobby(Harness::new(80, 24)).press(":").type_text("jo").press("tab");
    assert_eq!(ui.state.palette.as_ref().unwrap().input.value(), "join ");
    let ui = ui.type_text("wa").press("tab enter");
    assert_eq!(ui.effects, [Effect::JoinRoom("war-room".into())]);
    let ui = world::lobby(Harness::new(80, 24)).press(":").type_text("thm").press("enter");
    assert!(ui.screen().contains("no command is called thm"));
    let ui = ui.press(":").type_text("theme paper").press("enter");
    assert_eq!(ui.state.theme().name(), "paper");
    let ui = ui.press("T T");
    assert_eq!(ui.state.theme().name(), "night", "round and round");
    let ui = ui.press(":").type_text("debug panic").press("enter : q u i t enter");
    assert_eq!(ui.effects, [Effect::Panic, Effect::Exit]);
}

#[test]
fn tab_and_digits_give_the_keys_to_panes() {
    let ui = Harness::new(80, 24).press("tab tab");
    assert_eq!(ui.state.focus, Pane::People);
    assert_eq!(ui.press("shift-tab shift-tab shift-tab").state.focus, Pane::Events);
    assert_eq!(Harness::new(80, 24).press("4").state.focus, Pane::Levels);
}

#[test]
fn a_click_gives_the_keys_to_a_pane_and_selects_a_row() {
    let ui = world::lobby(Harness::new(80, 24)).press("5").click(3, 2);
    assert_eq!((ui.state.focus, ui.state.rooms.cursor()), (Pane::Rooms, 1));
    let ui = world::lobby(Harness::new(40, 12)).click(16, 0);
    assert_eq!(ui.state.focus, Pane::People, "tabs can be clicked");
    let ui = ui.press("?").click(3, 2);
    assert_eq!(ui.state.dialogs.len(), 1, "a dialog is answered by keys");
}

#[test]
fn a_key_is_compared_and_marked() {
    let ui = world::in_call(80, 24).press("3 enter");
    assert!(ui.screen().contains("you are ana, key 4f2a 91c0 77b1 03de"), "one's own key");
    let ui = ui.press("j enter");
    assert!(ui.screen().contains("ben's key 91c0 77b1 03de 4f2a is verified"));
    let ui = ui.press("j j enter n enter y");
    let fingerprint = "91c0 77b1 03de 4f2a".to_owned();
    let verify = Effect::VerifyKey { user: "dee".into(), fingerprint };
    assert_eq!(ui.effects[1..], [verify]);
    let ui = ui.press(": c o m p a r e space f r i t z enter");
    assert!(ui.screen().contains("NOT the key that you knew"));
}

#[test]
fn a_failed_join_returns_to_the_lobby_with_a_reason() {
    let fault = conclave::ui::event::Fault {
        what: "war-room could not be joined".to_owned(),
        why: "no answer".to_owned(),
        remedy: String::new(),
    };
    let ui = world::lobby(Harness::new(80, 24)).press("j j enter");
    let ui = ui.event(Event::CallLeft { room: "war-room".into(), fault: Some(fault) });
    assert!(ui.state.call.is_none() && ui.screen().contains("no answer"));
}
