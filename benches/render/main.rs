//! The renderer against the programs that show videos in terminals: timg, chafa and mpv.
//!
//! All read the same uncompressed clips in the same run; programs that are missing are left
//! out. What it costs to start is subtracted. `make bench-render` runs this;
//! `docs/rendering.md` explains it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and has nobody to hand an error to"
)]

mod clip;
mod ours;
mod peers;

use clip::Clip;
use ours::Ours;
use peers::Peer;

/// Cells to show the clips in, about the stage of a large and of an ordinary terminal.
const SIZES: [(u16, u16); 2] = [(160, 45), (80, 22)];

/// Frames of a clip.
const FRAMES: usize = 240;

/// What showing a clip costs.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Milliseconds of processor time per frame.
    pub cpu_ms: f64,
    /// Bytes per frame.
    pub bytes: f64,
    /// Likeness to the picture in all its colours, after the first second; without end if
    /// there is no difference.
    pub db: Option<f64>,
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    // As part of the tests it is enough that it runs.
    let little = cfg!(debug_assertions) || std::env::args().any(|argument| argument == "--test");
    if little {
        let clip = Clip::call(&Clip::meeting(18));
        clip.write(directory.path());
        let cost = |ours: Ours| ours.cost(&clip, directory.path(), SIZES[1]);
        print(&Ours::ALL.map(|ours| (ours.name().to_owned(), cost(ours))));
        return;
    }
    let meeting = Clip::meeting(FRAMES);
    let clips = [Clip::call(&meeting), meeting, Clip::pan(FRAMES)];
    for clip in &clips {
        clip.write(directory.path());
    }
    for clip in &clips {
        for (width, height) in SIZES {
            println!("\n{}, {} frames, {width}x{height} cells", clip.name, clip.pictures.len());
            let mut rows: Vec<(String, Cost)> = Vec::new();
            for peer in Peer::ALL {
                match peer.cost(clip, directory.path(), (width, height)) {
                    Some(cost) => rows.push((peer.name().to_owned(), cost)),
                    None => println!("  {} is not installed", peer.name()),
                }
            }
            for ours in Ours::ALL {
                rows.push((
                    ours.name().to_owned(),
                    ours.cost(clip, directory.path(), (width, height)),
                ));
            }
            print(&rows);
        }
    }
}

fn print(rows: &[(String, Cost)]) {
    let base = rows.iter().find(|(name, _)| name == "timg").map(|(_, cost)| *cost);
    println!(
        "  {:<22} {:>8} {:>6} {:>10} {:>6} {:>8}",
        "", "ms CPU", "x timg", "bytes", "x timg", "dB"
    );
    for (name, cost) in rows {
        let ratio = |own: f64, of: fn(&Cost) -> f64| {
            base.as_ref().map_or_else(|| "-".to_owned(), |base| format!("{:.2}", own / of(base)))
        };
        let db = cost.db.map_or_else(String::new, |db| match db.is_finite() {
            true => format!("{db:.1}"),
            false => "exact".to_owned(),
        });
        println!(
            "  {name:<22} {:>8.2} {:>6} {:>10.0} {:>6} {db:>8}",
            cost.cpu_ms,
            ratio(cost.cpu_ms, |base| base.cpu_ms),
            cost.bytes,
            ratio(cost.bytes, |base| base.bytes),
        );
    }
}
