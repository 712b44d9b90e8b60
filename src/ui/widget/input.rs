//! One line of text that is being typed, with its cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use tui_input::Input;
use tui_input::InputRequest;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::line::Pen;
use crate::ui::text::SafeText;
use crate::ui::text::is_hidden;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// Characters that can be typed into one line.
const LIMIT: usize = 256;

/// Applies one edit; refuses control and invisible characters, and what would make the line
/// too long.
pub fn edit(input: &mut Input, request: InputRequest) {
    if let InputRequest::InsertChar(character) = request
        && (character.is_control()
            || is_hidden(character)
            || input.value().chars().count() >= LIMIT)
    {
        return;
    }
    input.handle(request);
}

/// Inserts pasted text after filtering it like text from others.
pub fn paste(input: &mut Input, text: &str) {
    for character in SafeText::new(text).as_str().chars() {
        edit(input, InputRequest::InsertChar(character));
    }
}

/// Draws the text over the first row of `area` and returns where the cursor belongs.
pub fn render(input: &Input, area: Rect, buf: &mut Buffer, theme: &Theme) -> Option<Position> {
    let area = Rect { height: area.height.min(1), ..area }.intersection(*buf.area());
    let width = usize::from(area.width);
    if area.is_empty() || width < 2 {
        return None;
    }
    buf.set_style(area, theme.style(Role::Input));
    let cursor = input.visual_cursor();
    let start = (cursor + 1).saturating_sub(width);
    let mut column = 0;
    let mut visible = String::new();
    let mut first = None;
    for grapheme in input.value().graphemes(true) {
        let columns = grapheme.width();
        if column >= start && column + columns <= start + width {
            first.get_or_insert(column);
            visible.push_str(grapheme);
        }
        column += columns;
    }
    let shift = first.map_or(0, |first| first - start);
    Pen::new(area, buf, theme).skip(shift).put(Role::Input, &visible);
    let x = u16::try_from(cursor - start).unwrap_or(0);
    Some(Position { x: area.x + x, y: area.y })
}
