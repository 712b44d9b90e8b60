//! What a click or a turn of the wheel means. A bonus: everything works without.

use crossterm::event::MouseButton;
use crossterm::event::MouseEvent;
use crossterm::event::MouseEventKind;
use ratatui::layout::Position;

use super::action::Action;
use super::action::DialogAction;
use super::action::Pane;
use super::action::StageAction;
use super::action::ViewAction;
use super::keymap;
use super::keymap::Scope;
use super::layout::Layout;
use super::pane::people::PeoplePane;
use super::pane::rooms::RoomsPane;
use super::stage::Scene;
use super::state::State;

/// Rows that one notch of the wheel moves.
const NOTCH: isize = 3;

/// What a mouse event means now. Nothing in a dialog is answered by a click.
#[must_use]
pub fn action(state: &State, event: &MouseEvent) -> Option<Action> {
    let scope = keymap::scopes(state).into_iter().next()?;
    let by = match event.kind {
        MouseEventKind::ScrollUp => -NOTCH,
        MouseEventKind::ScrollDown => NOTCH,
        MouseEventKind::Down(MouseButton::Left) => 0,
        _ => return None,
    };
    match scope {
        Scope::Reader | Scope::Choice if by != 0 => Some(Action::Dialog(DialogAction::Move(by))),
        Scope::Main | Scope::Rooms | Scope::People | Scope::Stage if by != 0 => {
            Some(Action::View(ViewAction::Move(by)))
        }
        Scope::Main | Scope::Rooms | Scope::People | Scope::Stage => {
            click(state, Position::new(event.column, event.row))
        }
        _ => None,
    }
}

fn click(state: &State, point: Position) -> Option<Action> {
    let layout = Layout::of(state)?;
    if let Some(pane) = layout.tab(point) {
        return Some(Action::View(ViewAction::Focus(pane)));
    }
    let (pane, row) = layout.hit(point)?;
    let height = layout.pane(pane).height;
    let first = match pane {
        Pane::Rooms => RoomsPane::first_row(state.rooms.cursor(), height),
        Pane::People => PeoplePane::first_row(state.people.cursor(), height),
        Pane::Stage if state.live_call().is_some() => {
            let scene = Scene::of(state);
            let Some(tile) = scene.hit(point) else {
                return Some(Action::View(ViewAction::Focus(pane)));
            };
            return Some(Action::Stage(StageAction::Point(tile.id.clone())));
        }
        _ => return Some(Action::View(ViewAction::Focus(pane))),
    };
    let count = match pane {
        Pane::Rooms => state.rooms.rows().len(),
        _ => state.people.rows().len(),
    };
    let index = usize::from(row).checked_sub(1).map(|row| first + row);
    Some(Action::View(match index.filter(|index| *index < count) {
        Some(index) => ViewAction::Point(pane, index),
        None => ViewAction::Focus(pane),
    }))
}
