//! `conclave rooms members|rename|avatar|policy`: everything that makes a new version of a room.
//!
//! The list of members is the bridge's word, and an update wraps the room's keys for whoever is
//! on it. So nothing is changed while a member's key has not been verified: by an invite, on
//! the screen, or with `--trust` and a fingerprint that was compared.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use serde_json::json;

use crate::api::StreamRoomChange;
use crate::cli::admission;
use crate::cli::args::Members;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::room_meta;
use crate::cli::session::Session;
use crate::crypto::key::PublicKey;
use crate::device;
use crate::model::ContainerPolicy;
use crate::model::StreamRoom;
use crate::model::UserId;
use crate::model::UserWithPubKey;
use crate::profile::known_keys::Standing;
use crate::profile::room_meta as meta;

use super::rooms;

/// How often a change is tried again when somebody else changed the room meanwhile.
const ATTEMPTS: u32 = 5;

/// Lists members, after changing them as wanted.
pub async fn run(session: &Session, wanted: &Members, output: Output) -> anyhow::Result<()> {
    let room = session.expect_room(&wanted.room).await?;
    let listed = admission::all_users(&session.connection, &session.context).await?;
    for fingerprint in &wanted.trust {
        trust(session, &listed, fingerprint, output)?;
    }
    let changes = !(wanted.add.is_empty() && wanted.remove.is_empty() && wanted.manager.is_empty());
    let room = if changes {
        let changed = update(session, room, |room| with_members(session, room, wanted, &listed));
        changed.await?
    } else {
        room
    };
    for user in everybody(&room) {
        let key = listed.iter().find(|known| known.user_id == user);
        print(session, &room, &user, key, output);
    }
    Ok(())
}

/// Gives the room another name.
pub async fn rename(
    session: &Session,
    room: &str,
    name: &str,
    output: Output,
) -> anyhow::Result<()> {
    let room = session.expect_room(room).await?;
    let before = room_meta::name(&room);
    let listed = admission::all_users(&session.connection, &session.context).await?;
    let room = update(session, room, |room| {
        let mut change = unchanged(session, room, &listed)?;
        change.private_meta = meta::renamed(&room.private_meta, name)?;
        Ok(change)
    })
    .await?;
    output.result(&rooms::describe("room_renamed", &room, None), || {
        format!("{before} is now {}", room_meta::name(&room))
    });
    Ok(())
}

/// Gives a member an avatar, or takes it away.
pub async fn avatar(
    session: &Session,
    room: &str,
    user: Option<&str>,
    file: Option<&Path>,
    output: Output,
) -> anyhow::Result<()> {
    let room = session.expect_room(room).await?;
    let user = user.map_or_else(|| session.own_user().user_id, UserId::from);
    let shown = clean(user.as_str());
    let known = everybody(&room).contains(&user);
    anyhow::ensure!(known, "{shown} is not a member of this room");
    let small = file.map(|file| device::video::avatar::load(file, meta::MAX_AVATAR)).transpose()?;
    let listed = admission::all_users(&session.connection, &session.context).await?;
    let room = update(session, room, |room| {
        let mut change = unchanged(session, room, &listed)?;
        change.private_meta = meta::with_avatar(&room.private_meta, &user, small.as_deref())?;
        Ok(change)
    })
    .await?;
    output.result(&rooms::describe("room_avatar", &room, None), || {
        let does = if small.is_some() { "has an avatar" } else { "has no avatar" };
        format!("{shown} {does} in {}", room_meta::name(&room))
    });
    Ok(())
}

