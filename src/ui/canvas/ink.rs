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
use crate::ui::picture::color;

/// Writes a cell of blocks in true colour at the cursor; `slack` is how far colours may be off.
/// `blocks` says that the terminal can show blocks. Returns what is shown now.
pub fn write_tone(pen: &mut Pen, wanted: Tone, slack: u8, blocks: bool) -> Tone {
    if !pen.setting().is_upright() {
        pen.plain();
    }
    match slack {
        0 => write(pen, wanted, blocks, |one, other| one == other),
        _ => write(pen, wanted, blocks, |one, other| {
            cell::apart(color::unpack(one), color::unpack(other)) <= slack
        }),
    }
}

fn write(pen: &mut Pen, wanted: Tone, blocks: bool, alike: impl Fn(u32, u32) -> bool) -> Tone {
    let (fg, bg) = (wanted.fg(), wanted.bg());
    let (set_fg, set_bg) = pen.colors();
    let near = |color, set: Option<u32>| set.filter(|set| alike(color, *set));
    if wanted.filled() == FULL || alike(fg, bg) {
        let both = |set| near(fg, set).and(near(bg, set));
        if let Some(set) = both(set_bg) {
            pen.put_block(None, None, 0);
            return Tone::new(FULL, set, set);
        }
        if let Some(set) = both(set_fg).filter(|_| blocks) {
            pen.put_block(None, None, FULL);
            return Tone::new(FULL, set, set);
        }
        let color = mean(fg, bg);
        pen.put_block(None, Some(color), 0);
        return Tone::new(FULL, color, color);
    }
    let set = [near(fg, set_fg), near(bg, set_bg), near(bg, set_fg), near(fg, set_bg)];
    let [straight_fg, straight_bg, inverse_fg, inverse_bg] = set;
    let count =
        |one: Option<u32>, other: Option<u32>| u8::from(one.is_some()) + u8::from(other.is_some());
    let inverse = count(inverse_fg, inverse_bg) > count(straight_fg, straight_bg);
    let (filled, fg, bg, set_fg, set_bg) = match inverse {
        true => (!wanted.filled() & FULL, bg, fg, inverse_fg, inverse_bg),
        false => (wanted.filled(), fg, bg, straight_fg, straight_bg),
    };
    let new = |color, set: Option<u32>| if set.is_some() { None } else { Some(color) };
    pen.put_block(new(fg, set_fg), new(bg, set_bg), filled);
    Tone::new(filled, set_fg.unwrap_or(fg), set_bg.unwrap_or(bg))
}

/// Writes any other cell of a picture at the cursor.
pub fn write_cell(pen: &mut Pen, wanted: &Cell) {
    pen.style(wanted.fg, wanted.bg, MARK);
    pen.put(wanted.symbol(), 1);
}

fn mean(one: u32, other: u32) -> u32 {
    let (one, other) = (color::unpack(one), color::unpack(other));
    color::pack([0, 1, 2].map(|channel: usize| one[channel].midpoint(other[channel])))
}
