//! `conclave devices`: what this machine has to hear, speak, see and show with, and the devices
//! that always exist.

use serde_json::Value;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::device;
use crate::device::DesktopInfo;
use crate::device::DeviceInfo;
use crate::device::VideoDeviceInfo;
use crate::device::video::Origin;

/// Devices that need no hardware, with what they do.
const SYNTHETIC: &[(&str, &str)] = &[
    ("file:PATH.wav", "microphone: plays the file; loudspeaker: records into it"),
    ("tone:HZ", "microphone: a sine wave"),
    ("voice:N", "microphone: a synthetic talker, N chooses its voice"),
    ("silence", "microphone: digital silence"),
    ("null", "no sound device at all"),
    ("pattern", "camera or screen: a moving test picture with a counter"),
    ("file:PATH.y4m", "camera or screen: plays the file in a loop"),
    ("image:PATH", "camera or screen: a picture that stands still"),
    ("terminal:CMD", "camera or screen: a command in a terminal of its own, drawn"),
    ("off", "no camera, no screen"),
];

/// Prints all devices by the names that `--mic`, `--speaker`, `--camera` and `--screen` take.
pub fn run(output: Output) -> anyhow::Result<()> {
    let sound = device::list();
    for info in &sound.inputs {
        show(output, "mic", &described(info), info.is_default, &info.name);
    }
    for info in &sound.outputs {
        show(output, "speaker", &described(info), info.is_default, &info.name);
    }
    let cameras = device::list_video();
    for VideoDeviceInfo { name, id, is_default } in &cameras {
        let line = json!({"name": name, "id": id});
        show(output, "camera", &line, *is_default, &format!("{name}  ({id})"));
    }
    let desktops = device::list_desktops();
    for info in desktops.as_deref().unwrap_or_default() {
        let DesktopInfo { name, id, width, height, is_default, .. } = info;
        let kind = if info.origin == Origin::Window { "window" } else { "screen" };
        let line = json!({"name": clean(name), "id": id, "width": width, "height": height});
        let text = format!("{id}  {}  {width}x{height}", clean(name));
        show(output, kind, &line, *is_default, &text);
    }
    if let Err(error) = &desktops {
        output.event(&json!({"event": "notice", "message": error.to_string()}));
    }
    if !output.json {
        if sound.inputs.is_empty() && sound.outputs.is_empty() {
            Output::note("no sound card and no sound server was found");
        }
        if cameras.is_empty() {
            Output::note("no camera was found");
        }
        if let Err(error) = desktops {
            Output::note(&error.to_string());
        }
        for (name, what) in SYNTHETIC {
            output.result(&json!({}), || format!("  {name:<14} {what}"));
        }
    }
    Ok(())
}

fn described(info: &DeviceInfo) -> Value {
    json!({"name": info.name, "id": info.id})
}

fn show(output: Output, kind: &str, device: &Value, is_default: bool, text: &str) {
    let mut line = json!({"event": "device", "kind": kind, "default": is_default});
    if let (Value::Object(line), Value::Object(device)) = (&mut line, device) {
        line.extend(device.clone());
    }
    output.result(&line, || {
        let mark = if is_default { "*" } else { " " };
        format!("{mark} {kind:<8} {text}")
    });
}
