//! From the words of the library to those of the screen.

use std::collections::BTreeSet;

use crate::api::ApiError;
use crate::api::Person;
use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::model::StreamRoom;
use crate::model::UserId;
use crate::profile::room_meta;
use crate::ui::event::Fault;
use crate::ui::event::Participant;
use crate::ui::event::RoomInfo;

/// A room as the list shows it. One that does not verify has no name but its id.
pub(super) fn room_info(room: &StreamRoom) -> RoomInfo {
    let verified = room.status_code == 0;
    let name = room_meta::name(&room.private_meta).filter(|_| verified);
    RoomInfo {
        id: room.stream_room_id.clone(),
        name: name.unwrap_or_else(|| room.stream_room_id.0.clone()),
        users: room.users.clone(),
        managers: room.managers.clone(),
        closed: room.closed,
        verified,
    }
}

/// Everybody in a call; who is muted is only known from the levels.
pub(super) fn participants(
    people: &[Person],
    levels: &AudioLevels,
    own_muted: bool,
) -> Vec<Participant> {
    let muted = |person: &Person| {
        let level = levels.levels.iter().find(|level| level.user == person.user);
        level.is_some_and(|level| level.muted)
    };
    let participant = |person: &Person| Participant {
        user: person.user.clone(),
        publishing: person.has_audio,
        muted: if person.is_self { own_muted } else { muted(person) },
        loss: None,
        unreadable: false,
    };
    people.iter().map(participant).collect()
}

/// Whose pictures come and can none of them be decrypted.
pub(super) fn unreadable(stats: &CallStats) -> BTreeSet<UserId> {
    let dark = stats.video.iter().filter(|track| {
        track.pictures == 0 && track.undecodable == 0 && track.dropped_unauthenticated > 0
    });
    dark.map(|track| track.user.clone()).collect()
}

/// What happened, why, and what to do.
pub(super) fn fault(what: String, error: &ApiError) -> Fault {
    let remedy = match error {
        ApiError::RoomClosed(_) => "Open a new room with n.",
        ApiError::Untrusted { .. } => {
            "Do not use this room: its keys are not from whom they name. Ask its manager."
        }
        ApiError::Device(_) => "D chooses another device.",
        ApiError::Net(_) if error.code().is_none() => "Check the connection; R asks again.",
        ApiError::Net(_) => "Ask a manager of the room whether you may do that.",
        ApiError::Media(_) => {
            "Check that UDP to the bridge is not blocked, or use a tunnel, then join again."
        }
        _ => "",
    };
    Fault { what, why: error.to_string(), remedy: remedy.to_owned() }
}
