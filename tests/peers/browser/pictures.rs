//! What the page draws, what it has seen, and how alike two pictures are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conclave::device::video::pattern;
use conclave::media::video::Picture;
use conclave::media::video::psnr_y;
use serde_json::Value;

use super::page::Page;

/// As in `page.js`.
const WIDTH: usize = 320;
const HEIGHT: usize = 180;
const BITS: usize = 16;
const STRIP: std::ops::Range<usize> = 80..100;
/// Luma and chroma of the quarters, row by row: red, green, blue, yellow.
const COLORS: [[u8; 3]; 4] = [[81, 90, 240], [145, 54, 34], [41, 240, 110], [210, 16, 146]];
const WHITE: u8 = 235;
const BLACK: u8 = 16;
const GREY: u8 = 128;

/// The picture of the page with this number.
pub fn drawn(number: u32) -> Picture {
    // For each part, that of every `step`th pixel in both directions.
    let plane = |part: usize, step: usize| {
        let rows = (0..HEIGHT).step_by(step);
        let pixels = rows.flat_map(|y| (0..WIDTH).step_by(step).map(move |x| (x, y)));
        let color = |(x, y): (usize, usize)| match (STRIP.contains(&y), part) {
            (true, 0) if number >> (BITS - 1 - x * BITS / WIDTH) & 1 == 1 => WHITE,
            (true, 0) => BLACK,
            (true, _) => GREY,
            (false, part) => {
                let quarter = COLORS[x * 2 / WIDTH + y * 2 / HEIGHT * 2];
                if part == 0 { quarter[0] - 8 + grain(x / 4, y / 4, number) } else { quarter[part] }
            }
        };
        pixels.map(color).collect()
    };
    let (width, height) = (WIDTH as u32, HEIGHT as u32);
    Picture::from_planes(width, height, plane(0, 1), plane(1, 2), plane(2, 2)).unwrap()
}

/// Between 0 and 15, and different in every picture: frames take more than one packet.
fn grain(x: usize, y: usize, number: u32) -> u8 {
    let times = |value: u32, factor: u32| value.wrapping_mul(factor);
    let mixed = times(x as u32, 73_856_093) ^ times(y as u32, 19_349_663);
    (times(mixed ^ times(number, 83_492_791), 2_654_435_761) >> 28) as u8
}

/// The number that a picture of the page shows.
pub fn number_of(picture: &Picture) -> u32 {
    assert_eq!((picture.width() as usize, picture.height() as usize), (WIDTH, HEIGHT));
    let row = STRIP.start.midpoint(STRIP.end) * WIDTH;
    let middle = |bit: usize| row + (2 * bit + 1) * WIDTH / BITS / 2;
    (0..BITS).fold(0, |number, bit| number << 1 | u32::from(picture.y()[middle(bit)] > 128))
}

/// What the page shows of our test picture, and how often it has shown one.
pub async fn look(page: &mut Page) -> (Picture, u64) {
    let seen = page.ask("look", Value::Null).await;
    let side = |name: &str| u32::try_from(seen[name].as_u64().unwrap()).unwrap();
    let rgba = STANDARD.decode(seen["rgba"].as_str().unwrap()).unwrap();
    let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let picture = Picture::from_rgb(side("width"), side("height"), &rgb).unwrap();
    (picture, seen["frames"].as_u64().unwrap())
}

/// How alike pairs of pictures were.
#[derive(Default)]
pub struct Likeness {
    pairs: usize,
    sum: f64,
    worst: f64,
    /// Mean distance of colours, at worst.
    off: f64,
}

impl Likeness {
    /// Takes a picture as it was sent and as it has arrived.
    pub fn compare(&mut self, sent: &Picture, seen: &Picture) {
        let luma = psnr_y(sent, seen);
        let distance = |a: &[u8], b: &[u8]| {
            let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum as f64 / a.len() as f64
        };
        let off = distance(sent.u(), seen.u()).max(distance(sent.v(), seen.v()));
        self.worst = if self.pairs == 0 { luma } else { self.worst.min(luma) };
        (self.pairs, self.sum, self.off) = (self.pairs + 1, self.sum + luma, self.off.max(off));
    }

    /// How many pairs.
    pub const fn pairs(&self) -> usize {
        self.pairs
    }

    /// Says how alike they were, and fails unless they are the same pictures.
    pub fn is_close(&self, what: &str) {
        let (pairs, worst, off) = (self.pairs, self.worst, self.off);
        let mean = self.sum / pairs as f64;
        println!(
            "{what}: {pairs} pictures, PSNR {mean:.1} dB, worst {worst:.1}, colours {off:.1} off"
        );
        assert!(mean > 25.0 && off < 12.0, "{what} look different");
    }
}

/// Watches our test picture on the page until so many have been compared.
pub async fn watch_pattern(page: &mut Page, count: usize) {
    let (mut likeness, mut last) = (Likeness::default(), None);
    while likeness.pairs() < count {
        let (seen, frames) = look(page).await;
        // The first may be of another size, and pictures are looked at while they change.
        let Some(number) = pattern::read_counter(&seen) else { continue };
        assert!(last <= Some((number, frames)), "{number} of {frames} after {last:?}");
        if last != Some((number, frames)) {
            likeness.compare(&pattern::picture(number, seen.width(), seen.height()), &seen);
        }
        last = Some((number, frames));
    }
    likeness.is_close("ours in the browser");
}
