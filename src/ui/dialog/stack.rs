//! The stack itself, and what all dialogs have in common.

use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::layout::Rect;

use super::admit::AdmitDialog;
use super::confirm::ConfirmDialog;
use super::create_room::CreateRoomDialog;
use super::devices::DevicesDialog;
use super::fault::FaultDialog;
use super::help::HelpDialog;
use super::invite::InviteDialog;
use super::share::ShareDialog;
use crate::ui::action::DialogAction;
use crate::ui::effect::Effect;
use crate::ui::event::AdmissionId;
use crate::ui::keymap::Scope;
use crate::ui::theme::Theme;

/// Dialogs that may be open at once. More admission requests than that are somebody
/// knocking in a loop: the oldest ones that wait unseen give way.
const LIMIT: usize = 16;

/// A question or a text over the screen.
#[derive(Debug)]
pub enum Dialog {
    /// Somebody wants in.
    Admit(AdmitDialog),
    /// Something cannot be undone.
    Confirm(ConfirmDialog),
    /// A name for a new room.
    CreateRoom(CreateRoomDialog),
    /// Microphone and speaker.
    Devices(DevicesDialog),
    /// What to share.
    Share(ShareDialog),
    /// All keys.
    Help(HelpDialog),
    /// An invite to hand out.
    Invite(InviteDialog),
    /// Something went wrong.
    Fault(FaultDialog),
}

/// What an action on a dialog comes to.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// It stays open.
    Stay,
    /// It is done, and this is what to do, if anything.
    Close(Option<Effect>),
}

impl Dialog {
    /// Where its keys are listed.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Admit(_) => Scope::Admit,
            Self::Confirm(_) => Scope::Confirm,
            Self::CreateRoom(_) => Scope::Form,
            Self::Devices(_) | Self::Share(_) => Scope::Choice,
            Self::Help(_) | Self::Invite(_) | Self::Fault(_) => Scope::Reader,
        }
    }

    /// Applies an action; the dialog is drawn over `screen`.
    pub fn handle(&mut self, action: DialogAction, now: Instant, screen: Rect) -> Outcome {
        match self {
            Self::Admit(dialog) => dialog.handle(&action, now),
            Self::Confirm(dialog) => dialog.handle(&action),
            Self::CreateRoom(dialog) => dialog.handle(action),
            Self::Devices(dialog) => dialog.handle(&action),
            Self::Share(dialog) => dialog.handle(&action),
            Self::Help(dialog) => dialog.handle(&action, screen),
            Self::Invite(dialog) => dialog.handle(&action),
            Self::Fault(dialog) => dialog.handle(&action),
        }
    }

    /// Draws it over `screen`; says where the cursor belongs.
    pub fn render(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) -> Option<Position> {
        match self {
            Self::Admit(dialog) => dialog.render(screen, buf, theme),
            Self::Confirm(dialog) => dialog.render(screen, buf, theme),
            Self::CreateRoom(dialog) => return dialog.render(screen, buf, theme),
            Self::Devices(dialog) => dialog.render(screen, buf, theme),
            Self::Share(dialog) => dialog.render(screen, buf, theme),
            Self::Help(dialog) => dialog.render(screen, buf, theme),
            Self::Invite(dialog) => dialog.render(screen, buf, theme),
            Self::Fault(dialog) => dialog.render(screen, buf, theme),
        }
        None
    }

    /// It has just come into sight.
    fn appear(&mut self, now: Instant, acted_at: Option<Instant>) {
        if let Self::Admit(dialog) = self {
            dialog.appear(now, acted_at);
        }
    }
}

/// Open dialogs, the top one last.
#[derive(Debug, Default)]
pub struct Dialogs {
    stack: Vec<Dialog>,
}

impl Dialogs {
    /// The one that gets the keys.
    #[must_use]
    pub fn top(&self) -> Option<&Dialog> {
        self.stack.last()
    }

    /// The same, to change it.
    pub fn top_mut(&mut self) -> Option<&mut Dialog> {
        self.stack.last_mut()
    }

    /// How many are open.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.stack.len()
    }

    /// None is open.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }

    /// Opens a dialog that the user asked for.
    pub fn push(&mut self, mut dialog: Dialog, now: Instant) {
        dialog.appear(now, Some(now));
        self.stack.push(dialog);
        self.bound();
    }

    /// Opens a dialog that nobody asked for: below all others, so that a key that is meant
    /// for what is in sight cannot answer it. `acted_at` is when the user last pressed one.
    pub fn push_unasked(&mut self, mut dialog: Dialog, now: Instant, acted_at: Option<Instant>) {
        dialog.appear(now, acted_at);
        self.stack.insert(0, dialog);
        self.bound();
    }

    /// Closes the top one.
    pub fn pop(&mut self, now: Instant) -> Option<Dialog> {
        let closed = self.stack.pop();
        if let Some(top) = self.stack.last_mut() {
            top.appear(now, Some(now));
        }
        closed
    }

    /// Closes the question about a request that is settled; false if it is not open.
    pub fn withdraw(&mut self, id: AdmissionId, now: Instant) -> bool {
        let is_it = |dialog: &Dialog| matches!(dialog, Dialog::Admit(admit) if admit.id() == id);
        let before = self.stack.len();
        let was_top = self.stack.last().is_some_and(is_it);
        self.stack.retain(|dialog| !is_it(dialog));
        if was_top && let Some(top) = self.stack.last_mut() {
            top.appear(now, Some(now));
        }
        before != self.stack.len()
    }

    /// How many questions about admission wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.stack.iter().filter(|dialog| matches!(dialog, Dialog::Admit(_))).count()
    }

    /// The first open dialog that `wanted` says is the one.
    pub fn find_mut<'a, T>(
        &'a mut self,
        wanted: impl Fn(&'a mut Dialog) -> Option<&'a mut T>,
    ) -> Option<&'a mut T> {
        self.stack.iter_mut().rev().find_map(wanted)
    }

    fn bound(&mut self) {
        if self.stack.len() > LIMIT {
            self.stack.remove(0);
        }
    }
}
