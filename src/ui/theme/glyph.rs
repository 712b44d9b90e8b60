//! The symbols that the screen is made of, once in Unicode and once in ASCII.
//!
//! Each symbol is one column wide in both sets, so that a view need not care which is on.

use ratatui::symbols::border;

/// Which set to draw with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GlyphChoice {
    /// Box drawing, blocks and marks.
    #[default]
    Unicode,
    /// Nothing beyond 7 bits.
    Ascii,
}

impl GlyphChoice {
    /// The symbols of the set.
    #[must_use]
    pub const fn glyphs(self) -> &'static Glyphs {
        match self {
            Self::Unicode => &UNICODE,
            Self::Ascii => &ASCII,
        }
    }
}

/// One symbol for each thing that has one.
#[derive(Debug)]
pub struct Glyphs {
    /// Filled and empty cell of a meter, and the mark of its peak.
    pub meter: [&'static str; 3],
    /// Eight rising bars; nothing at all is a space.
    pub spark: [&'static str; 8],
    /// Halves of a cell: upper, lower, both.
    pub blocks: [&'static str; 3],
    /// Boxes of tiles and dialogs.
    pub border: border::Set<'static>,
    /// Box of the tile of whoever speaks.
    pub border_strong: border::Set<'static>,
    /// Line beside a pane's title.
    pub rule: &'static str,
    /// Line beside the title of the pane that has the keys.
    pub rule_focused: &'static str,
    /// The row under the cursor.
    pub cursor: &'static str,
    /// A manager of the room.
    pub manager: &'static str,
    /// A member of the room.
    pub member: &'static str,
    /// Connected, but not in this call.
    pub online: &'static str,
    /// Not connected.
    pub offline: &'static str,
    /// Checked and good.
    pub good: &'static str,
    /// Not checked.
    pub unchecked: &'static str,
    /// Look at this.
    pub warn: &'static str,
    /// Failed.
    pub bad: &'static str,
    /// Came.
    pub came: &'static str,
    /// Left.
    pub left: &'static str,
    /// A room was made, changed, removed.
    pub room: &'static str,
    /// Live, joined.
    pub live: &'static str,
    /// Microphone off.
    pub muted: &'static str,
    /// To the bridge.
    pub up: &'static str,
    /// From the bridge.
    pub down: &'static str,
    /// Between facts on one line.
    pub dot: &'static str,
    /// In place of what did not fit.
    pub ellipsis: &'static str,
    /// A chosen and an unchosen option.
    pub choice: [&'static str; 2],
    /// In front of the command line.
    pub prompt: &'static str,
    /// Whether block letters may use half blocks.
    pub half_blocks: bool,
}

static UNICODE: Glyphs = Glyphs {
    meter: ["▮", "▯", "▎"],
    spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    blocks: ["▀", "▄", "█"],
    border: border::ROUNDED,
    border_strong: border::THICK,
    rule: "─",
    rule_focused: "━",
    cursor: "▌",
    manager: "◆",
    member: "◇",
    online: "○",
    offline: "·",
    good: "✓",
    unchecked: "?",
    warn: "!",
    bad: "✗",
    came: "★",
    left: "☆",
    room: "▪",
    live: "●",
    muted: "⊘",
    up: "↑",
    down: "↓",
    dot: "·",
    ellipsis: "…",
    choice: ["●", "○"],
    prompt: ":",
    half_blocks: true,
};

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

const ASCII_BORDER_STRONG: border::Set<'static> = border::Set {
    top_left: "#",
    top_right: "#",
    bottom_left: "#",
    bottom_right: "#",
    vertical_left: "#",
    vertical_right: "#",
    horizontal_top: "=",
    horizontal_bottom: "=",
};

static ASCII: Glyphs = Glyphs {
    meter: ["#", "-", "|"],
    spark: ["_", "_", ".", ".", "-", "-", "=", "#"],
    blocks: ["#", "#", "#"],
    border: ASCII_BORDER,
    border_strong: ASCII_BORDER_STRONG,
    rule: "-",
    rule_focused: "=",
    cursor: ">",
    manager: "@",
    member: "+",
    online: "o",
    offline: ".",
    good: "v",
    unchecked: "?",
    warn: "!",
    bad: "x",
    came: "*",
    left: "-",
    room: "#",
    live: "*",
    muted: "x",
    up: ">",
    down: "<",
    dot: "-",
    ellipsis: "~",
    choice: ["*", "o"],
    prompt: ":",
    half_blocks: false,
};

impl Glyphs {
    /// Every symbol, for tests.
    #[must_use]
    pub fn all(&self) -> Vec<&'static str> {
        let mut all = vec![
            self.rule,
            self.rule_focused,
            self.cursor,
            self.manager,
            self.member,
            self.online,
            self.offline,
            self.good,
            self.unchecked,
            self.warn,
            self.bad,
            self.came,
            self.left,
            self.room,
            self.live,
            self.muted,
            self.up,
            self.down,
            self.dot,
            self.ellipsis,
            self.prompt,
        ];
        all.extend(self.meter);
        all.extend(self.spark);
        all.extend(self.blocks);
        all.extend(self.choice);
        all
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn each_symbol_is_one_column_wide_and_ascii_is_ascii() {
        for symbol in UNICODE.all() {
            assert_eq!(symbol.width(), 1, "{symbol}");
        }
        for symbol in ASCII.all() {
            assert_eq!(symbol.width(), 1, "{symbol}");
            assert!(symbol.is_ascii(), "{symbol}");
        }
    }
}
