//! Which microphone and which speaker to use.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::stack::Outcome;
use super::window;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::effect::DeviceChoice;
use crate::ui::effect::Effect;
use crate::ui::event::DeviceMenu;
use crate::ui::text::SafeText;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::line::Pen;

/// One of the two lists.
#[derive(Clone, Debug, Default)]
struct List {
    names: Vec<String>,
    cursor: usize,
    chosen: String,
}

impl List {
    fn fill(&mut self, names: Vec<String>) {
        self.names = names;
        if !self.names.contains(&self.chosen) && !self.chosen.is_empty() {
            self.names.insert(0, self.chosen.clone());
        }
        self.cursor = self.names.iter().position(|name| *name == self.chosen).unwrap_or(0);
    }

    fn move_cursor(&mut self, by: isize) {
        let last = self.names.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    fn choose(&mut self) {
        if let Some(name) = self.names.get(self.cursor) {
            self.chosen.clone_from(name);
        }
    }
}

/// Both lists.
#[derive(Clone, Debug, Default)]
pub struct DevicesDialog {
    microphones: List,
    speakers: List,
    on_speakers: bool,
    filled: bool,
}

impl DevicesDialog {
    /// Lists that are yet to be filled; `current` is in use.
    #[must_use]
    pub fn new(current: &DeviceChoice) -> Self {
        let list = |chosen: &String| List { chosen: chosen.clone(), ..List::default() };
        Self {
            microphones: list(&current.microphone),
            speakers: list(&current.speaker),
            ..Self::default()
        }
    }

    /// Fills the lists.
    pub fn fill(&mut self, menu: DeviceMenu) {
        self.microphones.fill(menu.microphones);
        self.speakers.fill(menu.speakers);
        self.filled = true;
    }

    pub(super) fn handle(&mut self, action: &DialogAction) -> Outcome {
        let list = if self.on_speakers { &mut self.speakers } else { &mut self.microphones };
        match action {
            DialogAction::Move(by) => list.move_cursor(*by),
            DialogAction::Toggle => list.choose(),
            DialogAction::NextField => self.on_speakers = !self.on_speakers,
            DialogAction::Close => return Outcome::Close(None),
            DialogAction::Accept => {
                list.choose();
                let choice = DeviceChoice {
                    microphone: self.microphones.chosen.clone(),
                    speaker: self.speakers.chosen.clone(),
                };
                return Outcome::Close(self.filled.then_some(Effect::SetDevices(choice)));
            }
            _ => {}
        }
        Outcome::Stay
    }

    pub(super) fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let width = window::text_width(screen, 50);
        let most = screen.height.saturating_sub(3);
        let wanted = 3 + self.microphones.names.len().max(1) + self.speakers.names.len().max(1);
        let height = u16::try_from(wanted).unwrap_or(u16::MAX).min(most);
        let area = Window { title: "Devices", size: (width, height), theme }.render(screen, buf);
        let half = area.height.saturating_sub(1) / 2;
        let upper = u16::try_from(self.microphones.names.len().max(1) + 1).unwrap_or(half);
        let lower = u16::try_from(self.speakers.names.len().max(1) + 1).unwrap_or(half);
        let upper = if upper + lower < area.height { upper } else { half.max(2) };
        let top = Rect { height: upper, ..area };
        let y = area.y + upper + 1;
        let bottom = Rect { y, height: area.bottom().saturating_sub(y), ..area };
        self.list("Microphone", &self.microphones, !self.on_speakers, top, buf, theme);
        self.list("Speaker", &self.speakers, self.on_speakers, bottom, buf, theme);
    }

    fn list(
        &self,
        title: &str,
        list: &List,
        focused: bool,
        area: Rect,
        buf: &mut Buffer,
        theme: &Theme,
    ) {
        let mut rows = area.rows();
        if let Some(row) = rows.next() {
            let role = if focused { Role::Accent } else { Role::Dim };
            Pen::new(row, buf, theme).put(role, title);
        }
        if list.names.is_empty() {
            let text = if self.filled { "none found" } else { "looking for devices" };
            if let Some(row) = rows.next() {
                Pen::new(row, buf, theme).put(Role::Dim, text);
            }
            return;
        }
        let visible = usize::from(area.height.saturating_sub(1)).max(1);
        let first = (list.cursor + 1).saturating_sub(visible);
        for (row, (index, name)) in rows.zip(list.names.iter().enumerate().skip(first)) {
            let [chosen, open] = theme.glyphs().choice;
            let is_chosen = *name == list.chosen;
            let role = if is_chosen { Role::Strong } else { Role::Dialog };
            let mark = if is_chosen { chosen } else { open };
            let text = SafeText::name(name);
            Pen::new(row, buf, theme).put(role, &format!("{mark} {text}"));
            if focused && index == list.cursor {
                buf.set_style(row, theme.style(Role::Selected));
            }
        }
    }
}
