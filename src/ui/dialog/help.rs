//! All keys and commands, from the tables that they work by.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::stack::Outcome;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::command;
use crate::ui::keymap;
use crate::ui::keymap::BINDINGS;
use crate::ui::keymap::Scope;
use crate::ui::text;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::line::Pen;

/// Columns of the keys.
const KEYS_WIDTH: usize = 16;

/// Columns of the whole text.
const WIDTH: u16 = 58;

/// How far the help is scrolled.
#[derive(Clone, Copy, Debug, Default)]
pub struct HelpDialog {
    offset: usize,
}

impl HelpDialog {
    pub(super) fn handle(&mut self, action: &DialogAction) -> Outcome {
        match action {
            DialogAction::Close => return Outcome::Close(None),
            DialogAction::Move(by) => {
                let last = lines().len().saturating_sub(1);
                self.offset = self.offset.saturating_add_signed(*by).min(last);
            }
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn render(self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let lines = lines();
        let count = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let height = count.min(screen.height.saturating_sub(4));
        let area = Window { title: "Help", size: (WIDTH, height), theme }.render(screen, buf);
        let first = self.offset.min(lines.len().saturating_sub(usize::from(area.height)));
        let keys_width = if area.width < 40 { 12 } else { KEYS_WIDTH };
        for (row, line) in area.rows().zip(lines.iter().skip(first)) {
            let mut pen = Pen::new(row, buf, theme);
            match line {
                Line::Title(title) => {
                    pen.put(Role::Accent, title);
                }
                Line::Key(keys, help) => {
                    let keys = text::column(keys, keys_width, theme.glyphs().ellipsis);
                    pen.put(Role::Key, &keys).skip(1).put(Role::Dialog, help);
                }
                Line::Gap => {}
            }
        }
        let rest = lines.len().saturating_sub(first + usize::from(area.height));
        if rest > 0 && area.height > 0 {
            let below = Rect { y: area.bottom(), height: 1, ..area };
            Pen::new(below, buf, theme).put_right(Role::Dim, &format!(" {rest} more below "));
        }
    }
}

enum Line {
    Title(&'static str),
    Key(String, &'static str),
    Gap,
}

fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for scope in Scope::ALL {
        lines.push(Line::Title(scope.title()));
        let bound = BINDINGS.iter().filter(|binding| binding.scope == scope);
        lines.extend(bound.map(|binding| Line::Key(keymap::key_names(binding), binding.help)));
        lines.push(Line::Gap);
    }
    lines.push(Line::Title("Commands"));
    let visible = command::COMMANDS.iter().filter(|command| !command.hidden);
    lines.extend(visible.map(|command| Line::Key(format!(":{}", command.usage()), command.about)));
    lines
}
