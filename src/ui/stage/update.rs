//! What the user's wishes about the stage do to it.

use super::choice::LayoutChoice;
use super::scene::Scene;
use super::tile::Part;
use super::tile::TileId;
use crate::ui::action::Pane;
use crate::ui::action::StageAction;
use crate::ui::event::Severity;
use crate::ui::state::State;
use crate::ui::update::toast;

/// Applies one action.
pub fn update(state: &mut State, action: StageAction) {
    if state.live_call().is_none() {
        return toast(state, Severity::Warn, "you are not in a call: Enter joins a room");
    }
    match action {
        StageAction::Step(by) => step(state, by),
        StageAction::Pin => {
            let tile = pinnable(state);
            pin(state, tile);
        }
        StageAction::PinNamed(name) => pin_named(state, &name),
        StageAction::Point(tile) => {
            if state.focus == Pane::Stage && selected(state).as_ref() == Some(&tile) {
                pin(state, Some(tile));
            } else {
                state.focus = Pane::Stage;
                state.stage.cursor = Some(tile);
            }
        }
        StageAction::NextLayout => choose(state, state.stage.choice.next()),
        StageAction::Layout(layout) => choose(state, layout),
        StageAction::ToggleFull => {
            let full = !(state.stage.full && state.focus == Pane::Stage);
            state.stage.full = full;
            state.focus = Pane::Stage;
        }
        StageAction::LeaveFull => state.stage.full = false,
        StageAction::ToggleSelf => {
            state.stage.hide_self = !state.stage.hide_self;
            let hidden = if state.stage.hide_self { "hidden" } else { "shown" };
            toast(state, Severity::Info, &format!("your own tile is {hidden}"));
        }
        StageAction::Zoom(by) => zoom(state, by),
        StageAction::ZoomOut => zoom(state, isize::MIN),
        StageAction::Pan(right) => {
            if !pan(state, right, 0) {
                step(state, right);
            }
        }
    }
}

/// Looks further down; goes to another tile if the whole picture is in sight.
pub fn move_down(state: &mut State, by: isize) {
    if state.live_call().is_some() && !pan(state, 0, by.clamp(-1000, 1000)) {
        step(state, by);
    }
}

fn selected(state: &State) -> Option<TileId> {
    Scene::of(state).selected().map(|tile| tile.id.clone())
}

/// The tile that is meant where no name is given: the one under the cursor of the stage, or
/// that of the person under the cursor of the people.
fn pinnable(state: &State) -> Option<TileId> {
    if state.focus == Pane::People {
        let person = state.people.rows().get(state.people.cursor())?;
        return Some(TileId::person(person.user.clone()));
    }
    selected(state)
}

fn pin(state: &mut State, tile: Option<TileId>) {
    let Some(tile) = tile else {
        return toast(state, Severity::Warn, "there is nobody to pin");
    };
    if state.stage.pinned.as_ref() == Some(&tile) {
        state.stage.pinned = None;
        return toast(state, Severity::Info, &format!("{} is no longer pinned", tile.user));
    }
    if !Scene::of(state).tiles.iter().any(|shown| shown.id == tile) {
        return toast(state, Severity::Warn, &format!("{} is not on the stage", tile.user));
    }
    state.stage.cursor = Some(tile.clone());
    state.stage.pinned = Some(tile);
}

/// Pins what somebody shares, or the person if they share nothing.
fn pin_named(state: &mut State, name: &str) {
    let scene = Scene::of(state);
    let tile = scene.tiles.iter().find(|tile| tile.person.name.as_str() == name);
    let tile = tile.map(|tile| tile.id.clone());
    if tile.is_none() {
        return toast(state, Severity::Warn, &format!("{name} is not on the stage"));
    }
    if tile != state.stage.pinned {
        pin(state, tile);
    }
}

/// Moves the cursor. Where one tile stands out, whoever goes on wants to see the next one.
fn step(state: &mut State, by: isize) {
    let scene = Scene::of(state);
    let count = isize::try_from(scene.tiles.len()).unwrap_or(isize::MAX);
    if count == 0 {
        return;
    }
    let now = isize::try_from(scene.cursor).unwrap_or(0);
    let next = match by {
        isize::MIN => 0,
        isize::MAX => count - 1,
        by => (now + by.signum()).rem_euclid(count),
    };
    let tile = usize::try_from(next).ok().and_then(|next| scene.tiles.get(next));
    let tile = tile.map(|tile| tile.id.clone());
    if scene.featured.is_some() {
        state.stage.pinned.clone_from(&tile);
    }
    state.stage.cursor = tile;
}

fn choose(state: &mut State, layout: LayoutChoice) {
    state.stage.choice = layout;
    toast(state, Severity::Info, &format!("layout {}", layout.name()));
}

fn zoom(state: &mut State, by: isize) {
    let scene = Scene::of(state);
    let tile = scene.looked_at().filter(|tile| tile.share.is_some());
    let tile = tile.map(|tile| tile.id.clone());
    let Some(tile) = tile else {
        return toast(state, Severity::Warn, "there is no picture to look at more closely");
    };
    if matches!(tile.part, Part::Terminal(_)) {
        // Cells have one size: what helps is more room for them.
        state.stage.full = by > 0;
        state.focus = Pane::Stage;
        return;
    }
    let view = state.stage.view(&tile).zoomed(by);
    state.stage.set_view(&tile, view);
}

/// Moves what is in sight; false if all of it is.
fn pan(state: &mut State, right: isize, down: isize) -> bool {
    let Some(tile) = Scene::of(state).looked_at().map(|tile| tile.id.clone()) else {
        return false;
    };
    let view = state.stage.view(&tile);
    state.stage.set_view(&tile, view.panned(right, down));
    !view.is_whole()
}
