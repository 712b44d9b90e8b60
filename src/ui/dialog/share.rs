//! What to share: a screen, a window, a terminal.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::stack::Outcome;
use super::window;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::effect::Effect;
use crate::ui::event::ShareMenu;
use crate::ui::event::ShareOption;
use crate::ui::text;
use crate::ui::text::SafeText;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::line::Pen;

/// Columns of the text.
const WIDTH: u16 = 50;

/// Options that are listed: a desktop with more windows than this has its palette.
const OPTIONS: usize = 200;

/// A list to choose from.
#[derive(Clone, Debug, Default)]
pub struct ShareDialog {
    options: Vec<ShareOption>,
    /// Why there are no screens.
    missing: Option<SafeText>,
    cursor: usize,
    current: Option<String>,
    filled: bool,
}

impl ShareDialog {
    /// A list that is yet to be filled; `current` is shared at the moment.
    #[must_use]
    pub fn new(current: Option<&str>) -> Self {
        Self { current: current.map(str::to_owned), ..Self::default() }
    }

    /// Fills the list.
    pub fn fill(&mut self, menu: ShareMenu) {
        self.options = menu.options;
        self.options.truncate(OPTIONS);
        self.missing = menu.missing.map(|reason| SafeText::report(&reason));
        self.cursor = 0;
        self.filled = true;
    }

    /// Rows there are: the end of what is shared now comes first.
    fn rows(&self) -> impl Iterator<Item = (String, Option<&ShareOption>)> {
        let end = self.current.iter().map(|current| (format!("Stop sharing {current}"), None));
        end.chain(self.options.iter().map(|option| (option.title.clone(), Some(option))))
    }

    pub(super) fn handle(&mut self, action: &DialogAction) -> Outcome {
        match action {
            DialogAction::Move(by) => {
                let last = self.rows().count().saturating_sub(1);
                self.cursor = self.cursor.saturating_add_signed(*by).min(last);
            }
            DialogAction::Close => return Outcome::Close(None),
            DialogAction::Accept => {
                let chosen = self.rows().nth(self.cursor).map(|(_, option)| option.cloned());
                let effect = chosen.map(|option| Effect::SetShare(option.map(|one| one.spec)));
                return Outcome::Close(effect);
            }
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let rows: Vec<_> = self.rows().collect();
        let width = window::text_width(screen, WIDTH);
        let note = match (self.filled, &self.missing) {
            (false, _) => "looking for screens and windows",
            (true, Some(reason)) => reason.as_str(),
            (true, None) if self.options.is_empty() => "there is no screen here to share",
            (true, None) => "",
        };
        let columns = usize::from(width).saturating_sub(2);
        let note = if note.is_empty() { Vec::new() } else { text::wrap(note, columns) };
        let count = rows.len() + note.len();
        let height = u16::try_from(count).unwrap_or(u16::MAX).min(screen.height.saturating_sub(3));
        let size = (width, height);
        let area = Window { title: "Share", size, theme }.render(screen, buf);
        let visible = usize::from(area.height).max(1);
        let first = (self.cursor + 1).saturating_sub(visible);
        let shown = rows.iter().enumerate().skip(first);
        for (row, (index, (title, _))) in area.rows().zip(shown) {
            let text = SafeText::name(title);
            Pen::new(row, buf, theme).skip(1).put(Role::Dialog, text.as_str());
            if index == self.cursor {
                buf.set_style(row, theme.style(Role::Selected));
            }
        }
        for (row, line) in area.rows().skip(rows.len()).zip(&note) {
            Pen::new(row, buf, theme).skip(1).put(Role::Dim, line);
        }
    }
}
