//! Which wrapped keys a room needs, and which it must not have (streams.md 5.6).

use std::collections::HashSet;

use super::error::ServiceError;
use crate::bridge::store::RoomKey;
use crate::model::KeyId;
use crate::model::UserId;

/// Puts submitted entries over the stored ones and checks the result.
///
/// `known` are the key ids of the history; `current` is the key of the new version. The
/// result holds entries of `members` only.
///
/// # Errors
///
/// [`ServiceError::InvalidKeyId`] for a key that is neither current nor in the history,
/// [`ServiceError::InvalidParams`] if a member lacks the current key, if an entry is for
/// somebody else, if one is given twice, or if somebody who lost access holds the current key.
pub fn merge(
    stored: Vec<RoomKey>,
    submitted: Vec<RoomKey>,
    known: &[KeyId],
    current: &KeyId,
    members: &[UserId],
) -> Result<Vec<RoomKey>, ServiceError> {
    let members: HashSet<&UserId> = members.iter().collect();
    let mut seen = HashSet::new();
    for key in &submitted {
        if !seen.insert((&key.user, &key.key_id)) {
            return Err(ServiceError::params("keys: an entry is given twice"));
        }
        if key.key_id != *current && !known.contains(&key.key_id) {
            return Err(ServiceError::InvalidKeyId);
        }
        if !members.contains(&key.user) {
            return Err(ServiceError::params("keys: an entry is for somebody outside the room"));
        }
    }
    let mut merged = Vec::with_capacity(stored.len() + submitted.len());
    for key in stored {
        if seen.contains(&(&key.user, &key.key_id)) {
            continue;
        }
        if members.contains(&key.user) {
            merged.push(key);
        } else if key.key_id == *current {
            return Err(ServiceError::params("keyId: somebody who lost access holds this key"));
        }
    }
    drop(seen);
    merged.extend(submitted);
    let holders: HashSet<&UserId> =
        merged.iter().filter(|key| key.key_id == *current).map(|key| &key.user).collect();
    if members.iter().any(|member| !holders.contains(*member)) {
        return Err(ServiceError::params("keys: a member has no entry for the current key"));
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(user: &str, id: &str) -> RoomKey {
        RoomKey { user: user.into(), key_id: id.into(), data: json!(format!("{user}{id}")) }
    }

    #[test]
    fn keys_are_checked() {
        type Case<'a> = (&'a str, Vec<RoomKey>, Vec<RoomKey>, &'a str, &'a [&'a str], Option<i64>);
        let ab = || vec![key("a", "1"), key("b", "1")];
        let cases: Vec<Case<'_>> = vec![
            ("create", vec![], ab(), "1", &["a", "b"], None),
            ("member without key", vec![], vec![key("a", "1")], "1", &["a", "b"], Some(-32602)),
            ("for a stranger", vec![], ab(), "1", &["a"], Some(-32602)),
            ("unknown key id", ab(), vec![key("a", "9")], "1", &["a", "b"], Some(0x6015)),
            ("twice", ab(), vec![key("a", "1"), key("a", "1")], "1", &["a", "b"], Some(-32602)),
            ("nothing new", ab(), vec![], "1", &["a", "b"], None),
            ("removed without new key", ab(), vec![], "1", &["a"], Some(-32602)),
            ("removed with new key", ab(), vec![key("a", "2")], "2", &["a"], None),
            ("added with old key", ab(), vec![key("c", "1")], "1", &["a", "b", "c"], None),
            ("added without key", ab(), vec![], "1", &["a", "b", "c"], Some(-32602)),
        ];
        for (name, stored, submitted, current, members, expected) in cases {
            let members: Vec<UserId> = members.iter().map(|id| UserId::from(*id)).collect();
            let known = [KeyId::from("1")];
            let result = merge(stored, submitted, &known, &current.into(), &members);
            assert_eq!(result.err().map(|error| error.code()), expected, "{name}");
        }
    }

    #[test]
    fn surplus_entries_are_dropped() {
        let stored = vec![key("a", "1"), key("b", "1")];
        let merged =
            merge(stored, vec![key("a", "2")], &["1".into()], &"2".into(), &["a".into()]).unwrap();
        assert_eq!(merged, [key("a", "1"), key("a", "2")]);
    }
}
