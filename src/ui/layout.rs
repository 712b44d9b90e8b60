//! Where the panes go at a given size, and what a point on the screen belongs to.

use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::layout::Size;

use super::action::Pane;
use super::state::State;

/// Below this nothing sensible can be shown.
pub const MIN_SIZE: Size = Size { width: 40, height: 12 };

/// From here on three columns fit, and a row of panes below them.
const WIDE: Size = Size { width: 100, height: 20 };

/// From here on two columns fit, all panes at once.
const MEDIUM: Size = Size { width: 72, height: 20 };

/// From here on the list of rooms stays beside the pane that has the keys.
const SPLIT_WIDTH: u16 = 64;

/// Places of everything. A pane that is not shown has an empty area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    panes: [Rect; 5],
    /// Names of the panes, where only some are shown.
    pub tabs: Rect,
    /// The last line.
    pub status: Rect,
    /// Everything above the status line.
    pub body: Rect,
}

impl Layout {
    /// Arranges the panes on a screen of `size`; `None` if it is too small.
    #[must_use]
    pub fn new(size: Size, focus: Pane) -> Option<Self> {
        if size.width < MIN_SIZE.width || size.height < MIN_SIZE.height {
            return None;
        }
        let status = Rect::new(0, size.height - 1, size.width, 1);
        let body = Rect::new(0, 0, size.width, size.height - 1);
        let mut layout = Self { status, body, ..Self::default() };
        if size.width >= WIDE.width && size.height >= WIDE.height {
            layout.wide();
        } else if size.width >= MEDIUM.width && size.height >= MEDIUM.height {
            layout.medium();
        } else {
            layout.small(focus);
        }
        Some(layout)
    }

    /// Arranges the panes as `state` wants them.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let layout = Self::new(state.size, state.focus)?;
        if state.stage.full && state.focus == Pane::Stage {
            Some(layout.full())
        } else {
            Some(layout)
        }
    }

    /// The same with the stage over everything but the status line.
    fn full(self) -> Self {
        let Self { status, body, .. } = self;
        let mut layout = Self { status, body, ..Self::default() };
        layout.set(Pane::Stage, body);
        layout
    }

    /// Where a pane is.
    #[must_use]
    pub fn pane(&self, pane: Pane) -> Rect {
        self.panes.get(pane as usize).copied().unwrap_or_default()
    }

    /// The pane at a point, and the row within it, its title being row 0.
    #[must_use]
    pub fn hit(&self, point: Position) -> Option<(Pane, u16)> {
        let pane = Pane::ALL.into_iter().find(|pane| self.pane(*pane).contains(point))?;
        Some((pane, point.y - self.pane(pane).y))
    }

    /// The pane whose tab is at a point.
    #[must_use]
    pub fn tab(&self, point: Position) -> Option<Pane> {
        if !self.tabs.contains(point) {
            return None;
        }
        let offset = point.x - self.tabs.x;
        Pane::ALL.into_iter().find(|pane| {
            let (start, width) = Self::tab_place(*pane);
            (start..start + width).contains(&offset)
        })
    }

    /// Column and width of a pane's tab.
    #[must_use]
    pub fn tab_place(pane: Pane) -> (u16, u16) {
        let width = |pane: Pane| pane.title().len() as u16 + 1;
        let start = Pane::ALL.into_iter().take(pane as usize).map(|other| width(other) + 1).sum();
        (start, width(pane))
    }

    fn set(&mut self, pane: Pane, area: Rect) {
        if let Some(place) = self.panes.get_mut(pane as usize) {
            *place = area;
        }
    }

    /// Rooms, stage and people side by side; events and levels below.
    fn wide(&mut self) {
        let body = self.body;
        let left = (body.width / 6).clamp(22, 32);
        let right = (body.width * 3 / 10 + 1).clamp(34, 48);
        let below = (body.height / 4).clamp(6, 14);
        let above = body.height - below;
        let middle = body.width - left - right - 2;
        self.set(Pane::Rooms, Rect::new(0, 0, left, above));
        self.set(Pane::Stage, Rect::new(left + 1, 0, middle, above));
        self.set(Pane::People, Rect::new(left + middle + 2, 0, right, above));
        self.set(Pane::Events, Rect::new(0, above, left + middle + 1, below));
        self.set(Pane::Levels, Rect::new(left + middle + 2, above, right, below));
    }

    /// Rooms over levels at the left; stage, people and events at the right.
    fn medium(&mut self) {
        let body = self.body;
        let left = 25;
        let right = body.width - left - 1;
        let levels = 5;
        self.set(Pane::Rooms, Rect::new(0, 0, left, body.height - levels));
        self.set(Pane::Levels, Rect::new(0, body.height - levels, left, levels));
        let events = (body.height / 4).clamp(5, 9);
        let people = (body.height / 4).clamp(6, 12);
        let stage = body.height - events - people;
        self.set(Pane::Stage, Rect::new(left + 1, 0, right, stage));
        self.set(Pane::People, Rect::new(left + 1, stage, right, people));
        self.set(Pane::Events, Rect::new(left + 1, stage + people, right, events));
    }

    /// Only the pane that has the keys, with tabs; rooms stay beside it if there is room.
    fn small(&mut self, focus: Pane) {
        let mut rest = self.body;
        self.tabs = Rect { height: 1, ..rest };
        rest.y += 1;
        rest.height -= 1;
        if rest.width >= SPLIT_WIDTH {
            let left = Rect { width: 25, ..rest };
            let right = Rect { x: 26, width: rest.width - 26, ..rest };
            self.set(Pane::Rooms, left);
            let beside = if focus == Pane::Rooms { Pane::People } else { focus };
            self.set(beside, right);
        } else {
            self.set(focus, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn panes_stay_on_the_screen_and_apart(
            width in 0u16..300, height in 0u16..120, focus in 0usize..5,
        ) {
            let focus = Pane::ALL[focus];
            let size = Size { width, height };
            match Layout::new(size, focus) {
                None => prop_assert!(width < MIN_SIZE.width || height < MIN_SIZE.height),
                Some(layout) => {
                    prop_assert!(!layout.pane(focus).is_empty(), "the keys go somewhere visible");
                    for pane in Pane::ALL {
                        let area = layout.pane(pane);
                        prop_assert_eq!(layout.body.intersection(area), area);
                        for other in Pane::ALL.into_iter().filter(|other| *other != pane) {
                            prop_assert!(!layout.pane(other).intersects(area) || area.is_empty());
                        }
                    }
                }
            }
        }
    }
}
