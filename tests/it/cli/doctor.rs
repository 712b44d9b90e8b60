//! The doctor finds what is healthy healthy, and names what is not.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::bridge::RemoteBridge;
use crate::support::process::Conclave;

fn doctor(data: &TempDir, more: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let path = data.path().display().to_string();
    let mut arguments = vec!["doctor", "--data", &path, "--json"];
    if !more.contains(&"--mic") {
        arguments.extend(["--mic", "silence"]);
    }
    arguments.extend(["--speaker", "null"]);
    arguments.extend(more);
    let (status, events, stderr) = Conclave::start(arguments).finish();
    (status.code(), events, stderr)
}

fn verdict<'a>(events: &'a [Value], check: &str) -> &'a str {
    let found = events.iter().find(|event| event["check"] == check);
    found.unwrap_or_else(|| panic!("{check} in {events:#?}"))["verdict"].as_str().unwrap()
}

#[test]
fn a_healthy_bridge_is_found_healthy() {
    let mut bridge = RemoteBridge::with_users(&["ana"]);
    let data = tempfile::tempdir().unwrap();
    let key = bridge.key_file(data.path(), "ana").display().to_string();
    let (url, solution) = (bridge.url.clone(), bridge.solution.clone());
    let pinned = bridge.bridge_key.clone();
    let flags = ["--bridge", &url, "--solution", &solution, "--key", &key, "--bridge-key", &pinned];
    let (code, events, stderr) = doctor(&data, &flags);
    assert_eq!(code, Some(0), "{stderr}\n{events:#?}");
    for check in ["files", "mic", "speaker", "reach", "login", "clock", "media"] {
        assert_eq!(verdict(&events, check), "ok", "{check}: {events:#?}");
    }
    assert_eq!(verdict(&events, "terminal"), "skipped");
    assert_eq!(events.last().unwrap()["healthy"], true);
    let media = events.iter().find(|event| event["check"] == "media").unwrap();
    println!("media path found after {} ms", media["figures"]["after_ms"]);
    let path = data.path().display().to_string();
    let mut listing = vec!["rooms", "list", "--json", "--data", &path];
    listing.extend(flags);
    assert_eq!(Conclave::start(listing).finish().1, Vec::<Value>::new(), "its room is gone");

    let (code, events, _) = doctor(&data, &flags[..6]);
    assert_eq!((code, verdict(&events, "login")), (Some(0), "warning"), "not pinned");

    bridge.stop();
    let (code, events, stderr) = doctor(&data, &flags);
    assert_eq!((code, verdict(&events, "reach")), (Some(4), "broken"), "{stderr}");
    assert!(stderr.contains("reach"), "{stderr}");
}

#[test]
fn the_embedded_bridge_is_tried_where_no_other_is_known() {
    let data = tempfile::tempdir().unwrap();
    let (code, events, stderr) = doctor(&data, &[]);
    assert_eq!(code, Some(0), "{stderr}\n{events:#?}");
    assert_eq!(verdict(&events, "media"), "ok");
}

#[test]
fn what_is_broken_is_named_with_its_exit_code() {
    let data = tempfile::tempdir().unwrap();
    let (code, events, _) = doctor(&data, &["--mic", "file:/no/such.wav"]);
    assert_eq!((code, verdict(&events, "mic")), (Some(6), "broken"));
    fs::write(data.path().join("identity.toml"), "what?").unwrap();
    let (code, events, stderr) = doctor(&data, &[]);
    assert_eq!((code, verdict(&events, "files")), (Some(7), "broken"), "{stderr}");
    assert_eq!(verdict(&events, "bridge"), "skipped");
    assert_eq!(fs::read_to_string(data.path().join("identity.toml")).unwrap(), "what?");
}
