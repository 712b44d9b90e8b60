//! Colours as numbers: what xterm takes for its 256, and grey on black where a program leaves
//! the choice to the terminal.

use crate::media::terminal::cell::Colour;
use crate::media::terminal::cell::Style;

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

/// Of text and of what is behind it where nothing is said.
const FOREGROUND: Rgb = [229, 229, 229];
pub(super) const BACKGROUND: Rgb = [0, 0, 0];

/// The first sixteen of xterm.
const BASIC: [Rgb; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

/// Colours of a cell: that of its text, and that behind it.
pub(super) fn colours(style: Style, under_cursor: bool) -> (Rgb, Rgb) {
    let foreground = match style.foreground {
        // What is bold is bright, as programs expect of the first eight.
        Colour::Indexed(index @ 0..=7) if style.has(Style::BOLD) => {
            Colour::Indexed(index.saturating_add(8))
        }
        colour => colour,
    };
    let mut text = rgb(foreground).unwrap_or(FOREGROUND);
    let mut behind = rgb(style.background).unwrap_or(BACKGROUND);
    if style.has(Style::INVERSE) != under_cursor {
        (text, behind) = (behind, text);
    }
    if style.has(Style::DIM) {
        text = std::array::from_fn(|channel| {
            let of = |colour: Rgb| colour.get(channel).copied().unwrap_or(0);
            of(text).midpoint(of(behind))
        });
    }
    (text, behind)
}

fn rgb(colour: Colour) -> Option<Rgb> {
    match colour {
        Colour::Default => None,
        Colour::Rgb(red, green, blue) => Some([red, green, blue]),
        Colour::Indexed(index) => match BASIC.get(usize::from(index)) {
            Some(basic) => Some(*basic),
            None => colour.beyond_basic().map(<[u8; 3]>::from),
        },
    }
}
