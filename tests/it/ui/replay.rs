//! What the canvas writes, read by a terminal: it shows what it was to show.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;
use std::time::Instant;

use conclave::media::video::Picture;
use conclave::ui::canvas::Canvas;
use conclave::ui::canvas::VideoBudget;
use conclave::ui::canvas::difference::difference;
use conclave::ui::canvas::difference::is_picture;
use conclave::ui::canvas::paint::TOLERANCE;
use conclave::ui::picture::MARK;
use conclave::ui::picture::Options;
use conclave::ui::picture::PictureView;
use conclave::ui::picture::Symbols;
use conclave::ui::picture::render;
use conclave::ui::theme::Depth;
use conclave::ui::theme::GlyphChoice;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::buffer::Cell;
use ratatui::layout::Position;
use ratatui::layout::Rect;
use ratatui::layout::Size;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use ratatui::widgets::Widget;

const SIZE: Size = Size { width: 32, height: 8 };
const FRAME: Duration = Duration::from_millis(40);

/// A budget that allows everything, but not exactly.
const TOLERANT: VideoBudget = VideoBudget::Rate(1 << 40);

/// Something that a frame shows.
#[derive(Clone, Debug)]
enum Thing {
    Text { x: u16, y: u16, text: String, style: Style },
    Picture { area: Rect, seed: u64, depth: Depth, options: Options },
}

fn a_color() -> impl Strategy<Value = Color> {
    prop_oneof![
        Just(Color::Reset),
        any::<(u8, u8, u8)>().prop_map(|(r, g, b)| Color::Rgb(r, g, b)),
        any::<u8>().prop_map(Color::Indexed),
        prop::sample::select(vec![Color::Red, Color::DarkGray, Color::White, Color::LightCyan]),
    ]
}

fn a_text() -> impl Strategy<Value = Thing> {
    let words = prop::sample::select(vec!["a", "conclave", "コン", "x漢y", "│ ─", "é", "   "]);
    let attributes = prop::sample::select(vec![
        Modifier::empty(),
        Modifier::BOLD,
        Modifier::REVERSED,
        Modifier::UNDERLINED.union(Modifier::ITALIC),
    ]);
    (0..SIZE.width, 0..SIZE.height, words, a_color(), a_color(), attributes).prop_map(
        |(x, y, text, fg, bg, attributes)| {
            let style = Style::new().fg(fg).bg(bg).remove_modifier(Modifier::all() | MARK);
            let style = style.add_modifier(attributes);
            Thing::Text { x, y, text: text.to_owned(), style }
        },
    )
}

fn a_picture() -> impl Strategy<Value = Thing> {
    let depth = prop::sample::select(vec![Depth::True, Depth::Ansi256, Depth::Ansi16, Depth::Mono]);
    let glyphs = prop::sample::select(vec![GlyphChoice::Unicode, GlyphChoice::Ascii]);
    let symbols = prop::sample::select(vec![Symbols::Halves, Symbols::Quadrants]);
    let area = (0..SIZE.width, 0..SIZE.height, 1..20_u16, 1..8_u16);
    (area, any::<u64>(), depth, glyphs, symbols).prop_map(|(area, seed, depth, glyphs, symbols)| {
        let options = Options { glyphs, symbols, ..Options::default() };
        Thing::Picture { area: Rect::new(area.0, area.1, area.2, area.3), seed, depth, options }
    })
}

/// A picture of a few flat areas and some noise.
fn painting(seed: u64) -> Picture {
    let mut state = seed | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    let colors: Vec<[u8; 3]> = (0..4).map(|_| [random(), random(), random()]).collect();
    let noise = random() % 32;
    let mut rgb = Vec::new();
    for place in 0..40 * 24 {
        let color = colors[place / 7 % 4];
        rgb.extend(color.map(|channel| channel.saturating_add(random() % (noise + 1))));
    }
    Picture::from_rgb(40, 24, &rgb).unwrap()
}

fn draw(things: &[Thing], buf: &mut Buffer) {
    for thing in things {
        match thing {
            Thing::Text { x, y, text, style } => {
                // A wide symbol is never cut in two, as everywhere in the interface.
                let row = Rect { x: 0, y: *y, width: SIZE.width, height: 1 };
                buf.set_style(row, Style::new().remove_modifier(MARK));
                for x in row.x..row.right() {
                    buf[(x, *y)].reset();
                }
                buf.set_stringn(*x, *y, text, usize::from(SIZE.width - x), *style);
            }
            Thing::Picture { area, seed, depth, options } => {
                let area = area.intersection(*buf.area());
                let cells = render(&painting(*seed), area.as_size(), *depth, options);
                PictureView { picture: &cells }.render(area, buf);
            }
        }
    }
}

