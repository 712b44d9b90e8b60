//! Whatever a user gets wrong is answered by one clear sentence and the documented exit code.

use std::fs;
use std::net::TcpListener;

use tempfile::TempDir;

use crate::support::process::Conclave;

fn host(data: &TempDir, listen: &str, more: &[&str]) -> Conclave {
    let path = data.path().display().to_string();
    let mut arguments = vec![
        "host",
        "--listen",
        listen,
        "--data",
        &path,
        "--name",
        "ana",
        "--headless",
        "--json",
        "--mic",
        "silence",
        "--speaker",
        "null",
    ];
    arguments.extend(more);
    Conclave::start(arguments)
}

fn join(data: &TempDir, invite: &str, more: &[&str]) -> Conclave {
    let path = data.path().display().to_string();
    let mut arguments = vec!["join", invite, "--data", &path, "--headless", "--json"];
    arguments.extend(more);
    if !more.contains(&"--mic") {
        arguments.extend(["--mic", "silence"]);
    }
    if !more.contains(&"--speaker") {
        arguments.extend(["--speaker", "null"]);
    }
    Conclave::start(arguments)
}

/// The exit code is `code`, and stderr is one line that contains `words`.
fn fails(process: Conclave, code: i32, words: &str) {
    let (status, events, stderr) = process.finish();
    assert_eq!(status.code(), Some(code), "{stderr}");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one sentence: {stderr}");
    assert!(stderr.contains(words), "{stderr}");
    let event = events.last().unwrap();
    assert_eq!((&event["event"], event["code"].as_i64()), (&"error".into(), Some(code.into())));
}

fn fresh() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn invites_that_do_not_work_say_why() {
    let data = fresh();
    let mut host = host(&data, "127.0.0.1:0", &["--admit", "all", "--invite-expires", "1h"]);
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    host.event("joined");

    fails(join(&fresh(), "hello", &[]), 3, "not a conclave invite");
    fails(join(&fresh(), &invite[..invite.len() - 20], &[]), 3, "ask for the whole link");

    // One character of the secret changed: the bridge does not know the token.
    let payload = invite.rfind('/').unwrap() + 1;
    let mut wrong: Vec<char> = invite.chars().collect();
    let at = payload + 95;
    wrong[at] = if wrong[at] == 'A' { 'B' } else { 'A' };
    let wrong: String = wrong.into_iter().collect();
    fails(join(&fresh(), &wrong, &[]), 3, "invite");

    // One character of the bridge's key changed: no point of the curve, or another key.
    let mut other: Vec<char> = invite.chars().collect();
    let at = payload + 20;
    other[at] = if other[at] == 'A' { 'B' } else { 'A' };
    let other: String = other.into_iter().collect();
    let (status, _, stderr) = join(&fresh(), &other, &[]).finish();
    assert!(matches!(status.code(), Some(3 | 4)), "{stderr}");

    let path = data.path().display().to_string();
    let mut listing = Conclave::start(["invites", "list", "--json", "--data", &path]);
    let id = listing.event("invite")["inviteId"].as_str().unwrap().to_owned();
    let revoke = Conclave::start(["invites", "revoke", &id, "--json", "--data", &path]);
    assert!(revoke.finish().0.success());
    fails(join(&fresh(), &invite, &[]), 3, "revoked");

    host.signal("INT");
    assert!(host.finish().0.success(), "the host is unharmed");
}

#[test]
fn expired_invite_is_refused() {
    let data = fresh();
    let mut host = host(&data, "127.0.0.1:0", &["--admit", "all", "--invite-expires", "1ms"]);
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    fails(join(&fresh(), &invite, &[]), 3, "expired");
}

#[test]
fn refused_guest_is_told() {
    let data = fresh();
    let mut host = host(&data, "127.0.0.1:0", &["--admit", "none"]);
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    host.event("joined");
    fails(join(&fresh(), &invite, &["--name", "ben"]), 5, "did not let you in");
    host.event("denied");
}

#[test]
fn asked_host_can_admit_and_deny() {
    let data = fresh();
    let mut host = host(&data, "127.0.0.1:0", &["--admit", "ask"]);
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    host.event("joined");
    let mut ben = join(&fresh(), &invite, &["--name", "ben"]);
    let fingerprint = ben.event("waiting")["fingerprint"].clone();
    let asked = host.event("admission_requested");
    assert_eq!(asked["name"], "ben");
    assert_eq!(asked["vouched"], true);
    assert_eq!(asked["fingerprint"], fingerprint);
    host.say(&format!("admit {}", asked["id"]));
    ben.event("joined");
    let eve = join(&fresh(), &invite, &["--name", "eve"]);
    let asked = host.event("admission_requested");
    host.say(&format!("deny {}", asked["id"]));
    fails(eve, 5, "did not let you in");
}