/// Shows who may do what, after changing it as wanted.
pub async fn policy(
    session: &Session,
    room: &str,
    set: &[String],
    output: Output,
) -> anyhow::Result<()> {
    let mut room = session.expect_room(room).await?;
    let mut policy = room.policy.clone();
    for assignment in set {
        assign(&mut policy, assignment)?;
    }
    if !set.is_empty() {
        let listed = admission::all_users(&session.connection, &session.context).await?;
        room = update(session, room, |room| {
            let mut change = unchanged(session, room, &listed)?;
            change.policy = Some(policy.clone());
            Ok(change)
        })
        .await?;
    }
    let entries = entries(&mut room.policy.clone()).map(|(name, value)| (name, value.clone()));
    let members: serde_json::Map<String, Value> =
        entries.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let line = json!({"event": "policy", "room": {"id": room.stream_room_id.as_str(),
        "name": room_meta::name(&room)}, "policy": members});
    output.result(&line, || {
        let line = |(name, value): &(&str, Option<String>)| {
            format!("{name:<32} {}", clean(value.as_deref().unwrap_or("as the context says")))
        };
        entries.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

/// Makes a new version of a room and returns it. `change` is asked again when somebody else was
/// quicker.
async fn update(
    session: &Session,
    mut room: StreamRoom,
    change: impl Fn(&StreamRoom) -> anyhow::Result<StreamRoomChange>,
) -> anyhow::Result<StreamRoom> {
    let id = room.stream_room_id.clone();
    for attempt in 1.. {
        if room.status_code != 0 {
            let text = format!(
                "the room {} can't be verified (status {:#010x}), so it is not changed; ask its \
                 manager",
                room_meta::name(&room),
                room.status_code
            );
            return Err(Failure::new(Exit::Denied, text).into());
        }
        let outcome = session.api.update_stream_room(&change(&room)?).await;
        let now = session.api.get_stream_room(&id).await;
        match outcome {
            Ok(()) => return Ok(now?),
            Err(error) => match now {
                Ok(now) if now.version != room.version && attempt < ATTEMPTS => room = now,
                _ => return Err(error.into()),
            },
        }
    }
    Ok(room)
}

/// The room as it is, for a change of something else.
fn unchanged(
    session: &Session,
    room: &StreamRoom,
    listed: &[UserWithPubKey],
) -> anyhow::Result<StreamRoomChange> {
    let me = session.own_user();
    let members =
        |ids: &[UserId]| admission::members(ids, listed, &session.context, &session.keys, &me);
    Ok(StreamRoomChange {
        stream_room_id: room.stream_room_id.clone(),
        users: members(&room.users)?,
        managers: members(&room.managers)?,
        public_meta: room.public_meta.clone(),
        private_meta: room.private_meta.clone(),
        version: room.version,
        force: false,
        force_generate_new_key: false,
        policy: None,
    })
}

fn with_members(
    session: &Session,
    room: &StreamRoom,
    wanted: &Members,
    listed: &[UserWithPubKey],
) -> anyhow::Result<StreamRoomChange> {
    let removed = |user: &UserId| wanted.remove.contains(&user.0);
    for name in &wanted.remove {
        let known = everybody(room).iter().any(|user| user.0 == *name);
        anyhow::ensure!(known, "{} is not a member of this room", clean(name));
    }
    // Whoever goes need not be verified: no key is wrapped for them.
    let mut remaining = room.clone();
    remaining.users.retain(|user| !removed(user));
    remaining.managers.retain(|user| !removed(user));
    let mut change = unchanged(session, &remaining, listed)?;
    for name in &wanted.add {
        let user = verified(session, listed, name)?;
        if !change.users.contains(&user) {
            change.users.push(user);
        }
    }
    for name in &wanted.manager {
        let user = verified(session, listed, name)?;
        for list in [&mut change.users, &mut change.managers] {
            if !list.contains(&user) {
                list.push(user.clone());
            }
        }
    }
    Ok(change)
}

/// A user of the context whose key was compared.
fn verified(
    session: &Session,
    listed: &[UserWithPubKey],
    name: &str,
) -> anyhow::Result<UserWithPubKey> {
    let shown = clean(name);
    let user = listed.iter().find(|user| user.user_id.0 == name).with_context(|| {
        format!("there is no user {shown} in this context; ask the bridge's administrator")
    })?;
    if *user == session.own_user() {
        return Ok(user.clone());
    }
    match session.keys.standing_now(&session.context, user) {
        Standing::Verified => Ok(user.clone()),
        Standing::Changed => {
            let text = format!(
                "the bridge presents another key for {shown} than before; nothing was changed. If \
                 {shown} really has a new key, remove the old one from known_keys.toml"
            );
            Err(Failure::new(Exit::Denied, text).into())
        }
        Standing::New | Standing::Known => {
            let text = format!(
                "the key of {shown} was never compared; ask {shown} for its fingerprint, and if it is \
                 {0}, add --trust {1:?}",
                fingerprint(&user.pub_key),
                fingerprint(&user.pub_key),
            );
            Err(Failure::new(Exit::Denied, text).into())
        }
    }
}

/// Notes that the user has compared a fingerprint.
fn trust(
    session: &Session,
    listed: &[UserWithPubKey],
    wanted: &str,
    output: Output,
) -> anyhow::Result<()> {
    let digits = |text: &str| -> String {
        text.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted_digits = digits(wanted);
    let mut matching = listed.iter().filter(|user| {
        wanted_digits.len() >= 16 && digits(&fingerprint(&user.pub_key)) == wanted_digits
    });
    let user = matching.next().ok_or_else(|| {
        let text = format!(
            "no user of this context has a key with the fingerprint {:?}; nothing was changed. Ask for \
             all 16 digits, and don't go on if they differ",
            clean(wanted)
        );
        Failure::new(Exit::Denied, text)
    })?;
    let name = clean(user.user_id.as_str());
    if session.keys.remember(&session.context, user, true)? == Standing::Changed {
        let text = format!(
            "another key is on file for {name}; if {name} really has a new key, remove the old one from \
             known_keys.toml"
        );
        return Err(Failure::new(Exit::Denied, text).into());
    }
    let line = json!({"event": "trusted", "user": user.user_id.as_str(),
        "fingerprint": fingerprint(&user.pub_key)});
    output.result(&line, || format!("the key of {name} is verified"));
    Ok(())
}

fn print(
    session: &Session,
    room: &StreamRoom,
    user: &UserId,
    key: Option<&UserWithPubKey>,
    output: Output,
) {
    let manager = room.managers.contains(user);
    let standing = key.map(|key| {
        if *key == session.own_user() {
            return "you";
        }
        match session.keys.standing(&session.context, key) {
            Standing::New => "new",
            Standing::Known => "known",
            Standing::Verified => "verified",
            Standing::Changed => "changed",
        }
    });
    let trust = standing.unwrap_or("gone");
    let fingerprint = key.map(|key| fingerprint(&key.pub_key));
    let line = json!({"event": "member", "user": user.as_str(), "manager": manager,
        "trust": trust, "fingerprint": fingerprint, "public_key": key.map(|key| &key.pub_key),
        "room": {"id": room.stream_room_id.as_str(), "name": room_meta::name(room)}});
    output.result(&line, || {
        let role = if manager { "manager" } else { "member" };
        let fingerprint = fingerprint.as_deref().unwrap_or("not in this context any more");
        format!("{:<20} {role:<8} {trust:<9} {fingerprint}", clean(user.as_str()))
    });
}

/// Users and managers, each once, in order.
fn everybody(room: &StreamRoom) -> Vec<UserId> {
    let mut all: Vec<_> = room.users.iter().chain(&room.managers).cloned().collect();
    all.sort();
    all.dedup();
    all
}

fn fingerprint(pub_key: &str) -> String {
    PublicKey::from_base58(pub_key)
        .map_or_else(|_| "unreadable key".to_owned(), |key| key.fingerprint().to_string())
}

/// The entries of a policy under their names on the wire.
const fn entries(policy: &mut ContainerPolicy) -> [(&'static str, &mut Option<String>); 6] {
    [
        ("get", &mut policy.get),
        ("update", &mut policy.update),
        ("delete", &mut policy.delete),
        ("updatePolicy", &mut policy.update_policy),
        ("updaterCanBeRemovedFromManagers", &mut policy.updater_can_be_removed_from_managers),
        ("ownerCanBeRemovedFromManagers", &mut policy.owner_can_be_removed_from_managers),
    ]
}

/// Carries out `entry=value`; the value `inherit` takes it from the context again.
fn assign(policy: &mut ContainerPolicy, assignment: &str) -> Result<(), Failure> {
    let shown = clean(assignment);
    let (name, value) = assignment.split_once('=').ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{shown:?} is no ENTRY=VALUE, as in get=all"))
    })?;
    let mut names = Vec::new();
    for (entry, slot) in entries(policy) {
        if entry.eq_ignore_ascii_case(name) {
            *slot = (value != "inherit").then(|| value.to_owned());
            return Ok(());
        }
        names.push(entry);
    }
    let text = format!("a policy has no entry {:?}; it has {}", clean(name), names.join(", "));
    Err(Failure::new(Exit::Usage, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_set_by_their_names_on_the_wire() {
        let mut policy = ContainerPolicy::default();
        assign(&mut policy, "get=all").unwrap();
        assign(&mut policy, "updatepolicy=owner").unwrap();
        assert_eq!(policy.get.as_deref(), Some("all"));
        assert_eq!(policy.update_policy.as_deref(), Some("owner"));
        assign(&mut policy, "get=inherit").unwrap();
        assert_eq!(policy.get, None);
        for wrong in ["get", "fly=all", "=", ""] {
            assert_eq!(assign(&mut policy, wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
