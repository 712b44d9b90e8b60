//! A room's name, which lives in its private metadata as JSON: `{"name": "…"}`.

use serde::Deserialize;
use serde::Serialize;

use super::error::ProfileError;
use super::identity::checked_name;

#[derive(Serialize, Deserialize)]
struct Meta {
    name: String,
}

/// The name as its creator wrote it, not yet fit for a terminal; `None` where there is none.
#[must_use]
pub fn name(private_meta: &[u8]) -> Option<String> {
    let meta: Meta = serde_json::from_slice(private_meta).ok()?;
    Some(meta.name).filter(|name| !name.trim().is_empty())
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

/// `private_meta` with another name, and with whatever else other programs keep there.
///
/// # Errors
///
/// [`ProfileError::BadName`] if the name can't be shown on one line.
pub fn renamed(private_meta: &[u8], name: &str) -> Result<Vec<u8>, ProfileError> {
    let name = checked_name(name)?;
    let mut meta = serde_json::from_slice::<serde_json::Value>(private_meta).unwrap_or_default();
    match meta.as_object_mut() {
        Some(members) => {
            members.insert("name".to_owned(), name.into());
            Ok(meta.to_string().into_bytes())
        }
        None => encode(&name),
    }
}
