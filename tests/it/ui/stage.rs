//! The stage: every layout at every size, and what keys and clicks do to it.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use conclave::api::terminal::TerminalOrder;
use conclave::api::terminal::TerminalView;
use conclave::media::terminal::Emulator;
use conclave::media::terminal::TerminalSize;
use conclave::media::video::Picture;
use conclave::model::AudioLevels;
use conclave::model::Level;
use conclave::model::SpeakerLevel;
use conclave::model::StreamId;
use conclave::ui::Effect;
use conclave::ui::action::Action;
use conclave::ui::action::Pane;
use conclave::ui::action::StageAction;
use conclave::ui::event::Event;
use conclave::ui::event::Participant;
use conclave::ui::event::ShareMenu;
use conclave::ui::event::ShareOption;
use conclave::ui::pane::terminal::due;
use conclave::ui::picture::MARK;
use conclave::ui::stage::Gallery;
use conclave::ui::stage::LayoutChoice;
use conclave::ui::stage::Scene;
use conclave::ui::stage::Share;
use conclave::ui::stage::TileContent;
use conclave::ui::stage::TileId;
use conclave::ui::stage::Window;
use conclave::ui::testing;
use conclave::ui::testing::Harness;
use conclave::ui::theme::Depth;
use conclave::ui::theme::GlyphChoice;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::world;

const NAMES: [&str; 12] =
    ["ana", "ben", "chi", "dee", "eva", "fay", "gus", "hal", "ivy", "jon", "kim", "lea"];

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 60)];

fn share(tile: TileId, title: &str) -> Share {
    Share { tile, title: title.into() }
}

fn speaking(name: &str) -> Event {
    let level = |index: usize| SpeakerLevel {
        user: NAMES[index].into(),
        stream: (index > 0).then_some(StreamId(index as i64)),
        level: Level::from_dbfs(if NAMES[index] == name { -18.0 } else { -70.0 }),
        speaking: NAMES[index] == name,
        muted: index == 2,
        loss: None,
    };
    let levels = (0..NAMES.len()).map(level).collect();
    Event::LevelsMeasured(AudioLevels { levels, output: Level::from_dbfs(-18.0) })
}

/// A call of so many people; from the fifth on one sends what cannot be read.
fn call(ui: Harness, count: usize) -> Harness {
    let participant = |(index, name): (usize, &&str)| Participant {
        user: (*name).into(),
        publishing: index != 3,
        muted: index == 2,
        loss: (index == 4).then_some(0.02),
        unreadable: index == 5,
    };
    let people = NAMES[..count].iter().enumerate().map(participant).collect();
    world::lobby(ui)
        .press("j j enter")
        .event(Event::CallJoined { room: "war-room".into(), listen_only: false })
        .event(Event::ParticipantsChanged(people))
        .event(speaking("ben"))
}

/// The same, with cameras and a shared screen.
fn showing(ui: Harness, count: usize) -> Harness {
    let shares = [
        share(TileId::person("ben".into()), ""),
        share(TileId::person("chi".into()), ""),
        share(TileId::screen("ben".into(), 1), "dashboard"),
    ];
    call(ui, count).event(Event::SharesChanged(shares.to_vec()))
}

fn with_layout(mut ui: Harness, layout: LayoutChoice) -> Harness {
    ui.act(Action::Stage(StageAction::Layout(layout)));
    ui.press("z").wait(Duration::from_secs(10))
}

#[test]
fn every_layout_at_every_size_with_few_and_many_people() {
    for layout in LayoutChoice::ALL {
        for (width, height) in SIZES {
            let mut screens = String::new();
            for count in [1, 2, 5, 12] {
                let new = Harness::new(width, height);
                let shared = layout == LayoutChoice::Screen;
                let ui = if shared { showing(new, count) } else { call(new, count) };
                let _ = writeln!(screens, "{count} in the call");
                screens.push_str(&with_layout(ui, layout).screen());
            }
            assert_snapshot!(format!("{}_{width}x{height}", layout.name()), screens);
        }
    }
}

