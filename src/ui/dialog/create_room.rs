//! A new room: its name and who may take part.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use tui_input::Input;
use tui_input::InputRequest;

use super::stack::Outcome;
use super::window;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::effect::Effect;
use crate::ui::effect::Members;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::input;
use crate::ui::widget::line::Pen;

/// The field that has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Name,
    Members,
}

/// The form.
#[derive(Clone, Debug, Default)]
pub struct CreateRoomDialog {
    name: Input,
    members: Members,
    field: Field,
    others: usize,
    unnamed: bool,
}

impl CreateRoomDialog {
    /// An empty form; `others` is how many more users the Context has.
    #[must_use]
    pub fn new(others: usize) -> Self {
        Self { others, ..Self::default() }
    }

    pub(super) fn handle(&mut self, action: DialogAction) -> Outcome {
        match (action, self.field) {
            (DialogAction::Close, _) => return Outcome::Close(None),
            (DialogAction::Accept, _) => {
                let name = self.name.value().trim().to_owned();
                if !name.is_empty() {
                    let members = self.members;
                    return Outcome::Close(Some(Effect::CreateRoom { name, members }));
                }
                self.unnamed = true;
                self.field = Field::Name;
            }
            (DialogAction::NextField, Field::Name) => self.field = Field::Members,
            (DialogAction::NextField, Field::Members) => self.field = Field::Name,
            (DialogAction::Edit(request), Field::Name) => input::edit(&mut self.name, request),
            (DialogAction::Paste(text), Field::Name) => input::paste(&mut self.name, &text),
            (DialogAction::Toggle, Field::Members) => self.toggle(),
            (
                DialogAction::Edit(
                    InputRequest::InsertChar(' ')
                    | InputRequest::GoToNextChar
                    | InputRequest::GoToPrevChar,
                ),
                Field::Members,
            ) => self.toggle(),
            _ => {}
        }
        Outcome::Stay
    }

    const fn toggle(&mut self) {
        self.members = match self.members {
            Members::OnlyMe => Members::Everybody,
            Members::Everybody => Members::OnlyMe,
        };
    }

    pub(super) fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) -> Option<Position> {
        let width = window::text_width(screen, 46);
        let area = Window { title: "Create a room", size: (width, 6), theme }.render(screen, buf);
        let mut rows = area.rows();
        let mut cursor = None;
        if let Some(row) = rows.next() {
            let missing = self.unnamed && self.name.value().trim().is_empty();
            let (role, label) = match missing {
                true => (Role::Bad, "Name (it needs one)"),
                false => (Role::Dim, "Name"),
            };
            Pen::new(row, buf, theme).put(role, label);
        }
        if let Some(row) = rows.next() {
            cursor = input::render(&self.name, row, buf, theme);
        }
        rows.next();
        if let Some(row) = rows.next() {
            Pen::new(row, buf, theme).put(Role::Dim, "Who may take part");
        }
        let others = match self.others {
            0 => "the whole Context (only you yet)".to_owned(),
            count => format!("the whole Context ({} people)", count + 1),
        };
        let options = [
            (Members::OnlyMe, "only me; others ask to come in"),
            (Members::Everybody, others.as_str()),
        ];
        for (row, (members, text)) in rows.zip(options) {
            let [chosen, open] = theme.glyphs().choice;
            let mark = if self.members == members { chosen } else { open };
            let role = if self.members == members { Role::Strong } else { Role::Dim };
            Pen::new(row, buf, theme).put(role, &format!("{mark} {text}"));
            if self.field == Field::Members && self.members == members {
                buf.set_style(row, theme.style(Role::Selected));
            }
        }
        cursor.filter(|_| self.field == Field::Name)
    }
}
