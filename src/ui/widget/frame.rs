//! The frame of a pane: a title on a rule, brighter where the keys go.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::line::Pen;
use crate::ui::text;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// Title row of a pane.
pub struct Frame<'a> {
    /// What the pane is called.
    pub title: &'a str,
    /// A fact at the right end of the rule; may be empty.
    pub note: &'a str,
    /// The pane has the keys.
    pub focused: bool,
    /// How it looks.
    pub theme: &'a Theme,
}

impl Frame<'_> {
    /// Draws the title row and returns the area below it.
    pub fn render(self, area: Rect, buf: &mut Buffer) -> Rect {
        let area = area.intersection(*buf.area());
        if area.is_empty() {
            return area;
        }
        let glyphs = self.theme.glyphs();
        let (rule, title, line) = if self.focused {
            (Role::RuleFocused, Role::TitleFocused, glyphs.rule_focused)
        } else {
            (Role::Rule, Role::Title, glyphs.rule)
        };
        let width = usize::from(area.width);
        let text = text::fit(self.title, width.saturating_sub(4), glyphs.ellipsis);
        let mut pen = Pen::new(area, buf, self.theme);
        pen.put(rule, line).put(title, &format!(" {text} "));
        let left = usize::from(pen.rest().width);
        if !self.note.is_empty() && self.note.width() + 4 <= left {
            pen.put_right(rule, line).put_right(Role::Dim, &format!(" {} ", self.note));
        }
        let missing = usize::from(pen.rest().width);
        pen.put(rule, &line.repeat(missing));
        Rect { y: area.y + 1, height: area.height - 1, ..area }
    }
}

/// Text of a pane that has nothing to show: what is so, and what to do next.
pub fn empty_state(area: Rect, buf: &mut Buffer, theme: &Theme, lines: &[&str]) {
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    let wrapped = lines.iter().flat_map(|line| text::wrap(line, width));
    for (row, line) in area.rows().zip(wrapped) {
        Pen::new(row, buf, theme).skip(1).put(Role::Dim, &line);
    }
}
