//! Which part of a picture is shown, and how many cells it takes.

use ratatui::layout::Size;

/// Most that a picture can be magnified: beyond, a screen's pixel is larger than a cell.
pub const MAX_ZOOM: f32 = 32.0;

/// Zoom and pan. The default shows the whole picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// 1 fits the whole picture into the cells; 2 shows it twice as large.
    pub zoom: f32,
    /// The point in the middle, as a share of the picture's width and height.
    pub centre: (f32, f32),
}

impl Default for View {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl View {
    /// The whole picture.
    pub const WHOLE: Self = Self { zoom: 1.0, centre: (0.5, 0.5) };

    /// Moves the middle by shares of what is shown now, and zooms by a factor; stays inside.
    #[must_use]
    pub fn moved(self, right: f32, down: f32, zoom: f32) -> Self {
        let zoom = sane(self.zoom * zoom);
        let (x, y) = self.centre;
        let centre = ((x + right / zoom).clamp(0.0, 1.0), (y + down / zoom).clamp(0.0, 1.0));
        Self { zoom, centre }
    }
}

/// A part of a picture and the cells that it fills.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Columns of cells.
    pub width: u16,
    /// Rows of cells.
    pub height: u16,
    /// Left and right edge of the part, in pixels.
    pub columns: (f32, f32),
    /// Its upper and lower edge.
    pub rows: (f32, f32),
}

impl Fit {
    /// Fits a picture of `picture` pixels into `cells`, each `cell_height` times as high as
    /// wide; `None` if there is no cell.
    #[must_use]
    pub fn new(picture: (u32, u32), cells: Size, cell_height: f32, view: View) -> Option<Self> {
        if cells.width == 0 || cells.height == 0 || picture.0 == 0 || picture.1 == 0 {
            return None;
        }
        let (width, height) = (picture.0 as f32, picture.1 as f32);
        let ratio = if cell_height.is_finite() { cell_height.clamp(0.5, 4.0) } else { 2.0 };
        let (across, down) = (f32::from(cells.width), f32::from(cells.height) * ratio);
        // Columns of cells per pixel of the picture.
        let scale = (across / width).min(down / height) * sane(view.zoom);
        let whole = (width * scale, height * scale / ratio);
        let shown = (whole.0.min(f32::from(cells.width)), whole.1.min(f32::from(cells.height)));
        let cells = (whole_cells(shown.0, cells.width), whole_cells(shown.1, cells.height));
        Some(Self {
            width: cells.0,
            height: cells.1,
            columns: part(width, shown.0 / whole.0, view.centre.0),
            rows: part(height, shown.1 / whole.1, view.centre.1),
        })
    }
}

fn sane(zoom: f32) -> f32 {
    if zoom.is_finite() { zoom.clamp(1.0, MAX_ZOOM) } else { 1.0 }
}

fn whole_cells(cells: f32, most: u16) -> u16 {
    (cells.round() as u16).clamp(1, most)
}

/// The stretch of `length` that is a `share` of it around `centre`, moved inside.
fn part(length: f32, share: f32, centre: f32) -> (f32, f32) {
    let share = share.clamp(0.0, 1.0);
    let centre = if centre.is_finite() { centre } else { 0.5 };
    let from = (centre - share / 2.0).clamp(0.0, 1.0 - share);
    (from * length, (from + share) * length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(picture: (u32, u32), cells: (u16, u16), view: View) -> Fit {
        Fit::new(picture, Size::new(cells.0, cells.1), 2.0, view).unwrap()
    }

    #[test]
    fn the_shape_of_a_picture_is_kept() {
        let cases = [
            ((320, 180), (160, 45), (160, 45)),
            ((320, 180), (160, 60), (160, 45)),
            ((320, 180), (200, 45), (160, 45)),
            ((100, 100), (80, 22), (44, 22)),
            ((10, 1000), (80, 22), (1, 22)),
            ((1000, 1), (80, 22), (80, 1)),
            ((1, 1), (1, 1), (1, 1)),
        ];
        for (picture, cells, expected) in cases {
            let fit = fit(picture, cells, View::default());
            assert_eq!((fit.width, fit.height), expected, "{picture:?} in {cells:?}");
            assert_eq!(fit.columns, (0.0, picture.0 as f32));
            assert_eq!(fit.rows, (0.0, picture.1 as f32));
        }
    }

    #[test]
    fn zooming_fills_the_cells_and_panning_stays_inside() {
        let view = View { zoom: 2.0, centre: (0.5, 0.5) };
        let middle = fit((320, 180), (160, 60), view);
        assert_eq!((middle.width, middle.height), (160, 60));
        assert_eq!(middle.columns, (80.0, 240.0));
        assert_eq!((middle.rows.0.round(), middle.rows.1.round()), (30.0, 150.0));
        let corner = fit((320, 180), (160, 45), View { zoom: 2.0, centre: (9.0, -9.0) });
        assert_eq!((corner.columns, corner.rows), ((160.0, 320.0), (0.0, 90.0)));
        let odd = View { zoom: f32::NAN, centre: (f32::NAN, f32::INFINITY) };
        assert_eq!(fit((320, 180), (160, 45), odd).columns, (0.0, 320.0));
    }

    #[test]
    fn without_cells_there_is_nothing_to_show() {
        assert_eq!(Fit::new((4, 4), Size::new(0, 9), 2.0, View::default()), None);
    }
}
