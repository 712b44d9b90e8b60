//! A question before something that cannot be undone.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::stack::Outcome;
use super::window;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::effect::Effect;
use crate::ui::text::wrap;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// The question and what a yes does.
#[derive(Clone, Debug)]
pub struct ConfirmDialog {
    title: &'static str,
    question: String,
    consequence: &'static str,
    effect: Effect,
}

impl ConfirmDialog {
    /// Asks `question`; yes does `effect`.
    #[must_use]
    pub const fn new(
        title: &'static str,
        question: String,
        consequence: &'static str,
        effect: Effect,
    ) -> Self {
        Self { title, question, consequence, effect }
    }

    pub(super) fn handle(&self, action: &DialogAction) -> Outcome {
        match action {
            DialogAction::Yes => Outcome::Close(Some(self.effect.clone())),
            DialogAction::No | DialogAction::Close => Outcome::Close(None),
            _ => Outcome::Stay,
        }
    }

    pub(super) fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let width = window::text_width(screen, 48);
        let columns = usize::from(width);
        let mut lines: Vec<(Role, String)> = Vec::new();
        lines.extend(wrap(&self.question, columns).into_iter().map(|line| (Role::Strong, line)));
        lines.extend(wrap(self.consequence, columns).into_iter().map(|line| (Role::Dim, line)));
        lines.push((Role::Dialog, String::new()));
        lines.push((Role::Strong, "[y] yes   [n] no".to_owned()));
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let area = Window { title: self.title, size: (width, height), theme }.render(screen, buf);
        window::write(area, buf, theme, &lines);
    }
}
