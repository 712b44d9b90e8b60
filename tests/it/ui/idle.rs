//! What does not change costs nothing.

use std::time::Duration;

use conclave::model::CallStats;
use conclave::model::Level;
use conclave::ui::canvas::Canvas;
use conclave::ui::event::Event;
use conclave::ui::testing::Harness;
use conclave::ui::view::draw;

use super::world;

fn paint(canvas: &mut Canvas, ui: &Harness) -> Vec<u8> {
    canvas.paint(ui.state.size, ui.state.clock.now, |buf| draw(&ui.state, buf))
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

/// Statistics of a second in which next to nothing was sent, over a link that is never
/// quite the same.
fn quiet_stats(second: u64) -> CallStats {
    let wave = (second % 5) as f64;
    CallStats {
        packets: 2 * second + second % 2,
        jitter_ms: 0.4 + 0.8 * wave,
        rtt_ms: Some(0.3 + 0.7 * wave),
        bytes: 160 * second + 80 * (second % 2),
        packets_sent: 2 * second + second % 3,
        bytes_sent: 150 * second + 75 * (second % 3),
        ..CallStats::default()
    }
}

#[test]
fn figures_of_a_quiet_call_stay_as_they_are() {
    let mut canvas = Canvas::new();
    let mut ui = world::in_call(120, 40).event(world::levels(-100.0, -100.0));
    for second in 0..3 {
        ui = ui.wait(Duration::from_secs(1)).event(Event::StatsMeasured(quiet_stats(second)));
    }
    let mut ui = settle(ui);
    paint(&mut canvas, &ui);
    for second in 3..300 {
        ui = ui.wait(Duration::from_secs(1)).event(Event::StatsMeasured(quiet_stats(second)));
        assert!(ui.state.deadline().is_none());
        let bytes = paint(&mut canvas, &ui);
        assert!(bytes.is_empty(), "after {second} s: {}", ui.screen());
    }
}

#[test]
fn what_a_person_should_see_is_drawn_at_once() {
    let mut canvas = Canvas::new();
    let ui = settle(world::in_call(120, 40).event(world::levels(-100.0, -100.0)));
    paint(&mut canvas, &ui);
    let ui = ui.event(world::levels(-100.0, -20.0));
    assert!(!paint(&mut canvas, &ui).is_empty());
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
