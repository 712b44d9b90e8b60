//! The box that a dialog is drawn in: centred, no larger than needed, never off screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Margin;
use ratatui::layout::Rect;
use ratatui::widgets::Block;
use ratatui::widgets::Clear;
use ratatui::widgets::Widget;

use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::line::Pen;

/// Columns between the border and the text.
const PADDING: u16 = 2;

/// The box of a dialog.
pub(super) struct Window<'a> {
    /// What it is called.
    pub(super) title: &'a str,
    /// Columns and rows of the text in it.
    pub(super) size: (u16, u16),
    /// How it looks.
    pub(super) theme: &'a Theme,
}

impl Window<'_> {
    /// Draws the box in the middle of `screen` and returns the area for the text.
    pub(super) fn render(self, screen: Rect, buf: &mut Buffer) -> Rect {
        let width = (self.size.0 + 2 * PADDING + 2).min(screen.width);
        let height = (self.size.1 + 2).min(screen.height);
        let place = Rect {
            x: screen.x + (screen.width - width) / 2,
            y: screen.y + (screen.height - height) / 2,
            width,
            height,
        };
        Clear.render(place, buf);
        buf.set_style(place, self.theme.style(Role::Base));
        buf.set_style(place, self.theme.style(Role::Dialog));
        let border = self.theme.style(Role::RuleFocused);
        let set = self.theme.glyphs().border;
        let block = Block::bordered().border_set(set).border_style(border);
        let inner = block.inner(place);
        block.render(place, buf);
        let title =
            Rect { x: place.x + 2, width: place.width.saturating_sub(4), height: 1, ..place };
        let text = crate::ui::text::fit(
            self.title,
            usize::from(title.width.saturating_sub(2)),
            self.theme.glyphs().ellipsis,
        );
        Pen::new(title, buf, self.theme).put(Role::DialogTitle, &format!(" {text} "));
        inner.inner(Margin::new(PADDING.min(inner.width / 4), 0))
    }
}

/// The widest text column that a dialog on `screen` can have.
pub(super) fn text_width(screen: Rect, wanted: u16) -> u16 {
    wanted.min(screen.width.saturating_sub(2 * PADDING + 2))
}

/// Writes lines from the top of an area.
pub(super) fn write(area: Rect, buf: &mut Buffer, theme: &Theme, lines: &[(Role, String)]) {
    for (row, (role, line)) in area.rows().zip(lines) {
        Pen::new(row, buf, theme).put(*role, line);
    }
}
