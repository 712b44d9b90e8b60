//! A terminal that takes 50 KiB in a second, a video that would need fifty times as much, and
//! somebody who types: how long until a key is seen, and whether memory stays what it was.
//!
//! The interface runs as a child on a real pseudo-terminal, with a backend that brings nothing
//! but pictures; then the same at the other end of a slow SSH connection, where a write never
//! waits. `make slow-terminal` runs this; the figures are printed and judged by nobody.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and has nobody to hand an error to"
)]

#[path = "slow_terminal/client.rs"]
mod client;
#[path = "slow_terminal/line.rs"]
mod line;

use std::fs;
use std::io::Read;
use std::io::Write;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use portable_pty::CommandBuilder;
use portable_pty::PtySize;
use portable_pty::native_pty_system;

/// Tells the child that it is one.
const CLIENT: &str = "--client";

/// Bytes in a second that the terminal takes.
const RATE: usize = 50 * 1024;

/// Bytes at once.
const PIECE: usize = 256;

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;

/// How long nothing is seen of a key before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the terminal has seen.
struct Seen {
    parser: Mutex<vt100::Parser>,
    bytes: AtomicU64,
    /// The longest time without a byte, in milliseconds.
    silence_ms: AtomicU64,
    done: AtomicBool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == CLIENT) {
        client::run(arguments.last().unwrap());
        return;
    }
    let little = cfg!(debug_assertions) || arguments.iter().any(|argument| argument == "--test");
    let given = std::env::var("KEYS").ok().and_then(|text| text.parse().ok());
    let keys = given.unwrap_or(if little { 4 } else { 100 });
    println!("a terminal of {COLUMNS}x{ROWS} that takes {} KiB/s, {keys} keys", RATE / 1024);
    let itself = std::env::current_exe().unwrap();
    let here = |budget: &str| {
        let mut command = CommandBuilder::new(&itself);
        command.args([CLIENT, budget]);
        command
    };
    for budget in ["auto", "32KiB/s"] {
        drill(budget, here(budget), Some(RATE), keys);
    }
    // Without a budget a key waits for whole frames: for comparison, briefly.
    if !little {
        drill("exact", here("exact"), Some(RATE), keys.min(10));
    }
    let line = match line::Line::new() {
        Ok(line) => line,
        Err(why) => {
            return println!("SKIPPED: no slow SSH line, which needs Linux, root and sshd: {why}");
        }
    };
    println!("the same terminal by an SSH line of {}, {keys} keys", line::RATE);
    let client = format!("{} {CLIENT} auto", itself.display());
    drill("auto", line.command(&client), None, keys);
    if !little {
        // As if the connection could not be seen.
        drill("blind", line.command(&format!("env -u SSH_CONNECTION {client}")), None, 5);
    }
}

/// Types into a program on a terminal that takes so many bytes in a second.
fn drill(name: &str, mut command: CommandBuilder, rate: Option<usize>, keys: usize) {
    let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let side = |cells| NonZeroU16::new(cells).unwrap();
    let seen = Arc::new(Seen {
        parser: Mutex::new(vt100::Parser::new(side(ROWS), side(COLUMNS), 0)),
        bytes: AtomicU64::new(0),
        silence_ms: AtomicU64::new(0),
        done: AtomicBool::new(false),
    });
    let reader = pair.master.try_clone_reader().unwrap();
    let reading = thread::spawn({
        let seen = Arc::clone(&seen);
        move || read(reader, rate, &seen)
    });
    let mut writer = pair.master.take_writer().unwrap();
    let pid = child.process_id().unwrap();
    thread::sleep(Duration::from_secs(4));
    let (before, from, begun) =
        (memory_kib(pid), seen.bytes.load(Ordering::Relaxed), Instant::now());
    seen.silence_ms.store(0, Ordering::Relaxed);
    let mut times = type_keys(&mut writer, &seen, keys);
    let seconds = begun.elapsed().as_secs_f64();
    let bytes = seen.bytes.load(Ordering::Relaxed) - from;
    let (after, silence) = (memory_kib(pid), seen.silence_ms.load(Ordering::Relaxed));
    child.kill().unwrap();
    child.wait().unwrap();
    seen.done.store(true, Ordering::Relaxed);
    drop(writer);
    drop(pair.master);
    reading.join().unwrap();
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len() - 1)).copied();
    // At the other end of a line, the process here is only its end.
    let memory = rate.map(|_| format!("; memory {before} KiB, later {after} KiB"));
    println!(
        "  {name:>8}: echo p50 {:?} p95 {:?} worst {:?}; {:.1} KiB/s taken, longest silence \
         {silence} ms{}",
        at(50).unwrap_or_default(),
        at(95).unwrap_or_default(),
        at(100).unwrap_or_default(),
        bytes as f64 / 1024.0 / seconds,
        memory.unwrap_or_default(),
    );
}

/// Takes what comes, at the rate and not faster.
fn read(mut reader: Box<dyn Read + Send>, rate: Option<usize>, seen: &Seen) {
    let mut piece = [0; PIECE];
    let mut due = Instant::now();
    let mut last = Instant::now();
    while !seen.done.load(Ordering::Relaxed) {
        let Ok(length @ 1..) = reader.read(&mut piece) else { return };
        seen.silence_ms.fetch_max(last.elapsed().as_millis() as u64, Ordering::Relaxed);
        last = Instant::now();
        if let Some(rate) = rate {
            due = due.max(last) + Duration::from_secs(1) * length as u32 / rate as u32;
            // Shown when it has crossed the line, not when it has set out.
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        seen.parser.lock().unwrap().process(&piece[..length]);
        seen.bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Types letters into the command line and measures how long until each is seen.
fn type_keys(writer: &mut Box<dyn Write + Send>, seen: &Seen, keys: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut typed = String::new();
    writer.write_all(b":").unwrap();
    for number in 0..keys {
        // Not in step with the frames of the video.
        thread::sleep(Duration::from_millis(150 + (number as u64 * 37) % 110));
        let letter = char::from(b'a' + (number % 26) as u8);
        let begun = Instant::now();
        if typed.len() >= 24 {
            writer.write_all(b"\x1b").unwrap();
            thread::sleep(Duration::from_millis(300));
            writer.write_all(b":").unwrap();
            thread::sleep(Duration::from_millis(300));
            typed.clear();
            continue;
        }
        typed.push(letter);
        writer.write_all(&[letter as u8]).unwrap();
        while !seen.parser.lock().unwrap().screen().contents().contains(&format!(":{typed}")) {
            if begun.elapsed() > PATIENCE {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        times.push(begun.elapsed());
    }
    times
}

/// Memory that a process has in use.
fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
