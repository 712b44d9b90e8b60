//! `conclave devices`: the sound devices of this machine, and the ones that always exist.

use serde_json::json;

use crate::cli::output::Output;
use crate::device;
use crate::device::DeviceInfo;

/// Devices that need no hardware, with what they do.
const SYNTHETIC: &[(&str, &str)] = &[
    ("file:PATH.wav", "microphone: plays the file; loudspeaker: records into it"),
    ("tone:HZ", "microphone: a sine wave"),
    ("voice:N", "microphone: a synthetic talker, N chooses its voice"),
    ("silence", "microphone: digital silence"),
    ("null", "no device at all"),
];

/// Prints all devices by the names that `--mic` and `--speaker` take.
pub fn run(output: Output) -> anyhow::Result<()> {
    let list = device::list();
    let show = |kind: &str, devices: &[DeviceInfo]| {
        for device in devices {
            let line = json!({"event": "device", "kind": kind, "name": device.name,
                "id": device.id, "default": device.is_default});
            output.result(&line, || {
                let mark = if device.is_default { "*" } else { " " };
                format!("{mark} {kind:<8} {}", device.name)
            });
        }
    };
    show("mic", &list.inputs);
    show("speaker", &list.outputs);
    if !output.json {
        if list.inputs.is_empty() && list.outputs.is_empty() {
            Output::note("no sound card and no sound server was found; these always work:");
        }
        for (name, what) in SYNTHETIC {
            output.result(&json!({}), || format!("  {name:<14} {what}"));
        }
    }
    Ok(())
}
