//! Screens as people see them. Accept changed ones with `INSTA_UPDATE=always` after looking.

use std::time::Duration;

use conclave::ui::action::Pane;
use conclave::ui::event::DeviceMenu;
use conclave::ui::event::Event;
use conclave::ui::event::Fault;
use conclave::ui::event::Invite;
use conclave::ui::event::Participant;
use conclave::ui::event::Severity;
use conclave::ui::testing::Harness;
use conclave::ui::theme::Depth;
use conclave::ui::theme::GlyphChoice;
use insta::assert_snapshot;
use ratatui::style::Color;

use super::world;

/// Goes to each pane on a small screen, where only that pane is shown.
fn each_pane(name: &str, ui: impl Fn() -> Harness) {
    for (pane, digit) in Pane::ALL.into_iter().zip(1..) {
        let name = format!("{name}_{}", pane.title().to_lowercase());
        assert_snapshot!(name, ui().press(&digit.to_string()).screen());
    }
}

fn fault() -> Fault {
    Fault {
        what: "war-room could not be joined".to_owned(),
        why: "the bridge says that you are no member of it".to_owned(),
        remedy: "Ask ana to let you in again.".to_owned(),
    }
}

#[test]
fn panes_that_have_nothing_to_show_say_what_to_do() {
    each_pane("empty", || Harness::new(48, 14).with_rooms(&[]));
}

#[test]
fn panes_before_the_bridge_has_answered() {
    each_pane("waiting", || Harness::new(48, 14));
}

#[test]
fn panes_when_the_bridge_is_out_of_reach() {
    each_pane("failing", || {
        let reason = "connection refused".to_owned();
        Harness::new(48, 14)
            .event(Event::Disconnected { reason: reason.clone() })
            .event(Event::Failed(Fault { why: reason, ..fault() }))
            .press("esc")
    });
}

#[test]
fn panes_with_much_in_them() {
    each_pane("full", || world::in_call(48, 14));
}

#[test]
fn the_whole_screen_in_a_call() {
    for (width, height) in [(40, 12), (64, 16), (80, 24), (100, 30), (120, 40), (200, 60)] {
        let name = format!("call_{width}x{height}");
        assert_snapshot!(name, world::in_call(width, height).screen());
    }
}

#[test]
fn the_whole_screen_outside_of_a_call() {
    for (width, height) in [(40, 12), (80, 24), (120, 40), (200, 60)] {
        let name = format!("lobby_{width}x{height}");
        assert_snapshot!(name, world::lobby(Harness::new(width, height)).screen());
    }
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    assert_snapshot!("too_small", world::in_call(39, 12).screen());
}

#[test]
fn ascii_screens_are_ascii() {
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        let ui = world::in_call_looking(width, height, Depth::Mono, GlyphChoice::Ascii);
        let screen = ui.screen();
        assert!(screen.is_ascii());
        assert_snapshot!(format!("ascii_{width}x{height}"), screen);
    }
    let ui = world::lobby(Harness::with_look(80, 24, Depth::Mono, GlyphChoice::Ascii));
    assert_snapshot!("ascii_lobby", ui.screen());
}

