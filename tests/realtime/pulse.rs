//! Real sound devices: a tone played into one virtual sound card comes out of another one,
//! through two processes, Opus, encryption and the SFU.

use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use crate::support::process::Conclave;

const RATE: usize = 48_000;
const HERTZ: f64 = 440.0;
/// Seconds that are recorded at the far end.
const SECONDS: usize = 6;

/// A private sound server; ended when dropped.
struct SoundServer {
    environment: Vec<(String, String)>,
}

impl SoundServer {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pulse/server.sh");
        let output = Command::new("sh").args([script, "start"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "pulseaudio runs: `make setup-test` installs it");
        let environment = text
            .trim()
            .trim_start_matches("export ")
            .split("' ")
            .filter_map(|pair| pair.split_once("='"))
            .map(|(name, value)| (name.to_owned(), value.trim_end_matches('\'').to_owned()))
            .collect();
        Self { environment }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn conclave(&self, arguments: &[&str]) -> Conclave {
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Conclave::start_with(arguments, &environment)
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pulse/server.sh");
        let _ = self.command("sh").args([script, "stop"]).status();
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays a tone into a sink for as long as the result lives.
fn play_tone(server: &SoundServer, sink: &str) -> Running {
    let format = ["--rate=48000", "--channels=1", "--format=s16le", "--latency-msec=50"];
    let mut player = server.command("pacat");
    player.arg("--playback").arg(format!("--device={sink}")).args(format).stdin(Stdio::piped());
    let mut player = player.spawn().unwrap();
    let mut input = player.stdin.take().unwrap();
    std::thread::spawn(move || {
        for second in 0..600_usize {
            let samples: Vec<u8> = (second * RATE..(second + 1) * RATE)
                .map(|n| (n as f64 * HERTZ / RATE as f64 * std::f64::consts::TAU).sin() * 0.5)
                .flat_map(|sample| ((sample * 32767.0) as i16).to_le_bytes())
                .collect();
            // The player takes it at the speed of sound cards, and is killed in the end.
            if input.write_all(&samples).is_err() {
                return;
            }
        }
    });
    Running(player)
}

/// Records from a source.
fn record(server: &SoundServer, source: &str) -> Vec<f64> {
    let format = ["--rate=48000", "--channels=1", "--format=s16le", "--latency-msec=50"];
    let mut recorder = server.command("parec");
    recorder.arg(format!("--device={source}")).args(format).stdout(Stdio::piped());
    let mut recorder = Running(recorder.spawn().unwrap());
    let mut bytes = vec![0; SECONDS * RATE * 2];
    recorder.0.stdout.as_mut().unwrap().read_exact(&mut bytes).unwrap();
    let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    samples.map(|sample| f64::from(sample) / 32767.0).collect()
}

/// Amplitude of a frequency (Goertzel), over windows short enough for drifting clocks.
fn amplitude(samples: &[f64], hertz: f64) -> f64 {
    const WINDOW: usize = 4800;
    let windows: Vec<_> = samples
        .chunks_exact(WINDOW)
        .map(|window| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in window.iter().enumerate() {
                let angle = n as f64 * hertz / RATE as f64 * std::f64::consts::TAU;
                re += sample * angle.cos();
                im += sample * angle.sin();
            }
            2.0 * f64::hypot(re, im) / WINDOW as f64
        })
        .collect();
    windows.iter().sum::<f64>() / windows.len() as f64
}

#[test]
fn tone_travels_from_sound_card_to_sound_card() {
    let _turn = crate::take_turns();
    if !cfg!(feature = "audio") {
        println!("skipped: this build has no real sound devices (feature `audio`)");
        return;
    }
    let server = SoundServer::start();
    let (ana_data, ben_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ana_path = ana_data.path().display().to_string();
    let ben_path = ben_data.path().display().to_string();
    let _tone = play_tone(&server, "mic_feed");
    let mut ana = server.conclave(&[
        "host",
        "--listen",
        "127.0.0.1:0",
        "--data",
        &ana_path,
        "--name",
        "ana",
        "--admit",
        "all",
        "--headless",
        "--json",
        "--mic",
        "mic",
        "--speaker",
        "null",
    ]);
    let invite = ana.event("hosting")["invite"].as_str().unwrap().to_owned();
    ana.event("joined");
    let mut ben = server.conclave(&[
        "join",
        &invite,
        "--data",
        &ben_path,
        "--name",
        "ben",
        "--headless",
        "--json",
        "--mic",
        "silence",
        "--speaker",
        "spk",
    ]);
    ben.event("joined");
    ben.event("first_audio");
    // One second for the devices' own buffers to fill up, by counting reports of the call.
    ben.event("stats");
    ben.event("stats");
    let heard = record(&server, "spk_mic");
    let (at_tone, beside) = (amplitude(&heard, HERTZ), amplitude(&heard, 1000.0));
    let stats = ben.event("stats");
    println!("tone of 0.5 came out at {at_tone:.3}, beside it {beside:.4}; {stats}");
    assert!((0.4..0.6).contains(&at_tone), "amplitude {at_tone}");
    assert!(beside < 0.02, "beside the tone {beside}");
    ben.signal("INT");
    ana.signal("INT");
    assert!(ben.finish().0.success());
    assert!(ana.finish().0.success());
}
