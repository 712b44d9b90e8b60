//! A recorded call of three real processes whose bridge is killed in the middle.

use std::path::Path;
use std::path::PathBuf;

use conclave::media::container::wav::WavWriter;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::burst::onsets;
use crate::support::burst::samples;
use crate::support::process::Conclave;

const RATE: usize = 48_000;
/// Seconds of sound that each microphone has to offer: more than the test ever needs.
const SOUND: usize = 90;
/// Seconds that are recorded, unless the environment says otherwise.
const RECORDED: usize = 6;
/// Who is there, and how far into each second their bursts are, in milliseconds.
const PEOPLE: [(&str, usize); 3] = [("ana", 200), ("ben", 450), ("chi", 700)];

/// A microphone: a burst of 30 ms in every second.
fn microphone(dir: &Path, name: &str, offset_ms: usize) -> PathBuf {
    let path = dir.join(format!("{name}.wav"));
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = WavWriter::new(file, RATE as u32).unwrap();
    let second: Vec<f32> = (0..RATE)
        .map(|n| {
            let within = n.checked_sub(offset_ms * 48).filter(|n| *n < 30 * 48);
            let wave =
                |n: usize| 0.5 * (n as f32 * std::f32::consts::TAU * 1000.0 / 48_000.0).sin();
            within.map_or(0.0, wave)
        })
        .collect();
    for _ in 0..SOUND {
        writer.write(&second).unwrap();
    }
    path
}

struct World {
    dir: TempDir,
}

