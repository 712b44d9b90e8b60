//! Somebody wants in: who they say they are, which key they hold, who vouches for it.

use std::time::Duration;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::stack::Outcome;
use super::window;
use super::window::Window;
use crate::ui::action::DialogAction;
use crate::ui::effect::Effect;
use crate::ui::event::AdmissionId;
use crate::ui::event::AdmissionRequest;
use crate::ui::text::SafeText;
use crate::ui::text::wrap;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;

/// How long answers are ignored after the question appears to somebody who has just pressed
/// a key. It comes unasked: a `y` that was under way to something else must not let a
/// stranger in.
const GUARD: Duration = Duration::from_millis(600);

/// The question.
#[derive(Clone, Debug)]
pub struct AdmitDialog {
    id: AdmissionId,
    name: SafeText,
    fingerprint: SafeText,
    room: SafeText,
    vouched: bool,
    answers_from: Option<Instant>,
}

impl AdmitDialog {
    /// A question about `request`.
    #[must_use]
    pub fn new(request: &AdmissionRequest) -> Self {
        Self {
            id: request.id,
            name: SafeText::name(&request.name),
            fingerprint: SafeText::new(&request.fingerprint),
            room: SafeText::name(&request.room),
            vouched: request.vouched,
            answers_from: None,
        }
    }

    /// The request it is about.
    #[must_use]
    pub const fn id(&self) -> AdmissionId {
        self.id
    }

    /// It has come into sight; `acted_at` is when the user last pressed a key.
    pub(super) fn appear(&mut self, now: Instant, acted_at: Option<Instant>) {
        let busy = acted_at.is_some_and(|at| now < at + GUARD);
        self.answers_from = busy.then(|| now + GUARD);
    }

    pub(super) fn handle(&self, action: &DialogAction, now: Instant) -> Outcome {
        if self.answers_from.is_some_and(|from| now < from) {
            return Outcome::Stay;
        }
        match action {
            DialogAction::Yes => Outcome::Close(Some(Effect::Admit(self.id))),
            DialogAction::No => Outcome::Close(Some(Effect::Deny(self.id))),
            _ => Outcome::Stay,
        }
    }

    pub(super) fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let width = window::text_width(screen, 52);
        let glyphs = theme.glyphs();
        let columns = usize::from(width);
        let mut lines: Vec<(Role, String)> = Vec::new();
        let who = format!("{}, key {}", self.name, self.fingerprint);
        lines.extend(wrap(&who, columns).into_iter().map(|line| (Role::Strong, line)));
        let asks = format!("asks to be let into {}", self.room);
        lines.extend(wrap(&asks, columns).into_iter().map(|line| (Role::Dialog, line)));
        lines.push((Role::Dialog, String::new()));
        let (role, text) = if self.vouched {
            (Role::Good, format!("{} your invite vouches for this key", glyphs.good))
        } else {
            let compare = "nobody vouches for it: compare it by voice first";
            (Role::Warn, format!("{} {compare}", glyphs.warn))
        };
        lines.extend(wrap(&text, columns).into_iter().map(|line| (role, line)));
        lines.push((Role::Dialog, String::new()));
        lines.push((Role::Strong, "admit? [y/n]".to_owned()));
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let area = Window { title: "Admission", size: (width, height), theme }.render(screen, buf);
        window::write(area, buf, theme, &lines);
    }
}