#[test]
fn bridge_that_is_down_or_none_is_told_apart() {
    let data = fresh();
    let mut host = host(&data, "127.0.0.1:0", &["--admit", "all"]);
    let hosting = host.event("hosting");
    let invite = hosting["invite"].as_str().unwrap().to_owned();
    let address = hosting["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    host.event("joined");
    host.signal("KILL");
    let _ = host.finish();
    fails(join(&fresh(), &invite, &[]), 4, "check the address");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        // A web server of another kind, for as many requests as the client tries.
        for stream in silent.incoming() {
            use std::io::Read;
            use std::io::Write;
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let page = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
            let _ = stream.write_all(page.as_bytes());
        }
    });
    let elsewhere = invite.replace(&address, &port.to_string());
    fails(join(&fresh(), &elsewhere, &[]), 4, "not a");
    drop(answering);
}

#[test]
fn port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(host(&fresh(), &address, &[]), 8, &address);
}

#[test]
fn data_directory_in_use_is_told() {
    let data = fresh();
    let mut first = host(&data, "127.0.0.1:0", &[]);
    first.event("hosting");
    fails(host(&data, "127.0.0.1:0", &[]), 7, "in use by another conclave process");
}

#[test]
fn devices_that_do_not_exist_are_told() {
    let data = fresh();
    let mut host = host(&data, "127.0.0.1:0", &["--admit", "all"]);
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    host.event("joined");
    fails(join(&fresh(), &invite, &["--mic", "no such thing"]), 6, "microphone");
    fails(join(&fresh(), &invite, &["--mic", "file:/no/such.wav"]), 6, "/no/such.wav");
    fails(join(&fresh(), &invite, &["--speaker", "file:/no/such/dir/x.wav"]), 6, "/no/such/dir");
    fails(join(&fresh(), &invite, &["--mic", "tone:loud"]), 6, "tone:loud");
}

#[test]
fn damaged_files_are_refused_and_kept() {
    let data = fresh();
    let identity = data.path().join("identity.toml");
    fs::write(&identity, "name = \"ana\"\nprivate_key = \"not a key\"\n").unwrap();
    fails(host(&data, "127.0.0.1:0", &[]), 7, "identity.toml");
    assert!(fs::read_to_string(&identity).unwrap().contains("not a key"));

    let data = fresh();
    let mut first = host(&data, "127.0.0.1:0", &[]);
    first.event("joined");
    first.signal("TERM");
    assert!(first.finish().0.success());
    let store = fs::read_dir(data.path().join("bridge"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "db" || e == "sqlite" || e == "sqlite3"))
        .unwrap();
    let garbage = vec![0xa5; 8192];
    fs::write(&store, &garbage).unwrap();
    fails(host(&data, "127.0.0.1:0", &[]), 7, &store.display().to_string());
    assert_eq!(fs::read(&store).unwrap(), garbage, "left as it is");
}

#[test]
fn names_with_control_characters_are_refused() {
    let path = fresh();
    let data = path.path().display().to_string();
    let named = Conclave::start(["identity", "--json", "--data", &data, "--name", "a\u{1b}[2Jb"]);
    fails(named, 2, "can't be used");
    let room = ["rooms", "create", "a\u{202e}b", "--json", "--data", &data];
    fails(Conclave::start(room), 2, "can't be used");
}

#[test]
fn no_device_at_all_means_listening_only() {
    let data = fresh();
    let mut host = host(&data, "127.0.0.1:0", &["--admit", "all"]);
    let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
    host.event("joined");
    let guest_data = fresh();
    let path = guest_data.path().display().to_string();
    // No sound server and no sound card can be found in an empty runtime directory.
    let mut guest = Conclave::start_with(
        ["join", &invite, "--data", &path, "--name", "ben", "--headless", "--json"],
        &[("XDG_RUNTIME_DIR", &path), ("PULSE_SERVER", "unix:/nonexistent"), ("HOME", &path)],
    );
    let joined = guest.event("joined");
    assert_eq!(joined["listen_only"], true);
    guest.event("notice");
    guest.signal("INT");
    assert!(guest.finish().0.success());
}
