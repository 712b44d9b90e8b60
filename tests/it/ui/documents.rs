//! What is written about the interface is what it does.

use conclave::ui::command::COMMANDS;
use conclave::ui::command::parse;
use conclave::ui::keymap;
use conclave::ui::keymap::BINDINGS;
use conclave::ui::keymap::Scope;
use conclave::ui::theme::Depth;
use conclave::ui::theme::GlyphChoice;
use conclave::ui::theme::Role;
use conclave::ui::theme::ThemeText;
use conclave::ui::theme::Themes;
use conclave::ui::theme::load::BUILT_IN;
use ratatui::style::Color;

/// Compares a document with what the program says, or writes it when asked to.
fn compare(path: &str, made: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        std::fs::write(&path, made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, made, "{path} is out of date: run the tests with INSTA_UPDATE=always");
}

#[test]
fn the_keymap_document_is_the_keymap() {
    compare("docs/keymap.md", &keymap::document());
}

#[test]
fn the_theming_document_lists_each_role() {
    let document = include_str!("../../../docs/theming.md");
    for role in Role::ALL {
        let row = format!("| `{}` | {} |", role.name(), role.about());
        assert!(document.contains(&row), "docs/theming.md lacks: {row}");
    }
    assert_eq!(document.matches("\n| `").count(), Role::ALL.len(), "a role that does not exist");
}

#[test]
fn no_key_is_bound_twice_in_one_place() {
    for (index, binding) in BINDINGS.iter().enumerate() {
        for other in BINDINGS.iter().skip(index + 1).filter(|other| other.scope == binding.scope) {
            for key in other.keys {
                assert!(!binding.keys.contains(key), "{key} in {:?}", binding.scope);
            }
        }
    }
}

#[test]
fn each_key_of_the_screen_that_is_not_movement_has_a_command() {
    let built: Vec<_> = COMMANDS.iter().filter_map(|command| parse(command.name).ok()).collect();
    let movement = ["1", "2", "3", "4", "5", "j", "k", "g", "G", "PgDn", "PgUp", "Shift-Tab", ":"];
    for binding in BINDINGS.iter().filter(|binding| binding.scope == Scope::Main) {
        let key = binding.keys[0].to_string();
        if !movement.contains(&key.as_str()) {
            assert!(built.contains(&binding.action), "{key} has no command");
        }
    }
}

#[test]
fn each_theme_has_each_role_at_each_depth() {
    for depth in [Depth::True, Depth::Ansi256, Depth::Ansi16, Depth::Mono] {
        let (mut themes, errors) = Themes::new(&[], depth, GlyphChoice::Unicode);
        assert!(errors.is_empty(), "{errors:?}");
        for (name, _) in BUILT_IN {
            assert!(themes.choose(name));
            let theme = themes.theme();
            let coloured = Role::ALL.iter().filter(|role| theme.style(**role).fg.is_some()).count();
            let expected = if depth == Depth::Mono { 0 } else { Role::ALL.len() };
            assert_eq!(coloured, expected, "{name} {depth:?}");
        }
    }
}

/// Relative luminance of an sRGB colour (WCAG 2.2).
fn luminance(colour: Color) -> f64 {
    let Color::Rgb(red, green, blue) = colour else { panic!("{colour:?}") };
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

#[test]
fn text_can_be_read_on_each_background() {
    // Lines and unlit cells may recede; meters need the contrast of graphics, text that of text.
    let decoration = [Role::Rule, Role::RuleFocused, Role::MeterEmpty];
    let graphics = [Role::MeterLow, Role::MeterMid, Role::MeterHigh, Role::Spark, Role::Peak];
    let (mut themes, _) = Themes::new(&[], Depth::True, GlyphChoice::Unicode);
    for (name, _) in BUILT_IN {
        themes.choose(name);
        let style = |role| themes.theme().style(role);
        for &role in Role::ALL.iter().filter(|role| !decoration.contains(role)) {
            let least = if graphics.contains(&role) { 3.0 } else { 4.5 };
            let own = style(role).bg;
            let behind = [Role::Base, Role::Dialog].map(|role| style(role).bg.unwrap());
            for behind in own.map_or(behind, |own| [own, own]) {
                let (a, b) = (luminance(style(role).fg.unwrap()), luminance(behind));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= least, "{name} {role:?}: {contrast:.2}");
            }
        }
    }
}

#[test]
fn a_theme_of_the_user_replaces_or_is_refused_with_a_reason() {
    let night = BUILT_IN[0].1;
    let text = |name: &str, toml: String| ThemeText { name: name.to_owned(), toml };
    let cases = [
        ("mine", night.to_owned(), None),
        ("broken", "roles = 3".to_owned(), Some("theme broken:")),
        ("lacks", night.replace("peak ", "beak "), Some("role peak is missing")),
        ("extra", format!("{night}\nnothing = {{}}"), Some("no role \"nothing\"")),
        ("hue", night.replace("\"#838ca1\"", "\"mud\""), Some("no colour is called \"mud\"")),
        ("blink", night.replace("\"bold\"", "\"blink\""), Some("no attribute is called")),
    ];
    for (name, toml, expected) in cases {
        let (themes, errors) = Themes::new(&[text(name, toml)], Depth::True, GlyphChoice::Ascii);
        let listed = themes.names().any(|known| known == name);
        assert_eq!(listed, expected.is_none(), "{name}");
        let said = errors.iter().map(ToString::to_string).collect::<String>();
        assert!(said.contains(expected.unwrap_or_default()), "{name}: {said}");
    }
}
