//! Text that came from somebody else, made safe to draw.
//!
//! A name is chosen by its owner, who may be hostile: it can carry escape sequences, turn
//! the writing direction around, hide characters or be a megabyte long. [`SafeText`] is the
//! only form in which such text enters the state of the interface, so that no view has to
//! think about it. What is kept has a width on the screen and stays in its own cells.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

/// Characters that are read at most; the rest of an over-long text is not even looked at.
const READ_LIMIT: usize = 4096;

/// Columns that are kept of a text in a list: more than any pane shows.
const WIDTH_LIMIT: usize = 128;

/// Columns that are kept of a report, which is wrapped: what happened, why, and what to do.
const REPORT_LIMIT: usize = 512;

/// Marks that may sit on one base character. Real writing needs two; stacks of them reach
/// into the rows above and below.
const MARK_LIMIT: usize = 2;

/// Text without control characters, direction overrides, invisible characters or line
/// breaks, at most [`WIDTH_LIMIT`] columns wide ([`REPORT_LIMIT`] if it is a report).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafeText(String);

impl SafeText {
    /// Filters `raw`; may be empty afterwards.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self::filtered(raw, WIDTH_LIMIT)
    }

    /// Filters sentences that will be wrapped, so that more of them is kept.
    #[must_use]
    pub fn report(raw: &str) -> Self {
        Self::filtered(raw, REPORT_LIMIT)
    }

    fn filtered(raw: &str, width_limit: usize) -> Self {
        let mut kept = String::new();
        let mut width = 0;
        let mut marks = MARK_LIMIT;
        for character in raw.chars().take(READ_LIMIT) {
            let character = if is_blank(character) { ' ' } else { character };
            if is_hidden(character) {
                continue;
            }
            match character.width() {
                None => continue,
                Some(0) if marks >= MARK_LIMIT => continue,
                Some(0) => marks += 1,
                Some(_) if character == ' ' && (kept.is_empty() || kept.ends_with(' ')) => continue,
                Some(columns) if width + columns > width_limit => break,
                Some(columns) => {
                    width += columns;
                    marks = if character == ' ' { MARK_LIMIT } else { 0 };
                }
            }
            kept.push(character);
        }
        kept.truncate(kept.trim_end().len());
        Self(kept)
    }

    /// Filters a name; one that has nothing visible is called `(no name)`.
    #[must_use]
    pub fn name(raw: &str) -> Self {
        let text = Self::new(raw);
        if text.0.is_empty() { Self("(no name)".to_owned()) } else { text }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Columns it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.width()
    }

    /// Nothing visible was left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for SafeText {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

/// Cuts `text` to `width` columns between two visible characters, with `ellipsis` (one
/// column wide) in place of what is missing.
#[must_use]
pub fn fit(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let columns = grapheme.width();
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        cut.push_str(grapheme);
    }
    if width > used {
        cut.push_str(ellipsis);
    }
    cut
}

/// Like [`fit`], and filled up with spaces to exactly `width` columns.
#[must_use]
pub fn column(text: &str, width: usize, ellipsis: &str) -> String {
    let mut cut = fit(text, width, ellipsis);
    let missing = width.saturating_sub(cut.width());
    cut.extend(std::iter::repeat_n(' ', missing));
    cut
}

/// Breaks `text` at spaces into lines of at most `width` columns; over-long words are cut.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        while word.width() > width && width > 0 {
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            let head = head(word, width);
            if head.is_empty() {
                break;
            }
            lines.push(head.to_owned());
            word = word.strip_prefix(head).unwrap_or_default();
        }
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn head(word: &str, width: usize) -> &str {
    let mut used = 0;
    let mut end = 0;
    for (start, grapheme) in word.grapheme_indices(true) {
        used += grapheme.width();
        if used > width {
            break;
        }
        end = start + grapheme.len();
    }
    word.get(..end).unwrap_or_default()
}

/// Separates words, or looks as if it did.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{2800}' | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}')
}

/// Takes part in layout or direction but shows nothing (Unicode category Cf, variation
/// selectors, and a few of category Mn that exist to be invisible), or has no meaning
/// outside one system (private use).
#[must_use]
pub fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
        | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{E000}'..='\u{F8FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFC}'
        | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1345F}' | '\u{1BCA0}'..='\u{1BCAF}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_is_disarmed() {
        let cases: &[(&str, &str, &str)] = &[
            ("plain", "ana", "ana"),
            ("escape sequence", "\u{1b}[2Jana", "[2Jana"),
            ("eight-bit introducer", "\u{9b}31mana", "31mana"),
            ("bell, backspace, delete", "a\u{7}n\u{8}a\u{7f}", "ana"),
            ("direction override", "ana\u{202e}nimda", "ananimda"),
            ("isolates", "\u{2066}ana\u{2069}", "ana"),
            ("zero width", "a\u{200b}n\u{200d}a\u{feff}", "ana"),
            ("tag characters", "ana\u{e0041}\u{e007f}", "ana"),
            ("line breaks", "ana\nben\r\n\tchi\u{2028}dee", "ana ben chi dee"),
            ("invisible letters", "\u{3164}\u{115f}ana", "ana"),
            ("spaces around", "   ana   ", "ana"),
            ("mark without base", "\u{301}ana", "ana"),
            ("stacked marks", "a\u{301}\u{302}\u{303}\u{304}\u{305}", "a\u{301}\u{302}"),
            ("wide", "会議室", "会議室"),
        ];
        for (name, raw, safe) in cases {
            assert_eq!(SafeText::new(raw).as_str(), *safe, "{name}");
        }
        assert_eq!(SafeText::name("\u{200b}").as_str(), "(no name)");
        assert!(SafeText::new(&"x".repeat(1 << 20)).width() <= WIDTH_LIMIT);
    }

    #[test]
    fn cutting_keeps_to_the_width() {
        assert_eq!(fit("war-room", 8, "…"), "war-room");
        assert_eq!(fit("war-room", 5, "…"), "war-…");
        assert_eq!(fit("会議室", 4, "…"), "会…");
        assert_eq!(column("ana", 5, "…"), "ana  ");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    proptest! {
        #[test]
        fn safe_text_is_printable_bounded_and_stable(raw in "\\PC{0,40}|(?s).{0,200}") {
            let safe = SafeText::new(&raw);
            prop_assert!(safe.width() <= WIDTH_LIMIT);
            prop_assert!(!safe.as_str().chars().any(|c| c.is_control() || is_hidden(c)));
            prop_assert_eq!(SafeText::new(safe.as_str()), safe);
            let report = SafeText::report(&raw.repeat(4));
            prop_assert!(report.width() <= REPORT_LIMIT);
            prop_assert_eq!(SafeText::report(report.as_str()), report);
        }

        #[test]
        fn a_column_has_its_width(raw in "(?s).{0,60}", width in 0usize..40) {
            let safe = SafeText::new(&raw);
            prop_assert_eq!(column(safe.as_str(), width, "…").width(), width);
        }
    }
}
