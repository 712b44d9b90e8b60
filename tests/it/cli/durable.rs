//! A host that is killed loses nothing that it acknowledged; a guest that is killed is gone.

use tempfile::TempDir;

use crate::support::process::Conclave;

fn host(data: &TempDir, room: &str) -> (Conclave, String) {
    let path = data.path().display().to_string();
    let mut host = Conclave::start([
        "host",
        "--listen",
        "127.0.0.1:0",
        "--data",
        &path,
        "--name",
        "ana",
        "--room",
        room,
        "--admit",
        "all",
        "--headless",
        "--json",
        "--mic",
        "tone:440",
        "--speaker",
        "null",
    ]);
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    (host, invite)
}

fn join(data: &TempDir, invite: &str, name: &str) -> Conclave {
    let path = data.path().display().to_string();
    Conclave::start([
        "join",
        invite,
        "--data",
        &path,
        "--name",
        name,
        "--headless",
        "--json",
        "--mic",
        "tone:300",
        "--speaker",
        "null",
    ])
}

fn rooms(data: &TempDir) -> Vec<String> {
    let path = data.path().display().to_string();
    let listing = Conclave::start(["rooms", "list", "--json", "--data", &path]);
    let (status, events, errors) = listing.finish();
    assert!(status.success(), "{errors}");
    let mut names: Vec<_> =
        events.iter().map(|room| room["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn killed_host_finds_everything_again() {
    let data = tempfile::tempdir().unwrap();
    let guest_data = tempfile::tempdir().unwrap();
    let (mut first, invite) = host(&data, "alpha");
    first.event("joined");
    let mut guest = join(&guest_data, &invite, "ben");
    guest.event("joined");
    let path = data.path().display().to_string();
    for name in ["beta", "gamma"] {
        // Each reply is followed by a kill of the host at once, with no time to tidy up.
        let mut made = Conclave::start(["rooms", "create", name, "--json", "--data", &path]);
        made.event("room_created");
        first.signal("KILL");
        let _ = first.finish();
        first = host(&data, "alpha").0;
        first.event("joined");
    }
    assert_eq!(rooms(&data), ["alpha", "beta", "gamma"]);
    let path = data.path().display().to_string();
    let mut shown = Conclave::start(["rooms", "show", "alpha", "--json", "--data", &path]);
    let alpha = shown.event("room");
    let users: Vec<_> = alpha["users"].as_array().unwrap().iter().map(|u| u.to_string()).collect();
    assert_eq!(users, ["\"ana\"", "\"ben\""], "the admission was acknowledged, too");
}

#[test]
fn killed_guest_leaves_the_room() {
    let data = tempfile::tempdir().unwrap();
    let guest_data = tempfile::tempdir().unwrap();
    let (mut host, invite) = host(&data, "alpha");
    let mut guest = join(&guest_data, &invite, "ben");
    guest.event("joined");
    host.event_where("participant_joined", |event| event["user"] == "ben");
    guest.signal("KILL");
    host.event_where("participant_left", |event| event["user"] == "ben");
    host.signal("INT");
    let (status, events, errors) = host.finish();
    assert!(status.success(), "{errors}");
    assert_eq!(events.last().unwrap()["event"], "left");
}

#[test]
fn guest_leaves_cleanly_on_sigterm() {
    let data = tempfile::tempdir().unwrap();
    let guest_data = tempfile::tempdir().unwrap();
    let (mut host, invite) = host(&data, "alpha");
    let mut guest = join(&guest_data, &invite, "ben");
    guest.event("joined");
    guest.signal("TERM");
    let (status, events, errors) = guest.finish();
    assert!(status.success(), "{errors}");
    assert_eq!(events.last().unwrap()["event"], "left");
    host.event_where("participant_left", |event| event["user"] == "ben");
}
