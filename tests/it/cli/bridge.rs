//! The bridge as a daemon: served, managed, backed up and restored by real processes.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::Conclave;

fn path(data: &TempDir) -> String {
    data.path().display().to_string()
}

fn serve(data: &TempDir, settings: &[&str]) -> (Conclave, Value) {
    let data = path(data);
    let mut arguments = vec!["bridge", "serve", "--json", "--data", &data];
    for setting in
        ["bridge.listen=127.0.0.1:0", "bridge.metrics=127.0.0.1:0"].iter().chain(settings)
    {
        arguments.extend(["--set", setting]);
    }
    let mut bridge = Conclave::start(arguments);
    let serving = bridge.event("serving");
    (bridge, serving)
}

/// Runs a command to its end; answers exit code, events and what it said on stderr.
fn run(data: &TempDir, arguments: &[&str]) -> (i32, Vec<Value>, String) {
    let data = path(data);
    let mut all = vec!["bridge"];
    all.extend(arguments);
    all.extend(["--json", "--data", &data]);
    let (status, events, errors) = Conclave::start(all).finish();
    (status.code().unwrap(), events, errors)
}

fn done(data: &TempDir, arguments: &[&str]) -> Vec<Value> {
    let (code, events, errors) = run(data, arguments);
    assert_eq!(code, 0, "{arguments:?}: {errors}");
    events
}

fn stop(bridge: Conclave) {
    bridge.signal("TERM");
    let (status, events, errors) = bridge.finish();
    assert!(status.success(), "{errors}");
    assert_eq!(events.last().unwrap()["event"], "stopped");
}

fn identity(data: &TempDir, name: &str) -> String {
    let data = path(data);
    let (status, events, errors) =
        Conclave::start(["identity", "--json", "--data", &data, "--name", name]).finish();
    assert!(status.success(), "{errors}");
    events[0]["public_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_bridge_is_served_managed_backed_up_and_restored() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A stopped one is managed just as well.
    let made = done(&data, &["context", "add", "team"]);
    let context = made[0]["contextId"].as_str().unwrap().to_owned();
    let (bridge, serving) = serve(&data, &[]);
    let ana = identity(&other, "ana");
    done(&data, &["user", "add", "ana", &ana]);
    let users = done(&data, &["user", "list"]);
    assert_eq!((&users[0]["userId"], &users[0]["pubKey"]), (&"ana".into(), &ana.as_str().into()));
    assert_eq!(done(&data, &["context", "list"])[0]["id"], context.as_str());
    let (code, _, errors) = run(&data, &["user", "show", "nobody"]);
    assert_eq!(code, 1, "{errors}");
    let key = done(&data, &["key", "add", "robot", "--scope", "context"]);
    assert!(key[0]["secret"].as_str().is_some());
    assert_eq!(done(&data, &["key", "list"]).len(), 2);

    // A copy while it runs; what happens after it is not in it.
    let backup = other.path().join("backup.db").display().to_string();
    let written = done(&data, &["backup", &backup]);
    assert!(written[0]["bytes"].as_u64().unwrap() > 0);
    let (code, _, errors) = run(&data, &["backup", &backup]);
    assert_eq!(code, 7, "{errors}");
    assert!(errors.contains("exists already"), "{errors}");
    done(&data, &["user", "remove", "ana"]);
    let report = done(&data, &["check"]);
    assert_eq!(
        (&report[0]["problems"], &report[0]["rows"]["context_user"]),
        (&Value::Array(vec![]), &0.into())
    );
    assert_eq!(done(&data, &["check", &backup])[0]["rows"]["context_user"], 1);
    let (code, _, errors) = run(&data, &["restore", &backup]);
    assert_eq!(code, 7, "a running bridge is not replaced: {errors}");
    stop(bridge);

    let restored = done(&data, &["restore", &backup]);
    assert!(Path::new(restored[0]["kept"].as_str().unwrap()).exists());
    let (bridge, again) = serve(&data, &[]);
    assert_eq!(again["bridge_key"], serving["bridge_key"]);
    assert_eq!(done(&data, &["user", "list"])[0]["userId"], "ana");
    stop(bridge);

    // Elsewhere, with nothing but the file.
    let fresh = tempfile::tempdir().unwrap();
    done(&fresh, &["restore", &backup]);
    let (bridge, elsewhere) = serve(&fresh, &[]);
    assert_eq!(elsewhere["bridge_key"], serving["bridge_key"]);
    assert_eq!(done(&fresh, &["user", "list"])[0]["userId"], "ana");
    stop(bridge);
}

#[test]
fn contexts_and_solutions_are_removed_in_their_order() {
    let data = tempfile::tempdir().unwrap();
    let made = done(&data, &["context", "add", "team"]);
    let context = made[0]["contextId"].as_str().unwrap();
    let solution = made[0]["solution"].as_str().unwrap();
    let (code, _, errors) = run(&data, &["solution", "remove", solution]);
    assert_eq!(code, 1, "it has a context: {errors}");
    assert_eq!(done(&data, &["context", "remove", context])[0]["event"], "context_removed");
    assert!(done(&data, &["context", "list"]).is_empty());
    let (code, _, errors) = run(&data, &["context", "remove", context]);
    assert_eq!(code, 1, "it is gone: {errors}");
    assert_eq!(done(&data, &["solution", "remove", solution])[0]["event"], "solution_removed");
    assert!(done(&data, &["solution", "list"]).is_empty());
}

#[test]
fn files_that_are_no_backups_are_refused_and_nothing_is_lost() {
    let data = tempfile::tempdir().unwrap();
    done(&data, &["context", "add", "team"]);
    let files = tempfile::tempdir().unwrap();
    let good = files.path().join("good.db");
    done(&data, &["backup", &good.display().to_string()]);
    let text = files.path().join("text.db");
    std::fs::write(&text, "not a database").unwrap();
    let broken = files.path().join("broken.db");
    let mut bytes = std::fs::read(&good).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[4096..middle] {
        *byte ^= 0x5a;
    }
    std::fs::write(&broken, bytes).unwrap();
    let missing = files.path().join("missing.db");
    for (file, expected) in [
        (&text, "is not a Conclave bridge database"),
        (&broken, "damaged"),
        (&missing, "does not exist"),
    ] {
        let file = file.display().to_string();
        for command in ["check", "restore"] {
            let (code, _, errors) = run(&data, &[command, &file]);
            assert_eq!(code, 7, "{command} {file}: {errors}");
            assert!(errors.contains(expected), "{command} {file}: {errors}");
        }
    }
    assert_eq!(done(&data, &["context", "list"]).len(), 1);
}

#[test]
fn settings_are_printed_and_wrong_ones_refused_in_one_sentence() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("bridge.toml");
    std::fs::write(&file, "[limits]\nconnections = 7\n").unwrap();
    let config = file.display().to_string();
    let printed = done(&data, &["serve", "--print-config", "--config", &config]);
    assert!(printed[0]["toml"].as_str().unwrap().contains("\nconnections = 7\n"));
    std::fs::write(&file, "[limits]\nconections = 7\n").unwrap();
    let (code, _, errors) = run(&data, &["serve", "--config", &config]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("line 2: unknown field `conections`"), "{errors}");
    assert_eq!(errors.trim().lines().count(), 1, "{errors}");
}