#[test]
fn every_layout_in_ascii_without_colours() {
    let mut screens = String::new();
    for layout in LayoutChoice::ALL {
        for count in [1, 5] {
            let ui = Harness::with_look(80, 24, Depth::Mono, GlyphChoice::Ascii);
            let ui = with_layout(showing(ui, count), layout);
            let screen = ui.screen();
            assert!(screen.is_ascii(), "{screen}");
            let _ = writeln!(screens, "{}, {count} in the call\n{screen}", layout.name());
            let words = with_layout(showing(Harness::new(80, 24), count), layout);
            let lines = |ui: &Harness| ui.screen().lines().count();
            assert_eq!(lines(&ui), lines(&words));
        }
    }
    assert_snapshot!("ascii", screens);
}

#[test]
fn without_colours_the_stage_says_the_same() {
    for layout in LayoutChoice::ALL {
        for (width, height) in SIZES {
            let plain = Harness::with_look(width, height, Depth::Mono, GlyphChoice::Unicode);
            let plain = with_layout(showing(plain, 12), layout).screen();
            let full = with_layout(showing(Harness::new(width, height), 12), layout).screen();
            assert_eq!(plain, full);
        }
    }
    let ui = Harness::with_look(80, 24, Depth::Mono, GlyphChoice::Unicode);
    let ui = with_layout(showing(ui, 5), LayoutChoice::Filmstrip);
    assert_snapshot!("mono_attributes", super::screens::attributes(&ui));
}

#[test]
fn the_stage_beside_the_other_panes() {
    assert_snapshot!("beside", showing(Harness::new(120, 40), 5).screen());
}

#[test]
fn layouts_that_have_nothing_to_show_say_what_to_do() {
    let ui = call(Harness::new(80, 24), 1);
    assert!(ui.screen().contains("Nobody else is here yet"), "{}", ui.screen());
    let ui = ui.press("h");
    assert!(ui.screen().contains("h shows your own tile"), "{}", ui.screen());
    let ui = with_layout(call(Harness::new(80, 24), 5), LayoutChoice::Screen);
    assert!(ui.screen().contains("s shares yours"), "{}", ui.screen());
    for layout in LayoutChoice::ALL {
        let ui = with_layout(call(Harness::new(40, 12), 1), layout);
        let ui = ui.event(Event::ParticipantsChanged(Vec::new()));
        assert!(ui.screen().contains("Nobody else is here"), "{}", ui.screen());
    }
}

/// Name of the user in the tile that stands out, `*` behind it if that is a screen.
fn featured(ui: &Harness) -> String {
    let scene = Scene::of(&ui.state);
    let Some(index) = scene.featured else { return String::new() };
    let id = &scene.tiles[index].id;
    format!("{}{}", id.user, if id.part.is_shared() { "*" } else { "" })
}

#[test]
fn whoever_speaks_stands_out_after_a_while() {
    let ui = with_layout(call(Harness::new(80, 24), 5), LayoutChoice::Speaker);
    assert_eq!(featured(&ui), "ben");
    let ui = ui.event(speaking("dee")).wait(Duration::from_millis(1900));
    assert_eq!(featured(&ui), "ben");
    let deadline = ui.state.stage.deadline().unwrap();
    let rest = deadline - ui.state.clock.now;
    let ui = ui.wait(rest);
    assert_eq!(featured(&ui), "dee");
    let ui = ui.event(speaking("ana")).wait(Duration::from_secs(5)).event(speaking("ana"));
    assert_eq!(featured(&ui), "dee", "nobody watches themselves speak");
    let ui = ui.event(Event::ParticipantsChanged(world::participants()[..2].to_vec()));
    assert_eq!(featured(&ui), "ben", "who has left does not stay");
}

