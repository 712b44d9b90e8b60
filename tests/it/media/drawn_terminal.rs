//! A command whose terminal is shown as pictures.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use conclave::device::video::VideoFormat;
use conclave::device::video::VideoKind;
use conclave::device::video::VideoSource;
use conclave::device::video::open;
use conclave::media::terminal::TerminalSize;
use conclave::media::video::Picture;

use crate::support::letters;
use crate::support::wait;

const TEXT: VideoFormat = VideoFormat { max_width: 1280, max_height: 720, fps: 5 };

/// Pictures that a source gives while a clock of its own runs.
struct Watch {
    source: Box<dyn VideoSource>,
    now: Instant,
}

impl Watch {
    fn new(spec: &str, format: &VideoFormat) -> Self {
        let source = open(&spec.parse().unwrap(), format).unwrap();
        Self { source, now: Instant::now() }
    }

    fn until(&mut self, wanted: impl Fn(&Picture) -> bool) -> Arc<Picture> {
        wait::until("a picture of a terminal", || {
            self.now += Duration::from_millis(50);
            self.source.next(self.now).unwrap().filter(|picture| wanted(picture))
        })
    }
}

#[test]
fn what_a_command_writes_can_be_read_in_the_pictures() {
    let mut watch =
        Watch::new("terminal:\"printf '\\033[?25lThe quick\\r\\n{fox}~ %s' 0123\"", &TEXT);
    assert_eq!(watch.source.kind(), VideoKind::Screen);
    let read = |picture: &Picture| letters::read(picture);
    let picture = watch.until(|picture| read(picture)[1].contains("0123"));
    assert_eq!((picture.width(), picture.height()), (640, 384));
    assert_eq!(read(&picture)[..3], ["The quick", "{fox}~ 0123", ""]);
    let expected = letters::drawn(TerminalSize::USUAL, "\x1b[?25lThe quick\r\n{fox}~ 0123");
    assert_eq!(*picture, expected);
    // The command has ended; the last of its screen stays, and is no news.
    for _ in 0..50 {
        watch.now += Duration::from_millis(50);
        assert!(watch.source.next(watch.now).unwrap().is_none());
    }
}

#[test]
fn a_command_that_is_silent_is_an_empty_screen_that_fits() {
    let small = VideoFormat { max_width: 320, max_height: 180, fps: 15 };
    let mut watch = Watch::new("terminal:\"exec sleep 1000\"", &small);
    let picture = watch.until(|_| true);
    assert_eq!((picture.width(), picture.height()), (300, 180));
}
