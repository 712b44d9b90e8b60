//! Pictures from one process to another: how many, how soon, and which.

use serde_json::Value;

use crate::support::process::Conclave;

/// Seconds of statistics that are looked at, unless the environment says otherwise.
const SECONDS: usize = 4;

struct Two {
    _dir: tempfile::TempDir,
    host: Conclave,
    guest: Conclave,
}

/// A host who shows `camera`, and a guest with these arguments.
fn two(camera: &str, arguments: &[&str]) -> Two {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name).display().to_string();
    let common = ["--headless", "--json", "--mic", "null", "--speaker", "null"];
    let (hosts, guests) = (data("ana"), data("ben"));
    let host = ["host", "--listen", "127.0.0.1:0", "--name", "ana", "--admit", "all"];
    let mut host =
        Conclave::start([&host[..], &["--camera", camera, "--data", &hosts], &common].concat());
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    host.event("joined");
    let guest = ["join", &invite, "--name", "ben", "--data", &guests];
    let mut guest = Conclave::start([&guest[..], &common, arguments].concat());
    guest.event("joined");
    Two { _dir: dir, host, guest }
}

fn video(stats: &Value) -> Option<&Value> {
    stats["video"].as_array()?.first()
}

#[test]
fn camera_of_one_process_is_seen_by_another() {
    let mut two = two("pattern", &["--video"]);
    let first = two.guest.event("picture");
    println!("{first}");
    assert_eq!((first["width"].as_u64(), first["height"].as_u64()), (Some(320), Some(180)));
    assert_eq!(first["content"], "camera");
    assert!(first["counter"].is_u64(), "a readable counter: {first}");
    let seconds = std::env::var("CONCLAVE_VIDEO_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let (mut last, mut rates) = (0, Vec::new());
    for _ in 0..seconds {
        let stats = two.guest.event_where("stats", |stats| {
            video(stats).is_some_and(|track| track["counter"].as_u64() > Some(last))
        });
        let track = video(&stats).unwrap();
        last = track["counter"].as_u64().unwrap();
        rates.push((track["fps"].as_f64().unwrap(), track["kbit"].as_f64().unwrap()));
        assert_eq!(track["dropped_unauthenticated"], 0);
    }
    let sent = two.host.event_where("stats", |stats| stats["video_sent"][0]["fps"] != 0.0);
    println!("pictures per second and kbit/s, second by second: {rates:?}");
    println!("sent: {}", sent["video_sent"]);
}

#[test]
fn nothing_is_received_unless_it_is_asked_for() {
    let mut two = two("pattern", &[]);
    for _ in 0..2 {
        let stats = two.guest.event("stats");
        assert_eq!(stats["video"].as_array().map(Vec::len), Some(0), "{stats}");
    }
    assert!(two.guest.seen.iter().all(|(_, event)| event["event"] != "picture"));
    assert_eq!(two.host.event("stats")["video"].as_array().map(Vec::len), Some(0));
}
