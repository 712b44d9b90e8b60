//! Which part of a picture is looked at.

use crate::ui::picture;

/// Magnifications there are, in quarters.
const STEPS: [u16; 9] = [4, 5, 6, 8, 10, 12, 16, 24, 32];

/// How far one step of panning goes, as a share of what is in sight: a third.
const PAN_SHARE: u16 = 3;

/// The middle of a picture, in thousandths of its side.
const MIDDLE: u16 = 500;

/// The part of a picture that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    step: usize,
    x_mille: u16,
    y_mille: u16,
}

impl Default for View {
    fn default() -> Self {
        Self { step: 0, x_mille: MIDDLE, y_mille: MIDDLE }
    }
}

impl View {
    /// All of the picture is in sight.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.step == 0
    }

    /// How many times larger than whole, in quarters.
    #[must_use]
    pub fn quarters(self) -> u16 {
        STEPS.get(self.step).copied().unwrap_or(4)
    }

    /// Steps closer or, if negative, away.
    #[must_use]
    pub fn zoomed(self, by: isize) -> Self {
        let step = self.step.saturating_add_signed(by).min(STEPS.len() - 1);
        if step == 0 { Self::default() } else { Self { step, ..self }.held() }
    }

    /// Moves by a part of what is in sight; stays within the picture.
    #[must_use]
    pub fn panned(self, right: isize, down: isize) -> Self {
        let by = 4 * 1000 / self.quarters() / PAN_SHARE;
        let moved = |at: u16, steps: isize| {
            let by = isize::try_from(by).unwrap_or(0).saturating_mul(steps.clamp(-100, 100));
            at.saturating_add_signed(i16::try_from(by).unwrap_or(0))
        };
        let (x_mille, y_mille) = (moved(self.x_mille, right), moved(self.y_mille, down));
        Self { x_mille, y_mille, ..self }.held()
    }

    /// The same for whoever draws pictures.
    #[must_use]
    pub fn picture(self) -> picture::View {
        let share = |mille: u16| f32::from(mille) / 1000.0;
        let centre = (share(self.x_mille), share(self.y_mille));
        picture::View { zoom: f32::from(self.quarters()) / 4.0, centre }
    }

    /// Keeps the edges of what is in sight within the picture.
    fn held(self) -> Self {
        let half = 4 * MIDDLE / self.quarters();
        let hold = |at: u16| at.clamp(half, 1000 - half);
        Self { x_mille: hold(self.x_mille), y_mille: hold(self.y_mille), ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_in_sight_lies_within_the_picture(
            moves in prop::collection::vec((-3isize..4, -200isize..200, -200isize..200), 0..20),
        ) {
            let mut view = View::default();
            for (by, right, down) in moves {
                view = view.zoomed(by).panned(right, down);
                let picture::View { zoom, centre: (x, y) } = view.picture();
                let half = 0.5 / zoom - 0.002;
                prop_assert!((half..=1.0 - half).contains(&x), "{x} at {zoom}");
                prop_assert!((half..=1.0 - half).contains(&y), "{y} at {zoom}");
                prop_assert!(!view.is_whole() || view == View::default());
            }
        }
    }

    #[test]
    fn panning_reaches_the_edges() {
        let corner = View::default().zoomed(3).panned(-100, -100).picture();
        assert_eq!((corner.zoom, corner.centre), (2.0, (0.25, 0.25)));
        let corner = View::default().zoomed(3).panned(100, 100).picture();
        assert_eq!((corner.zoom, corner.centre), (2.0, (0.75, 0.75)));
    }
}
