//! Something went wrong: what, why, and what to do.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::stack::Outcome;
use super::window;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::event::Fault;
use crate::ui::text::SafeText;
use crate::ui::text::wrap;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// The report.
#[derive(Clone, Debug)]
pub struct FaultDialog {
    what: SafeText,
    why: SafeText,
    remedy: SafeText,
}

impl FaultDialog {
    /// A report of `fault`.
    #[must_use]
    pub fn new(fault: &Fault) -> Self {
        Self {
            what: SafeText::report(&fault.what),
            why: SafeText::report(&fault.why),
            remedy: SafeText::report(&fault.remedy),
        }
    }

    pub(super) const fn handle(&self, action: &DialogAction) -> Outcome {
        match action {
            DialogAction::Close => Outcome::Close(None),
            _ => Outcome::Stay,
        }
    }

    pub(super) fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let width = window::text_width(screen, 56);
        let columns = usize::from(width);
        let mut lines: Vec<(Role, String)> = Vec::new();
        let what = format!("{} {}", theme.glyphs().bad, self.what);
        lines.extend(wrap(&what, columns).into_iter().map(|line| (Role::Bad, line)));
        for (role, text) in [(Role::Dialog, &self.why), (Role::Strong, &self.remedy)] {
            if !text.is_empty() {
                lines.push((Role::Dialog, String::new()));
                lines.extend(wrap(text.as_str(), columns).into_iter().map(|line| (role, line)));
            }
        }
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let area = Window { title: "That did not work", size: (width, height), theme };
        let area = area.render(screen, buf);
        window::write(area, buf, theme, &lines);
    }
}
