//! Do camera and screen give pictures?

use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use tokio::time::timeout;

use crate::cli::devices::Choice;
use crate::cli::exit::Exit;
use crate::device;
use crate::device::DeviceError;
use crate::device::video;
use crate::device::video::Origin;
use crate::device::video::VideoFormat;
use crate::device::video::VideoSource;
use crate::device::video::VideoSpec;

use super::finding::Finding;

/// Opening a device and waiting for its first picture takes a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a source is asked for its first picture.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Opens what a call would show and closes it again; otherwise says what could be shown.
pub async fn check(choice: &Choice) -> Vec<Finding> {
    vec![
        match choice.camera.clone() {
            Some(spec) => named("camera", spec).await,
            None => blocking("camera", cameras).await,
        },
        match choice.screen.clone() {
            Some(spec) => named("screen", spec).await,
            None => blocking("screen", screens).await,
        },
    ]
}

/// Runs a check where waiting is allowed, and not for ever.
async fn blocking(check: &'static str, work: impl FnOnce() -> Finding + Send + 'static) -> Finding {
    match timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(_)) => Finding::skipped(check, "the check failed"),
        Err(_) => {
            let why = format!("the system did not answer within {} s", PATIENCE.as_secs());
            Finding::warning(check, why, "connect the device again, or restart the session")
        }
    }
}

async fn named(check: &'static str, spec: VideoSpec) -> Finding {
    blocking(check, move || {
        let name = spec.to_string();
        let figures = json!({"device": name});
        let found = match first_picture(&spec) {
            Ok(Some((width, height))) => {
                Finding::fine(check, format!("{name} gives pictures of {width}x{height}"))
            }
            Ok(None) => {
                let why = format!("{name} opens, but gives no picture");
                let fix = "close what else uses it, or name another one";
                Finding::broken(check, Exit::Device, why, fix)
            }
            Err(error) => {
                let fix = "`conclave devices` lists those that exist; name one of them";
                Finding::broken(check, Exit::Device, error.to_string(), fix)
            }
        };
        found.with_figures(figures)
    })
    .await
}

fn first_picture(spec: &VideoSpec) -> Result<Option<(u32, u32)>, DeviceError> {
    let mut source: Box<dyn VideoSource> = video::open(spec, &VideoFormat::default())?;
    let until = Instant::now() + PATIENCE / 2;
    loop {
        if let Some(picture) = source.next(Instant::now())? {
            return Ok(Some((picture.width(), picture.height())));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        std::thread::park_timeout(ASK_EVERY);
    }
}

/// Nobody has to be seen, so a missing camera is nothing to mend.
fn cameras() -> Finding {
    let found = device::list_video();
    let figures = json!({"found": found.len()});
    let finding = match &found[..] {
        [] => match video::open(&VideoSpec::Default, &VideoFormat::default()) {
            Err(error) => Finding::skipped("camera", error.to_string()),
            Ok(_) => Finding::fine("camera", "the default camera opens"),
        },
        [first, ..] => {
            let text = format!("{} found, {} first; --camera uses one", found.len(), first.name);
            Finding::fine("camera", text)
        }
    };
    finding.with_figures(figures)
}

fn screens() -> Finding {
    match device::list_desktops() {
        Err(error) => Finding::skipped("screen", error.to_string()),
        Ok(found) => {
            let screens = found.iter().filter(|info| info.origin == Origin::Screen).count();
            let windows = found.len() - screens;
            let text = format!("{screens} screens and {windows} windows could be shown");
            Finding::fine("screen", text)
                .with_figures(json!({"screens": screens, "windows": windows}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;
    use crate::device::DeviceSpec;

    #[tokio::test]
    async fn what_was_named_must_give_pictures() {
        let choice = |camera: VideoSpec, screen: Option<VideoSpec>| Choice {
            mic: Some(DeviceSpec::Silence),
            mic_named: true,
            speaker: DeviceSpec::Null,
            speaker_named: true,
            camera: Some(camera),
            screen,
        };
        let missing = VideoSpec::Image("/no/such/picture.png".into());
        let found = check(&choice(VideoSpec::Pattern, Some(missing))).await;
        assert_eq!(found[0].verdict, Verdict::Fine, "{found:?}");
        assert!(found[0].message.contains("320x180"), "{found:?}");
        assert_eq!((found[1].verdict, found[1].exit), (Verdict::Broken, Exit::Device));
        let found = check(&choice(VideoSpec::Pattern, None)).await;
        println!("SEEN: {:?} {}", found[1].verdict, found[1].message);
        assert_ne!(found[1].verdict, Verdict::Broken, "nobody has to show a screen");
    }
}