/// The attributes of each cell, as letters, where there are any.
pub fn attributes(ui: &Harness) -> String {
    let (buf, _) = ui.draw();
    let rows = buf.area().rows().map(|row| {
        let letter = |position| {
            let cell = buf.cell(position).unwrap();
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "no colour at all");
            match cell.modifier.bits() {
                0 => ' ',
                bits => char::from_digit(bits.trailing_zeros(), 10).unwrap(),
            }
        };
        row.positions().map(letter).collect::<String>().trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_screen_without_colours_has_attributes_instead() {
    let ui = world::in_call_looking(80, 24, Depth::Mono, GlyphChoice::Unicode);
    assert_snapshot!("no_color_attributes", attributes(&ui));
    let words = world::in_call(80, 24).screen();
    assert_eq!(ui.screen(), words, "what is said does not depend on colours");
}

#[test]
fn sixteen_colours_are_enough() {
    let ui = world::in_call_looking(80, 24, Depth::Ansi16, GlyphChoice::Unicode);
    let (buf, _) = ui.draw();
    for cell in buf.content() {
        assert!(!matches!(cell.fg, Color::Rgb(..) | Color::Indexed(_)), "{cell:?}");
        assert!(!matches!(cell.bg, Color::Rgb(..) | Color::Indexed(_)), "{cell:?}");
        assert!(cell.fg != cell.bg || cell.symbol() == " ", "{cell:?}");
    }
}

#[test]
fn the_admission_dialogs() {
    let ask = |vouched| Event::AdmissionRequested(world::request(1, vouched));
    assert_snapshot!("admit_vouched", world::in_call(80, 24).event(ask(true)).screen());
    assert_snapshot!("admit_not_vouched", world::in_call(80, 24).event(ask(false)).screen());
    assert_snapshot!("admit_small", world::in_call(40, 12).event(ask(false)).screen());
}

#[test]
fn the_form_for_a_new_room() {
    let ui = world::lobby(Harness::new(80, 24)).press("n").type_text("Über uns");
    assert_snapshot!("create_room", ui.screen());
    let ui = ui.press("tab space");
    assert_snapshot!("create_room_members", ui.screen());
    let ui = world::lobby(Harness::new(40, 12)).press("n enter");
    assert_snapshot!("create_room_unnamed", ui.screen());
}

#[test]
fn the_choice_of_devices() {
    let ui = world::in_call(80, 24).press("D");
    assert_snapshot!("devices_looking", ui.screen());
    let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect();
    let menu = DeviceMenu {
        microphones: names(&["default", "USB Headset", "Built-in Audio"]),
        speakers: names(&["default", "USB Headset"]),
        cameras: names(&["default", "USB Camera"]),
    };
    let ui = ui.event(Event::DevicesListed(menu)).press("j space");
    assert_snapshot!("devices", ui.screen());
}

#[test]
fn questions_before_what_cannot_be_undone() {
    let alone = Event::ParticipantsChanged(world::participants()[..1].to_vec());
    assert_snapshot!("confirm_leave", world::in_call(80, 24).event(alone).press("l").screen());
    assert_snapshot!("confirm_delete", world::in_call(80, 24).press("d").screen());
    assert_snapshot!("confirm_quit", world::in_call(40, 12).press("q").screen());
}

#[test]
fn a_key_to_compare() {
    assert_snapshot!("compare", world::in_call(80, 24).press("3 G enter").screen());
}

#[test]
fn the_help_is_the_keymap() {
    let ui = world::lobby(Harness::new(80, 24)).press("?");
    assert_snapshot!("help", ui.screen());
    assert_snapshot!("help_scrolled", ui.press("PgDn PgDn j").screen());
    assert_snapshot!("help_small", world::lobby(Harness::new(40, 12)).press("?").screen());
}

#[test]
fn the_help_scrolls_to_its_end_and_back_at_once() {
    let mut ui = world::lobby(Harness::new(40, 12)).press("?");
    for _ in 0..500 {
        ui = ui.press("j");
    }
    let end = ui.screen();
    assert!(!end.contains("more below"), "{end}");
    let ui = ui.press("k");
    assert!(ui.screen().contains(" 1 more below"), "{}", ui.screen());
    assert_eq!(ui.press("j").screen(), end);
}

#[test]
fn a_fault_says_what_why_and_what_to_do() {
    let ui = world::lobby(Harness::new(80, 24)).event(Event::Failed(fault()));
    assert_snapshot!("fault", ui.screen());
}

#[test]
fn an_invite_with_and_without_room_for_its_code() {
    let qr = "█▀▀▀▀▀█ ▀▄█ █▀▀▀▀▀█\n█ ███ █ ▄▀▄ █ ███ █\n▀▀▀▀▀▀▀ ▀ ▀ ▀▀▀▀▀▀▀".to_owned();
    let invite = Invite {
        room: "war-room".to_owned(),
        link: format!("conclave://192.0.2.7:9111/{}", "k3Jf9".repeat(18)),
        qr,
        validity: "Good for 24 hours and 10 people.".to_owned(),
    };
    let show = |ui: Harness| ui.event(Event::InviteReady(invite.clone())).screen();
    assert_snapshot!("invite", show(world::in_call(100, 30)));
    assert_snapshot!("invite_small", show(world::in_call(40, 12)));
}

#[test]
fn the_command_line_completes() {
    let ui = world::lobby(Harness::new(80, 24)).press(":");
    assert_snapshot!("palette", ui.screen());
    assert_snapshot!("palette_rooms", ui.type_text("join ").press("down").screen());
    let ui = world::lobby(Harness::new(40, 12)).press(":").type_text("the").press("tab");
    assert_snapshot!("palette_small", ui.screen());
}

#[test]
fn messages_come_and_go() {
    let notice = |severity, text: &str| Event::Noticed { severity, text: text.to_owned() };
    let ui = world::lobby(Harness::new(80, 24))
        .event(notice(Severity::Info, "the embedded bridge listens on 127.0.0.1:9111"))
        .event(notice(Severity::Good, "the room is open"))
        .event(notice(Severity::Warn, "nobody is called gus"))
        .event(notice(Severity::Bad, "the microphone is gone: D chooses another"));
    assert_snapshot!("toasts", ui.screen());
    let ui = ui.wait(Duration::from_secs(6));
    assert_snapshot!("toasts_later", ui.screen());
    assert_snapshot!("toasts_small", ui.resize(40, 12).screen());
}

#[test]
fn a_call_whose_link_is_down_keeps_its_people() {
    let ui = world::in_call(80, 24).event(Event::Disconnected { reason: "timed out".to_owned() });
    assert_snapshot!("reconnecting", ui.screen());
}

#[test]
fn twenty_people_fit_on_the_stage() {
    let people = (0..40).map(|index| Participant {
        user: format!("user-{index:02}").into(),
        publishing: index % 7 != 6,
        muted: index % 5 == 4,
        ..Participant::default()
    });
    let people: Vec<_> = people.collect();
    let twenty = Event::ParticipantsChanged(people[..20].to_vec());
    assert_snapshot!("stage_20", world::in_call(160, 50).event(twenty).screen());
    let forty = Event::ParticipantsChanged(people);
    assert_snapshot!("stage_40", world::in_call(100, 24).event(forty).screen());
}
