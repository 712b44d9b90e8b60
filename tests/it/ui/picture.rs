//! Small pictures at every colour depth and in every set of symbols.

use conclave::device::video::pattern;
use conclave::media::video::Picture;
use conclave::ui::picture::CellPicture;
use conclave::ui::picture::Options;
use conclave::ui::picture::Symbols;
use conclave::ui::picture::View;
use conclave::ui::picture::render;
use conclave::ui::theme::Depth;
use conclave::ui::theme::GlyphChoice;
use ratatui::layout::Size;
use ratatui::style::Color;

/// A ramp from dark at the left to bright at the right, red above and blue below, with a
/// bright stroke across.
fn scene() -> Picture {
    let (width, height) = (32_u32, 16_u32);
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let level = (x * 255 / (width - 1)) as u8;
            let pixel = match (y, x) {
                _ if x / 2 == y => [255, 255, 255],
                (0..8, _) => [level, level / 3, level / 4],
                _ => [level / 4, level / 3, level],
            };
            rgb.extend(pixel);
        }
    }
    Picture::from_rgb(width, height, &rgb).unwrap()
}

/// The symbols, then the colours of each cell as `symbol/background`.
fn text(picture: &CellPicture) -> String {
    let mut text = String::new();
    for row in picture.rows() {
        text.extend(row.iter().map(|cell| cell.symbol));
        text.push_str("|\n");
    }
    for row in picture.rows() {
        let colors: Vec<_> =
            row.iter().map(|cell| format!("{}/{}", color(cell.fg), color(cell.bg))).collect();
        text.push_str(colors.join(" ").trim_end());
        text.push('\n');
    }
    text
}

fn color(color: Color) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(index) => index.to_string(),
        Color::Reset => "-".to_owned(),
        named => named.to_string(),
    }
}

#[test]
fn a_small_picture_at_every_depth() {
    let size = Size::new(8, 2);
    let halves = Options::default();
    let ascii = Options { glyphs: GlyphChoice::Ascii, ..halves };
    let quadrants = Options::for_screens();
    let cases = [
        ("true", Depth::True, halves),
        ("256", Depth::Ansi256, halves),
        ("16", Depth::Ansi16, halves),
        ("mono", Depth::Mono, halves),
        ("quadrants", Depth::True, quadrants),
        ("quadrants_256", Depth::Ansi256, quadrants),
        ("ascii_true", Depth::True, ascii),
        ("ascii_16", Depth::Ansi16, ascii),
        ("ascii_mono", Depth::Mono, ascii),
    ];
    for (name, depth, options) in cases {
        let cells = render(&scene(), size, depth, &options);
        assert_eq!((cells.width(), cells.height()), (8, 2), "{name}");
        insta::assert_snapshot!(format!("picture_{name}"), text(&cells));
    }
}

#[test]
fn without_colours_a_picture_is_still_a_picture() {
    for glyphs in [GlyphChoice::Unicode, GlyphChoice::Ascii] {
        let options = Options { glyphs, ..Options::default() };
        let cells = render(&scene(), Size::new(32, 8), Depth::Mono, &options);
        let name = format!("picture_large_mono_{glyphs:?}");
        let lines: Vec<String> =
            cells.rows().map(|row| row.iter().map(|cell| cell.symbol).collect()).collect();
        assert!(cells.rows().flatten().all(|cell| cell.fg == Color::Reset));
        insta::assert_snapshot!(name, lines.join("|\n"));
    }
}

/// One colour, at a size, in a number of cells.
fn plain_cells(rgb: [u8; 3], depth: Depth) -> Vec<conclave::ui::picture::PictureCell> {
    let pixels: Vec<u8> = rgb.into_iter().cycle().take(24 * 16 * 3).collect();
    let picture = Picture::from_rgb(24, 16, &pixels).unwrap();
    let cells = render(&picture, Size::new(12, 4), depth, &Options::for_screens());
    cells.rows().flatten().copied().collect()
}

#[test]
fn a_plain_picture_is_spaces_of_one_colour() {
    for rgb in [[0, 0, 0], [255, 255, 255], [200, 30, 90]] {
        let cells = plain_cells(rgb, Depth::True);
        assert!(cells.iter().all(|cell| *cell == cells[0] && cell.symbol == ' '), "{rgb:?}");
    }
}

