//! Pixels of a drawable, in one layout whatever the server's is.

use x11rb::connection::Connection;
use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::protocol::xproto::Drawable;
use x11rb::protocol::xproto::GetImageReply;
use x11rb::protocol::xproto::ImageFormat;
use x11rb::protocol::xproto::ImageOrder;
use x11rb::protocol::xproto::Visualtype;

use super::display::Display;
use super::target::Area;
use crate::media::MediaError;
use crate::media::video::Picture;

/// Pixels as they were on the screen: three bytes each, red first.
#[derive(Debug)]
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

impl Pixels {
    /// As a picture of at most this size.
    pub(super) fn fitted(&self, max_width: u32, max_height: u32) -> Result<Picture, MediaError> {
        let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let picture = Picture::from_rgb(side(self.width), side(self.height), &self.rgb)?;
        picture.fitted(max_width, max_height)
    }
}

/// Where a channel is in a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Channel {
    shift: u32,
    max: u32,
}

impl Channel {
    fn of(mask: u32) -> Self {
        let shift = if mask == 0 { 0 } else { mask.trailing_zeros() };
        Self { shift, max: (mask >> shift).max(1) }
    }

    fn of_pixel(self, pixel: u32) -> u8 {
        let value = (pixel >> self.shift) & self.max;
        if self.max == 255 { value as u8 } else { (value * 255 / self.max) as u8 }
    }
}

/// How pixels lie in what the server sends.
#[derive(Clone, Copy, Debug)]
struct Layout {
    bytes: usize,
    pad: usize,
    big_endian: bool,
    channels: [Channel; 3],
}

/// Asks the server for pixels.
pub(super) fn grab(
    display: &Display,
    drawable: Drawable,
    area: Area,
) -> Result<Option<Pixels>, ReplyOrIdError> {
    let Area { x, y, width, height } = area;
    let reply = display
        .conn
        .get_image(ImageFormat::Z_PIXMAP, drawable, x, y, width, height, u32::MAX)?
        .reply()?;
    let layout = layout(display, &reply);
    Ok(layout
        .and_then(|layout| unpack(layout, &reply.data, usize::from(width), usize::from(height))))
}

fn layout(display: &Display, reply: &GetImageReply) -> Option<Layout> {
    let setup = display.conn.setup();
    let format = setup.pixmap_formats.iter().find(|format| format.depth == reply.depth)?;
    let visuals = || display.screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
    // What comes from a pixmap has no visual; its depth says which ones it could have.
    let of_depth = || {
        let depths = display.screen.allowed_depths.iter();
        depths.filter(|depth| depth.depth == reply.depth).flat_map(|depth| &depth.visuals)
    };
    let visual: &Visualtype = visuals()
        .find(|visual| visual.visual_id == reply.visual)
        .or_else(|| of_depth().find(|visual| visual.red_mask != 0))?;
    Some(Layout {
        bytes: usize::from(format.bits_per_pixel / 8),
        pad: usize::from(format.scanline_pad / 8).max(1),
        big_endian: setup.image_byte_order == ImageOrder::MSB_FIRST,
        channels: [visual.red_mask, visual.green_mask, visual.blue_mask].map(Channel::of),
    })
}

/// `None` if there are fewer bytes than pixels, or no colours in them.
fn unpack(layout: Layout, data: &[u8], width: usize, height: usize) -> Option<Pixels> {
    if !(2..=4).contains(&layout.bytes) {
        return None;
    }
    let stride = (width * layout.bytes).next_multiple_of(layout.pad);
    let rows = data.get(..stride * height)?.chunks_exact(stride.max(1));
    let mut rgb = Vec::with_capacity(width * height * 3);
    let eight = layout.channels.map(|channel| channel.max == 255 && channel.shift % 8 == 0);
    if layout.bytes == 4 && eight == [true; 3] {
        // By far the most usual: each channel is a byte.
        let place = layout.channels.map(|channel| {
            let place = (channel.shift / 8) as usize;
            if layout.big_endian { 3 - place } else { place }
        });
        for row in rows {
            for pixel in row[..width * 4].as_chunks::<4>().0 {
                rgb.extend(place.map(|at| pixel[at]));
            }
        }
    } else {
        for row in rows {
            for pixel in row[..width * layout.bytes].chunks_exact(layout.bytes) {
                let fold = |value: u32, byte: &u8| (value << 8) | u32::from(*byte);
                let pixel = if layout.big_endian {
                    pixel.iter().fold(0, fold)
                } else {
                    pixel.iter().rev().fold(0, fold)
                };
                rgb.extend(layout.channels.map(|channel| channel.of_pixel(pixel)));
            }
        }
    }
    Some(Pixels { width, height, rgb })
}

#[cfg(test)]
mod layouts {
    use super::*;

    #[test]
    fn every_layout_of_pixels_is_read() {
        let layout = |bytes, big_endian, masks: [u32; 3]| Layout {
            bytes,
            pad: 4,
            big_endian,
            channels: masks.map(Channel::of),
        };
        let usual = [0xff_0000, 0xff00, 0xff];
        // Red and blue in two pixels of one row.
        let table: [(Layout, &[u8]); 5] = [
            (layout(4, false, usual), &[0, 0, 255, 9, 255, 0, 0, 9]),
            (layout(4, true, usual), &[9, 255, 0, 0, 9, 0, 0, 255]),
            (layout(3, false, usual), &[0, 0, 255, 255, 0, 0, 7, 7]),
            (layout(2, false, [0xf800, 0x7e0, 0x1f]), &[0, 0xf8, 0x1f, 0]),
            (
                layout(4, false, [0x3ff0_0000, 0xf_fc00, 0x3ff]),
                &[0, 0, 0xf0, 0x3f, 0xff, 0x03, 0, 0],
            ),
        ];
        for (layout, data) in table {
            let pixels = unpack(layout, data, 2, 1).unwrap();
            assert_eq!(pixels.rgb, [255, 0, 0, 0, 0, 255], "{layout:?}");
            assert!(unpack(layout, &data[1..], 2, 1).is_none(), "too few bytes");
        }
        assert!(unpack(layout(1, false, usual), &[0; 8], 2, 1).is_none());
    }
}
