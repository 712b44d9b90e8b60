//! What does not change costs nothing.

use std::time::Duration;

use conclave::model::Level;
use conclave::ui::canvas::Canvas;
use conclave::ui::testing::Harness;
use conclave::ui::view::draw;

use super::world;

fn paint(canvas: &mut Canvas, ui: &Harness) -> Vec<u8> {
    canvas.paint(ui.state.size, |buf| draw(&ui.state, buf)).unwrap()
}

/// Lets everything that moves come to rest.
fn settle(mut ui: Harness) -> Harness {
    while let Some(deadline) = ui.state.deadline() {
        let time = deadline.saturating_duration_since(ui.state.clock.now);
        ui = ui.wait(time);
    }
    ui
}

#[test]
fn the_same_picture_twice_is_no_bytes() {
    let mut canvas = Canvas::new();
    let ui = world::in_call(120, 40);
    assert!(!paint(&mut canvas, &ui).is_empty());
    assert!(paint(&mut canvas, &ui).is_empty());
}

#[test]
fn a_quiet_call_writes_nothing_and_needs_no_timer() {
    let mut canvas = Canvas::new();
    let mut ui = settle(world::in_call(120, 40).event(world::levels(-100.0, -100.0)));
    paint(&mut canvas, &ui);
    for tenth in 0..100u16 {
        let noise = -90.0 + f32::from(tenth % 7);
        ui = ui.wait(Duration::from_millis(100)).event(world::levels(noise, noise));
        assert!(ui.state.deadline().is_none());
        assert!(paint(&mut canvas, &ui).is_empty(), "after {tenth} tenths of a second");
    }
    assert!(Level::FLOOR.dbfs() < -90.0);
}

#[test]
fn a_small_change_is_few_bytes() {
    let mut canvas = Canvas::new();
    let ui = settle(world::in_call(120, 40));
    let whole = paint(&mut canvas, &ui).len();
    let change = paint(&mut canvas, &ui.press("m")).len();
    assert!((1..whole / 10).contains(&change), "{change} of {whole}");
}

#[test]
fn a_forgotten_screen_is_drawn_in_full() {
    let mut canvas = Canvas::new();
    let ui = settle(world::in_call(80, 24));
    let first = paint(&mut canvas, &ui);
    canvas.invalidate();
    assert_eq!(paint(&mut canvas, &ui), first);
    let resized = ui.resize(81, 24);
    assert!(paint(&mut canvas, &resized).len() > first.len() / 2);
}
