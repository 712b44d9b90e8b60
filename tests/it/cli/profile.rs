//! Accounts on bridges that know no invites: keys in files, members verified by fingerprint,
//! rooms remembered from one run to the next.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::bridge::RemoteBridge;
use crate::support::process::Conclave;

/// A user of this machine and their data directory.
struct Person {
    data: TempDir,
}

impl Person {
    fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap() }
    }

    fn start(&self, arguments: &[&str]) -> Conclave {
        let data = self.data.path().display().to_string();
        let mut all = arguments.to_vec();
        all.extend(["--json", "--data", &data]);
        Conclave::start(all)
    }

    /// Runs a command that must work; answers its events.
    fn run(&self, arguments: &[&str]) -> Vec<Value> {
        let (status, events, stderr) = self.start(arguments).finish();
        assert!(status.success(), "{arguments:?}: {stderr}");
        events
    }

    /// Runs a command that must fail in this way.
    fn fails(&self, arguments: &[&str], code: i32, words: &str) {
        let (status, _, stderr) = self.start(arguments).finish();
        assert_eq!(status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }

    fn add_profile(&self, bridge: &RemoteBridge, user: &str) {
        let key = bridge.key_file(self.data.path(), user).display().to_string();
        let (url, solution, context) = (&bridge.url, &bridge.solution, &bridge.context);
        let add = [
            "profile",
            "add",
            "work",
            "--bridge",
            url,
            "--solution",
            solution,
            "--context",
            context,
            "--key",
            &key,
            "--bridge-key",
            &bridge.bridge_key,
        ];
        let added = self.run(&add);
        assert_eq!(added[0]["fingerprint"], bridge.fingerprint(user).as_str());
        fs::remove_file(key).unwrap();
        self.run(&["profile", "use", "work"]);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_profile_keeps_its_key_to_itself() {
    let bridge = RemoteBridge::with_users(&["ana"]);
    let ana = Person::new();
    ana.add_profile(&bridge, "ana");
    assert_eq!(mode(&ana.data.path().join("profiles/work/identity.toml")), 0o600);

    let tested = ana.run(&["profile", "test"]);
    assert_eq!((&tested[0]["event"], &tested[0]["user"]), (&"profile_works".into(), &"ana".into()));
    let listed = ana.run(&["profile", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["current"]), (&"work".into(), &true.into()));
    assert!(!listed[0].to_string().contains(&bridge.wif("ana")), "keys are never printed");
}

/// Ana makes a room and lets Ben in once she has compared his fingerprint.
fn ben_is_let_in(ana: &Person, fingerprint: &str) {
    ana.run(&["rooms", "create", "stand-up"]);
    ana.fails(&["rooms", "members", "stand-up", "--add", "ben"], 5, fingerprint);
    let wrong = "0000 0000 0000 0000";
    let trusting_a_stranger = ["rooms", "members", "stand-up", "--add", "ben", "--trust", wrong];
    ana.fails(&trusting_a_stranger, 5, "no user of this context");
    let trusting = ["rooms", "members", "stand-up", "--add", "ben", "--trust", fingerprint];
    let members = ana.run(&trusting);
    let seen: Vec<_> = members
        .iter()
        .filter(|event| event["event"] == "member")
        .map(|event| (event["user"].as_str().unwrap(), event["trust"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [("ana", "you"), ("ben", "verified")]);
    let renamed = ana.run(&["rooms", "rename", "stand-up", "war room"]);
    assert_eq!(renamed[0]["name"], "war room");
    let policy = ana.run(&["rooms", "policy", "war room", "--set", "delete=owner"]);
    assert_eq!(policy[0]["policy"]["delete"], "owner");
    ana.fails(&["rooms", "policy", "war room", "--set", "fly=all"], 2, "no entry");
}

#[test]
fn a_profile_is_all_that_a_bridge_without_invites_needs() {
    let bridge = RemoteBridge::with_users(&["ana", "ben"]);
    let (ana, ben) = (Person::new(), Person::new());
    ana.add_profile(&bridge, "ana");
    ben.add_profile(&bridge, "ben");
    ben_is_let_in(&ana, &bridge.fingerprint("ben"));

    // Ben finds it and joins by its name; Ana hears him.
    let rooms = ben.run(&["rooms", "list"]);
    assert_eq!((&rooms[0]["name"], &rooms[0]["verified"]), (&"war room".into(), &true.into()));
    let mut watch = ana.start(&["watch", "war room"]);
    watch.event("watching");
    let mut call =
        ben.start(&["join", "war room", "--headless", "--mic", "tone:440", "--speaker", "null"]);
    call.event("joined");
    watch.event_where("levels", |event| {
        let mut levels = event["levels"].as_array().into_iter().flatten();
        levels.any(|level| level["user"] == "ben" && level["dbfs"].as_f64() > Some(-15.0))
    });

    // Put out, he does not hear of it any more, and is told.
    ana.run(&["rooms", "members", "war room", "--remove", "ben"]);
    let (status, _, stderr) = call.finish();
    assert_eq!(status.code(), Some(9), "{stderr}");
    assert_eq!(ben.run(&["rooms", "list"]), Vec::<Value>::new());
    watch.signal("INT");
    assert!(watch.finish().0.success());
}

#[test]
fn a_bridge_can_be_named_on_the_command_line() {
    let bridge = RemoteBridge::with_users(&["ana"]);
    let ana = Person::new();
    let key = bridge.key_file(ana.data.path(), "ana").display().to_string();
    let mut flags = vec!["--bridge", &bridge.url, "--solution", &bridge.solution, "--key", &key];
    let with = |more: &[&'static str], flags: &[&str]| {
        let mut all: Vec<String> = more.iter().map(|text| (*text).to_owned()).collect();
        all.extend(flags.iter().map(|text| (*text).to_owned()));
        all
    };
    fn texts(all: &[String]) -> Vec<&str> {
        all.iter().map(String::as_str).collect()
    }
    // The only context is found without being named.
    ana.run(&texts(&with(&["rooms", "create", "lobby"], &flags)));
    assert_eq!(ana.run(&texts(&with(&["rooms", "list"], &flags)))[0]["name"], "lobby");
    assert!(!ana.data.path().join("bridge.toml").exists(), "nothing of it is remembered");
    assert!(!ana.data.path().join("identity.toml").exists());

    // Pinned to another key, it is refused.
    flags.extend(["--bridge-key", "8RUGiizsLszXAfWXEaPxjrcnXCsgd48zCHmmK6ng2cZCquMoeZ"]);
    let (status, _, stderr) = ana.start(&texts(&with(&["rooms", "list"], &flags))).finish();
    assert!(matches!(status.code(), Some(2 | 4)), "{stderr}");

    // Keys that others can read are refused, as are half an address and no key at all.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open =
        ["rooms", "list", "--bridge", &bridge.url, "--solution", &bridge.solution, "--key", &key];
    ana.fails(&open, 7, "others can read it");
    ana.fails(&["rooms", "list", "--bridge", &bridge.url], 2, "--solution");
    let garbage = ana.data.path().join("garbage");
    fs::write(&garbage, "what?").unwrap();
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o600)).unwrap();
    let garbage = garbage.display().to_string();
    let wrong = [
        "rooms",
        "list",
        "--bridge",
        &bridge.url,
        "--solution",
        &bridge.solution,
        "--key",
        &garbage,
    ];
    ana.fails(&wrong, 7, "no private key");
    ana.fails(&["host", "--headless", "--bridge", &bridge.url], 2, "bridge of its own");
}

#[test]
fn profiles_that_make_no_sense_are_refused() {
    let ana = Person::new();
    let (url, solution) = ("http://127.0.0.1:9", "s");
    let add =
        |name: &'static str| ["profile", "add", name, "--bridge", url, "--solution", solution];
    let added = ana.run(&add("work"));
    assert_eq!(added[0]["new_key"], true);
    let key = added[0]["public_key"].clone();
    ana.fails(&add("work"), 2, "already");
    assert_eq!(ana.run(&["profile", "list"])[0]["public_key"], key, "left as it was");
    for name in ["../up", "local", ".hidden", "a b", ""] {
        ana.fails(&add(name), 2, "can't be the name");
    }
    ana.fails(&["profile", "add", "x"], 2, "--bridge URL");
    ana.fails(&["profile", "add", "x", "--bridge", "ftp://x", "--solution", "s"], 2, "http");
    ana.fails(&["profile", "use", "nobody"], 2, "no profile");
    ana.fails(&["rooms", "list", "--profile", "nobody"], 2, "no profile");
    ana.fails(&["profile", "test", "work"], 4, "check the address");
    ana.fails(&["profile", "remove", "work"], 2, "--yes");
    ana.run(&["profile", "use", "work"]);
    ana.run(&["profile", "remove", "work", "--yes"]);
    assert!(!ana.data.path().join("profiles/work").exists());
    ana.fails(&["profile", "test"], 2, "no profile is in use");
}

#[test]
fn a_room_that_was_swapped_between_two_runs_is_refused() {
    let bridge = RemoteBridge::with_users(&["ana"]);
    let ana = Person::new();
    ana.add_profile(&bridge, "ana");
    let created = ana.run(&["rooms", "create", "lobby"]);
    let id = created[0]["id"].as_str().unwrap();
    // What a lying bridge would do is done to the memory of the room instead: they differ.
    let path = ana.data.path().join("profiles/work/known_rooms.toml");
    let before = fs::read_to_string(&path).unwrap();
    let line = before.lines().find(|line| line.contains(id)).unwrap();
    let other = format!("{id} = \"{}\"", "0".repeat(64));
    fs::write(&path, before.replace(line, &other)).unwrap();
    let listed = ana.run(&["rooms", "list"]);
    assert_eq!((&listed[0]["verified"], &listed[0]["name"]), (&false.into(), &id.into()));
    ana.fails(&["watch", id], 5, "cannot be verified");
    ana.fails(&["rooms", "rename", id, "mine"], 5, "can't be verified");
    assert_eq!(fs::read_to_string(&path).unwrap().matches(&"0".repeat(64)).count(), 1, "kept");
    fs::write(&path, before).unwrap();
    assert_eq!(ana.run(&["rooms", "list"])[0]["verified"], true);
}