#[test]
fn pinned_stays_whoever_speaks_and_next_goes_on() {
    let ui = with_layout(showing(Harness::new(80, 24), 5), LayoutChoice::Filmstrip);
    let ui = ui.press("right");
    assert_eq!(featured(&ui), "chi", "next after ben");
    let ui = ui.event(speaking("dee")).wait(Duration::from_secs(3)).event(speaking("dee"));
    assert_eq!(featured(&ui), "chi");
    let ui = ui.press("p").wait(Duration::from_secs(3)).event(speaking("dee"));
    assert_eq!(featured(&ui), "dee", "no longer pinned");
    let ui = ui.press("left k g");
    assert_eq!(featured(&ui), "ben*", "the first tile is what is shared");
    let ui = ui.press(":").type_text("pin eva").press("enter");
    assert_eq!(featured(&ui), "eva");
    let ui = ui.press(":").type_text("pin zoe").press("enter");
    assert!(ui.screen().contains("zoe is not on the stage"));
    let gone = Event::ParticipantsChanged(world::participants()[..2].to_vec());
    assert_eq!(ui.event(gone).state.stage.pinned, None);
}

#[test]
fn the_person_under_the_cursor_can_be_pinned() {
    let ui = showing(Harness::new(120, 40), 5).press("3 j p");
    assert_eq!(featured(&ui), "ben");
}

#[test]
fn what_is_shared_stands_out_by_itself() {
    let ui = call(Harness::new(120, 40), 5);
    assert_eq!(featured(&ui), "");
    let ui = showing(Harness::new(120, 40), 5);
    assert_eq!(featured(&ui), "ben*");
    let ui = ui.event(Event::SharesChanged(Vec::new()));
    assert_eq!(featured(&ui), "");
}

#[test]
fn keys_divide_fill_and_hide() {
    let mut ui = call(Harness::new(80, 24), 5);
    for expected in LayoutChoice::ALL.into_iter().cycle().skip(1).take(6) {
        ui = ui.press("L");
        assert_eq!(ui.state.stage.choice, expected);
    }
    let ui = ui.press("z").wait(Duration::from_secs(10));
    assert!(!ui.screen().contains("People"), "{}", ui.screen());
    assert!(ui.press("z").screen().contains("People"));
    let ui = call(Harness::new(80, 24), 5).press("z esc z 3");
    assert!(ui.state.focus == Pane::People && ui.screen().contains("People"));
    let ui = ui.press("h").wait(Duration::from_secs(10));
    assert_eq!(Scene::of(&ui.state).tiles.len(), 4);
    let ui = ui.press(":").type_text("layout meters").press("enter");
    assert_eq!(ui.state.stage.choice, LayoutChoice::Meters);
    let ui = ui.press(":").type_text("layout round").press("enter");
    assert!(ui.screen().contains("layout cannot be round"), "{}", ui.screen());
}

#[test]
fn a_click_puts_the_cursor_on_a_tile_and_a_second_one_pins_it() {
    let ui = call(Harness::new(120, 40), 5);
    let scene = Scene::of(&ui.state);
    let place = scene.arrangement.places[2];
    let id = scene.tiles[place.index].id.clone();
    let (x, y) = (place.area.x + 1, place.area.y + 1);
    let ui = ui.click(x, y);
    assert_eq!((&ui.state.stage.cursor, ui.state.focus), (&Some(id.clone()), Pane::Stage));
    assert_eq!(ui.click(x, y).state.stage.pinned, Some(id));
}

#[test]
fn a_picture_can_be_looked_at_closely() {
    let screen = TileId::screen("ben".into(), 1);
    let ui = showing(Harness::new(120, 40), 5).press("2 + + right");
    let view = ui.state.stage.view(&screen);
    assert!(!view.is_whole());
    let ui = ui.press("down down");
    assert_ne!(ui.state.stage.view(&screen), view, "arrows look around");
    assert_eq!(featured(&ui), "ben*");
    let ui = ui.press("0");
    assert!(ui.state.stage.view(&screen).is_whole());
    let ui = ui.press("right");
    assert_eq!(featured(&ui), "ben", "arrows go on when all is in sight");
    assert!(call(Harness::new(80, 24), 5).press("2 +").screen().contains("no picture"));
}

