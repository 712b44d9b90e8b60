//! An invite to hand out: the link, and a QR code of it where there is room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::stack::Outcome;
use super::window;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::event::Invite;
use crate::ui::text::SafeText;
use crate::ui::text::wrap;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// Rows of a QR code that are taken at most: version 40 in half blocks.
const QR_LIMIT: usize = 100;

/// The invite.
#[derive(Clone, Debug)]
pub struct InviteDialog {
    room: SafeText,
    link: String,
    validity: SafeText,
    qr: Vec<String>,
}

impl InviteDialog {
    /// Shows `invite`.
    #[must_use]
    pub fn new(invite: &Invite) -> Self {
        // The code is made of spaces and half blocks, which must stay as they are.
        let dark = |c: &char| matches!(c, ' ' | '█' | '▀' | '▄' | '#');
        let line = |line: &str| line.chars().filter(dark).collect();
        Self {
            room: SafeText::name(&invite.room),
            link: invite.link.chars().filter(char::is_ascii_graphic).collect(),
            validity: SafeText::new(&invite.validity),
            qr: invite.qr.lines().take(QR_LIMIT).map(line).collect(),
        }
    }

    pub(super) const fn handle(&self, action: &DialogAction) -> Outcome {
        match action {
            DialogAction::Close => Outcome::Close(None),
            _ => Outcome::Stay,
        }
    }

    pub(super) fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let qr_width = self.qr.iter().map(|line| line.width()).max().unwrap_or(0);
        let width = window::text_width(screen, 64.max(u16::try_from(qr_width).unwrap_or(64)));
        let columns = usize::from(width);
        let intro = format!("Whoever has this can ask to be let into {}:", self.room);
        let intro = wrap(&intro, columns).into_iter().map(|line| (Role::Dialog, line));
        let mut lines: Vec<(Role, String)> = intro.collect();
        lines.push((Role::Dialog, String::new()));
        // The link is broken hard at the edge, so that it can be selected and pasted.
        let link: Vec<char> = self.link.chars().collect();
        let pieces = link.chunks(columns.max(1));
        lines.extend(pieces.map(|piece| (Role::Strong, piece.iter().collect())));
        if !self.validity.is_empty() {
            lines.push((Role::Dialog, String::new()));
            lines.push((Role::Dim, self.validity.as_str().to_owned()));
        }
        let rows = lines.len() + 1 + self.qr.len();
        let fits = rows + 2 <= usize::from(screen.height) && qr_width <= columns;
        if fits && qr_width > 0 && theme.glyphs().half_blocks {
            lines.push((Role::Dialog, String::new()));
            let indent = " ".repeat((columns - qr_width) / 2);
            lines.extend(self.qr.iter().map(|line| (Role::Dialog, format!("{indent}{line}"))));
        }
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let area = Window { title: "Invite", size: (width, height), theme }.render(screen, buf);
        window::write(area, buf, theme, &lines);
    }
}
