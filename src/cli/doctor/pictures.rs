//! Do camera and screen give pictures?

use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::cli::devices::Choice;
use crate::cli::exit::Exit;
use crate::device;
use crate::device::DeviceError;
use crate::device::video;
use crate::device::video::Origin;
use crate::device::video::VideoFormat;
use crate::device::video::VideoSpec;

use super::finding::Finding;

/// Opening a device and waiting for its first picture takes a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a source is asked for its first picture.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Opens what a call would show and closes it again; otherwise says what could be shown.
pub async fn check(choice: &Choice) -> Vec<Finding> {
    let camera = async {
        match choice.camera.clone() {
            Some(spec) => named("camera", spec).await,
            None => blocking(cameras).await,
        }
    };
    let screen = async {
        match choice.screen.clone() {
            Some(spec) => named("screen", spec).await,
            None => blocking(screens).await,
        }
    };
    vec![patiently("camera", camera).await, patiently("screen", screen).await]
}

/// Runs something where waiting is allowed; `None` if it fails.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// What a check found, unless it takes for ever.
async fn patiently(check: &'static str, work: impl Future<Output = Option<Finding>>) -> Finding {
    match timeout(PATIENCE, work).await {
        Ok(Some(finding)) => finding,
        Ok(None) => Finding::skipped(check, "the check failed"),
        Err(_) => {
            let why = format!("the system did not answer within {} s", PATIENCE.as_secs());
            Finding::warning(check, why, "connect the device again, or restart the session")
        }
    }
}

async fn named(check: &'static str, spec: VideoSpec) -> Option<Finding> {
    let name = spec.to_string();
    let figures = json!({"device": name});
    let found = match first_picture(spec).await? {
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
    Some(found.with_figures(figures))
}

async fn first_picture(spec: VideoSpec) -> Option<Result<Option<(u32, u32)>, DeviceError>> {
    let opened = blocking(move || video::open(&spec, &VideoFormat::default())).await?;
    let mut source = match opened {
        Ok(source) => source,
        Err(error) => return Some(Err(error)),
    };
    let until = Instant::now() + PATIENCE / 2;
    loop {
        let (asked, answer) = blocking(move || {
            let answer = source.next(Instant::now());
            (source, answer)
        })
        .await?;
        source = asked;
        match answer {
            Err(error) => return Some(Err(error)),
            Ok(Some(picture)) => return Some(Ok(Some((picture.width(), picture.height())))),
            Ok(None) if Instant::now() >= until => return Some(Ok(None)),
            Ok(None) => sleep(ASK_EVERY).await,
        }
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
