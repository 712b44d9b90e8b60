//! What holds whatever the user and the bridge do.

use std::time::Duration;

use conclave::model::EventKind;
use conclave::model::UserId;
use conclave::ui::event::Event;
use conclave::ui::event::Participant;
use conclave::ui::event::RoomInfo;
use conclave::ui::event::Severity;
use conclave::ui::stage::Share;
use conclave::ui::stage::TileId;
use conclave::ui::testing::Harness;
use conclave::ui::theme::Depth;
use conclave::ui::theme::GlyphChoice;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::world;

/// One step of a random session.
#[derive(Clone, Debug)]
enum Step {
    Key(&'static str),
    Text(String),
    Click(u16, u16),
    Resize(u16, u16),
    Wait(u64),
    News(Event),
}

const KEYS: &[&str] = &[
    "m",
    "l",
    "n",
    "i",
    "tab",
    "shift-tab",
    "1",
    "2",
    "3",
    "4",
    "5",
    "j",
    "k",
    "g",
    "G",
    "PgUp",
    "PgDn",
    "up",
    "down",
    "d",
    "D",
    "K",
    "R",
    "T",
    ":",
    "?",
    "q",
    "enter",
    "esc",
    "space",
    "y",
    "backspace",
    "left",
    "right",
    "home",
    "end",
    "ctrl-l",
    "ctrl-n",
    "ctrl-p",
    "ctrl-w",
    "v",
    "s",
    "z",
    "L",
    "p",
    "h",
    "+",
    "-",
    "0",
];

/// Names that a hostile peer might choose.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\u{1b}[2J",
        "\u{1b}]0;x\u{7}",
        "\u{9b}31m",
        "\r\n",
        "\t",
        "\0",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{200d}",
        "\u{feff}",
        "\u{fe0f}",
        "\u{301}\u{301}\u{301}",
        "会議",
        "👩‍💻",
        "ana",
        " ",
        "\u{e0041}",
        "\u{3164}",
        "ﷺ",
        "🇩🇪",
        "\u{1160}",
        "\u{ad}",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

fn news() -> impl Strategy<Value = Event> {
    let user = || hostile().prop_map(UserId::from);
    let room = || {
        hostile().prop_map(|name| RoomInfo {
            managers: vec!["ana".into()],
            ..world::room(&name, &["ana"])
        })
    };
    prop_oneof![
        prop::collection::vec(room(), 0..5).prop_map(Event::RoomsListed),
        user().prop_map(|user| {
            world::news(0, EventKind::StreamRoomJoined { room: "war-room".into(), user })
        }),
        prop::collection::vec(user(), 0..30).prop_map(|users| {
            let participant = |user| Participant {
                user,
                publishing: true,
                loss: Some(f32::NAN),
                ..Participant::default()
            };
            Event::ParticipantsChanged(users.into_iter().map(participant).collect())
        }),
        Just(Event::CallJoined { room: "war-room".into(), listen_only: false }),
        prop::collection::vec((user(), 0u16..3), 0..9).prop_map(|shares| {
            let share = |(user, number): (UserId, u16)| Share {
                title: user.as_str().into(),
                tile: match number {
                    0 => TileId::person(user),
                    number => TileId::screen(user, number),
                },
            };
            Event::SharesChanged(shares.into_iter().map(share).collect())
        }),
        Just(Event::CallLeft { room: "war-room".into(), fault: None }),
        hostile().prop_map(|reason| Event::Disconnected { reason }),
        hostile().prop_map(|text| Event::Noticed { severity: Severity::Bad, text }),
        (any::<u64>(), any::<bool>(), hostile()).prop_map(|(id, vouched, name)| {
            let request = world::request(id, vouched);
            Event::AdmissionRequested(conclave::ui::event::AdmissionRequest { name, ..request })
        }),
        (-120f32..10.0, -120f32..10.0).prop_map(|(own, ben)| world::levels(own, ben)),
        (0u64..1000).prop_map(world::stats),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::sample::select(KEYS).prop_map(Step::Key),
        1 => hostile().prop_map(Step::Text),
        1 => (0u16..210, 0u16..70).prop_map(|(x, y)| Step::Click(x, y)),
        1 => (0u16..210, 0u16..70).prop_map(|(width, height)| Step::Resize(width, height)),
        1 => (0u64..5000).prop_map(Step::Wait),
        4 => news().prop_map(Step::News),
    ]
}

fn take(ui: Harness, step: Step) -> Harness {
    match step {
        Step::Key(key) => ui.press(key),
        Step::Text(text) => ui.type_text(&text),
        Step::Click(x, y) => ui.click(x, y),
        Step::Resize(width, height) => ui.resize(width, height),
        Step::Wait(ms) => ui.wait(Duration::from_millis(ms)),
        Step::News(event) => ui.event(event),
    }
}

/// No cell holds what a terminal might obey or what would move its neighbours.
fn assert_harmless(ui: &Harness) {
    let (buf, cursor) = ui.draw();
    for cell in buf.content() {
        let symbol = cell.symbol();
        assert!(symbol.width() <= 2, "{symbol:?}");
        for character in symbol.chars() {
            assert!(!character.is_control(), "{symbol:?}");
            let invisible = ['\u{200b}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{ad}'];
            assert!(!invisible.contains(&character), "{symbol:?}");
        }
    }
    assert!(cursor.is_none_or(|cursor| buf.area().contains(cursor)), "{cursor:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_session_panics_or_loses_its_cursor(
        steps in prop::collection::vec(step(), 1..60),
        ascii in any::<bool>(),
    ) {
        let (depth, glyphs) = match ascii {
            true => (Depth::Mono, GlyphChoice::Ascii),
            false => (Depth::True, GlyphChoice::Unicode),
        };
        let mut ui = world::in_call_looking(100, 30, depth, glyphs);
        for step in steps {
            ui = take(ui, step);
            let rooms = &ui.state.rooms;
            prop_assert!(rooms.rows().is_empty() || rooms.cursor() < rooms.rows().len());
            let people = &ui.state.people;
            prop_assert!(people.rows().is_empty() || people.cursor() < people.rows().len());
            prop_assert!(ui.state.dialogs.len() <= 16);
            assert_harmless(&ui);
        }
    }

    #[test]
    fn time_settles(steps in prop::collection::vec(step(), 1..40)) {
        let mut ui = steps.into_iter().fold(world::in_call(100, 30), take);
        let mut wakes = 0;
        while let Some(deadline) = ui.state.deadline() {
            let time = deadline.saturating_duration_since(ui.state.clock.now);
            ui = ui.wait(time);
            wakes += 1;
            prop_assert!(wakes < 200, "something never comes to rest");
        }
    }
}

#[test]
fn hostile_names_stay_in_their_cells() {
    let name =
        "\u{1b}[2J\u{202e}evil\u{200b}\u{1b}]0;owned\u{7}\r\n会議\u{301}\u{301}\u{301}\u{301}";
    let long = "x".repeat(100_000);
    for name in [name, long.as_str()] {
        let people =
            vec![Participant { user: name.into(), publishing: true, ..Participant::default() }];
        let mut ui = world::in_call(80, 24)
            .event(Event::RoomsListed(vec![world::room(name, &["ana", name])]))
            .event(Event::ParticipantsChanged(people))
            .event(world::news(
                9,
                EventKind::StreamRoomLeft { room: name.into(), user: name.into() },
            ));
        for keys in ["1", "2", "3", "4", "5", "n", "esc", "d", "esc", ": j o i n space"] {
            ui = ui.press(keys);
            assert_harmless(&ui);
        }
    }
}
