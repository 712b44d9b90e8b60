//! Short messages that come and go in a corner.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Clear;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::line::Pen;
use crate::ui::event::Severity;
use crate::ui::text;
use crate::ui::text::SafeText;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// How many are shown at once; the oldest gives way.
const LIMIT: usize = 3;

/// How long one stays; bad news stays twice as long.
const STAY: Duration = Duration::from_secs(5);

/// Columns of a message besides its text: a symbol and space around it.
const FRAME_WIDTH: usize = 5;

/// One message.
#[derive(Clone, Debug, PartialEq)]
struct Toast {
    severity: Severity,
    text: SafeText,
    until: Instant,
}

/// The messages that are on the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Toasts {
    toasts: VecDeque<Toast>,
}

impl Toasts {
    /// Shows a message; one that says the same is replaced.
    pub fn push(&mut self, severity: Severity, text: SafeText, now: Instant) {
        let stay = if severity == Severity::Bad { STAY * 2 } else { STAY };
        self.toasts.retain(|toast| toast.text != text);
        self.toasts.push_back(Toast { severity, text, until: now + stay });
        if self.toasts.len() > LIMIT {
            self.toasts.pop_front();
        }
    }

    /// Drops what has been shown long enough; true if the picture changes.
    pub fn advance(&mut self, now: Instant) -> bool {
        let before = self.toasts.len();
        self.toasts.retain(|toast| toast.until > now);
        before != self.toasts.len()
    }

    /// When the next one goes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.toasts.iter().map(|toast| toast.until).min()
    }

    /// Draws the messages in the lower right corner of `area`.
    pub fn render(&self, area: Rect, buf: &mut Buffer, theme: &Theme) {
        let mut rows = area.rows().rev();
        for toast in self.toasts.iter().rev() {
            let room = usize::from(area.width).saturating_sub(2 + FRAME_WIDTH).max(1);
            let lines = text::wrap(toast.text.as_str(), room);
            let widest = lines.iter().map(|line| line.width()).max().unwrap_or(0);
            let wanted = u16::try_from(widest + FRAME_WIDTH).unwrap_or(u16::MAX);
            let width = wanted.min(area.width.saturating_sub(2));
            let (symbol, role) = symbol(toast.severity, theme);
            for (index, line) in lines.iter().enumerate().rev() {
                let Some(row) = rows.next() else { return };
                let place = Rect { x: row.right() - width - row.width.min(1), width, ..row };
                Clear.render(place, buf);
                buf.set_style(place, theme.style(Role::Toast));
                let symbol = if index == 0 { symbol } else { " " };
                let mut pen = Pen::new(place, buf, theme);
                pen.skip(1).column(role, symbol, 1).put(Role::Toast, " ");
                pen.skip_right(1).put(Role::Toast, line);
            }
        }
    }
}

/// Symbol and role of a severity.
#[must_use]
pub fn symbol(severity: Severity, theme: &Theme) -> (&'static str, Role) {
    let glyphs = theme.glyphs();
    match severity {
        Severity::Info => (glyphs.dot, Role::Toast),
        Severity::Good => (glyphs.good, Role::Good),
        Severity::Warn => (glyphs.warn, Role::Warn),
        Severity::Bad => (glyphs.bad, Role::Bad),
    }
}
