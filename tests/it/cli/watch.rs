//! Watching a meeting from outside: events, levels, alerts, figures.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::Conclave;
use crate::support::tmux::Terminal;
use crate::support::wait;

fn host(data: &TempDir, listen: &str) -> Conclave {
    let path = data.path().display().to_string();
    Conclave::start([
        "host",
        "--listen",
        listen,
        "--data",
        &path,
        "--name",
        "ana",
        "--room",
        "war-room",
        "--admit",
        "all",
        "--headless",
        "--json",
        "--mic",
        "tone:440",
        "--speaker",
        "null",
    ])
}

fn join(data: &TempDir, invite: &str, mic: &str) -> Conclave {
    let path = data.path().display().to_string();
    Conclave::start([
        "join",
        invite,
        "--data",
        &path,
        "--name",
        "ben",
        "--headless",
        "--json",
        "--mic",
        mic,
        "--speaker",
        "null",
    ])
}

/// Watches with the host's own account.
fn watch(data: &TempDir, more: &[&str]) -> Conclave {
    let path = data.path().display().to_string();
    let mut arguments = vec!["watch", "--data", &path, "--json"];
    arguments.extend(more);
    Conclave::start(arguments)
}

fn fetch(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The value of a figure for a user, as served.
fn figure(page: &str, name: &str, user: &str) -> Option<f64> {
    let line = page.lines().find(|line| {
        line.starts_with(&format!("{name}{{")) && line.contains(&format!("user=\"{user}\""))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

fn level_of<'a>(event: &'a Value, user: &str) -> Option<&'a Value> {
    event["levels"].as_array()?.iter().find(|level| level["user"] == user)
}

/// The page of figures tells of two people, one of whom is ben, who has spoken.
fn figures_are_served(url: &str) {
    let page = wait::until("figures of ben", || {
        let page = fetch(url);
        (figure(&page, "conclave_speaking_seconds_total", "ben") > Some(0.5)).then_some(page)
    });
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(figure(&page, "conclave_level_dbfs", "ana") > Some(-15.0), "{page}");
    assert_eq!(figure(&page, "conclave_undecryptable_frames_total", "ben"), Some(0.0));
    assert!(figure(&page, "conclave_packets_total", "ben") > Some(10.0));
    let people = page.lines().find(|line| line.starts_with("conclave_room_people")).unwrap();
    assert!(people.ends_with(" 2"), "the watcher is not counted: {people}");
}

#[test]
fn a_watcher_hears_everybody_and_is_heard_by_nobody() {
    let (data, guest) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ana = host(&data, "127.0.0.1:0");
    let invite = ana.event("hosting")["invite"].as_str().unwrap().to_owned();
    ana.event("joined");
    let out = data.path().join("alerts");
    let exec = format!("echo \"$CONCLAVE_ALERT_STATE $CONCLAVE_ALERT_USER\" >> {}", out.display());
    let mut watcher = watch(
        &data,
        &[
            "war-room",
            "--metrics",
            "127.0.0.1:0",
            "--alert",
            "level > -30 of ben for 1s",
            "--alert",
            "left ben",
            "--exec",
            &exec,
        ],
    );
    let url = watcher.event("metrics")["url"].as_str().unwrap().to_owned();
    let watching = watcher.event("watching");
    assert_eq!(watching["room"]["name"], "war-room");
    assert_eq!(watching["people"], serde_json::json!(["ana"]), "the host, not the watcher");

    let mut ben = join(&guest, &invite, "tone:300");
    ben.event("joined");
    // That ana's second session has come is told, too, before or after it says so itself.
    let joined = watcher.event_where("participant_joined", |event| event["user"] == "ben");
    assert_eq!(joined["room"]["name"], "war-room");
    let alert = watcher.event("alert");
    let said = [&alert["state"], &alert["user"], &alert["rule"], &alert["room"]["name"]];
    let expected = ["raised", "ben", "level > -30 of ben for 1s", "war-room"];
    assert!(said.iter().zip(expected).all(|(a, b)| **a == b), "{alert}");
    let levels = watcher.event_where("levels", |event| {
        let loud = |user| level_of(event, user).is_some_and(|l| l["dbfs"].as_f64() > Some(-15.0));
        loud("ana") && loud("ben")
    });
    assert!(levels["at_ms"].as_i64() > Some(1_700_000_000_000));

    figures_are_served(&url);

    ben.signal("INT");
    assert!(ben.finish().0.success());
    // He may be quiet before he is gone, or the other way round.
    watcher.all_of(
        "that ben is gone",
        &[
            &|e| e["event"] == "participant_left" && e["user"] == "ben",
            &|e| e["rule"] == "left ben" && e["state"] == "raised",
            &|e| e["event"] == "alert" && e["user"] == "ben" && e["state"] == "cleared",
        ],
    );
    wait::until("the commands", || {
        let text = fs::read_to_string(&out).unwrap_or_default();
        (text.matches("raised ben").count() == 2 && text.contains("cleared ben")).then_some(())
    });

    watcher.signal("INT");
    let (status, events, stderr) = watcher.finish();
    assert!(status.success(), "{stderr}");
    assert_eq!(events.last().unwrap()["event"], "left");
    assert!(!stderr.contains('\x07'), "no bell where there is no terminal");
    // Nobody heard a third one: the host saw one guest only.
    ana.signal("INT");
    let (_, events, _) = ana.finish();
    let heard = events.iter().filter(|e| e["event"] == "levels");
    assert!(heard.clone().all(|e| e["levels"].as_array().unwrap().len() <= 2));
}

#[test]
fn a_watcher_comes_back_by_itself_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let mut ana = host(&data, "127.0.0.1:0");
    let url = ana.event("hosting")["url"].as_str().unwrap().to_owned();
    ana.event("joined");
    let mut watcher = watch(&data, &["--alert", "disconnected"]);
    watcher.event("watching");
    watcher.event_where("levels", |event| level_of(event, "ana").is_some());
    ana.signal("KILL");
    let _ = ana.finish();
    watcher.event("disconnected");
    watcher.event_where("alert", |event| event["state"] == "raised");
    let mut ana = host(&data, url.strip_prefix("http://").unwrap());
    ana.event("joined");
    watcher.event("connected");
    watcher.event_where("call", |event| event["state"] == "active");
    watcher.event_where("levels", |event| {
        level_of(event, "ana").is_some_and(|level| level["dbfs"].as_f64() > Some(-15.0))
    });
    watcher.signal("TERM");
    assert!(watcher.finish().0.success());
    ana.signal("INT");
    assert!(ana.finish().0.success());
}

#[test]
fn rooms_that_come_and_go_are_followed() {
    let data = tempfile::tempdir().unwrap();
    let mut ana = host(&data, "127.0.0.1:0");
    ana.event("joined");
    let mut everything = watch(&data, &[]);
    everything.event("watching");
    let mut one = watch(&data, &["war-room"]);
    one.event("watching");
    let path = data.path().display().to_string();
    let rooms = |arguments: &[&str]| {
        let mut all = vec!["rooms", "--json", "--data", &path];
        all.extend(arguments);
        assert!(Conclave::start(all).finish().0.success());
    };
    rooms(&["create", "stand-up"]);
    everything.event_where("watching", |event| event["room"]["name"] == "stand-up");
    rooms(&["rename", "stand-up", "daily"]);
    everything.event_where("room_updated", |event| event["room"]["name"] == "daily");
    rooms(&["delete", "daily"]);
    everything.event_where("room_ended", |event| event["room"]["name"] == "daily");
    everything.signal("INT");
    assert!(everything.finish().0.success());
    rooms(&["delete", "war-room"]);
    let (status, events, stderr) = one.finish();
    assert_eq!(status.code(), Some(9), "{stderr}");
    assert!(stderr.contains("no room is left"), "{stderr}");
    assert!(events.iter().all(|event| event["room"]["name"] != "stand-up"), "not asked for");
}

#[test]
fn what_cannot_be_watched_says_why() {
    let data = tempfile::tempdir().unwrap();
    let (status, _, stderr) = watch(&data, &["--alert", "loudness > 3"]).finish();
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("nothing that can be watched"), "{stderr}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, _, stderr) = watch(&data, &["--metrics", &address]).finish();
    assert_eq!(status.code(), Some(8), "{stderr}");
    let (status, _, stderr) = watch(&data, &["no such room"]).finish();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("no room"), "{stderr}");
    let (status, events, stderr) = watch(&data, &["--duration", "100ms"]).finish();
    assert!(status.success(), "{stderr}");
    assert!(events.iter().any(|event| event["reason"] == "duration"));
}

#[test]
fn an_alert_rings_the_bell_of_a_terminal() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().display().to_string();
    let made = Conclave::start(["rooms", "create", "lobby", "--json", "--data", &path]);
    assert!(made.finish().0.success());
    let terminal = Terminal::open("bell", 100, 30);
    let raw = data.path().join("raw");
    terminal.record(&raw);
    let program = env!("CARGO_BIN_EXE_conclave");
    terminal.run(&format!("{program} watch --data {path} --alert 'people < 1' --duration 20s"));
    terminal.see("ALERT people < 1 (in lobby at 0)");
    wait::until("bell and notification", || {
        let text = String::from_utf8_lossy(&fs::read(&raw).unwrap_or_default()).into_owned();
        text.contains("\x07\x1b]9;people < 1 (in lobby at 0)\x1b\\").then_some(())
    });
    terminal.keys(&["C-c"]);
    terminal.see("left");
}
