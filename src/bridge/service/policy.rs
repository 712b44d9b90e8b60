//! Policies: which role may do what with a room (streams.md 6.2).
//!
//! An entry is looked up in the room's policy, then in the Context's, then in the defaults.
//! A value is a list of terms separated by commas, any of which suffices; a term joins roles
//! by `&`, all of which are needed.

use serde_json::Map;
use serde_json::Value;

use super::error::ServiceError;
use crate::bridge::store::ContextRecord;
use crate::bridge::store::RoomRecord;
use crate::model::UserId;

/// Characters a value may have.
const MAX_VALUE: usize = 32;

/// Entries, their defaults, and whether a room may set them.
const ENTRIES: &[(&str, &str, Level)] = &[
    ("get", "user", Level::Room),
    ("listMy", "all", Level::Context),
    ("listAll", "none", Level::Context),
    ("create", "all", Level::Context),
    ("update", "manager", Level::Room),
    ("delete", "manager", Level::Room),
    ("updatePolicy", "manager", Level::Room),
    ("creatorHasToBeManager", "yes", Level::Context),
    ("updaterCanBeRemovedFromManagers", "no", Level::Room),
    ("ownerCanBeRemovedFromManagers", "yes", Level::Room),
    ("canOverwriteContextPolicy", "yes", Level::Context),
    ("sendCustomNotification", "all", Level::Context),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Room,
    Context,
}

/// What a user is to a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// In users or managers.
    pub user: bool,
    /// In managers.
    pub manager: bool,
    /// Created it.
    pub owner: bool,
}

impl Roles {
    /// Roles of `user` in `room`.
    #[must_use]
    pub fn in_room(user: &UserId, room: &RoomRecord) -> Self {
        Self {
            user: room.has_member(user),
            manager: room.managers.contains(user),
            owner: room.creator == *user,
        }
    }

    fn has(self, role: &str) -> bool {
        match role {
            "all" => true,
            "user" => self.user,
            "manager" => self.manager,
            "owner" => self.owner,
            _ => false,
        }
    }
}

fn default_of(entry: &str) -> &'static str {
    ENTRIES.iter().find(|(name, ..)| *name == entry).map_or("none", |(_, value, _)| value)
}

/// The value in force for `entry`.
#[must_use]
pub fn value<'a>(entry: &str, room: Option<&'a RoomRecord>, context: &'a ContextRecord) -> &'a str {
    let set = |policy: &'a Value| {
        policy.get(entry).and_then(Value::as_str).filter(|value| *value != "inherit")
    };
    let value = room
        .and_then(|room| set(&room.policy))
        .or_else(|| context.policy.get("stream").and_then(set))
        .unwrap_or("default");
    if value == "default" { default_of(entry) } else { value }
}

/// Whether somebody with `roles` may do `entry`.
#[must_use]
pub fn allows(
    entry: &str,
    room: Option<&RoomRecord>,
    context: &ContextRecord,
    roles: Roles,
) -> bool {
    value(entry, room, context)
        .split(',')
        .any(|term| term.split('&').all(|role| roles.has(role.trim())))
}

/// Whether a yes-or-no entry says yes.
#[must_use]
pub fn is_yes(entry: &str, room: Option<&RoomRecord>, context: &ContextRecord) -> bool {
    value(entry, room, context) == "yes"
}

/// Checks the policy object of a room.
///
/// # Errors
///
/// [`ServiceError::InvalidParams`] names the entry that is wrong.
pub fn check_room(policy: &Map<String, Value>) -> Result<(), ServiceError> {
    check(policy, |level| level == Level::Room)
}

/// Checks the policy object of a Context: one object per module.
///
/// # Errors
///
/// [`ServiceError::InvalidParams`] names the entry that is wrong.
pub fn check_context(policy: &Map<String, Value>) -> Result<(), ServiceError> {
    for (module, entries) in policy {
        let known = ["stream", "thread", "store", "inbox", "kvdb"].contains(&module.as_str());
        let Some(entries) = entries.as_object().filter(|_| known) else {
            return Err(ServiceError::params(format!("policy.{module}")));
        };
        if module == "stream" {
            check(entries, |_| true)?;
        }
    }
    Ok(())
}

fn check(
    policy: &Map<String, Value>,
    accepted: impl Fn(Level) -> bool,
) -> Result<(), ServiceError> {
    for (name, value) in policy {
        let entry = ENTRIES.iter().find(|(known, _, level)| known == name && accepted(*level));
        let legal = entry.zip(value.as_str()).is_some_and(|((_, default, _), value)| {
            let flag = matches!(*default, "yes" | "no");
            value.len() <= MAX_VALUE && is_value(value, flag)
        });
        if !legal {
            return Err(ServiceError::params(format!("policy.{name}")));
        }
    }
    Ok(())
}

fn is_value(value: &str, flag: bool) -> bool {
    match value {
        "default" | "inherit" => true,
        "yes" | "no" => flag,
        _ if flag => false,
        _ => value.split(',').all(|term| {
            term.split('&')
                .all(|role| matches!(role.trim(), "none" | "all" | "user" | "manager" | "owner"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Timestamp;

    fn context(policy: Value) -> ContextRecord {
        ContextRecord {
            id: "c".into(),
            solution: "s".into(),
            shares: Vec::new(),
            name: String::new(),
            description: String::new(),
            scope: "private".into(),
            policy,
            created: Timestamp(0),
            modified: Timestamp(0),
        }
    }

    #[test]
    fn expressions_are_evaluated() {
        let member = Roles { user: true, ..Roles::default() };
        let manager = Roles { user: true, manager: true, owner: false };
        let owner = Roles { user: true, manager: false, owner: true };
        let stranger = Roles::default();
        let cases = [
            ("none", member, false),
            ("all", stranger, true),
            ("user", stranger, false),
            ("user", member, true),
            ("manager", member, false),
            ("manager,owner", owner, true),
            ("manager&owner", owner, false),
            ("manager&owner", manager, false),
            ("default", manager, true),
            ("default", member, false),
            ("inherit", member, false),
        ];
        for (text, roles, expected) in cases {
            let context = context(json!({"stream": {"update": text}}));
            assert_eq!(allows("update", None, &context, roles), expected, "{text} {roles:?}");
        }
    }

    #[test]
    fn room_policies_are_checked() {
        let check = |value: Value| check_room(value.as_object().unwrap()).is_ok();
        assert!(check(json!({})));
        assert!(check(
            json!({"get": "user,owner", "update": "manager&owner", "delete": "inherit"})
        ));
        assert!(check(json!({"updaterCanBeRemovedFromManagers": "yes"})));
        for entry in ["listMy", "listAll", "create", "creatorHasToBeManager"] {
            assert!(!check(json!({entry: "all"})), "{entry}");
        }
        assert!(!check(json!({"sendCustomNotification": "all"})));
        assert!(!check(json!({"get": "everybody"})));
        assert!(!check(json!({"get": null})));
        assert!(!check(json!({"get": "user,".repeat(9)})));
    }
}