#[test]
fn the_camera_is_switched_and_seen_to_be_on() {
    let ui = call(Harness::new(120, 40), 2).press("v");
    assert_eq!(ui.effects[1..], [Effect::SetCamera(Some("default".to_owned()))]);
    assert!(ui.screen().contains("camera on"));
    let ui = ui.press(":").type_text("camera pattern").press("enter");
    assert_eq!(ui.effects[2..], [Effect::SetCamera(Some("pattern".to_owned()))]);
    let ui = ui.press("v");
    assert_eq!(ui.effects[3..], [Effect::SetCamera(None)]);
    let ui = ui.press("v").event(Event::CameraChanged(None));
    assert_eq!(ui.effects[4..], [Effect::SetCamera(Some("pattern".to_owned()))], "as last used");
    assert!(!ui.screen().contains("camera on"), "what is, not what was wished for");
    let ui = ui.press(":").type_text("camera off").press("enter");
    assert_eq!(ui.effects[5..], [Effect::SetCamera(None)]);
}

#[test]
fn what_to_share_is_chosen_from_a_list() {
    let ui = call(Harness::new(120, 40), 2).press("s");
    assert_eq!(ui.effects[1..], [Effect::ListShares]);
    let option = |title: &str, spec: &str| ShareOption { title: title.into(), spec: spec.into() };
    let options = vec![option("Screen 1", "screen:1"), option("Editor", "window:Editor")];
    let menu = ShareMenu { options, missing: None };
    let ui = ui.event(Event::ShareMenuListed(menu.clone()));
    assert_snapshot!("share", ui.screen());
    let ui = ui.press("j enter");
    assert_eq!(ui.effects[2..], [Effect::SetShare(Some("window:Editor".to_owned()))]);
    assert!(ui.screen().contains("sharing"));
    let ui = ui.press("s").event(Event::ShareMenuListed(menu));
    assert!(ui.screen().contains("Stop sharing window:Editor"));
    let ui = ui.press("enter");
    assert_eq!(ui.effects[4..], [Effect::SetShare(None)]);
    let ui = ui.press(":").type_text("share screen").press("enter");
    assert_eq!(ui.effects[5..], [Effect::SetShare(Some("screen".to_owned()))]);
}

#[test]
fn a_session_without_screens_says_why_and_what_to_do() {
    let reason = "no screen can be shared, because DISPLAY is not set, so there is no graphical \
                  session; run it in an X11 session, or name another source of pictures instead";
    let menu = ShareMenu { options: Vec::new(), missing: Some(reason.to_owned()) };
    let ui = call(Harness::new(80, 24), 2).press("s").event(Event::ShareMenuListed(menu));
    let said: Vec<String> =
        ui.screen().lines().map(|line| line.replace(['│', '\n'], " ")).collect();
    let words = said.join(" ");
    for word in ["DISPLAY is not", "pictures instead"] {
        assert!(words.contains(word), "{}", ui.screen());
    }
}

fn terminal(user: &str, stream: Option<StreamId>, title: &str, written: &str) -> Arc<TerminalView> {
    let mut emulator = Emulator::new(TerminalSize::new(40, 10));
    emulator.process(written.as_bytes());
    testing::terminal(user, stream, title, emulator.grid())
}

fn shared(ui: Harness, terminals: &[Arc<TerminalView>]) -> Harness {
    ui.event(Event::TerminalsChanged(terminals.to_vec()))
}

#[test]
fn a_shared_terminal_is_a_tile_like_a_screen() {
    let ben = terminal("ben", Some(StreamId(7)), "make", "$ make test\r\nall is well\r\n$ ");
    let mut screens = String::new();
    for (width, height) in SIZES {
        let ui = shared(call(Harness::new(width, height), 5), std::slice::from_ref(&ben));
        let ui = ui.press("z").wait(Duration::from_secs(10));
        assert!(ui.screen().contains("all is well"), "{}", ui.screen());
        assert!(ui.screen().contains("read-only, t asks"), "{}", ui.screen());
        screens.push_str(&ui.screen());
    }
    assert_snapshot!("terminal", screens);
    // In a small tile, its cells and who types.
    let ui = shared(showing(Harness::new(120, 40), 5), std::slice::from_ref(&ben));
    let ui = with_layout(ui, LayoutChoice::Grid);
    assert_snapshot!("terminal_grid", ui.screen());
    let gone = shared(ui, &[]);
    assert!(!gone.screen().contains("all is well"), "{}", gone.screen());
}

