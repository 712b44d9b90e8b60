//! Finds the sound system and the devices in it.

use cpal::traits::DeviceTrait;
use cpal::traits::HostTrait;

use super::deadline::within_deadline;
use crate::device::error::DeviceError;
use crate::device::error::Direction;
use crate::device::list::DeviceInfo;
use crate::device::list::DeviceList;

/// ALSA names worth showing. The rest are filters and aliases of these, and `null`, which
/// devours and produces sound as fast as it can.
const ALSA_SHOWN: [&str; 5] = ["default", "pulse", "pipewire", "sysdefault:", "plughw:"];

/// How often a sound system is tried.
const ATTEMPTS: u32 = 3;

/// A device that can be opened.
pub(super) struct Candidate {
    pub(super) device: cpal::Device,
    pub(super) info: DeviceInfo,
    /// Worth showing to people. The others are found by their exact names only.
    shown: bool,
}

/// The device called `name`, or the default one.
pub(super) fn find(direction: Direction, name: Option<&str>) -> Result<Candidate, DeviceError> {
    let host = open_host().ok_or(DeviceError::NoDevice { direction })?;
    let Some(name) = name else {
        let device = default_device(&host, direction);
        let device = device.ok_or(DeviceError::NoDevice { direction })?;
        return describe(device, None, direction).ok_or(DeviceError::NoDevice { direction });
    };
    let mut devices = devices(&host, direction);
    if devices.is_empty() {
        return Err(DeviceError::NoDevice { direction });
    }
    let exact = |candidate: &Candidate| candidate.info.name == name || candidate.info.id == name;
    if let Some(index) = devices.iter().position(exact) {
        return Ok(devices.swap_remove(index));
    }
    let wanted = name.to_lowercase();
    devices.retain(|candidate| {
        let names = [&candidate.info.name, &candidate.info.id];
        candidate.shown && names.iter().any(|name| name.to_lowercase().contains(&wanted))
    });
    match (devices.pop(), devices.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(DeviceError::NotFound { direction, name: name.to_owned() }),
        (Some(last), false) => {
            let mut matches: Vec<String> =
                devices.into_iter().map(|candidate| candidate.info.name).collect();
            matches.push(last.info.name);
            let matches = matches.join(", ");
            Err(DeviceError::Ambiguous { direction, name: name.to_owned(), matches })
        }
    }
}

pub(in crate::device) fn list() -> DeviceList {
    let list = within_deadline(Direction::Input, || {
        let Some(host) = open_host() else { return Ok(DeviceList::default()) };
        let shown = |direction| {
            let devices = devices(&host, direction).into_iter();
            devices.filter(|candidate| candidate.shown).map(|candidate| candidate.info).collect()
        };
        Ok(DeviceList { inputs: shown(Direction::Input), outputs: shown(Direction::Output) })
    });
    list.unwrap_or_default()
}

/// The first sound system that works: a sound server before the bare hardware.
fn open_host() -> Option<cpal::Host> {
    let ids = cpal::available_hosts();
    ids.into_iter().filter(|id| id.name() != "ALSA" || has_sound_card()).find_map(open_with)
}

/// A sound server that is just starting refuses now and then, so it is asked more than once.
fn open_with(id: cpal::HostId) -> Option<cpal::Host> {
    (0..ATTEMPTS).find_map(|_| {
        cpal::host_from_id(id)
            .inspect_err(|error| tracing::debug!(host = id.name(), %error, "no sound"))
            .ok()
    })
}

/// Without a card ALSA still offers a dozen devices, none of which makes a sound.
fn has_sound_card() -> bool {
    let cards = std::fs::read_to_string("/proc/asound/cards").unwrap_or_default();
    cards.lines().any(|line| line.trim_start().starts_with(|first: char| first.is_ascii_digit()))
}

fn devices(host: &cpal::Host, direction: Direction) -> Vec<Candidate> {
    let default = default_device(host, direction).and_then(|device| id_of(&device));
    let Ok(devices) = host.devices() else { return Vec::new() };
    let fits = |device: &cpal::Device| match direction {
        Direction::Input => device.supports_input(),
        Direction::Output => device.supports_output(),
    };
    devices
        .filter(fits)
        .filter_map(|device| describe(device, default.as_deref(), direction))
        .collect()
}

fn default_device(host: &cpal::Host, direction: Direction) -> Option<cpal::Device> {
    match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    }
}

fn describe(
    device: cpal::Device,
    default: Option<&str>,
    direction: Direction,
) -> Option<Candidate> {
    let id = id_of(&device)?;
    if id == "null" {
        return None;
    }
    let name = device.description().ok()?.name().to_owned();
    let is_alsa = device.id().ok()?.host().name() == "ALSA";
    let shown = if is_alsa {
        ALSA_SHOWN.iter().any(|shown| id.starts_with(shown))
    } else {
        // What a speaker plays can be heard like a microphone, but rarely ought to be.
        !(direction == Direction::Input && id.ends_with(".monitor"))
    };
    let is_default = default == Some(id.as_str());
    Some(Candidate { device, info: DeviceInfo { name, id, is_default }, shown })
}

fn id_of(device: &cpal::Device) -> Option<String> {
    Some(device.id().ok()?.id().to_owned())
}
