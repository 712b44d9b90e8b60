//! Roles and the styles that a theme gives them at one colour depth.
//!
//! Views ask for a role and never for a colour. The meaning of a role is also carried by a
//! word or a symbol, so that a screen without colours says the same.

use ratatui::style::Style;

use super::glyph::Glyphs;
use crate::ui::picture::MARK;

/// How many colours the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 16 million.
    #[default]
    True,
    /// The 256 of xterm.
    Ansi256,
    /// The 16 that the user's terminal defines.
    Ansi16,
    /// None: bold, underlined, reversed only (`NO_COLOR`).
    Mono,
}

// The `about` texts come from the documentation comments, so that `docs/theming.md` and the
// source cannot differ.
macro_rules! documented_roles {
    ($($about:literal $name:ident = $text:literal,)*) => {
        /// What a piece of the screen stands for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Role {
            $(#[doc = $about] $name,)*
        }

        impl Role {
            /// Every role, in the order of the theme files.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in a theme file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What it is for.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$name => $about,)*
                }
            }
        }
    };
}

documented_roles! {
    "The screen itself: its background and ordinary text." Base = "base",
    "Text that matters less: units, labels, empty states." Dim = "dim",
    "Text that matters more: names, the call's title." Strong = "strong",
    "Title of a pane." Title = "title",
    "Title of the pane that has the keys." TitleFocused = "title_focused",
    "Line beside a title, box of a tile." Rule = "rule",
    "The same for the pane that has the keys." RuleFocused = "rule_focused",
    "The one thing to look at: the cursor, the wordmark." Accent = "accent",
    "The row under the cursor." Selected = "selected",
    "A key that works now." Key = "key",
    "Checked, connected, encrypted." Good = "good",
    "Needs attention: loss, not verified, reconnecting." Warn = "warn",
    "Failed, refused, dangerous." Bad = "bad",
    "Whoever speaks." Speaking = "speaking",
    "A microphone that is off." Muted = "muted",
    "Meter below -18 dBFS." MeterLow = "meter_low",
    "Meter from -18 to -6 dBFS." MeterMid = "meter_mid",
    "Meter above -6 dBFS: too loud." MeterHigh = "meter_high",
    "The unlit part of a meter." MeterEmpty = "meter_empty",
    "The peak-hold mark of a meter." Peak = "peak",
    "Activity sparkline." Spark = "spark",
    "Box and body of a dialog." Dialog = "dialog",
    "Title of a dialog." DialogTitle = "dialog_title",
    "What is being typed." Input = "input",
    "Messages that come and go." Toast = "toast",
    "The last line." Status = "status",
}

/// Styles of all roles at one colour depth, and the symbols to go with them.
#[derive(Clone, Debug)]
pub struct Theme {
    name: String,
    styles: Vec<Style>,
    glyphs: &'static Glyphs,
}

impl Theme {
    /// A theme of one style per role, in the order of [`Role::ALL`].
    pub(super) const fn new(name: String, styles: Vec<Style>, glyphs: &'static Glyphs) -> Self {
        Self { name, styles, glyphs }
    }

    /// The name that `:theme` takes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The style of a role. Whatever it is given to is no longer part of a picture.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        let style = self.styles.get(role as usize).copied().unwrap_or_default();
        style.remove_modifier(MARK)
    }

    /// The symbols in use.
    #[must_use]
    pub const fn glyphs(&self) -> &'static Glyphs {
        self.glyphs
    }
}