#[test]
fn keys_are_about_the_terminal_that_stands_out() {
    let ben = terminal("ben", Some(StreamId(7)), "make", "$ make");
    let chi = terminal("chi", Some(StreamId(8)), "vim", "~ chi");
    let own = terminal("ana", None, "sh", "$ own");
    let ui = shared(call(Harness::new(120, 40), 4), &[own, ben, chi]);
    assert!(ui.screen().contains("you have control: t types"), "{}", ui.screen());
    let ui = ui.press("w t");
    assert_eq!(ui.effects.last(), Some(&Effect::Terminal(TerminalOrder::Ask(StreamId(7)))));
    let ui = ui.press("w t");
    assert_eq!(ui.effects.last(), Some(&Effect::Terminal(TerminalOrder::Ask(StreamId(8)))));
    // Whoever types keeps it in sight, whatever else is shared.
    let ui = ui.press("w t");
    assert!(ui.screen().contains("YOU TYPE"), "{}", ui.screen());
    let screen = share(TileId::screen("ana".into(), 1), "");
    let mut ui = ui.event(Event::SharesChanged(vec![screen.clone()]));
    ui.act(Action::Stage(StageAction::Point(screen.tile)));
    assert!(ui.screen().contains("YOU TYPE"), "{}", ui.screen());
    let ui = ui.press("x");
    let typed = Effect::Terminal(TerminalOrder::Keys(None, b"x".to_vec()));
    assert_eq!(ui.effects.last(), Some(&typed));
}

#[test]
fn only_a_terminal_that_stands_out_is_made_to_fit() {
    let ben = terminal("ben", Some(StreamId(7)), "make", "$ make");
    let room = |ui: &mut Harness| match due(&mut ui.state) {
        Some(Effect::Terminal(TerminalOrder::Room(stream, room))) => Some((stream, room)),
        other => panic!("{other:?}"),
    };
    let mut ui = shared(call(Harness::new(120, 40), 3), &[ben]).press("z");
    let Some((Some(StreamId(7)), Some(large))) = room(&mut ui) else { panic!("no room") };
    assert!(large.columns() > 80 && large.rows() > 30, "{large:?}");
    assert_eq!(due(&mut ui.state), None, "it is told once");
    let mut ui = with_layout(ui, LayoutChoice::Grid).press("z");
    assert_eq!(room(&mut ui), Some((Some(StreamId(7)), None)));
    assert_eq!(due(&mut ui.state), None);
}

/// A picture that grows brighter to the right and redder downwards.
fn ramp(width: u32, height: u32) -> Arc<Picture> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let rgb: Vec<u8> = pixels
        .flat_map(|(x, y)| {
            let bright = (x * 255 / width) as u8;
            [bright.max((y * 255 / height) as u8), bright, bright]
        })
        .collect();
    Arc::new(Picture::from_rgb(width, height, &rgb).unwrap())
}

/// Draws what the gallery has into the tiles, as the runtime does.
fn hang(mut ui: Harness, gallery: &Gallery) -> Harness {
    for (tile, content) in gallery.draw(Instant::now()) {
        ui = ui.event(Event::TileChanged { tile, content });
    }
    ui
}

#[test]
fn pictures_fill_the_tiles_that_are_in_sight() {
    for (name, depth, glyphs) in
        [("true", Depth::True, GlyphChoice::Unicode), ("ascii", Depth::Mono, GlyphChoice::Ascii)]
    {
        let ui = with_layout(
            showing(Harness::with_look(80, 24, depth, glyphs), 5),
            LayoutChoice::Filmstrip,
        );
        let gallery = Gallery::default();
        let windows = Window::all(&ui.state);
        assert_eq!(windows.iter().filter(|window| window.live).count(), 3);
        gallery.set_windows(&windows);
        for share in ui.state.stage.shares() {
            gallery.show(&share.tile, ramp(160, 90));
        }
        let ui = hang(ui, &gallery);
        let (buf, _) = ui.draw();
        for (tile, area) in Scene::of(&ui.state).windows() {
            if tile.share.is_none() {
                continue;
            }
            let middle = (area.x + area.width / 2, area.y + area.height / 2);
            assert!(buf[middle].modifier.contains(MARK), "{tile:?}");
        }
        assert_snapshot!(format!("pictures_{name}"), ui.screen());
    }
}

