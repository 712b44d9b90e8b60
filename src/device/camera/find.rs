//! Which cameras there are, and the one that a name means.

use nokhwa::utils::CameraIndex;
use nokhwa::utils::CameraInfo;

use crate::device::list::VideoDeviceInfo;
use crate::device::video::Origin;
use crate::device::video::VideoError;
use crate::device::video::patience::within_patience;

/// A camera that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) index: CameraIndex,
    pub(super) name: String,
    pub(super) id: String,
    /// Gives pictures, and not something about them; people are shown these only.
    shown: bool,
}

/// The cameras worth showing. The system is asked anew each time, so what was connected or taken
/// away in between is noticed.
pub(in crate::device) fn list() -> Vec<VideoDeviceInfo> {
    let shown = candidates().into_iter().filter(|candidate| candidate.shown);
    shown
        .enumerate()
        .map(|(place, candidate)| VideoDeviceInfo {
            name: candidate.name,
            id: candidate.id,
            is_default: place == 0,
        })
        .collect()
}

/// Everything the system lists, by number.
pub(super) fn candidates() -> Vec<Candidate> {
    let asked = within_patience("camera list", || {
        let backend = nokhwa::native_api_backend()?;
        nokhwa::query(backend)
            .inspect_err(|error| tracing::debug!(%error, "cameras could not be listed"))
            .ok()
    });
    let mut found: Vec<Candidate> =
        asked.flatten().unwrap_or_default().iter().map(describe).collect();
    found.sort_by_key(|candidate| candidate.index.as_index().unwrap_or(u32::MAX));
    found
}

fn describe(info: &CameraInfo) -> Candidate {
    let index = info.index().clone();
    let node = info.description().rsplit(' ').next().filter(|node| node.starts_with("/dev/"));
    let id = match node {
        Some(node) => node.to_owned(),
        None if info.misc().trim().is_empty() => index.as_string(),
        None => info.misc(),
    };
    Candidate { shown: gives_pictures(node), name: clean(&info.human_name()), index, id }
}

/// A camera of Linux has several device files, the first of which has the pictures.
fn gives_pictures(node: Option<&str>) -> bool {
    let Some(name) = node.and_then(|node| node.strip_prefix("/dev/")) else { return true };
    let place = std::fs::read_to_string(format!("/sys/class/video4linux/{name}/index"));
    place.map_or(true, |place| place.trim() == "0")
}

/// Names come from whatever was plugged in.
fn clean(name: &str) -> String {
    let printable: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    let printable = printable.trim();
    if printable.is_empty() { "camera".to_owned() } else { printable.to_owned() }
}

/// The camera called `name`, by number, id, name or part of the name; the first one if no name is
/// given.
pub(super) fn choose(
    mut found: Vec<Candidate>,
    name: Option<&str>,
) -> Result<Candidate, VideoError> {
    let origin = Origin::Camera;
    if found.is_empty() {
        return Err(VideoError::NoCamera);
    }
    let Some(name) = name else {
        return found.into_iter().find(|candidate| candidate.shown).ok_or(VideoError::NoCamera);
    };
    let exact = |candidate: &Candidate| candidate.id == name || candidate.index.as_string() == name;
    if let Some(place) = found.iter().position(exact) {
        return Ok(found.swap_remove(place));
    }
    found.retain(|candidate| candidate.shown);
    if let Some(place) = found.iter().position(|candidate| candidate.name == name) {
        return Ok(found.swap_remove(place));
    }
    let wanted = name.to_lowercase();
    found.retain(|candidate| candidate.name.to_lowercase().contains(&wanted));
    let name = name.to_owned();
    if found.len() > 1 {
        let matches = found.iter().map(|candidate| format!("{} {}", candidate.id, candidate.name));
        let matches = matches.collect::<Vec<_>>().join(", ");
        return Err(VideoError::Ambiguous { origin, name, matches });
    }
    found.pop().ok_or(VideoError::NotFound { origin, name })
}

#[cfg(test)]
impl Candidate {
    pub(super) fn for_test(index: CameraIndex, name: &str) -> Self {
        let id = index.as_string();
        Self { index, name: name.to_owned(), id, shown: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(index: u32, name: &str, shown: bool) -> Candidate {
        let id = format!("/dev/video{index}");
        Candidate { index: CameraIndex::Index(index), name: name.to_owned(), id, shown }
    }

    #[test]
    fn a_camera_is_chosen_by_number_id_name_or_part_of_it() {
        let found = || {
            vec![
                candidate(0, "Built-in", true),
                candidate(1, "Built-in", false),
                candidate(2, "USB Capture", true),
                candidate(4, "USB Microscope", true),
            ]
        };
        let id = |name: Option<&str>| choose(found(), name).map(|camera| camera.id);
        assert_eq!(id(None).unwrap(), "/dev/video0");
        assert_eq!(id(Some("4")).unwrap(), "/dev/video4");
        assert_eq!(id(Some("/dev/video1")).unwrap(), "/dev/video1", "hidden ones can be named");
        assert_eq!(id(Some("Built-in")).unwrap(), "/dev/video0");
        assert_eq!(id(Some("micro")).unwrap(), "/dev/video4");
        let unclear = id(Some("usb")).unwrap_err().to_string();
        assert!(unclear.contains("/dev/video2 USB Capture, /dev/video4"), "{unclear}");
        let missing = id(Some("9")).unwrap_err().to_string();
        assert!(missing.contains("no camera `9`"), "{missing}");
        let none = choose(Vec::new(), Some("usb")).unwrap_err().to_string();
        assert!(none.contains("connect one"), "{none}");
    }

    #[test]
    fn names_of_cameras_can_t_write_to_the_terminal() {
        let info = CameraInfo::new(
            "Evil\x1b[2J",
            "Video4Linux Device @ /dev/video7",
            "",
            CameraIndex::Index(7),
        );
        let described = describe(&info);
        assert_eq!((described.name.as_str(), described.id.as_str()), ("Evil[2J", "/dev/video7"));
    }
}
