//! A camera that runs on a thread of its own and keeps its newest picture at hand.
//!
//! Reading a frame blocks until there is one, and forever if the driver hangs. So whoever wants
//! pictures never does that, and notices when none have come for a while.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use nokhwa::Camera;
use nokhwa::NokhwaError;
use nokhwa::utils::RequestedFormat;
use nokhwa::utils::RequestedFormatType;

use super::convert;
use super::find;
use super::find::Candidate;
use super::format;
use crate::device::error::DeviceError;
use crate::device::video::Origin;
use crate::device::video::VideoError;
use crate::device::video::VideoFormat;
use crate::device::video::VideoKind;
use crate::device::video::VideoSource;
use crate::device::video::patience::PATIENCE;
use crate::media::video::Picture;

/// A camera that sends nothing for so long has hung.
const SILENCE: Duration = Duration::from_secs(5);
/// Frames in a row that may be unreadable; many cameras begin with some.
const UNREADABLE: u32 = 60;
/// How long a camera may take to stop.
const FAREWELL: Duration = Duration::from_millis(500);

/// A running camera.
struct CameraSource {
    name: String,
    shared: Arc<Shared>,
    /// When a picture last came, or the camera was first asked.
    heard: Option<Instant>,
    ended: mpsc::Receiver<()>,
}

/// Between the thread of the camera and whoever wants its pictures.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Newest picture that nobody has had yet.
    picture: Option<Arc<Picture>>,
    /// Why there will be no more.
    fault: Option<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the camera called `name`, or the first one, and starts it.
pub(in crate::device) fn open(
    name: Option<&str>,
    format: VideoFormat,
) -> Result<Box<dyn VideoSource>, DeviceError> {
    let candidate = find::choose(find::candidates(), name)?;
    let name = candidate.name.clone();
    let shared = Arc::new(Shared::default());
    // One place each: the camera opens once and ends once.
    let (opened, outcome) = mpsc::sync_channel(1);
    let (last_word, ended) = mpsc::sync_channel(1);
    let theirs = Arc::clone(&shared);
    let work = move || {
        match start(&candidate, format) {
            Ok(camera) => {
                // Nobody waits any more if this fails; then the camera is to stop, too.
                if opened.send(Ok(())).is_ok() {
                    run(camera, format, &theirs);
                }
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        }
        let _ = last_word.send(());
    };
    let refused = |reason: &str| VideoError::Open {
        origin: Origin::Camera,
        name: name.clone(),
        reason: reason.to_owned(),
    };
    let thread = std::thread::Builder::new().name("camera".to_owned()).spawn(work);
    thread.map_err(|_| refused("no thread could be started"))?;
    match outcome.recv_timeout(PATIENCE) {
        Ok(result) => result?,
        Err(_) => {
            shared.stop.store(true, Ordering::Relaxed);
            return Err(refused("it did not answer").into());
        }
    }
    Ok(Box::new(CameraSource { name, shared, heard: None, ended }))
}

/// Opens the camera in the format that suits best.
fn start(candidate: &Candidate, wanted: VideoFormat) -> Result<Camera, VideoError> {
    let failed = |error: NokhwaError| judge(candidate, &error.to_string());
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &format::READABLE);
    let mut camera = Camera::new(candidate.index.clone(), any).map_err(failed)?;
    let offered = camera.compatible_camera_formats().unwrap_or_default();
    if let Some(best) = format::best(&offered, wanted)
        && best != camera.camera_format()
    {
        let exact = RequestedFormatType::Exact(best);
        let request = RequestedFormat::with_formats(exact, &format::READABLE);
        if let Err(error) = camera.set_camera_requset(request) {
            // It still has the format that it was opened with.
            tracing::debug!(%error, format = %best, "the camera refused a format that it offers");
        }
    }
    camera.open_stream().map_err(failed)?;
    tracing::debug!(camera = candidate.name, format = %camera.camera_format(), "camera runs");
    Ok(camera)
}

/// What the system says, in words that help.
fn judge(candidate: &Candidate, said: &str) -> VideoError {
    let (origin, name) = (Origin::Camera, candidate.name.clone());
    let lower = said.to_lowercase();
    if ["os error 13", "os error 1)", "permission", "not authorized", "access denied"]
        .iter()
        .any(|sign| lower.contains(sign))
    {
        let advice = if cfg!(target_os = "linux") {
            "add yourself to the group `video` and log in again, or choose another one"
        } else {
            "allow the terminal to use the camera in the privacy settings, or choose another one"
        };
        return VideoError::Denied { origin, name, reason: said.to_owned(), advice };
    }
    let reason = if lower.contains("os error 16") {
        format!("another program uses it ({said})")
    } else if lower.contains("fufill") {
        "it gives pictures in no format that we can read".to_owned()
    } else {
        said.to_owned()
    };
    VideoError::Open { origin, name, reason }
}

