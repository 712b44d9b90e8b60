//! Activity over time: what happened in the last while, one cell per interval.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// Intervals that are remembered.
const LENGTH: usize = 6;

/// Length of one interval: six of them are the last half minute.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Counts per interval, the running one last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    counts: [u16; LENGTH],
}

impl Activity {
    /// Something happened now; true if the picture changes.
    pub fn bump(&mut self) -> bool {
        let Some(last) = self.counts.last_mut() else { return false };
        let before = height(*last);
        *last = last.saturating_add(1);
        before != height(*last)
    }

    /// An interval is over.
    pub fn shift(&mut self) {
        self.counts.rotate_left(1);
        if let Some(last) = self.counts.last_mut() {
            *last = 0;
        }
    }

    /// Nothing happened in any interval.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.counts == [0; LENGTH]
    }
}

/// Height of a bar, 0 to 8: doubling counts rise by one.
fn height(count: u16) -> usize {
    (u16::BITS - count.leading_zeros()).min(8) as usize
}

/// Draws activity over the first row of its area, the newest interval at the right.
pub struct Sparkline<'a> {
    /// What it shows.
    pub activity: &'a Activity,
    /// How it looks.
    pub theme: &'a Theme,
}

impl Widget for Sparkline<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let skip = LENGTH.saturating_sub(usize::from(area.width));
        let positions = area.rows().take(1).flat_map(Rect::positions);
        for (position, count) in positions.zip(self.activity.counts.iter().skip(skip)) {
            let bars = self.theme.glyphs().spark;
            let bar = height(*count).checked_sub(1).and_then(|index| bars.get(index));
            if let (Some(cell), Some(bar)) = (buf.cell_mut(position), bar) {
                cell.set_symbol(bar).set_style(self.theme.style(Role::Spark));
            }
        }
    }
}
