//! The others: how they are started, and what they cost.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use super::Cost;
use super::clip::Clip;
use super::clip::PNGS;

/// Ticks per second in `/proc`, the same on every Linux there is.
const TICKS: f64 = 100.0;

/// Each is run so often, and the least is taken: it is what others on the machine have not
/// added to.
pub const RUNS: u32 = 5;

/// How often a clip is shown in one go: processor time is told in hundredths of a second.
const LOOPS: usize = 5;

/// A program that shows videos in a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Half blocks, from the video.
    Timg,
    /// Half blocks, from pictures; it reads no videos.
    Chafa,
    /// Half blocks, from the video.
    Mpv,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Timg, Self::Chafa, Self::Mpv];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timg => "timg",
            Self::Chafa => "chafa",
            Self::Mpv => "mpv",
        }
    }

    /// What it costs to show a clip, without what it costs to start; `None` if it is not
    /// installed. The clip is not compressed, so there is nothing to decode but for chafa,
    /// which reads pictures: there, showing them in next to no cells is subtracted. The others
    /// show it several times, and what it costs to show it once is subtracted.
    pub fn cost(self, clip: &Clip, directory: &Path, cells: (u16, u16)) -> Option<Cost> {
        let frames = if self == Self::Chafa { PNGS } else { clip.pictures.len() };
        let (whole, base, counted) = match self {
            Self::Chafa => ((1, cells), (1, (2, 1)), frames),
            _ => ((LOOPS, cells), (1, cells), (LOOPS - 1) * frames),
        };
        let (mut most, mut least, mut bytes) = (f64::INFINITY, f64::INFINITY, 0);
        for _ in 0..RUNS {
            let (ms, length) = run(self.command(clip, directory, frames, whole))?;
            (most, bytes) = (most.min(ms), length / whole.0);
            least = least.min(run(self.command(clip, directory, frames, base))?.0);
        }
        let cpu_ms = (most - least) / counted as f64;
        Some(Cost { cpu_ms, bytes: bytes as f64 / frames as f64, db: None })
    }

    /// Shows the first frames of a clip so many times.
    fn command(
        self,
        clip: &Clip,
        directory: &Path,
        frames: usize,
        (loops, (width, height)): (usize, (u16, u16)),
    ) -> Command {
        let mut command = Command::new(self.name());
        match self {
            Self::Timg => {
                command.args(["-V", "-ph", &format!("--loops={loops}")]);
                command.arg(format!("-g{width}x{height}"));
                command.arg(clip.y4m(directory));
            }
            Self::Chafa => {
                command.args(["--symbols=vhalf", "--colors=full", "--format=symbols"]);
                command.arg(format!("--size={width}x{height}"));
                command.args((0..frames).map(|frame| clip.png(directory, frame)));
            }
            Self::Mpv => {
                command.args(["--no-config", "--no-audio", "--untimed", "--quiet", "--vo=tct"]);
                command.args(["--vo-tct-algo=half-blocks", &format!("--loop-file={}", loops - 1)]);
                command.arg(format!("--vo-tct-width={width}"));
                command.arg(format!("--vo-tct-height={height}"));
                command.arg(clip.y4m(directory));
            }
        }
        command
    }
}

/// Runs a program to its end: milliseconds of processor time, bytes of output.
fn run(mut command: Command) -> Option<(f64, usize)> {
    let before = children_ms();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
    let mut child = command.spawn().ok()?;
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    child.wait().unwrap();
    Some((children_ms() - before, output.len()))
}

/// Processor time of all children that have ended, in milliseconds.
fn children_ms() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program comes in brackets and may contain anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap();
    ticks * 1000.0 / TICKS
}