/// Reads frames until told to stop, or until there are no more.
fn run(mut camera: Camera, wanted: VideoFormat, shared: &Shared) {
    // A little less than a period, so that a frame that comes slightly early is not missed.
    let period = Duration::from_secs(1) / wanted.fps * 3 / 4;
    let mut last: Option<Instant> = None;
    let mut unreadable = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let frame = match camera.frame() {
            Ok(frame) => frame,
            Err(error) => {
                shared.state().fault = Some(disappeared(&error.to_string()));
                break;
            }
        };
        if last.is_some_and(|last| last.elapsed() < period) {
            continue;
        }
        let size = frame.resolution();
        let read = convert::picture(
            frame.source_frame_format(),
            size.width(),
            size.height(),
            frame.buffer(),
        );
        let fitted = read.and_then(|picture| {
            picture.fitted(wanted.max_width, wanted.max_height).map_err(|error| error.to_string())
        });
        match fitted {
            Ok(picture) => {
                unreadable = 0;
                last = Some(Instant::now());
                shared.state().picture = Some(Arc::new(picture));
            }
            Err(reason) => {
                unreadable += 1;
                if unreadable > UNREADABLE {
                    shared.state().fault = Some(format!("its pictures can't be read: {reason}"));
                    break;
                }
            }
        }
    }
    if let Err(error) = camera.stop_stream() {
        tracing::debug!(%error, "the camera did not stop");
    }
}

fn disappeared(said: &str) -> String {
    let gone = ["os error 19", "os error 5)", "os error 6)"].iter().any(|sign| said.contains(sign));
    if gone { "it was disconnected".to_owned() } else { said.to_owned() }
}

impl VideoSource for CameraSource {
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError> {
        let (picture, fault) = {
            let mut state = self.shared.state();
            (state.picture.take(), state.fault.clone())
        };
        if picture.is_some() {
            self.heard = Some(now);
            return Ok(picture);
        }
        let heard = *self.heard.get_or_insert(now);
        let silent = now.saturating_duration_since(heard) >= SILENCE;
        let silence = || format!("it has sent nothing for {} s", SILENCE.as_secs());
        match fault.or_else(|| silent.then(silence)) {
            None => Ok(None),
            Some(reason) => {
                let (origin, name) = (Origin::Camera, self.name.clone());
                Err(VideoError::Lost { origin, name, reason }.into())
            }
        }
    }

    fn kind(&self) -> VideoKind {
        VideoKind::Camera
    }
}

impl Drop for CameraSource {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // A thread that takes longer hangs in the driver and is left behind.
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::list_video;
    use crate::device::video::VideoSpec;
    use nokhwa::utils::CameraIndex;

    fn source() -> (CameraSource, mpsc::SyncSender<()>) {
        let (last_word, ended) = mpsc::sync_channel(1);
        last_word.send(()).unwrap();
        let shared = Arc::new(Shared::default());
        (CameraSource { name: "Eye".to_owned(), shared, heard: None, ended }, last_word)
    }

    #[test]
    fn the_newest_picture_is_given_once_and_a_lost_camera_says_so() {
        let (mut camera, _thread) = source();
        let begin = Instant::now();
        assert!(camera.next(begin).unwrap().is_none());
        let old = Arc::new(Picture::new(16, 16).unwrap());
        let new = Arc::new(Picture::new(32, 16).unwrap());
        camera.shared.state().picture = Some(old);
        camera.shared.state().picture = Some(new);
        assert_eq!(camera.next(begin).unwrap().unwrap().width(), 32);
        assert!(camera.next(begin).unwrap().is_none());
        let error = disappeared("Could not capture frame: No such device (os error 19)");
        camera.shared.state().fault = Some(error);
        let lost = camera.next(begin).unwrap_err().to_string();
        assert!(lost.contains("the camera `Eye` was lost: it was disconnected"), "{lost}");
    }

    #[test]
    fn a_camera_that_hangs_is_noticed() {
        let (mut camera, _thread) = source();
        let begin = Instant::now();
        assert!(camera.next(begin).unwrap().is_none());
        assert!(camera.next(begin + SILENCE / 2).unwrap().is_none());
        let lost = camera.next(begin + SILENCE).unwrap_err().to_string();
        assert!(lost.contains("nothing for 5 s"), "{lost}");
    }

    #[test]
    fn what_the_system_says_becomes_advice() {
        let name = |name: &str| Candidate::for_test(CameraIndex::Index(0), name);
        let table = [
            ("V4L2 Error: Permission denied (os error 13)", "may not be used"),
            ("V4L2 Error: Device or resource busy (os error 16)", "another program uses it"),
            ("Could not get device property CameraFormat: Failed to Fufill", "no format"),
            ("V4L2 Error: No such device (os error 19)", "could not be opened"),
        ];
        for (said, expected) in table {
            let text = judge(&name("Eye"), said).to_string();
            assert!(text.contains("`Eye`") && text.contains(expected), "{text}");
            assert!(text.contains("; "), "says what to do: {text}");
        }
    }

    /// Cameras of the machine, or the message that there are none.
    #[test]
    fn a_camera_of_this_machine_gives_pictures_or_its_absence_is_explained() {
        let cameras = list_video();
        let format = VideoFormat::default();
        match crate::device::video::open(&VideoSpec::Default, &format) {
            Ok(mut camera) => {
                println!("SEEN: {} opens", cameras[0].name);
                let begin = Instant::now();
                let picture = loop {
                    match camera.next(Instant::now()) {
                        Ok(Some(picture)) => break Some(picture),
                        Ok(None) if begin.elapsed() < SILENCE => {
                            std::thread::yield_now();
                        }
                        Ok(None) => break None,
                        Err(error) => {
                            println!("SEEN: {error}");
                            break None;
                        }
                    }
                };
                if let Some(picture) = picture {
                    println!("SEEN: a picture of {}x{}", picture.width(), picture.height());
                    assert!(picture.width() <= format.max_width);
                }
            }
            Err(error) => {
                println!("SEEN: {error}");
                let text = error.to_string();
                assert_eq!(text.contains("no camera on this machine"), cameras.is_empty());
                assert!(text.contains("; "), "says what to do: {text}");
            }
        }
    }
}
