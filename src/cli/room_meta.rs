//! A room's name, which lives in its private metadata as JSON: `{"name": "…"}`.

use serde::Deserialize;
use serde::Serialize;

use crate::model::StreamRoom;
use crate::profile::ProfileError;
use crate::profile::identity::checked_name;

use super::output;

#[derive(Serialize, Deserialize)]
struct Meta {
    name: String,
}

/// The name as it may be printed; the id where there is none.
#[must_use]
pub fn name(room: &StreamRoom) -> String {
    match serde_json::from_slice::<Meta>(&room.private_meta) {
        Ok(meta) if !meta.name.trim().is_empty() => output::clean(&meta.name),
        _ => output::clean(room.stream_room_id.as_str()),
    }
}

/// Private metadata that holds `name`.
///
/// # Errors
///
/// [`ProfileError::BadName`] if it can't be shown on one line.
pub fn encode(name: &str) -> Result<Vec<u8>, ProfileError> {
    let meta = Meta { name: checked_name(name)? };
    Ok(serde_json::to_vec(&meta).expect("a string is always JSON"))
}
