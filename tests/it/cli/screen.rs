//! The terminal interface in a real terminal, and the terminal afterwards.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::process::Conclave;
use crate::support::tmux::Terminal;
use crate::support::wait;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conclave");

fn host_line(data: &TempDir) -> String {
    format!(
        "{PROGRAM} host --listen 127.0.0.1:0 --data {} --name ana --room war-room --admit ask --mic silence --speaker null",
        data.path().display()
    )
}

/// The invite that a running host has written down.
fn invite_on_screen(terminal: &Terminal, data: &TempDir) -> String {
    // The whole link is longer than a line, so it is taken from where the program puts it.
    terminal.see("conclave://");
    let path = data.path().join("invite.txt");
    wait::until("the invite file", || fs::read_to_string(&path).ok())
}

#[test]
fn a_meeting_from_the_first_key_to_the_last() {
    let data = tempfile::tempdir().unwrap();
    let guest_data = tempfile::tempdir().unwrap();
    let terminal = Terminal::open("meeting", 120, 40);
    terminal.run(&host_line(&data));
    let invite = invite_on_screen(&terminal, &data);
    terminal.press_until("Escape", |screen| !screen.contains("conclave://"));

    // Create a room.
    terminal.keys(&["n"]);
    terminal.see("Create");
    terminal.run("standup");
    terminal.see("standup");

    // Admit a joiner, whose tone then moves a meter.
    let path = guest_data.path().display().to_string();
    let mut guest = Conclave::start([
        "join",
        invite.trim(),
        "--data",
        &path,
        "--name",
        "ben",
        "--headless",
        "--json",
        "--mic",
        "tone:440",
        "--speaker",
        "null",
    ]);
    let waiting = guest.event("waiting");
    let fingerprint = waiting["fingerprint"].as_str().unwrap().to_owned();
    terminal.see(&fingerprint);
    // A key that comes right after another one is not taken for an answer, so it may need two.
    terminal.press_until("y", |screen| !screen.contains(&fingerprint));
    guest.event("joined");
    terminal.see_where("ben's meter at the tone's level", |screen| {
        let at_tone = ["-8", "-9", "-10"];
        screen
            .lines()
            .any(|line| line.contains("ben") && at_tone.iter().any(|db| line.contains(db)))
    });

    // Mute, change the theme, show the help.
    terminal.keys(&["m"]);
    terminal.see("muted");
    terminal.keys(&["T"]);
    terminal.see("heme");
    terminal.keys(&["?"]);
    terminal.see("Help");
    terminal.press_until("Escape", |screen| !screen.contains("Help"));

    // Leave and quit.
    terminal.keys(&["l"]);
    guest.event_where("participant_left", |event| event["user"] == "ana");
    terminal.see("not in a call");
    terminal.keys(&["q"]);
    terminal.see_where("the shell again", |screen| screen.trim_end().ends_with('$'));
    guest.signal("INT");
    assert!(guest.finish().0.success());
}

fn stty(terminal: &Terminal, directory: &Path, name: &str) -> String {
    let file = directory.join(name);
    terminal.run(&format!("stty -a > {0}.draft; mv {0}.draft {0}", file.display()));
    wait::until("stty", || fs::read_to_string(&file).ok())
}

/// Runs the host, ends it as `end` says, and compares the terminal before and after.
fn terminal_survives(name: &str, end: impl FnOnce(&Terminal, &TempDir)) {
    let data = tempfile::tempdir().unwrap();
    let terminal = Terminal::open(name, 100, 30);
    let before = (stty(&terminal, data.path(), "before"), terminal.modes());
    terminal.run(&format!("{}; echo ended with $?", host_line(&data)));
    terminal.see("conclave://");
    assert!(terminal.modes().contains("alternate=1"), "{}", terminal.modes());
    terminal.press_until("Escape", |screen| !screen.contains("conclave://"));
    end(&terminal, &data);
    terminal.see("ended with");
    let after = (stty(&terminal, data.path(), "after"), terminal.modes());
    assert_eq!(before, after);
}

#[test]
fn terminal_is_restored_after_quitting() {
    terminal_survives("quit", |terminal, _| {
        terminal.keys(&["C-c"]);
        let screen = terminal.see_where("the end or a question", |screen| {
            screen.contains("ended with") || screen.contains("y/n")
        });
        if !screen.contains("ended with") {
            terminal.keys(&["y"]);
        }
        terminal.see("ended with 0");
    });
}

#[test]
fn terminal_is_restored_after_a_panic() {
    terminal_survives("panic", |terminal, _| {
        terminal.keys(&[":"]);
        terminal.run("debug panic");
        terminal.see("panicked");
    });
}

#[test]
fn terminal_is_restored_after_sigterm() {
    terminal_survives("term", |terminal, data| {
        let lock = data.path().join("bridge");
        let pattern = format!("conclave host .*{}", data.path().display());
        assert!(lock.exists());
        let found = std::process::Command::new("pgrep").args(["-f", &pattern]).output().unwrap();
        let id = String::from_utf8(found.stdout).unwrap();
        let id = id.lines().next().unwrap().trim();
        assert!(std::process::Command::new("kill").args(["-TERM", id]).status().unwrap().success());
        terminal.see("ended with 0");
    });
}
