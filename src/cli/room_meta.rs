//! A room's name, fit for a line of output.

use crate::model::StreamRoom;
use crate::profile::room_meta;

use super::output;

/// The name as it may be printed; the id where there is none.
#[must_use]
pub fn name(room: &StreamRoom) -> String {
    let name = room_meta::name(&room.private_meta);
    output::clean(name.as_deref().unwrap_or(room.stream_room_id.as_str()))
}
