//! What the interface may know of this machine: keys, sound devices, and a chime now and then.

use std::sync::Arc;

use crate::crypto::key::PublicKey;
use crate::device;
use crate::device::Chime;
use crate::device::ChimePlayer;
use crate::device::DeviceInfo;
use crate::device::DeviceSpec;
use crate::model::ContextId;
use crate::model::UserWithPubKey;
use crate::profile::known_keys::Standing;
use crate::ui::backend::Cue;
use crate::ui::backend::Surroundings;
use crate::ui::event::DeviceMenu;
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
            cameras: ["default", "pattern"].map(str::to_owned).to_vec(),
        }
    }

    fn shares(&self) -> Vec<ShareOption> {
        let option = |(title, spec): (&str, &str)| ShareOption {
            title: title.to_owned(),
            spec: spec.to_owned(),
        };
        [("The whole screen", "screen"), ("A moving test picture", "pattern")].map(option).to_vec()
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

const fn in_words(standing: Standing) -> Trust {
    match standing {
        Standing::New => Trust::Unknown,
        Standing::Known => Trust::Known,
        Standing::Verified => Trust::Verified,
        Standing::Changed => Trust::Changed,
    }
}
