//! `conclave play` in a real terminal: what is shown, what keys do, and the terminal afterwards.

use std::fs;
use std::io::Cursor;
use std::time::Duration;

use conclave::media::Picture;
use conclave::media::codec::vp8::Encoder;
use conclave::media::codec::vp8::EncoderConfig;
use conclave::media::container::ivf::IvfWriter;
use conclave::media::container::wav::WavWriter;

use crate::support::process::Conclave;
use crate::support::tmux::Terminal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conclave");
/// Long enough for a slow machine never to reach the end by itself.
const SECONDS: u32 = 1801;

/// A film of a picture per second that is bright on the left for the first minute and on the
/// right from then on.
fn film() -> Vec<u8> {
    let config = EncoderConfig { width: 32, height: 32, fps: 1, bitrate_kbit: 100 };
    let mut encoder = Encoder::new(config).unwrap();
    let mut writer = IvfWriter::new(Cursor::new(Vec::new())).unwrap();
    let mut picture = Picture::new(32, 32).unwrap();
    for second in 0..SECONDS {
        let bright = if second < 60 { 0..16 } else { 16..32 };
        for row in picture.y_mut().chunks_mut(32) {
            for (x, sample) in row.iter_mut().enumerate() {
                *sample = if bright.contains(&x) { 235 } else { 16 };
            }
        }
        let time = Duration::from_secs(u64::from(second));
        if let Some(frame) = encoder.encode(&picture, time, second % 10 == 0).unwrap() {
            writer.write(&frame.data, u64::from(second) * 1000).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

/// The fullest half of each line of the screen, where there is one.
fn bright_half(screen: &str) -> Option<&'static str> {
    let (mut left, mut right) = (0, 0);
    for line in screen.lines().take(10) {
        for (column, symbol) in line.chars().enumerate() {
            if "#%@".contains(symbol) {
                *if column < 20 { &mut left } else { &mut right } += 1;
            }
        }
    }
    (left != right).then_some(if left > right { "left" } else { "right" })
}

#[test]
fn a_film_is_shown_sought_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let (pictures, sound) = (folder.path().join("film.ivf"), folder.path().join("film.wav"));
    fs::write(&pictures, film()).unwrap();
    let file = fs::File::create(&sound).unwrap();
    WavWriter::new(file, 48_000).unwrap().write(&[0.1; 480_000]).unwrap();
    let terminal = Terminal::open("play", 40, 12);
    let before = terminal.modes();
    terminal.run(&format!(
        "NO_COLOR=1 {PROGRAM} --ascii --data {} --speaker null play {} --with {}",
        folder.path().display(),
        pictures.display(),
        sound.display()
    ));
    terminal.see("/ 30:00");
    terminal.see("q quit");
    terminal.see_where("the left half bright", |screen| bright_half(screen) == Some("left"));
    terminal.keys(&["Space"]);
    terminal.see("[paused]");
    terminal.press_until("+", |screen| screen.contains("8x"));
    terminal.press_until("-", |screen| screen.contains("0.25x"));
    // A picture per key: the place moves although nothing plays.
    terminal.press_until("Right", |screen| screen.contains("[paused] 2:"));
    terminal.see_where("the right half bright", |screen| bright_half(screen) == Some("right"));
    terminal.press_until("Left", |screen| screen.contains("[paused] 0:0"));
    terminal.see_where("the left half bright", |screen| bright_half(screen) == Some("left"));
    terminal.keys(&["q"]);
    terminal.see_where("the shell again", |screen| !screen.contains("q quit"));
    assert_eq!(terminal.modes(), before);
}

#[test]
fn what_is_no_recording_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "nothing to see").unwrap();
    let data = folder.path().display().to_string();
    let missing = folder.path().join("missing.ivf").display().to_string();
    let file = path.display().to_string();
    for (file, reason) in [(&file, "not IVF, Y4M, WAV or Ogg"), (&missing, "No such file")] {
        let (status, _, said) = Conclave::start(["play", file, "--data", &data]).finish();
        assert!(!status.success() && said.contains(reason), "{said}");
    }
}