impl World {
    fn data(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn start(&self, name: &str, arguments: &[&str]) -> Conclave {
        let data = self.data(name);
        let mut all = arguments.to_vec();
        all.extend(["--json", "--data", &data]);
        Conclave::start(all)
    }

    fn host(&self, listen: &str, admit: &str, microphone: &str) -> (Conclave, String, String) {
        let arguments = ["host", "--listen", listen, "--name", "ana", "--room", "alpha"];
        let sound = ["--admit", admit, "--headless", "--mic", microphone, "--speaker", "null"];
        let mut host = self.start("ana", &[&arguments[..], &sound[..]].concat());
        let hosting = host.event("hosting");
        let text = |key: &str| hosting[key].as_str().unwrap().to_owned();
        (host, text("invite"), text("url"))
    }

    fn join(&self, name: &str, invite: &str, microphone: &str) -> Conclave {
        let sound = ["--headless", "--mic", microphone, "--speaker", "null"];
        self.start(name, &[&["join", invite, "--name", name][..], &sound[..]].concat())
    }
}

/// Runs a command to its end, which must be a good one.
fn done(command: Conclave) -> Vec<Value> {
    let (status, events, errors) = command.finish();
    assert!(status.success(), "{errors}");
    events
}

/// The difference between two times within a second, from -500 to 500 ms.
fn apart(a: f64, b: f64) -> f64 {
    (a - b + 500.0).rem_euclid(1000.0) - 500.0
}

#[test]
fn killed_bridge_leaves_a_recording_that_members_play_in_sync() {
    let recorded = std::env::var("CONCLAVE_RECORDED_SECONDS");
    let recorded: usize = recorded.map_or(RECORDED, |seconds| seconds.parse().unwrap());
    let world = World { dir: tempfile::tempdir().unwrap() };
    let microphones = PEOPLE.map(|(name, offset)| {
        format!("file:{}", microphone(world.dir.path(), name, offset).display())
    });
    let (mut host, invite, url) = world.host("127.0.0.1:0", "all", &microphones[0]);
    let mut begun = vec![host.event("audio_started")];
    let mut guests = Vec::new();
    for (index, (name, _)) in PEOPLE.iter().enumerate().skip(1) {
        let mut guest = world.join(name, &invite, &microphones[index]);
        begun.push(guest.event("audio_started"));
        host.event_where("published", |event| event["user"] == *name);
        guests.push(guest);
    }

    let mut record = world.start("ana", &["record", "alpha"]);
    let recording = record.event("recording_started")["recording"].as_str().unwrap().to_owned();
    done(record);
    let state = done(world.start("ben", &["rooms", "recording", "alpha"]));
    assert_eq!(state[0]["recording"], recording.as_str(), "{state:?}");
    for process in guests.iter_mut().chain([&mut host]) {
        let told = process.event("recording_started");
        assert_eq!(
            (&told["recording"], &told["user"]),
            (&recording.as_str().into(), &"ana".into())
        );
    }
    // One report comes each second.
    for _ in 0..=recorded {
        host.event("stats");
    }
    host.signal("KILL");
    drop(host.finish());
    drop(guests);

    let address = url.strip_prefix("http://").unwrap();
    let (mut host, invite, _) = world.host(address, "none", "silence");
    host.event("joined");
    let listed = done(world.start("ben", &["recordings", "list", "alpha"]));
    assert_eq!((listed.len(), &listed[0]["state"]), (1, &"interrupted".into()), "{listed:?}");

    // A member who is no manager plays it.
    for format in ["wav", "ogg"] {
        let out = world.dir.path().join(format);
        let out_text = out.display().to_string();
        let arguments = ["recordings", "export", "alpha", "--out", &out_text, "--format", format];
        let exported = done(world.start("ben", &arguments));
        let tracks: Vec<_> = exported.iter().filter(|event| event["event"] == "exported").collect();
        assert_eq!(tracks.len(), 3, "{exported:?}");
        for track in &tracks {
            assert_eq!((&track["unopened"], &track["unreadable"]), (&0.into(), &0.into()));
            let length = track["length_ms"].as_u64().unwrap() as usize;
            assert!(length + 1000 >= recorded * 1000, "{track}");
        }
        if format == "wav" {
            let delays = delays(&tracks, &begun);
            let least = delays.iter().copied().fold(f64::MAX, f64::min);
            let most = delays.iter().copied().fold(f64::MIN, f64::max);
            let apart = most - least;
            println!("from mouth to recording: {delays:.1?} ms; tracks differ by {apart:.1} ms");
            // On a busy machine the start of a microphone is known less well than this.
            assert!(apart < 100.0, "{delays:?}");
        }
    }

    // Somebody who was not let in has an identity at this bridge, and nothing else.
    let mut dan = world.join("dan", &invite, "silence");
    dan.event("waiting");
    dan.signal("INT");
    drop(dan.finish());
    let out = world.data("nothing");
    for wanted in [recording.as_str(), listed[0]["room"].as_str().unwrap()] {
        let export = world.start("dan", &["recordings", "export", wanted, "--out", &out]);
        let (status, _, errors) = export.finish();
        assert_eq!(status.code(), Some(5), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains("not a member"), "{errors}");
    }
    assert!(!Path::new(&out).exists());
}

/// How long after it was said each one's sound is in the recording, which is the same for all
/// if their tracks are in sync.
fn delays(tracks: &[&Value], begun: &[Value]) -> Vec<f64> {
    let mut delays = Vec::new();
    for ((name, offset), begun) in PEOPLE.iter().zip(begun) {
        let track = tracks.iter().find(|track| track["user"] == *name).unwrap();
        let found = onsets(&samples(std::fs::File::open(track["file"].as_str().unwrap()).unwrap()));
        assert!(found.len() + 2 >= RECORDED, "{name}: {found:?}");
        // The recording may have begun within the first burst, and then has the end of it only.
        for pair in found[1..].windows(2) {
            assert!(apart(pair[1], pair[0]).abs() < 15.0, "{name}: {found:?}");
        }
        let said = begun["mic_at_ms"].as_f64().unwrap() + *offset as f64;
        let started = track["started_us"].as_f64().unwrap() / 1000.0;
        let middle = found[found.len() / 2];
        delays.push(apart(started + middle, said));
    }
    delays
}
