//! What may be chosen about the way a picture becomes cells.

use super::fit::View;
use crate::ui::theme::GlyphChoice;

/// Which blocks a cell may be made of where the glyphs allow blocks at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symbols {
    /// Upper and lower half: two pixels per cell, each of its own colour.
    #[default]
    Halves,
    /// Four quarters in two colours: sharper edges, for text on shared screens.
    Quadrants,
}

/// How a picture becomes cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Which symbols the terminal can show.
    pub glyphs: GlyphChoice,
    /// What a cell is made of.
    pub symbols: Symbols,
    /// Which part of the picture is shown.
    pub view: View,
    /// Ordered dithering where colours are few; true colour never needs it.
    pub dither: bool,
    /// How much edges are stressed, in sixteenths: 0 not at all, 4 right for text.
    pub sharpen: u8,
    /// Height of a cell in units of its width.
    pub cell_height: f32,
}

impl Options {
    /// The default.
    pub const DEFAULT: Self = Self {
        glyphs: GlyphChoice::Unicode,
        symbols: Symbols::Halves,
        view: View::WHOLE,
        dither: true,
        sharpen: 0,
        cell_height: 2.0,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Options {
    /// What suits a shared screen: sharp edges.
    #[must_use]
    pub const fn for_screens() -> Self {
        Self { symbols: Symbols::Quadrants, sharpen: 4, ..Self::DEFAULT }
    }
}