/// Pictures lie below text.
fn a_frame() -> impl Strategy<Value = Vec<Thing>> {
    let pictures = prop::collection::vec(a_picture(), 0..3);
    let texts = prop::collection::vec(a_text(), 0..5);
    (pictures, texts).prop_map(|(pictures, texts)| [pictures, texts].concat())
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn color(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

/// What the terminal shows in a place.
fn seen(parser: &vt100::Parser, x: u16, y: u16, mark: bool) -> Cell {
    let cell = parser.screen().cell(y, x).unwrap();
    let mut seen = Cell::default();
    seen.set_symbol(if cell.has_contents() { cell.contents() } else { " " });
    (seen.fg, seen.bg) = (color(cell.fgcolor()), color(cell.bgcolor()));
    let attributes = [
        (cell.bold(), Modifier::BOLD),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ];
    for (on, attribute) in attributes {
        seen.modifier.set(attribute, on);
    }
    if mark {
        seen.modifier.insert(MARK);
    }
    seen
}

/// The same colour, whatever it is called.
fn index(color: Color) -> Color {
    match color {
        Color::Red => Color::Indexed(1),
        Color::DarkGray => Color::Indexed(8),
        Color::White => Color::Indexed(15),
        Color::LightCyan => Color::Indexed(14),
        other => other,
    }
}

/// Compares the terminal with the frame; pictures may be off by `tolerance`.
fn compare(parser: &vt100::Parser, wanted: &Buffer, tolerance: u8) -> Result<(), TestCaseError> {
    for Position { x, y } in wanted.area().positions() {
        let cell = &wanted[(x, y)];
        let seen = seen(parser, x, y, is_picture(cell));
        if is_picture(cell) {
            let off = difference(&seen, cell);
            prop_assert!(off <= tolerance, "{x},{y}: {seen:?} for {cell:?}");
            continue;
        }
        if parser.screen().cell(y, x).unwrap().is_wide_continuation() {
            continue;
        }
        let same = seen.symbol() == cell.symbol()
            && seen.fg == index(cell.fg)
            && seen.bg == index(cell.bg)
            && seen.modifier == cell.modifier;
        prop_assert!(same, "{x},{y}: {seen:?} for {cell:?}");
    }
    Ok(())
}

fn replay(frames: &[Vec<Thing>], budget: VideoBudget, tolerance: u8) -> Result<(), TestCaseError> {
    let mut canvas = Canvas::with_budget(budget);
    let mut parser = vt100::Parser::new(cells(SIZE.height), cells(SIZE.width), 0);
    let mut now = Instant::now();
    for things in frames {
        let mut wanted = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        draw(things, &mut wanted);
        let bytes = canvas.paint(SIZE, now, |buf| {
            draw(things, buf);
            None
        });
        parser.process(&bytes);
        compare(&parser, &wanted, tolerance)?;
        now += FRAME;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_terminal_shows_exactly_what_was_drawn(
        frames in prop::collection::vec(a_frame(), 1..5),
    ) {
        replay(&frames, VideoBudget::Exact, 0)?;
    }

    #[test]
    fn within_tolerance_the_terminal_shows_what_was_drawn(
        frames in prop::collection::vec(a_frame(), 1..5),
    ) {
        replay(&frames, TOLERANT, TOLERANCE)?;
    }
}

/// A picture over the whole screen but for its last row, which is text.
fn video(seed: u64, text: &str, buf: &mut Buffer) {
    let area = Rect { height: SIZE.height - 1, ..*buf.area() };
    let cells = render(&painting(seed), area.as_size(), Depth::True, &Options::default());
    PictureView { picture: &cells }.render(area, buf);
    buf.set_string(0, SIZE.height - 1, text, Style::new());
}

fn frame(seed: u64, text: &str) -> Buffer {
    let mut buf = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
    video(seed, text, &mut buf);
    buf
}

/// One canvas, one terminal, one clock.
struct Session {
    canvas: Canvas,
    parser: vt100::Parser,
    now: Instant,
}

impl Session {
    fn new(budget: VideoBudget) -> Self {
        let canvas = Canvas::with_budget(budget);
        let parser = vt100::Parser::new(cells(SIZE.height), cells(SIZE.width), 0);
        Self { canvas, parser, now: Instant::now() }
    }

    /// Shows a frame; answers its bytes and how many of them are due to the picture.
    fn show(&mut self, seed: u64, text: &str) -> (usize, usize) {
        let bytes = self.canvas.paint(SIZE, self.now, |buf| {
            video(seed, text, buf);
            None
        });
        self.parser.process(&bytes);
        self.now += FRAME;
        (bytes.len(), self.canvas.picture_bytes())
    }
}

#[test]
fn a_cursor_that_belongs_nowhere_is_hidden_from_the_first_frame_on() {
    let mut session = Session::new(VideoBudget::Exact);
    session.show(1, "");
    assert!(session.parser.screen().hide_cursor());
}

#[test]
fn an_equal_picture_costs_nothing() {
    let mut session = Session::new(VideoBudget::Exact);
    assert!(session.show(7, "a").0 > 0);
    assert_eq!(session.show(7, "a"), (0, 0));
    assert!(session.canvas.wake_at().is_none());
    let (bytes, pictures) = session.show(7, "b");
    assert!(bytes > 0 && pictures == 0);
}

#[test]
fn no_second_holds_more_of_pictures_than_the_budget() {
    let budget = 6 * 1024;
    let mut session = Session::new(VideoBudget::Rate(budget));
    let mut sent: VecDeque<(Instant, usize)> = VecDeque::new();
    let mut total = 0;
    for number in 0..100 {
        let now = session.now;
        let (_, pictures) = session.show(number / 3, &number.to_string());
        sent.push_back((now, pictures));
        sent.retain(|(at, _)| *at + Duration::from_secs(1) > now);
        let sum: usize = sent.iter().map(|(_, bytes)| bytes).sum();
        assert!(sum as u64 <= budget, "{sum} bytes of pictures within a second");
        total += pictures as u64;
        let wanted = frame(number / 3, &number.to_string());
        for x in 0..SIZE.width {
            let seen = seen(&session.parser, x, SIZE.height - 1, false);
            assert_eq!(seen.symbol(), wanted[(x, SIZE.height - 1)].symbol(), "text waits");
        }
    }
    assert!(total > budget * 2, "{total} bytes in four seconds make too little of the budget");
}

#[test]
fn a_picture_that_stands_still_becomes_exact_on_any_budget() {
    for budget in [VideoBudget::Rate(2048), TOLERANT] {
        let mut session = Session::new(budget);
        session.show(1, "");
        session.show(2, "");
        let mut frames = 0;
        loop {
            session.show(3, "");
            let Some(at) = session.canvas.wake_at() else { break };
            session.now = session.now.max(at);
            frames += 1;
            assert!(frames < 1000, "not complete after {frames} frames at {budget}");
        }
        compare(&session.parser, &frame(3, ""), 0).unwrap();
    }
}

#[test]
fn the_largest_errors_go_first() {
    let mut session = Session::new(VideoBudget::Rate(16 * 1024));
    for _ in 0..200 {
        session.show(1, "");
    }
    // Two pictures one of which differs much in a corner and little elsewhere.
    let mut draw = |much: bool| {
        let bytes = session.canvas.paint(SIZE, session.now, |buf| {
            video(1, "", buf);
            for cell in buf.content.iter_mut().filter(|cell| is_picture(cell)) {
                let Color::Rgb(r, g, b) = cell.fg else { continue };
                cell.fg = Color::Rgb(r ^ 16, g, b);
            }
            if much {
                for x in 0..4 {
                    buf[(x, 3)].set_char('▀').set_fg(Color::Rgb(1, 2, 3));
                    buf[(x, 3)].set_bg(Color::Rgb(250, 251, 252));
                    buf[(x, 3)].modifier = MARK;
                }
            }
            None
        });
        session.parser.process(&bytes);
        session.now += FRAME;
    };
    draw(false);
    draw(true);
    for x in 0..4 {
        let seen = seen(&session.parser, x, 3, true);
        let mut wanted = Cell::default();
        wanted.set_char('▀').set_fg(Color::Rgb(1, 2, 3)).set_bg(Color::Rgb(250, 251, 252));
        wanted.modifier = MARK;
        assert!(difference(&seen, &wanted) < 64, "{seen:?}");
    }
}

/// `MARK` cells over which themed text is written become text.
#[test]
fn what_is_written_over_a_picture_is_text() {
    let mut buf = frame(1, "");
    let area = *buf.area();
    let theme = conclave::ui::testing::Harness::new(80, 24).state.theme().clone();
    buf.set_string(12, 2, "ben", theme.style(conclave::ui::theme::Role::Base));
    assert!(is_picture(&buf[(11, 2)]));
    assert!((12..15).all(|x| !is_picture(&buf[(x, 2)])));
    assert!(is_picture(&buf[(15, 2)]));
    assert_eq!(area.height, SIZE.height);
}
