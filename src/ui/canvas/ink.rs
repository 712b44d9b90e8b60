//! The cheapest way to show a cell of a picture, given what the pen is set to.
//!
//! A block and its inverse in exchanged colours look the same, and so do a space and a full
//! block. Of all that look right, or right enough, the one with the fewest bytes is taken.

use ratatui::buffer::Cell;

use super::difference::Tone;
use super::pen::Pen;
use crate::ui::picture::MARK;
use crate::ui::picture::cell;
use crate::ui::picture::cell::FULL;
use crate::ui::picture::cell::QUADRANTS;
use crate::ui::picture::color::Rgb;

/// Writes a cell of blocks in true colour at the cursor; `slack` is how far colours may be off.
/// `blocks` says that the terminal can show blocks. Returns what is shown now.
pub fn write_tone(pen: &mut Pen, wanted: Tone, slack: u8, blocks: bool) -> Tone {
    let (fg, bg) = (wanted.fg(), wanted.bg());
    let (set_fg, set_bg) = pen.colors();
    let near = |color, set: Option<Rgb>| set.is_some_and(|set| cell::apart(color, set) <= slack);
    let plain = wanted.filled() == FULL;
    if plain || slack > 0 && cell::apart(fg, bg) <= slack {
        let (set_fg, set_bg) = match (set_fg, set_bg) {
            (_, Some(set)) if near(fg, set_bg) && near(bg, set_bg) => {
                pen.put_char(' ');
                return Tone::new(FULL, set, set);
            }
            (Some(set), _) if blocks && near(fg, set_fg) && near(bg, set_fg) => {
                pen.put_char(QUADRANTS[15]);
                return Tone::new(FULL, set, set);
            }
            sets => sets,
        };
        let color = mean(fg, bg);
        let keep = set_fg.filter(|_| set_bg.is_some());
        pen.put_block(keep.unwrap_or(color), color, QUADRANTS[0]);
        return Tone::new(FULL, color, color);
    }
    let straight = u8::from(near(fg, set_fg)) + u8::from(near(bg, set_bg));
    let inverse = u8::from(near(bg, set_fg)) + u8::from(near(fg, set_bg));
    let (filled, fg, bg) = match inverse > straight {
        true => (!wanted.filled() & FULL, bg, fg),
        false => (wanted.filled(), fg, bg),
    };
    let fg = set_fg.filter(|_| near(fg, set_fg)).unwrap_or(fg);
    let bg = set_bg.filter(|_| near(bg, set_bg)).unwrap_or(bg);
    pen.put_block(fg, bg, QUADRANTS[usize::from(filled)]);
    Tone::new(filled, fg, bg)
}

/// Writes any other cell of a picture at the cursor.
pub fn write_cell(pen: &mut Pen, wanted: &Cell) {
    pen.style(wanted.fg, wanted.bg, MARK);
    pen.put(wanted.symbol(), 1);
}

fn mean(one: Rgb, other: Rgb) -> Rgb {
    [0, 1, 2].map(|channel: usize| one[channel].midpoint(other[channel]))
}