#[test]
fn avatars_stand_for_those_who_show_nothing() {
    let ui = showing(Harness::new(120, 40), 5);
    let gallery = Gallery::default();
    gallery.set_windows(&Window::all(&ui.state));
    let faces = ["ana", "ben", "dee"].map(|name| (name.into(), ramp(32, 32)));
    gallery.set_avatars(faces.into());
    let ui = hang(with_layout(ui, LayoutChoice::Grid), &gallery);
    gallery.set_windows(&Window::all(&ui.state));
    let ui = hang(ui, &gallery);
    assert_snapshot!("avatars", ui.screen());
    // Whoever begins to show something has no avatar behind it once that ends.
    let avatar = |ui: &Harness, name: &str| {
        matches!(ui.state.stage.content(&TileId::person(name.into())), TileContent::Avatar(_))
    };
    assert!(avatar(&ui, "ana") && avatar(&ui, "ben") && avatar(&ui, "dee") && !avatar(&ui, "eva"));
    gallery.show(&TileId::person("ben".into()), ramp(160, 90));
    let ui = hang(ui, &gallery).event(Event::SharesChanged(Vec::new()));
    assert!(avatar(&ui, "ana") && !avatar(&ui, "ben"));
    gallery.set_windows(&Window::all(&ui.state));
    let ui = hang(ui, &gallery);
    assert!(avatar(&ui, "ben"), "it is back");
    let ui = call(ui, 1);
    assert!(avatar(&ui, "ana") && !avatar(&ui, "dee"), "whoever leaves leaves nothing");
}

#[test]
fn only_what_is_in_sight_is_asked_for() {
    let ui = showing(Harness::new(160, 40), 5);
    let tiles = |ui: &Harness| -> Vec<TileId> {
        let windows = Window::all(&ui.state).into_iter().filter(|window| window.live);
        windows.map(|window| window.tile).collect()
    };
    assert_eq!(tiles(&ui).len(), 3);
    let speaker = with_layout(showing(Harness::new(120, 40), 5), LayoutChoice::Speaker);
    assert_eq!(tiles(&speaker), [TileId::person("ben".into())]);
    let meters = with_layout(showing(Harness::new(120, 40), 5), LayoutChoice::Meters);
    assert!(tiles(&meters).is_empty());
    let pixels = |ui: &Harness| Window::all(&ui.state)[0].pixels();
    let (width, height) = pixels(&speaker);
    let (zoomed, _) = pixels(&speaker.press("+ + +"));
    assert!(width == 240 && height <= 80 && zoomed == 2 * width, "{width}x{height} {zoomed}");
    let small = showing(Harness::new(40, 12), 5).press("1");
    assert!(tiles(&small).is_empty(), "the stage is not on the screen");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn everybody_is_on_the_stage_or_counted(
        size in (40u16..220, 12u16..70),
        count in 1usize..13,
        shown in any::<bool>(),
        full in any::<bool>(),
        layout in prop::sample::select(LayoutChoice::ALL.to_vec()),
    ) {
        let ui = Harness::new(size.0, size.1);
        let mut ui = if shown { showing(ui, count) } else { call(ui, count) };
        ui.act(Action::Stage(StageAction::Layout(layout)));
        let ui = if full { ui.press("z") } else { ui.press("2") };
        let ui = ui.wait(Duration::from_secs(10));
        let scene = Scene::of(&ui.state);
        let hidden = scene.arrangement.more.as_ref().map_or(0, |more| more.hidden.len());
        prop_assert_eq!(scene.arrangement.places.len() + hidden, scene.tiles.len());
        let screen = ui.screen();
        if hidden > 0 {
            let told = format!("+{hidden}");
            prop_assert!(screen.contains(&told), "{}", screen);
        }
        for place in &scene.arrangement.places {
            let name = &scene.tiles[place.index].person.name;
            prop_assert!(screen.contains(name.as_str()), "{} in {}", name, screen);
        }
    }
}
