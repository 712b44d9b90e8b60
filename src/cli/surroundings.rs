//! What the interface may know of this machine: keys, sound devices, and a chime now and then.

use std::sync::Arc;

use crate::crypto::key::PublicKey;
use crate::device;
use crate::device::Chime;
use crate::device::ChimePlayer;
use crate::device::DesktopInfo;
use crate::device::DeviceInfo;
use crate::device::DeviceSpec;
use crate::device::VideoDeviceInfo;
use crate::device::video::Origin;
use crate::media::video::Picture;
use crate::model::ContextId;
use crate::model::UserWithPubKey;
use crate::profile::known_keys::Standing;
use crate::ui::backend::Cue;
use crate::ui::backend::Surroundings;
use crate::ui::event::DeviceMenu;
use crate::ui::event::ShareMenu;
use crate::ui::event::ShareOption;
use crate::ui::event::Trust;

use super::trust::PinnedKeys;

/// This machine and this user's key file.
pub struct Here {
    keys: Arc<PinnedKeys>,
    chimes: Option<ChimePlayer>,
}

impl Here {
    /// Chimes, if wanted, go where the call's sound goes.
    pub fn new(keys: Arc<PinnedKeys>, chimes: bool, speaker: &DeviceSpec) -> Self {
        Self { keys, chimes: chimes.then(|| ChimePlayer::new(speaker)) }
    }
}

impl Surroundings for Here {
    fn key(&self, context: &ContextId, user: &UserWithPubKey) -> (Trust, String) {
        let fingerprint = PublicKey::from_base58(&user.pub_key)
            .map_or_else(|_| "unreadable key".to_owned(), |key| key.fingerprint().to_string());
        (in_words(self.keys.standing(context, user)), fingerprint)
    }

    fn verify(&self, context: &ContextId, user: &UserWithPubKey) -> Trust {
        if let Err(error) = self.keys.remember(context, user, true) {
            tracing::warn!(%error, "a compared key could not be written down");
        }
        in_words(self.keys.standing(context, user))
    }

    fn devices(&self) -> DeviceMenu {
        let list = device::list();
        let names =
            |devices: Vec<DeviceInfo>| devices.into_iter().map(|device| device.name).collect();
        DeviceMenu {
            microphones: names(list.inputs),
            speakers: names(list.outputs),
            cameras: camera_names(device::list_video()),
        }
    }

    fn shares(&self) -> ShareMenu {
        let listed = device::list_desktops();
        let missing = listed.as_ref().err().map(ToString::to_string);
        let desktops = listed.unwrap_or_default();
        let mut options: Vec<ShareOption> = desktops.into_iter().map(share_option).collect();
        options.push(ShareOption {
            title: "A terminal with your shell".to_owned(),
            spec: "terminal:\"$SHELL\"".to_owned(),
        });
        ShareMenu { options, missing }
    }

    fn avatar(&self, file: &[u8]) -> Option<Picture> {
        let decoded = device::video::avatar::decode(file);
        decoded.inspect_err(|error| tracing::info!(error, "an avatar can't be shown")).ok()
    }

    fn cue(&self, cue: Cue) {
        let chime = match cue {
            Cue::Joined => Chime::Joined,
            Cue::Left => Chime::Left,
            Cue::Muted => Chime::Muted,
            Cue::Unmuted => Chime::Unmuted,
        };
        if let Some(player) = &self.chimes {
            player.play(chime);
        }
    }
}

/// Names that choose cameras: what they are called, or their ids where two are called the same.
fn camera_names(cameras: Vec<VideoDeviceInfo>) -> Vec<String> {
    let names: Vec<String> = cameras.iter().map(|camera| camera.name.clone()).collect();
    let is_unique = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    let name = |camera: VideoDeviceInfo| match is_unique(&camera.name) {
        true => camera.name,
        false => camera.id,
    };
    cameras.into_iter().map(name).collect()
}

fn share_option(info: DesktopInfo) -> ShareOption {
    let what = if info.origin == Origin::Window { "Window" } else { "Screen" };
    let title = format!("{what} {} {}x{}", info.name, info.width, info.height);
    ShareOption { title, spec: info.id }
}

const fn in_words(standing: Standing) -> Trust {
    match standing {
        Standing::New => Trust::Unknown,
        Standing::Known => Trust::Known,
        Standing::Verified => Trust::Verified,
        Standing::Changed => Trust::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_of_the_same_name_are_told_apart() {
        let camera = |name: &str, id: &str| VideoDeviceInfo {
            name: name.to_owned(),
            id: id.to_owned(),
            is_default: false,
        };
        let cameras = vec![camera("USB", "/dev/video0"), camera("Front", "1"), camera("USB", "2")];
        assert_eq!(camera_names(cameras), ["/dev/video0", "Front", "2"]);
        let info = DesktopInfo {
            origin: Origin::Window,
            name: "notes: a".to_owned(),
            id: "window:0x1a".to_owned(),
            width: 640,
            height: 480,
            is_default: false,
        };
        let option = share_option(info);
        assert_eq!(
            (option.title.as_str(), option.spec.as_str()),
            ("Window notes: a 640x480", "window:0x1a")
        );
    }
}
