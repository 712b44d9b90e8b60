//! Puts a picture that is made of cells on the screen.

use ratatui::buffer::Buffer;
use ratatui::buffer::Cell;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::cell::CellPicture;
use super::cell::MARK;

/// Nearly all cells of pictures, and much faster than to set the symbol.
const UPPER_HALF: Cell = Cell::new("▀");

/// The picture in the middle of the area; what it leaves free is not touched.
pub struct PictureView<'a> {
    /// The picture; made for the area, or else what sticks out is cut.
    pub picture: &'a CellPicture,
}

impl Widget for PictureView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let place = self.picture.place(area).intersection(*buf.area());
        if place.is_empty() {
            return;
        }
        for (y, row) in (place.y..place.bottom()).zip(self.picture.rows()) {
            let start = buf.index_of(place.x, y);
            let cells = buf.content.iter_mut().skip(start).take(usize::from(place.width));
            for (cell, picture) in cells.zip(row) {
                match picture.symbol {
                    '▀' => *cell = UPPER_HALF,
                    symbol => _ = cell.set_char(symbol),
                }
                cell.fg = picture.fg;
                cell.bg = picture.bg;
                cell.modifier = MARK;
            }
        }
    }
}
