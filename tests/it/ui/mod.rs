//! Tests of the `ui` layer.

mod world;

#[test]
fn look() {
    for (w, h) in [(120, 40), (80, 24), (40, 12)] {
        println!("{}", world::in_call(w, h).screen());
    }
}