#[test]
fn the_log_is_json_where_it_is_wanted() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("logs/bridge.log");
    let file = format!("log.file={}", log.display());
    let (bridge, _) = serve(&data, &["log.format=json", &file]);
    stop(bridge);
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["fields"]["message"] == "bridge ended"), "{text}");
}

#[test]
fn a_host_that_lost_its_key_gets_another() {
    let data = tempfile::tempdir().unwrap();
    let path = path(&data);
    let create = |room: &str| {
        let made = Conclave::start(["rooms", "create", room, "--json", "--data", &path]).finish();
        assert!(made.0.success(), "{}", made.2);
    };
    create("alpha");
    // Killed between the bridge's first commit and the write of its credentials.
    std::fs::remove_file(data.path().join("hosting.toml")).unwrap();
    std::fs::remove_file(data.path().join("bridge.toml")).unwrap();
    create("beta");
    let (status, rooms, errors) =
        Conclave::start(["rooms", "list", "--json", "--data", &path]).finish();
    assert!(status.success(), "{errors}");
    assert_eq!(rooms.len(), 2, "{rooms:?}");
}

#[test]
fn ports_and_directories_in_use_are_told_apart() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bridge, serving) = serve(&data, &[]);
    let (code, _, errors) = run(&data, &["serve", "--set", "bridge.listen=127.0.0.1:0"]);
    assert_eq!(code, 7, "{errors}");
    assert!(errors.contains("in use by another"), "{errors}");
    let address =
        |url: &str| url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let taken = address(serving["url"].as_str().unwrap());
    let listen = format!("bridge.listen={taken}");
    let (code, _, errors) = run(&other, &["serve", "--set", &listen, "--set", "bridge.metrics="]);
    assert_eq!(code, 8, "{errors}");
    assert!(errors.contains(&format!("cannot listen on {taken}")), "{errors}");
    let metrics = format!("bridge.metrics={}", address(serving["metrics"].as_str().unwrap()));
    let (code, _, errors) =
        run(&other, &["serve", "--set", "bridge.listen=127.0.0.1:0", "--set", &metrics]);
    assert_eq!(code, 8, "{errors}");
    assert!(errors.contains("cannot serve metrics on"), "{errors}");
    stop(bridge);
}