#[test]
fn zooming_shows_a_part_of_the_picture() {
    let mut rgb = vec![0; 64 * 32 * 3];
    for y in 0..16 {
        for x in 32..64 {
            rgb[(y * 64 + x) * 3..][..3].fill(255);
        }
    }
    let picture = Picture::from_rgb(64, 32, &rgb).unwrap();
    let corner = |x, y| {
        let view = View { zoom: 2.0, centre: (x, y) };
        let options = Options { view, ..Options::default() };
        let cells = render(&picture, Size::new(16, 4), Depth::True, &options);
        assert_eq!((cells.width(), cells.height()), (16, 4));
        let colors: Vec<_> = cells.rows().flatten().map(|cell| cell.bg).collect();
        assert!(colors.iter().all(|color| *color == colors[0]));
        colors[0]
    };
    assert_eq!(corner(1.0, 0.0), Color::Rgb(255, 255, 255));
    assert_eq!(corner(0.0, 0.0), Color::Rgb(0, 0, 0));
    assert_eq!(corner(1.0, 1.0), Color::Rgb(0, 0, 0));
}

/// Lines of text as pixels: strokes of one pixel, as on a screen that is shown at half size.
fn strokes(width: u32, height: u32) -> Picture {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let letter = (x / 6 * 7 + y / 10 * 13) % 16;
            let (dx, dy) = (x % 6, y % 10);
            let upright = dx == 1 && letter % 2 == 0 || dx == 4 && letter % 3 == 0;
            let across = dy == 2 && letter % 4 < 2 || dy == 5 || dy == 8 && letter % 5 < 3;
            let ink = (1..8).contains(&dy) && upright || dx < 5 && dx > 0 && across;
            rgb.extend(if ink { [220, 220, 220] } else { [16, 16, 24] });
        }
    }
    Picture::from_rgb(width, height, &rgb).unwrap()
}

/// What a terminal shows of these cells, two by two pixels to each: width, height and RGB.
fn seen(cells: &CellPicture) -> (u32, u32, Vec<u8>) {
    let (width, height) = (usize::from(cells.width()) * 2, usize::from(cells.height()) * 2);
    let mut rgb = vec![0; width * height * 3];
    for (y, row) in cells.rows().enumerate() {
        for (x, cell) in row.iter().enumerate() {
            let mut shown = ratatui::buffer::Cell::default();
            shown.set_char(cell.symbol).set_fg(cell.fg).set_bg(cell.bg);
            for (quarter, color) in conclave::ui::picture::cell::look(&shown).iter().enumerate() {
                let (x, y) = (x * 2 + quarter % 2, y * 2 + quarter / 2);
                rgb[(y * width + x) * 3..][..3].copy_from_slice(color);
            }
        }
    }
    (width as u32, height as u32, rgb)
}

/// Mean squared error of colours against the picture at two by two pixels per cell.
fn error(picture: &Picture, cells: &CellPicture) -> f64 {
    let (width, height, shown) = seen(cells);
    let wanted = picture.scaled_to(width, height).unwrap().to_rgb();
    let square = |(one, other): (&u8, &u8)| (f64::from(*one) - f64::from(*other)).powi(2);
    shown.iter().zip(&wanted).map(square).sum::<f64>() / shown.len() as f64
}

#[test]
fn quadrants_are_nearer_to_text_than_halves() {
    let picture = strokes(320, 180);
    let measure = |symbols, sharpen| {
        let options = Options { symbols, sharpen, ..Options::default() };
        error(&picture, &render(&picture, Size::new(160, 45), Depth::True, &options))
    };
    let (halves, quadrants) = (measure(Symbols::Halves, 0), measure(Symbols::Quadrants, 0));
    println!(
        "text at two pixels per column: error {halves:.0} in halves, {quadrants:.0} in quadrants"
    );
    assert!(quadrants < halves * 0.8, "{quadrants} against {halves}");
}

#[test]
fn the_counter_of_the_test_picture_can_be_read_in_the_cells() {
    for number in [0, 7, 4_321, 98_765] {
        let picture = pattern::picture(number, 320, 180);
        for size in [Size::new(160, 45), Size::new(80, 22), Size::new(40, 12)] {
            let cells = render(&picture, size, Depth::True, &Options::default());
            let (width, height, rgb) = seen(&cells);
            let shown = Picture::from_rgb(width, height, &rgb).unwrap();
            assert_eq!(pattern::read_counter(&shown), Some(number), "{size}");
        }
    }
}
