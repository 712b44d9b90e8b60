//! The mouse cursor, which the server keeps out of what it gives, drawn into it.

use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::xfixes::ConnectionExt as _;

use super::display::Display;
use super::grab::Pixels;

/// The cursor at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Of its upper left corner, on the root window.
    x: i32,
    y: i32,
    width: usize,
    /// Alpha, red, green, blue; colours are multiplied by alpha already.
    argb: Vec<u32>,
}

impl Cursor {
    /// The cursor now; `None` if it can't be seen.
    pub(super) fn now(display: &Display) -> Result<Option<Self>, ReplyOrIdError> {
        if !display.has.xfixes {
            return Ok(None);
        }
        let Ok(reply) = display.conn.xfixes_get_cursor_image()?.reply() else { return Ok(None) };
        Ok(Some(Self {
            x: i32::from(reply.x) - i32::from(reply.xhot),
            y: i32::from(reply.y) - i32::from(reply.yhot),
            width: usize::from(reply.width),
            argb: reply.cursor_image,
        }))
    }

    /// Draws it over pixels whose upper left corner is at `left`, `top` of the root window.
    pub(super) fn draw(&self, pixels: &mut Pixels, left: i32, top: i32) {
        let place = |at: usize, from: i32, begin: i32, end: usize| {
            let at = i64::try_from(at).ok()? + i64::from(from) - i64::from(begin);
            usize::try_from(at).ok().filter(|at| *at < end)
        };
        for (row, line) in self.argb.chunks_exact(self.width.max(1)).enumerate() {
            let Some(y) = place(row, self.y, top, pixels.height) else { continue };
            for (column, argb) in line.iter().enumerate() {
                let Some(x) = place(column, self.x, left, pixels.width) else { continue };
                let at = (y * pixels.width + x) * 3;
                let [alpha, above @ ..] = argb.to_be_bytes();
                let Some(below) = pixels.rgb.get_mut(at..at + 3) else { continue };
                for (below, above) in below.iter_mut().zip(above) {
                    let through = u16::from(*below) * (255 - u16::from(alpha)) / 255;
                    *below = above.saturating_add(through as u8);
                }
            }
        }
    }
}

#[cfg(test)]
mod drawing {
    use super::*;

    #[test]
    fn a_cursor_is_blended_in_and_cut_at_the_edges() {
        let cursor = |x, y| Cursor { x, y, width: 2, argb: vec![0xffff_0000, 0, 0x8000_0000, 0] };
        let draw = |cursor: Cursor| {
            let mut pixels = Pixels { width: 2, height: 2, rgb: vec![200; 12] };
            cursor.draw(&mut pixels, 10, 10);
            pixels.rgb
        };
        let whole = draw(cursor(10, 10));
        assert_eq!(whole[..6], [255, 0, 0, 200, 200, 200]);
        assert_eq!(whole[6..9], [99, 99, 99], "half transparent black");
        assert_eq!(draw(cursor(11, 11))[9..], [255, 0, 0]);
        assert_eq!(draw(cursor(9, 9)), vec![200; 12], "only its empty corner is inside");
        assert_eq!(draw(cursor(-30_000, 0)), vec![200; 12]);
    }
}
