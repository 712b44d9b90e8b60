//! Which microphone, which speaker and which camera to use.

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

/// One of the lists.
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

/// All lists.
#[derive(Clone, Debug, Default)]
pub struct DevicesDialog {
    microphones: List,
    speakers: List,
    cameras: List,
    field: usize,
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
            cameras: list(&current.camera),
            ..Self::default()
        }
    }

    /// Fills the lists.
    pub fn fill(&mut self, menu: DeviceMenu) {
        self.microphones.fill(menu.microphones);
        self.speakers.fill(menu.speakers);
        self.cameras.fill(menu.cameras);
        self.filled = true;
    }

    const fn lists(&self) -> [(&'static str, &List); 3] {
        [("Microphone", &self.microphones), ("Speaker", &self.speakers), ("Camera", &self.cameras)]
    }

    const fn list_mut(&mut self) -> &mut List {
        match self.field {
            0 => &mut self.microphones,
            1 => &mut self.speakers,
            _ => &mut self.cameras,
        }
    }

    pub(super) fn handle(&mut self, action: &DialogAction) -> Outcome {
        match action {
            DialogAction::Move(by) => self.list_mut().move_cursor(*by),
            DialogAction::Toggle => self.list_mut().choose(),
            DialogAction::NextField => self.field = (self.field + 1) % self.lists().len(),
            DialogAction::Close => return Outcome::Close(None),
            DialogAction::Accept => {
                self.list_mut().choose();
                let choice = DeviceChoice {
                    microphone: self.microphones.chosen.clone(),
                    speaker: self.speakers.chosen.clone(),
                    camera: self.cameras.chosen.clone(),
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
        // A title, at least one row, and a gap between two lists.
        let rows = self.lists().map(|(_, list)| list.names.len().max(1) + 1);
        let wanted = rows.iter().sum::<usize>() + rows.len() - 1;
        let height = u16::try_from(wanted).unwrap_or(u16::MAX).min(most);
        let area = Window { title: "Devices", size: (width, height), theme }.render(screen, buf);
        let heights = shares(area.height, rows, self.field);
        let mut y = area.y;
        for (index, ((title, list), height)) in self.lists().into_iter().zip(heights).enumerate() {
            let place = Rect { y, height, ..area }.intersection(area);
            self.list(title, list, index == self.field, place, buf, theme);
            y += height + 1;
        }
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
            let text = match self.filled {
                true => format!("there is no {} on this machine", title.to_lowercase()),
                false => "looking for devices".to_owned(),
            };
            if let Some(row) = rows.next() {
                Pen::new(row, buf, theme).put(Role::Dim, &text);
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

/// Rows of each list. Where not all have what they want, each keeps its title and one row,
/// and the one that has the keys comes first with the rest.
fn shares(height: u16, wanted: [usize; 3], field: usize) -> [u16; 3] {
    let gaps = wanted.len() - 1;
    let mut left = usize::from(height).saturating_sub(gaps + 2 * wanted.len());
    let mut shares = [2u16; 3];
    let order = (0..wanted.len()).map(|step| (field + step) % wanted.len());
    for index in order {
        if let Some((share, wanted)) = shares.get_mut(index).zip(wanted.get(index)) {
            let more = wanted.saturating_sub(2).min(left);
            *share += u16::try_from(more).unwrap_or(0);
            left -= more;
        }
    }
    shares
}
