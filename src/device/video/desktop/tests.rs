//! A window of known colours on a display of our own, and what is captured of it.

use super::*;
use crate::device::video::VideoError;
use crate::device::video::VideoFormat;
use crate::device::video::VideoSource;
use crate::device::video::VideoSpec;
use crate::media::video::Picture;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::AtomEnum;
use x11rb::protocol::xproto::ChangeWindowAttributesAux;
use x11rb::protocol::xproto::ConfigureWindowAux;
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::protocol::xproto::CreateGCAux;
use x11rb::protocol::xproto::CreateWindowAux;
use x11rb::protocol::xproto::PropMode;
use x11rb::protocol::xproto::Rectangle;
use x11rb::protocol::xproto::WindowClass;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

const RED: u32 = 0xff_0000;
const GREEN: u32 = 0xff00;
const BLUE: u32 = 0xff;
const GREY: u32 = 0x80_8080;

/// An X server without a screen.
struct Xvfb {
    child: Child,
    name: String,
}

impl Xvfb {
    /// `None`, loudly, if there is none on this machine.
    fn start() -> Option<Self> {
        let child = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "320x200x24", "-nolisten", "tcp"])
            .args(["-noreset", "-ac"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                println!("SKIPPED: Xvfb does not start ({error}); `make setup-test` installs it");
                return None;
            }
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let number: u32 = line.trim().parse().expect("Xvfb says which display it has");
        Some(Self { child, name: format!(":{number}") })
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program with windows.
struct Program {
    conn: RustConnection,
    root: u32,
}

impl Program {
    fn on(display: &Xvfb) -> Self {
        let (conn, screen) = x11rb::connect(Some(&display.name)).unwrap();
        let root = conn.setup().roots[screen].root;
        let program = Self { conn, root };
        let grey = ChangeWindowAttributesAux::new().background_pixel(GREY);
        program.conn.change_window_attributes(root, &grey).unwrap();
        program.conn.clear_area(false, root, 0, 0, 0, 0).unwrap();
        program
    }

    /// A window of one colour with a border of another one.
    fn window(&self, title: &str, [x, y]: [i16; 2], [width, height]: [u16; 2], pixel: u32) -> u32 {
        let id = self.conn.generate_id().unwrap();
        let look = CreateWindowAux::new().background_pixel(pixel).border_pixel(GREY);
        let class = WindowClass::INPUT_OUTPUT;
        self.conn.create_window(0, id, self.root, x, y, width, height, 2, class, 0, &look).unwrap();
        let (name, kind) = (AtomEnum::WM_NAME, AtomEnum::STRING);
        self.conn.change_property8(PropMode::REPLACE, id, name, kind, title.as_bytes()).unwrap();
        self.conn.map_window(id).unwrap();
        self.settle();
        id
    }

    fn fill(&self, window: u32, pixel: u32, area: Rectangle) {
        let gc = self.conn.generate_id().unwrap();
        self.conn.create_gc(gc, window, &CreateGCAux::new().foreground(pixel)).unwrap();
        self.conn.poly_fill_rectangle(window, gc, &[area]).unwrap();
        self.conn.free_gc(gc).unwrap();
        self.settle();
    }

    /// The server has done all that was asked of it.
    fn settle(&self) {
        self.conn.get_input_focus().unwrap().reply().unwrap();
    }
}

fn format() -> VideoFormat {
    VideoFormat { max_width: 640, max_height: 400, fps: 10 }
}

/// A clock that goes forward as told.
struct Clock(Instant);

impl Clock {
    fn next(
        &mut self,
        source: &mut DesktopSource,
        ms: u64,
    ) -> Result<Option<Arc<Picture>>, String> {
        self.0 += Duration::from_millis(ms);
        source.next(self.0).map_err(|error| error.to_string())
    }
}

fn colour(picture: &Picture, x: usize, y: usize) -> u32 {
    let at = (y * picture.width() as usize + x) * 3;
    let rgb = picture.to_rgb();
    // Limited range and quarter chroma cost a few steps.
    let step = |value: u8| {
        if value > 245 {
            255
        } else if value < 10 {
            0
        } else {
            u32::from(value)
        }
    };
    let grey = |rgb: [u32; 3]| if rgb.iter().all(|c| c.abs_diff(128) < 5) { [128; 3] } else { rgb };
    let [red, green, blue] = grey([rgb[at], rgb[at + 1], rgb[at + 2]].map(step));
    (red << 16) | (green << 8) | blue
}

#[test]
fn a_window_is_captured_pixel_for_pixel_whatever_lies_over_it() {
    let Some(display) = Xvfb::start() else { return };
    let program = Program::on(&display);
    let window = program.window("Quarterly figures", [40, 30], [100, 80], RED);
    program.window("Private mail", [60, 50], [200, 100], BLUE);

    let spec = VideoSpec::Window("figures".to_owned());
    let mut source = DesktopSource::open(&spec, format(), Some(&display.name)).unwrap();
    // What was covered until now is asked of the program again.
    program.fill(window, GREEN, Rectangle { x: 50, y: 0, width: 50, height: 40 });
    let mut clock = Clock(Instant::now());
    let picture = clock.next(&mut source, 0).unwrap().expect("the first picture comes at once");
    assert_eq!((picture.width(), picture.height()), (100, 80));
    for (x, y, expected) in
        [(2, 2, RED), (40, 70, RED), (97, 77, RED), (97, 2, GREEN), (54, 36, GREEN)]
    {
        assert_eq!(format!("{:06x}", colour(&picture, x, y)), format!("{expected:06x}"), "{x},{y}");
    }
    assert_eq!(source.kind(), crate::device::video::VideoKind::Screen);

    assert!(clock.next(&mut source, 1).unwrap().is_none(), "no more often than asked for");
    assert!(clock.next(&mut source, 200).unwrap().is_none(), "nothing has changed");
    let again = clock.next(&mut source, 1_000).unwrap().expect("for those who came later");
    assert!(Arc::ptr_eq(&again, &picture));

    program.fill(window, BLUE, Rectangle { x: 0, y: 0, width: 10, height: 10 });
    let picture = clock.next(&mut source, 200).unwrap().expect("something has changed");
    assert_eq!(colour(&picture, 4, 4), BLUE);

    let larger = ConfigureWindowAux::new().width(150).height(90);
    program.conn.configure_window(window, &larger).unwrap();
    program.settle();
    let picture = clock.next(&mut source, 200).unwrap().expect("it is larger now");
    assert_eq!((picture.width(), picture.height()), (150, 90));

    program.conn.unmap_window(window).unwrap();
    program.settle();
    assert!(clock.next(&mut source, 200).unwrap().is_none(), "minimised, not closed");
    program.conn.map_window(window).unwrap();
    program.settle();
    assert!(clock.next(&mut source, 2_000).unwrap().is_some());

    program.conn.destroy_window(window).unwrap();
    program.settle();
    let lost = clock.next(&mut source, 200).unwrap_err();
    assert!(lost.contains("window `Quarterly figures` was lost: it was closed"), "{lost}");
}

#[test]
fn a_screen_is_captured_with_its_windows_and_its_cursor_and_made_smaller() {
    let Some(display) = Xvfb::start() else { return };
    let program = Program::on(&display);
    program.window("left", [0, 0], [160, 196], RED);
    program.conn.warp_pointer(x11rb::NONE, program.root, 0, 0, 0, 0, 240, 100).unwrap();
    program.settle();

    let spec = VideoSpec::Screen(None);
    let mut source = DesktopSource::open(&spec, format(), Some(&display.name)).unwrap();
    let mut clock = Clock(Instant::now());
    let picture = clock.next(&mut source, 0).unwrap().unwrap();
    assert_eq!((picture.width(), picture.height()), (320, 200));
    assert_eq!(colour(&picture, 80, 100), RED);
    assert_eq!(colour(&picture, 300, 20), GREY);
    let cursor = |picture: &Picture, x: usize, y: usize| {
        (0..16 * 16).any(|at| colour(picture, x - 8 + at % 16, y - 8 + at / 16) != GREY)
    };
    assert!(cursor(&picture, 240, 100), "the cursor is drawn");
    assert!(!cursor(&picture, 240, 160));
    program.conn.warp_pointer(x11rb::NONE, program.root, 0, 0, 0, 0, 240, 160).unwrap();
    program.settle();
    let picture = clock.next(&mut source, 200).unwrap().expect("the cursor has moved");
    assert!(cursor(&picture, 240, 160) && !cursor(&picture, 240, 100));

    let small = VideoFormat { max_width: 160, max_height: 160, fps: 10 };
    let first = VideoSpec::Screen(Some(1));
    let mut source = DesktopSource::open(&first, small, Some(&display.name)).unwrap();
    let picture = clock.next(&mut source, 200).unwrap().unwrap();
    assert_eq!((picture.width(), picture.height()), (160, 100));
    assert_eq!(colour(&picture, 40, 50), RED);

    let second = VideoSpec::Screen(Some(2));
    let missing = DesktopSource::open(&second, format(), Some(&display.name)).map(drop);
    let missing = missing.unwrap_err().to_string();
    assert!(missing.contains("no screen `screen:2`"), "{missing}");

    drop(display);
    let mut lost = Ok(None);
    for _ in 0..3 {
        lost = lost.and_then(|_: Option<_>| clock.next(&mut source, 2_000));
    }
    let lost = lost.unwrap_err();
    assert!(lost.contains("the X server has gone"), "{lost}");
}

#[test]
fn screens_and_windows_are_listed_by_names_that_can_be_opened() {
    let Some(display) = Xvfb::start() else { return };
    let program = Program::on(&display);
    program.window("first\x1b[31m", [0, 0], [100, 50], RED);
    program.window("second", [0, 60], [120, 60], BLUE);
    program.window("", [200, 0], [50, 50], GREEN);
    program.window("tiny", [200, 100], [5, 5], GREEN);

    let connected = Display::open(crate::device::video::Origin::Window, Some(&display.name));
    let found = list(&connected.unwrap()).unwrap();
    let names: Vec<(&str, u32, u32)> =
        found.iter().map(|info| (info.name.as_str(), info.width, info.height)).collect();
    assert_eq!(names[0].1, 320, "{names:?}");
    assert_eq!(names[1..], [("first [31m", 100, 50), ("second", 120, 60)]);
    assert!(found[0].is_default);
    for info in &found {
        let picture = snapshot(&info.spec(), (80, 80), Some(&display.name)).unwrap();
        assert!(picture.width() <= 80 && picture.height() <= 80, "{}", info.id);
    }
    let picture = snapshot(&found[2].spec(), (80, 80), Some(&display.name)).unwrap();
    assert_eq!(colour(&picture, 40, 10), BLUE);

    let nobody = VideoSpec::Window("third".to_owned());
    let error = DesktopSource::open(&nobody, format(), Some(&display.name)).map(drop).unwrap_err();
    let missing = crate::device::DeviceError::Video(VideoError::NotFound {
        origin: crate::device::video::Origin::Window,
        name: "third".to_owned(),
    });
    assert_eq!(error.to_string(), missing.to_string());
}
