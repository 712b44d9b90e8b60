//! Theme files: TOML text into styles.
//!
//! The three themes of the program are compiled in. The user's own arrive as text (this
//! layer opens no files); one that has the name of a built-in theme replaces it. A theme
//! that cannot be used is reported and left out, it never stops the program.

use std::collections::BTreeMap;

use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use serde::Deserialize;

use super::glyph::GlyphChoice;
use super::palette::Depth;
use super::palette::Role;
use super::palette::Theme;
use crate::ui::error::ThemeError;

/// The themes that come with the program; the first one is used unless another is asked for.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("night", include_str!("../../../themes/night.toml")),
    ("paper", include_str!("../../../themes/paper.toml")),
    ("contrast", include_str!("../../../themes/contrast.toml")),
];

/// A theme file that the caller has read.
#[derive(Clone, Debug)]
pub struct ThemeText {
    /// The name it is chosen by: the file's name without `.toml`.
    pub name: String,
    /// The contents.
    pub toml: String,
}

/// A colour at three depths: `["#rrggbb", 0 to 255, "name"]`.
#[derive(Clone, Debug, Deserialize)]
struct Shade(String, u8, String);

/// What a theme says about one role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    fg: Option<Shade>,
    bg: Option<Shade>,
    /// Attributes at every depth.
    #[serde(default)]
    add: Vec<String>,
    /// Attributes where there are no colours.
    #[serde(default)]
    mono: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    roles: BTreeMap<String, Entry>,
}

/// A theme before it is bound to a colour depth.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    entries: Vec<Entry>,
}

/// All themes there are and the one that is on.
#[derive(Clone, Debug)]
pub struct Themes {
    sources: Vec<Source>,
    current: usize,
    depth: Depth,
    glyphs: GlyphChoice,
    theme: Theme,
}

impl Themes {
    /// Loads the built-in themes and `extra`; the second value says what is wrong with those
    /// that were left out.
    #[must_use]
    pub fn new(extra: &[ThemeText], depth: Depth, glyphs: GlyphChoice) -> (Self, Vec<ThemeError>) {
        let mut sources: Vec<Source> = Vec::new();
        let mut errors = Vec::new();
        let built_in = BUILT_IN.iter().map(|&(name, toml)| (name, toml));
        let extra = extra.iter().map(|text| (text.name.as_str(), text.toml.as_str()));
        for (name, toml) in built_in.chain(extra) {
            match parse(name, toml) {
                Ok(source) => match sources.iter_mut().find(|other| other.name == name) {
                    Some(other) => *other = source,
                    None => sources.push(source),
                },
                Err(error) => errors.push(error),
            }
        }
        let theme = Theme::new(String::new(), Vec::new(), glyphs.glyphs());
        let mut themes = Self { sources, current: 0, depth, glyphs, theme };
        themes.switch(0);
        (themes, errors)
    }

    /// The theme that is on.
    #[must_use]
    pub const fn theme(&self) -> &Theme {
        &self.theme
    }

    /// Colours that there are.
    #[must_use]
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// Which symbols are in use.
    #[must_use]
    pub const fn glyphs(&self) -> GlyphChoice {
        self.glyphs
    }

    /// Names of all themes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name.as_str())
    }

    /// Turns on the theme called `name`; false if there is none.
    pub fn choose(&mut self, name: &str) -> bool {
        let found = self.sources.iter().position(|source| source.name == name);
        found.inspect(|&index| self.switch(index)).is_some()
    }

    /// Turns on the next theme, round and round.
    pub fn next(&mut self) {
        self.switch((self.current + 1) % self.sources.len().max(1));
    }

    fn switch(&mut self, index: usize) {
        let Some(source) = self.sources.get(index) else { return };
        self.current = index;
        let styles = source.entries.iter().map(|entry| style(entry, self.depth)).collect();
        self.theme = Theme::new(source.name.clone(), styles, self.glyphs.glyphs());
    }
}

/// Reads one theme and checks all of it, so that switching to it cannot fail later.
fn parse(name: &str, toml: &str) -> Result<Source, ThemeError> {
    let mut file: File = toml::from_str(toml).map_err(|error| ThemeError::Malformed {
        name: name.to_owned(),
        reason: error.message().to_owned(),
    })?;
    let mut entries = Vec::new();
    for &role in Role::ALL {
        let entry = file
            .roles
            .remove(role.name())
            .ok_or_else(|| ThemeError::MissingRole { name: name.to_owned(), role: role.name() })?;
        check(name, role, &entry)?;
        entries.push(entry);
    }
    if let Some(role) = file.roles.into_keys().next() {
        return Err(ThemeError::UnknownRole { name: name.to_owned(), role });
    }
    Ok(Source { name: name.to_owned(), entries })
}

fn check(name: &str, role: Role, entry: &Entry) -> Result<(), ThemeError> {
    for Shade(rgb, _, ansi) in entry.fg.iter().chain(&entry.bg) {
        for (colour, known) in [(rgb, hex(rgb)), (ansi, named(ansi))] {
            if known.is_none() {
                return Err(ThemeError::UnknownColour {
                    name: name.to_owned(),
                    role: role.name(),
                    colour: colour.clone(),
                });
            }
        }
    }
    let unknown = entry.add.iter().chain(&entry.mono).find(|text| attribute(text).is_none());
    match unknown {
        None => Ok(()),
        Some(attribute) => Err(ThemeError::UnknownAttribute {
            name: name.to_owned(),
            role: role.name(),
            attribute: attribute.clone(),
        }),
    }
}

fn style(entry: &Entry, depth: Depth) -> Style {
    let colour = |shade: &Shade| match depth {
        Depth::True => hex(&shade.0),
        Depth::Ansi256 => Some(Color::Indexed(shade.1)),
        Depth::Ansi16 => named(&shade.2),
        Depth::Mono => None,
    };
    let mut style = Style::new();
    style.fg = entry.fg.as_ref().and_then(colour);
    style.bg = entry.bg.as_ref().and_then(colour);
    let mono = if depth == Depth::Mono { entry.mono.as_slice() } else { &[] };
    let attributes = entry.add.iter().chain(mono).filter_map(|text| attribute(text));
    style.add_modifier(attributes.fold(Modifier::empty(), Modifier::union))
}

fn hex(text: &str) -> Option<Color> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    let [_, red, green, blue] = value.to_be_bytes();
    Some(Color::Rgb(red, green, blue))
}

fn named(text: &str) -> Option<Color> {
    Some(match text {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "bright-white" => Color::White,
        _ => return None,
    })
}

fn attribute(text: &str) -> Option<Modifier> {
    Some(match text {
        "bold" => Modifier::BOLD,
        "dim" => Modifier::DIM,
        "italic" => Modifier::ITALIC,
        "underlined" => Modifier::UNDERLINED,
        "reversed" => Modifier::REVERSED,
        _ => return None,
    })
}
