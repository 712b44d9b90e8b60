//! What this machine has, listed; with a display of our own, its screen, too.

use std::process::Command;

use crate::support::process::Conclave;
use crate::support::xvfb::Xvfb;

#[test]
fn a_screen_is_listed_and_can_be_shared() {
    let Some(display) = Xvfb::start() else { return };
    let environment = [("DISPLAY", display.name.as_str())];
    let (status, events, stderr) =
        Conclave::start_with(["devices", "--json"], &environment).finish();
    assert!(status.success(), "{stderr}");
    let screens: Vec<_> = events.iter().filter(|event| event["kind"] == "screen").collect();
    assert_eq!(screens.len(), 1, "{events:#?}");
    assert_eq!(
        (screens[0]["id"].as_str(), screens[0]["default"].as_bool()),
        (Some("screen:1"), Some(true))
    );
    assert_eq!(
        (screens[0]["width"].as_u64(), screens[0]["height"].as_u64()),
        (Some(320), Some(200))
    );
}

#[test]
fn what_is_missing_is_said_for_people() {
    let output = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .arg("devices")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    let (text, notes) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{notes}");
    assert!(text.contains("pattern") && text.contains("file:PATH.y4m"), "{text}");
    assert!(notes.contains("DISPLAY is not set"), "{notes}");
    let camera = text.contains(" camera  ") || notes.contains("no camera was found");
    assert!(camera, "{text}{notes}");
}
