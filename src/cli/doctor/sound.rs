//! Do microphone and loudspeaker open?

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::cli::devices::Choice;
use crate::cli::exit::Exit;
use crate::device;
use crate::device::DeviceError;
use crate::device::DeviceSpec;

use super::finding::Finding;

/// Opening a device takes a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the devices that a call would use, and closes them again.
pub async fn check(choice: &Choice) -> Vec<Finding> {
    let mic = match choice.mic.clone() {
        None => Finding::fine("mic", "none wanted: listening only"),
        Some(spec) => {
            let name = spec.to_string();
            let opened = open(move || device::open_input(&spec).map(drop)).await;
            judge("mic", &name, opened, choice.mic_named, "without one you can only listen")
        }
    };
    let speaker = match choice.speaker.clone() {
        // Opening it would empty the file.
        DeviceSpec::File(path) => {
            Finding::skipped("speaker", format!("{} would be written", path.display()))
        }
        spec => {
            let name = spec.to_string();
            let opened = open(move || device::open_output(&spec).map(drop)).await;
            let without = "without one you hear nobody";
            judge("speaker", &name, opened, choice.speaker_named, without)
        }
    };
    vec![mic, speaker]
}

async fn open(
    attempt: impl FnOnce() -> Result<(), DeviceError> + Send + 'static,
) -> Result<(), String> {
    let opening = tokio::task::spawn_blocking(attempt);
    match timeout(PATIENCE, opening).await {
        Ok(Ok(result)) => result.map_err(|error| error.to_string()),
        Ok(Err(_)) => Err("the sound system failed".to_owned()),
        Err(_) => Err(format!("it did not open within {} s", PATIENCE.as_secs())),
    }
}

fn judge(
    check: &'static str,
    name: &str,
    opened: Result<(), String>,
    named: bool,
    without: &str,
) -> Finding {
    let figures = json!({"device": name});
    let finding = match opened {
        Ok(()) => Finding::fine(check, format!("{name} opens")),
        Err(why) if named => {
            let fix = "`conclave devices` lists those that exist; name one of them";
            Finding::broken(check, Exit::Device, why, fix)
        }
        Err(why) => {
            let fix = format!("{without}; `conclave devices` lists what there is");
            Finding::warning(check, why, &fix)
        }
    };
    finding.with_figures(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[tokio::test]
    async fn what_was_named_must_open_and_the_default_need_not() {
        let choice = |mic: DeviceSpec, speaker: DeviceSpec| Choice {
            mic: Some(mic),
            mic_named: true,
            speaker,
            speaker_named: true,
            camera: None,
            screen: None,
        };
        let missing = DeviceSpec::File("/no/such/file.wav".into());
        let found = check(&choice(DeviceSpec::Silence, DeviceSpec::Null)).await;
        assert!(found.iter().all(|f| f.verdict == Verdict::Fine), "{found:?}");
        let found = check(&choice(missing.clone(), missing.clone())).await;
        assert_eq!((found[0].verdict, found[0].exit), (Verdict::Broken, Exit::Device));
        assert_eq!(found[1].verdict, Verdict::Skipped, "a file is not overwritten");
        let by_default = Choice { mic_named: false, ..choice(missing, DeviceSpec::Null) };
        assert_eq!(check(&by_default).await[0].verdict, Verdict::Warning);
    }
}
