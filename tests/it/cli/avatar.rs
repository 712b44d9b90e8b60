//! Pictures that stand for people: into a room's metadata, and from there onto a screen.

use std::fs;

use conclave::device::video::png;
use conclave::media::video::Picture;
use tempfile::TempDir;

use crate::support::process::Conclave;
use crate::support::tmux::Terminal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conclave");

/// Many cells in many rows have two halves; letters of three by five pixels have few.
fn shows_picture(screen: &str) -> bool {
    screen.lines().filter(|line| line.matches('▀').count() >= 8).count() >= 5
}

#[test]
fn an_avatar_given_during_a_call_is_seen_at_once() {
    let data = TempDir::new().unwrap();
    let path = data.path().to_str().unwrap().to_owned();
    let terminal = Terminal::open("avatar", 100, 30);
    terminal.run(&format!(
        "{PROGRAM} host --listen 127.0.0.1:0 --data {path} --name ana --room war-room \
         --mic silence --speaker null"
    ));
    terminal.see("conclave://");
    terminal.press_until("Escape", |screen| !screen.contains("conclave://"));
    terminal.see("ana (you)");

    // Bright above, dark below: no cell is of one colour.
    let mut picture = Picture::new(64, 64).unwrap();
    let rows = picture.y_mut().chunks_exact_mut(64).zip((16..).step_by(3));
    rows.for_each(|(row, luma)| row.fill(luma));
    let file = data.path().join("face.png");
    fs::write(&file, png::encode(&picture).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let avatar = |more: &[&str]| {
        let mut arguments = vec!["rooms", "avatar", "war-room", "--json", "--data", &path];
        arguments.extend(more);
        Conclave::start(arguments).finish()
    };
    assert!(!shows_picture(&terminal.screen()));
    let (status, events, errors) = avatar(&[file]);
    assert!(status.success(), "{errors}");
    assert_eq!(
        (&events[0]["event"], &events[0]["avatars"][0]),
        (&"room_avatar".into(), &"ana".into())
    );
    terminal.see_where("the avatar", shows_picture);

    for (wrong, word) in [
        (&["/nowhere.png"][..], "could not be used"),
        (&[&path], "could not"),
        (&[file, "--user", "ben"], "not a member"),
    ] {
        let (status, events, _) = avatar(wrong);
        assert!(!status.success() && events[0]["message"].to_string().contains(word), "{events:?}");
    }
    let (status, events, _) = avatar(&[]);
    assert!(status.success() && events[0]["avatars"] == serde_json::json!([]), "{events:?}");
    terminal.see_where("initials", |screen| !shows_picture(screen));
}
