//! One row per event: time, mark, who, what.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::state::Entry;
use super::state::EventsState;
use super::state::Mark;
use crate::model::Timestamp;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::frame::Frame;
use crate::ui::widget::frame::empty_state;
use crate::ui::widget::line::Pen;

/// The log of the session.
pub struct EventsPane<'a> {
    /// Entries and scroll position.
    pub state: &'a EventsState,
    /// What the user's time zone adds to UTC, in seconds.
    pub utc_offset_s: i32,
    /// How it looks.
    pub theme: &'a Theme,
    /// The pane has the keys.
    pub focused: bool,
}

impl EventsPane<'_> {
    fn row(&self, entry: &Entry, area: Rect, buf: &mut Buffer) {
        let glyphs = self.theme.glyphs();
        let (symbol, role) = match entry.mark {
            Mark::Came => (glyphs.came, Role::Good),
            Mark::Left => (glyphs.left, Role::Dim),
            Mark::Room => (glyphs.room, Role::Accent),
            Mark::Note => (glyphs.dot, Role::Dim),
            Mark::Warn => (glyphs.warn, Role::Warn),
            Mark::Bad => (glyphs.bad, Role::Bad),
        };
        let mut pen = Pen::new(area, buf, self.theme);
        pen.skip(1).put(Role::Dim, &clock(entry.at, self.utc_offset_s)).skip(1);
        pen.put(role, symbol).skip(1);
        if !entry.who.is_empty() {
            pen.put(Role::Strong, entry.who.as_str()).skip(1);
        }
        pen.put(if entry.mark == Mark::Bad { Role::Bad } else { Role::Base }, entry.what.as_str());
    }
}

impl Widget for EventsPane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let back = self.state.back();
        let note = if back > 0 { format!("{back} newer") } else { String::new() };
        let frame =
            Frame { title: "Events", note: &note, focused: self.focused, theme: self.theme };
        let inner = frame.render(area, buf);
        if self.state.entries().len() == 0 {
            let lines = ["Nothing has happened yet.", "Who comes and goes shows here."];
            return empty_state(inner, buf, self.theme, &lines);
        }
        let end = self.state.entries().len() - back;
        let first = end.saturating_sub(usize::from(inner.height));
        let shown = self.state.entries().take(end).skip(first);
        for (row, entry) in inner.rows().zip(shown) {
            self.row(entry, row, buf);
        }
    }
}

/// Hours and minutes of the user's day.
#[must_use]
pub fn clock(at: Timestamp, utc_offset_s: i32) -> String {
    let seconds = at.0.div_euclid(1000) + i64::from(utc_offset_s);
    let minutes = seconds.div_euclid(60).rem_euclid(24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
