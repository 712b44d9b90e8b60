//! Writing pieces of text along a row, from either end, without leaving it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::ui::text;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// A pen on the first row of an area. What does not fit is cut with an ellipsis.
pub struct Pen<'a> {
    area: Rect,
    buf: &'a mut Buffer,
    theme: &'a Theme,
}

impl<'a> Pen<'a> {
    /// Starts at the left end of the first row of `area`.
    pub fn new(area: Rect, buf: &'a mut Buffer, theme: &'a Theme) -> Self {
        let height = area.height.min(1);
        let area = Rect { height, ..area }.intersection(*buf.area());
        Self { area, buf, theme }
    }

    /// What is left of the row.
    #[must_use]
    pub const fn rest(&self) -> Rect {
        self.area
    }

    /// Whether `width` columns are left.
    #[must_use]
    pub fn fits(&self, width: usize) -> bool {
        width <= usize::from(self.area.width)
    }

    /// Writes at the left end of what is left.
    pub fn put(&mut self, role: Role, text: &str) -> &mut Self {
        let cut = text::fit(text, usize::from(self.area.width), self.theme.glyphs().ellipsis);
        self.write(self.area.x, &cut, role);
        self.skip(cut.width())
    }

    /// Writes a column of exactly `width` cells at the left end of what is left.
    pub fn column(&mut self, role: Role, text: &str, width: usize) -> &mut Self {
        let width = width.min(usize::from(self.area.width));
        let cut = text::column(text, width, self.theme.glyphs().ellipsis);
        self.write(self.area.x, &cut, role);
        self.skip(width)
    }

    /// Leaves some cells free.
    pub fn skip(&mut self, width: usize) -> &mut Self {
        let width = u16::try_from(width).unwrap_or(u16::MAX).min(self.area.width);
        self.area.x += width;
        self.area.width -= width;
        self
    }

    /// Writes at the right end of what is left, or nothing if it does not fit whole.
    pub fn put_right(&mut self, role: Role, text: &str) -> &mut Self {
        let width = u16::try_from(text.width()).unwrap_or(u16::MAX);
        if width <= self.area.width && self.area.height > 0 {
            self.area.width -= width;
            self.write(self.area.right(), text, role);
        }
        self
    }

    /// Leaves some cells free at the right end.
    pub fn skip_right(&mut self, width: u16) -> &mut Self {
        self.area.width = self.area.width.saturating_sub(width);
        self
    }

    fn write(&mut self, x: u16, text: &str, role: Role) {
        if self.area.height > 0 {
            self.buf.set_string(x, self.area.y, text, self.theme.style(role));
        }
    }
}
