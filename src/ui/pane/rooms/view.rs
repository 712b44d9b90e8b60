//! One row per room: name, people in it, activity.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::state::RoomRow;
use super::state::RoomsState;
use crate::model::StreamRoomId;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::frame::Frame;
use crate::ui::widget::frame::empty_state;
use crate::ui::widget::line::Pen;
use crate::ui::widget::sparkline::Sparkline;

/// Cells of the sparkline.
const SPARK_WIDTH: u16 = 6;

/// The list of rooms. Borrows everything, decides nothing.
pub struct RoomsPane<'a> {
    /// Rooms and cursor.
    pub state: &'a RoomsState,
    /// The room of the call.
    pub live: Option<&'a StreamRoomId>,
    /// How it looks.
    pub theme: &'a Theme,
    /// The pane has the keys.
    pub focused: bool,
}

impl RoomsPane<'_> {
    /// Index of the first row that is shown when the pane has `height` rows with its title.
    #[must_use]
    pub fn first_row(cursor: usize, height: u16) -> usize {
        let visible = usize::from(height.saturating_sub(1)).max(1);
        (cursor + 1).saturating_sub(visible)
    }

    fn row(&self, room: &RoomRow, selected: bool, area: Rect, buf: &mut Buffer) {
        let glyphs = self.theme.glyphs();
        let mark = if selected { glyphs.cursor } else { " " };
        let live = self.live == Some(&room.id);
        let role = if room.closed { Role::Dim } else { Role::Strong };
        let mut pen = Pen::new(area, buf, self.theme);
        pen.put(Role::Accent, mark);
        pen.put(Role::Good, if live { glyphs.live } else { " " });
        if !room.verified {
            pen.put(Role::Bad, glyphs.bad);
        }
        if pen.rest().width > SPARK_WIDTH + 10 {
            pen.skip_right(SPARK_WIDTH + 1);
            let x = pen.rest().right() + 1;
            let place = Rect { x, width: SPARK_WIDTH, ..area };
            let count = Self::count(room);
            pen.put_right(Role::Dim, &count).skip_right(1).put(role, room.name.as_str());
            Sparkline { activity: &room.activity, theme: self.theme }.render(place, buf);
        } else {
            pen.put_right(Role::Dim, &Self::count(room)).skip_right(1);
            pen.put(role, room.name.as_str());
        }
        if selected && self.focused {
            buf.set_style(area, self.theme.style(Role::Selected));
        }
    }

    fn count(room: &RoomRow) -> String {
        if room.closed { "closed".to_owned() } else { room.present.len().to_string() }
    }
}

impl Widget for RoomsPane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let rows = self.state.rows();
        let note = if rows.is_empty() { String::new() } else { rows.len().to_string() };
        let frame = Frame { title: "Rooms", note: &note, focused: self.focused, theme: self.theme };
        let inner = frame.render(area, buf);
        if let Some(fault) = self.state.fault() {
            let why = format!("{} {fault}", self.theme.glyphs().bad);
            return empty_state(
                inner,
                buf,
                self.theme,
                &["No list of rooms.", &why, "R tries again."],
            );
        }
        if !self.state.is_loaded() {
            return empty_state(inner, buf, self.theme, &["Asking the bridge for the rooms"]);
        }
        if rows.is_empty() {
            return empty_state(inner, buf, self.theme, &["No rooms yet.", "n opens one."]);
        }
        let first = Self::first_row(self.state.cursor(), area.height);
        for (area, (index, room)) in inner.rows().zip(rows.iter().enumerate().skip(first)) {
            self.row(room, index == self.state.cursor(), area, buf);
        }
    }
}
