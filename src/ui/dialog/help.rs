//! All keys and commands, from the tables that they work by.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::stack::Outcome;
use super::window;
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
    pub(super) fn handle(&mut self, action: &DialogAction, screen: Rect) -> Outcome {
        match action {
            DialogAction::Close => return Outcome::Close(None),
            DialogAction::Move(by) => {
                let lines = lines(window::text_width(screen, WIDTH));
                let last = lines.len().saturating_sub(usize::from(height(&lines, screen)));
                self.offset = self.offset.min(last).saturating_add_signed(*by).min(last);
            }
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn render(self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let width = window::text_width(screen, WIDTH);
        let lines = lines(width);
        let size = (width, height(&lines, screen));
        let area = Window { title: "Help", size, theme }.render(screen, buf);
        let first = self.offset.min(lines.len().saturating_sub(usize::from(area.height)));
        let keys_width = keys_width(width);
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
    /// Keys and what they do; without keys, more of what the ones above do.
    Key(String, String),
    Gap,
}

/// Columns of the keys in a text of `width`.
const fn keys_width(width: u16) -> usize {
    if width < 40 { 12 } else { KEYS_WIDTH }
}

/// Rows of the text that `screen` has room for.
fn height(lines: &[Line], screen: Rect) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX).min(screen.height.saturating_sub(4))
}

fn lines(width: u16) -> Vec<Line> {
    let help_width = usize::from(width).saturating_sub(keys_width(width) + 1).max(1);
    let entry = |keys: String, help: &str| {
        let wrapped = text::wrap(help, help_width).into_iter();
        std::iter::once(keys).chain(std::iter::repeat(String::new())).zip(wrapped)
    };
    let entry = |keys, help| entry(keys, help).map(|(keys, help)| Line::Key(keys, help));
    let mut lines = Vec::new();
    for scope in Scope::ALL {
        lines.push(Line::Title(scope.title()));
        let bound = BINDINGS.iter().filter(|binding| binding.scope == scope);
        lines.extend(bound.flat_map(|binding| entry(keymap::key_names(binding), binding.help)));
        lines.push(Line::Gap);
    }
    lines.push(Line::Title("Commands"));
    let visible = command::COMMANDS.iter().filter(|command| !command.hidden);
    lines.extend(visible.flat_map(|command| entry(format!(":{}", command.usage()), command.about)));
    lines
}
