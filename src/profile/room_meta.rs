//! What a room's private metadata holds: its name, and pictures of its members, as JSON
//! `{"name": "…", "avatars": {"USER": "base64 of a picture"}}`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::model::UserId;

use super::error::ProfileError;
use super::identity::checked_name;

/// Bytes of an avatar, as a picture file: what a room has room for is little.
pub const MAX_AVATAR: usize = 240;

/// Avatars that are looked at.
pub const MAX_AVATARS: usize = 64;

/// Bytes of private metadata: bridges take about 1.7 kB of both kinds (crypto.md 6.3).
const MAX_META: usize = 1600;

const AVATARS: &str = "avatars";

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
    let mut meta = serde_json::from_slice::<Value>(private_meta).unwrap_or_default();
    match meta.as_object_mut() {
        Some(members) => {
            members.insert("name".to_owned(), name.into());
            Ok(meta.to_string().into_bytes())
        }
        None => encode(&name),
    }
}

/// Picture files of members, as whoever changed the room last put them there: not looked at
/// yet, but none is larger than [`MAX_AVATAR`], and there are no more than [`MAX_AVATARS`].
#[must_use]
pub fn avatars(private_meta: &[u8]) -> BTreeMap<UserId, Vec<u8>> {
    let meta = serde_json::from_slice::<Value>(private_meta).unwrap_or_default();
    let avatars = meta.get(AVATARS).and_then(Value::as_object);
    let decoded = avatars.into_iter().flatten().filter_map(|(user, file)| {
        let file = STANDARD.decode(file.as_str()?).ok()?;
        (file.len() <= MAX_AVATAR).then(|| (UserId::from(user.as_str()), file))
    });
    decoded.take(MAX_AVATARS).collect()
}

/// `private_meta` with another avatar for `user`, or with none, and with whatever else is there.
///
/// # Errors
///
/// [`ProfileError::BadAvatar`] if it is larger than [`MAX_AVATAR`], if the room has no space left
/// for it, or if another program keeps something there that is no JSON object.
pub fn with_avatar(
    private_meta: &[u8],
    user: &UserId,
    avatar: Option<&[u8]>,
) -> Result<Vec<u8>, ProfileError> {
    let mut meta: Map<String, Value> = if private_meta.is_empty() {
        Map::new()
    } else {
        let foreign = |_| ProfileError::BadAvatar("its metadata is of another program");
        serde_json::from_slice(private_meta).map_err(foreign)?
    };
    let avatars = meta.entry(AVATARS).or_insert_with(|| Map::new().into());
    let foreign = ProfileError::BadAvatar("another program keeps something else there");
    let avatars = avatars.as_object_mut().ok_or(foreign)?;
    match avatar {
        Some(file) if file.len() > MAX_AVATAR => {
            return Err(ProfileError::BadAvatar("it has more than 240 bytes"));
        }
        Some(file) => avatars.insert(user.0.clone(), STANDARD.encode(file).into()),
        None => avatars.remove(user.as_str()),
    };
    if avatars.is_empty() {
        meta.remove(AVATARS);
    }
    let meta = Value::from(meta).to_string().into_bytes();
    if avatar.is_some() && meta.len() > MAX_META {
        return Err(ProfileError::BadAvatar("it is full; take another member's avatar away first"));
    }
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avatars_come_and_go_and_leave_the_rest_alone() {
        let (ana, ben) = (UserId::from("ana"), UserId::from("ben"));
        let named = br#"{"name":"war room","theirs":[1,2]}"#;
        let one = with_avatar(named, &ana, Some(b"her face")).unwrap();
        let both = with_avatar(&one, &ben, Some(b"his")).unwrap();
        let expected = [(ana.clone(), b"her face".to_vec()), (ben.clone(), b"his".to_vec())];
        assert_eq!(avatars(&both), BTreeMap::from(expected));
        assert_eq!(avatars(&renamed(&both, "peace").unwrap()).len(), 2);
        let none = with_avatar(&with_avatar(&both, &ana, None).unwrap(), &ben, None).unwrap();
        assert_eq!(none, named);
        let unnamed = with_avatar(b"", &ana, Some(b"x")).unwrap();
        assert_eq!((name(&unnamed), avatars(&unnamed).len()), (None, 1));
    }

    #[test]
    fn avatars_are_bounded_whoever_wrote_them() {
        let ana = UserId::from("ana");
        let large = vec![0; MAX_AVATAR + 1];
        let mut meta = Vec::new();
        for user in ["ben", "chi", "dee", "eva"] {
            meta = with_avatar(&meta, &user.into(), Some(&large[1..])).unwrap();
        }
        let refused = [
            with_avatar(b"", &ana, Some(&large)),
            with_avatar(&meta, &ana, Some(&large[1..])),
            with_avatar(b"[]", &ana, Some(b"x")),
            with_avatar(br#"{"avatars":7}"#, &ana, Some(b"x")),
        ];
        for result in refused {
            assert!(matches!(result, Err(ProfileError::BadAvatar(_))), "{result:?}");
        }
        let many = (0..1000).map(|number| format!("\"{number}\":\"QQ==\""));
        let many = format!("{{\"avatars\":{{{}}}}}", many.collect::<Vec<_>>().join(","));
        assert_eq!(avatars(many.as_bytes()).len(), MAX_AVATARS);
        let odd = format!(
            r#"{{"avatars":{{"a":7,"b":"?","c":"QQ==","d":"{}"}}}}"#,
            STANDARD.encode(&large)
        );
        assert_eq!(avatars(odd.as_bytes()), BTreeMap::from([("c".into(), b"A".to_vec())]));
        assert!(avatars(b"\xff").is_empty());
    }
}
