//! Creating, changing, reading and deleting Stream Rooms (streams.md 5.2, 5.6).

use std::collections::HashSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::error::ServiceError;
use super::key;
use super::outcome::Caller;
use super::outcome::MediaCommand;
use super::outcome::Notice;
use super::outcome::Outcome;
use super::outcome::Page;
use super::outcome::Profile;
use super::outcome::Recipients;
use super::outcome::Target;
use super::outcome::keys_of;
use super::policy;
use super::policy::Roles;
use super::stream;
use super::user;
use super::user::Member;
use crate::bridge::store::RoomKey;
use crate::bridge::store::RoomRecord;
use crate::bridge::store::RoomVersion;
use crate::bridge::store::StoreError;
use crate::bridge::store::Tx;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::KeyId;
use crate::model::SolutionId;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

/// Versions of a room that are kept: each update adds one, and all of them go into every
/// answer that shows the room.
const VERSIONS_MAX: i64 = 1000;

/// Channel and type of the events about rooms.
const CREATED: (&str, &str) = ("streamroom/create", "streamRoomCreated");
const UPDATED: (&str, &str) = ("streamroom/update", "streamRoomUpdated");
/// Channel of the events for operators.
const OPERATORS: &str = "stream";

/// What a create and an update have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// UUID given by the creator.
    pub resource: Option<String>,
    /// Members.
    pub users: Vec<UserId>,
    /// Managers.
    pub managers: Vec<UserId>,
    /// Sealed metadata.
    pub data: Value,
    /// The key it is sealed with.
    pub key_id: KeyId,
    /// Wrapped keys.
    pub keys: Vec<RoomKey>,
    /// Policy entries of this room.
    pub policy: Option<Map<String, Value>>,
}

/// `streamRoomCreate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Create {
    /// The id the room will have.
    pub id: StreamRoomId,
    /// Where.
    pub context: ContextId,
    /// Container type.
    pub kind: Option<String>,
    /// The rest.
    pub content: Content,
}

/// `streamRoomUpdate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The room.
    pub id: StreamRoomId,
    /// The version that the update replaces.
    pub version: i64,
    /// Replace whatever version there is.
    pub force: bool,
    /// The rest.
    pub content: Content,
}

/// Which rooms a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of the Context.
    All,
    /// Those the caller manages.
    Manager,
    /// Those with the caller among the users.
    User,
    /// Both of these.
    #[default]
    Member,
    /// Those the caller created.
    Owner,
}

/// A room, the caller in it, and everybody in its Context.
#[derive(Debug)]
pub struct Access {
    /// The room.
    pub room: RoomRecord,
    /// The caller.
    pub member: Member,
}

impl Access {
    /// Fails unless the policy gives the caller this right.
    ///
    /// # Errors
    ///
    /// [`ServiceError::AccessDenied`].
    pub fn require(&self, entry: &str) -> Result<(), ServiceError> {
        let roles = Roles::in_room(&self.member.user.user, &self.room);
        if policy::allows(entry, Some(&self.room), &self.member.context, roles) {
            Ok(())
        } else {
            Err(ServiceError::AccessDenied)
        }
    }
}

/// Finds a room and checks user, ACL and policy, in this order.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`] or [`ServiceError::AccessDenied`].
pub fn access(
    tx: &Tx<'_>,
    caller: &Caller,
    id: &StreamRoomId,
    function: &str,
    entry: &str,
) -> Result<Access, ServiceError> {
    let room = tx.room(id)?.ok_or(ServiceError::RoomDoesNotExist)?;
    access_to(tx, caller, room, function, entry)
}

/// As [`access`], for a room that was found already.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`].
pub fn access_to(
    tx: &Tx<'_>,
    caller: &Caller,
    room: RoomRecord,
    function: &str,
    entry: &str,
) -> Result<Access, ServiceError> {
    let member = user::member(tx, caller, &room.context)?;
    member.require(function, &[("streamRoomId", room.id.as_str())])?;
    let access = Access { room, member };
    access.require(entry)?;
    Ok(access)
}

/// The room as one of its users sees it.
pub fn view(tx: &Tx<'_>, room: &RoomRecord, user: &UserId) -> Result<Value, ServiceError> {
    let versions = tx.versions(&room.id)?;
    let keys = tx.room_keys(&room.id)?;
    Ok(view_of(room, &versions, &keys, user))
}

fn view_of(room: &RoomRecord, versions: &[RoomVersion], keys: &[RoomKey], user: &UserId) -> Value {
    let data: Vec<Value> = versions
        .iter()
        .map(|version| json!({"keyId": version.key_id.as_str(), "data": version.data}))
        .collect();
    let keys: Vec<Value> = keys
        .iter()
        .filter(|key| key.user == *user)
        .map(|key| json!({"keyId": key.key_id.as_str(), "data": key.data}))
        .collect();
    let texts = |ids: &[UserId]| ids.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
    let mut view = json!({
        "id": room.id.as_str(),
        "contextId": room.context.as_str(),
        "createDate": room.created.0,
        "creator": room.creator.as_str(),
        "lastModificationDate": room.modified.0,
        "lastModifier": room.modifier.as_str(),
        "data": data,
        "keyId": room.key_id.as_str(),
        "users": texts(&room.users),
        "managers": texts(&room.managers),
        "keys": keys,
        "version": room.version,
        "policy": room.policy,
        "closed": room.closed,
    });
    if let Some(resource) = &room.resource {
        view["resourceId"] = json!(resource);
    }
    if let Some(kind) = &room.kind {
        view["type"] = json!(kind);
    }
    view
}

/// The room as an operator sees it: what is sealed stays sealed.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn operator_view(tx: &Tx<'_>, room: &RoomRecord) -> Result<Value, ServiceError> {
    let last = tx.last_version(&room.id)?;
    let meta = last.and_then(|mut last| last.data.get_mut("publicMetaObject").map(Value::take));
    let texts = |ids: &[UserId]| ids.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
    Ok(json!({
        "id": room.id.as_str(),
        "contextId": room.context.as_str(),
        "createDate": room.created.0,
        "creator": room.creator.as_str(),
        "lastModificationDate": room.modified.0,
        "lastModifier": room.modifier.as_str(),
        "keyId": room.key_id.as_str(),
        "users": texts(&room.users),
        "managers": texts(&room.managers),
        "version": room.version,
        "publicMeta": meta.unwrap_or(Value::Null),
        "closed": room.closed,
    }))
}

/// What operators are told of a room; the first of `solutions` owns it.
#[must_use]
pub fn for_operators(
    room: &RoomRecord,
    solutions: &[SolutionId],
    kind: &'static str,
    data: Value,
) -> Notice {
    Notice {
        target: target(room, OPERATORS),
        // A share lets users see a Context; it is the owner's to manage.
        solutions: solutions.first().cloned().into_iter().collect(),
        kind,
        data,
        to: Recipients::Operators,
        profile: Profile::Both,
        keep: false,
    }
}

/// Target of an event of this room.
#[must_use]
pub fn target(room: &RoomRecord, channel: &str) -> Target {
    Target {
        channel: channel.to_owned(),
        context: room.context.clone(),
        container: Some(room.id.clone()),
        container_type: room.kind.clone(),
    }
}

/// One notice per person, each with the room as that person sees it.
fn announce(
    tx: &Tx<'_>,
    room: &RoomRecord,
    solutions: &[SolutionId],
    everybody: &[UserRecord],
    to: &[UserId],
    (channel, kind): (&str, &'static str),
) -> Result<Vec<Notice>, ServiceError> {
    let versions = tx.versions(&room.id)?;
    let keys = tx.room_keys(&room.id)?;
    Ok(to
        .iter()
        .filter_map(|id| everybody.iter().find(|user| user.user == *id))
        .map(|user| Notice {
            target: target(room, channel),
            solutions: solutions.to_vec(),
            kind,
            data: view_of(room, &versions, &keys, &user.user),
            to: Recipients::Keys(vec![user.pub_key.clone()]),
            profile: Profile::Both,
            keep: false,
        })
        .collect())
}

/// What waits for this key: updates that removed it from rooms while it was away.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn kept(tx: &Tx<'_>, pub_key: &str) -> Result<Vec<Notice>, ServiceError> {
    let mut notices = Vec::new();
    for event in tx.queued_events(pub_key)? {
        let Some(context) = tx.context(&event.context)? else { continue };
        notices.push(Notice {
            target: Target {
                channel: UPDATED.0.to_owned(),
                context: event.context,
                container: Some(event.room),
                container_type: event.container_type,
            },
            solutions: context.solutions(),
            kind: UPDATED.1,
            data: event.data,
            to: Recipients::Keys(vec![event.pub_key]),
            profile: Profile::Both,
            keep: false,
        });
    }
    Ok(notices)
}

fn check_people(content: &Content, everybody: &[UserRecord]) -> Result<(), ServiceError> {
    if content.users.is_empty() {
        return Err(ServiceError::params("users: at least one is needed"));
    }
    for (name, list) in [("users", &content.users), ("managers", &content.managers)] {
        if list.iter().collect::<HashSet<_>>().len() != list.len() {
            return Err(ServiceError::params(format!("{name}: somebody is named twice")));
        }
    }
    let known: HashSet<&UserId> = everybody.iter().map(|user| &user.user).collect();
    if content.users.iter().chain(&content.managers).any(|user| !known.contains(user)) {
        return Err(ServiceError::UserDoesNotExist);
    }
    Ok(())
}

/// `streamRoomCreate`: stores the room and tells its members.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`], those of the member and key checks, and
/// [`ServiceError::DuplicateResourceId`].
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request: Create,
    now: Timestamp,
) -> Result<Outcome, ServiceError> {
    let member = user::member(tx, caller, &request.context)?;
    member.require("stream/streamRoomCreate", &[])?;
    let may = |entry| policy::allows(entry, None, &member.context, Roles::default());
    let overwrites = request.content.policy.as_ref().is_some_and(|policy| !policy.is_empty());
    if !may("create")
        || overwrites && !policy::is_yes("canOverwriteContextPolicy", None, &member.context)
    {
        return Err(ServiceError::AccessDenied);
    }
    let content = request.content;
    let creator = member.user.user.clone();
    let everybody = tx.users(&request.context)?;
    check_people(&content, &everybody)?;
    if policy::is_yes("creatorHasToBeManager", None, &member.context)
        && !content.managers.contains(&creator)
    {
        return Err(ServiceError::AccessDeniedBecause("creator has to be a manager"));
    }
    let room = RoomRecord {
        id: request.id,
        context: request.context,
        resource: content.resource,
        kind: request.kind,
        creator: creator.clone(),
        created: now,
        modifier: creator,
        modified: now,
        key_id: content.key_id.clone(),
        version: 1,
        users: content.users,
        managers: content.managers,
        policy: Value::Object(content.policy.unwrap_or_default()),
        closed: false,
    };
    let members = room.members();
    let keys = key::merge(Vec::new(), content.keys, &[], &content.key_id, &members)?;
    let first = RoomVersion { key_id: content.key_id, data: content.data };
    tx.insert_room(&room, &first).map_err(|error| match error {
        StoreError::Duplicate => ServiceError::DuplicateResourceId,
        error => error.into(),
    })?;
    tx.set_room_keys(&room.id, &keys)?;
    let reply = json!({"streamRoomId": room.id.as_str()});
    let solutions = member.context.solutions();
    let mut notify = announce(tx, &room, &solutions, &everybody, &members, CREATED)?;
    let seen = operator_view(tx, &room)?;
    notify.push(for_operators(&room, &solutions, CREATED.1, seen));
    Ok(Outcome { reply, notify, media: Vec::new() })
}

/// `streamRoomUpdate`: appends a version and tells members, old ones included.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`], [`ServiceError::AccessDenied`] (also for a stale
/// version), [`ServiceError::ResourceIdMismatch`], and those of the member and key checks.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request: Update,
    now: Timestamp,
) -> Result<Outcome, ServiceError> {
    let mut access = access(tx, caller, &request.id, "stream/streamRoomUpdate", "update")?;
    let content = request.content;
    check_update(&access, &content)?;
    if !request.force && request.version != access.room.version {
        return Err(ServiceError::AccessDeniedBecause("version does not match"));
    }
    let everybody = tx.users(&access.room.context)?;
    check_people(&content, &everybody)?;

    let before = access.room.clone();
    let room = &mut access.room;
    room.resource = room.resource.take().or(content.resource);
    room.users = content.users;
    room.managers = content.managers;
    let members = room.members();
    let keys = key::merge(
        tx.room_keys(&room.id)?,
        content.keys,
        &tx.version_key_ids(&room.id)?,
        &content.key_id,
        &members,
    )?;
    room.modifier = access.member.user.user.clone();
    room.modified = now;
    room.version += 1;
    room.key_id = content.key_id.clone();
    if let Some(policy) = content.policy {
        room.policy = Value::Object(policy);
    }
    tx.update_room(room).map_err(|error| match error {
        StoreError::Duplicate => ServiceError::DuplicateResourceId,
        error => error.into(),
    })?;
    tx.insert_version(room, &RoomVersion { key_id: content.key_id, data: content.data })?;
    tx.prune_versions(room, VERSIONS_MAX)?;
    tx.set_room_keys(&room.id, &keys)?;

    let mut gone = before.members();
    gone.retain(|user| !members.contains(user));
    let notify = tell_update(tx, &access, &everybody, &members, &gone)?;
    let context = &access.member.context;
    let may = |room: &RoomRecord, user: &UserId| {
        policy::allows("get", Some(room), context, Roles::in_room(user, room))
    };
    let shut_out = everybody
        .iter()
        .filter(|user| may(&before, &user.user) && !may(&access.room, &user.user))
        .map(|user| user.user.clone());
    gone.extend(shut_out);
    let media = if gone.is_empty() {
        Vec::new()
    } else {
        let room = access.room.id.clone();
        vec![MediaCommand::EjectFromRoom { room, pub_keys: keys_of(&gone, &everybody) }]
    };
    Ok(Outcome { reply: json!("OK"), notify, media })
}

/// Tells members of an update, and those whom it removed.
fn tell_update(
    tx: &mut Tx<'_>,
    access: &Access,
    everybody: &[UserRecord],
    members: &[UserId],
    removed: &[UserId],
) -> Result<Vec<Notice>, ServiceError> {
    let (room, solutions) = (&access.room, access.member.context.solutions());
    let mut notify = announce(tx, room, &solutions, everybody, members, UPDATED)?;
    let mut farewell = announce(tx, room, &solutions, everybody, removed, UPDATED)?;
    // Members find out by reading the room; who was removed can't, and is told when they come.
    farewell.iter_mut().for_each(|notice| notice.keep = true);
    notify.extend(farewell);
    let seen = operator_view(tx, room)?;
    notify.push(for_operators(room, &solutions, UPDATED.1, seen));
    for pub_key in tx.queued_for(&room.id)? {
        if everybody.iter().any(|user| user.pub_key == pub_key && members.contains(&user.user)) {
            tx.unqueue_event(&pub_key, &room.id)?;
        }
    }
    Ok(notify)
}

fn check_update(access: &Access, content: &Content) -> Result<(), ServiceError> {
    let (room, member) = (&access.room, &access.member);
    let (me, context) = (&member.user.user, &member.context);
    if let (Some(old), Some(new)) = (&room.resource, &content.resource)
        && old != new
    {
        return Err(ServiceError::ResourceIdMismatch);
    }
    let leaves = |user: &UserId| room.managers.contains(user) && !content.managers.contains(user);
    if leaves(me) && !policy::is_yes("updaterCanBeRemovedFromManagers", Some(room), context) {
        return Err(ServiceError::AccessDeniedBecause("updater has to stay a manager"));
    }
    if leaves(&room.creator)
        && !policy::is_yes("ownerCanBeRemovedFromManagers", Some(room), context)
    {
        return Err(ServiceError::AccessDeniedBecause("owner has to stay a manager"));
    }
    if content.policy.is_some() {
        access.require("updatePolicy")?;
        if !policy::is_yes("canOverwriteContextPolicy", None, context) {
            return Err(ServiceError::AccessDenied);
        }
    }
    Ok(())
}

fn remove(tx: &mut Tx<'_>, id: &StreamRoomId) -> Result<Outcome<()>, ServiceError> {
    let notify = stream::deleted(tx, id)?;
    tx.delete_room(id)?;
    Ok(Outcome { reply: (), notify, media: vec![MediaCommand::EndRoom(id.clone())] })
}

/// `streamRoomDelete`.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`] or [`ServiceError::AccessDenied`].
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &StreamRoomId,
) -> Result<Outcome, ServiceError> {
    access(tx, caller, id, "stream/streamRoomDelete", "delete")?;
    Ok(remove(tx, id)?.map(|()| json!("OK")))
}

/// `streamRoomDeleteMany`: a result per room; rooms of several Contexts delete nothing.
///
/// # Errors
///
/// [`ServiceError::DifferentContexts`] or [`ServiceError::AccessDenied`].
pub fn delete_many(
    tx: &mut Tx<'_>,
    caller: &Caller,
    ids: &[StreamRoomId],
) -> Result<Outcome, ServiceError> {
    let mut contexts = HashSet::new();
    for id in ids {
        contexts.extend(tx.room(id)?.map(|room| room.context));
    }
    if contexts.len() > 1 {
        return Err(ServiceError::DifferentContexts);
    }
    if let Some(context) = contexts.iter().next() {
        user::member(tx, caller, context)?.require("stream/streamRoomDeleteMany", &[])?;
    }
    let mut results = Vec::with_capacity(ids.len());
    let (mut notify, mut media) = (Vec::new(), Vec::new());
    for id in ids {
        let status = match tx.room(id)? {
            None => "STREAM_ROOM_DOES_NOT_EXIST",
            Some(room) => {
                let access = Access { member: user::member(tx, caller, &room.context)?, room };
                if access.require("delete").is_ok() {
                    let outcome = remove(tx, id)?;
                    notify.extend(outcome.notify);
                    media.extend(outcome.media);
                    "OK"
                } else {
                    "ACCESS_DENIED"
                }
            }
        };
        results.push(json!({"id": id.as_str(), "status": status}));
    }
    Ok(Outcome { reply: json!({"results": results}), notify, media })
}

/// `streamRoomGet`.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`] (also for another type) or
/// [`ServiceError::AccessDenied`].
pub fn get(
    tx: &Tx<'_>,
    caller: &Caller,
    id: &StreamRoomId,
    kind: Option<&str>,
) -> Result<Value, ServiceError> {
    let access = access(tx, caller, id, "stream/streamRoomGet", "get")?;
    if kind.is_some() && kind != access.room.kind.as_deref() {
        return Err(ServiceError::RoomDoesNotExist);
    }
    Ok(json!({"streamRoom": view(tx, &access.room, &access.member.user.user)?}))
}

/// `streamRoomList` and, with [`Scope::All`], `streamRoomListAll`.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`] or [`ServiceError::NoMatchForLastId`].
pub fn list(
    tx: &Tx<'_>,
    caller: &Caller,
    context: &ContextId,
    function: &str,
    filter: (Option<&str>, Scope),
    page: &Page,
) -> Result<Value, ServiceError> {
    let (kind, scope) = filter;
    let member = user::member(tx, caller, context)?;
    member.require(function, &[])?;
    let entry = if scope == Scope::All { "listAll" } else { "listMy" };
    if !policy::allows(entry, None, &member.context, Roles::default()) {
        return Err(ServiceError::AccessDenied);
    }
    let me = &member.user.user;
    let mut rooms = tx.rooms(context)?;
    rooms.retain(|room| {
        kind.is_none_or(|kind| room.kind.as_deref() == Some(kind))
            && match scope {
                Scope::All => true,
                Scope::Manager => room.managers.contains(me),
                Scope::User => room.users.contains(me),
                Scope::Member => room.has_member(me),
                Scope::Owner => room.creator == *me,
            }
    });
    if let Some(query) = page.query.as_ref().filter(|query| !query.is_empty()) {
        let mut passed = Vec::with_capacity(rooms.len());
        for room in rooms {
            let last = tx.last_version(&room.id)?;
            let meta = last.as_ref().and_then(|last| last.data.get("publicMetaObject"));
            if query.passes(meta.unwrap_or(&Value::Null)) {
                passed.push(room);
            }
        }
        rooms = passed;
    }
    if page.by_modification {
        rooms.sort_by_key(|room| room.modified);
    }
    let (rooms, count) = page.cut(rooms, |room| room.id.as_str())?;
    let list = rooms.iter().map(|room| view(tx, room, me)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"list": list, "count": count}))
}

/// `streamRoomClose`: nobody can join any more, and live media ends.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`] or [`ServiceError::AccessDenied`].
pub fn close(tx: &mut Tx<'_>, caller: &Caller, id: &StreamRoomId) -> Result<Outcome, ServiceError> {
    let mut access = access(tx, caller, id, "stream/streamRoomClose", "update")?;
    if access.room.closed {
        return Ok(Outcome::quiet(json!("OK")));
    }
    access.room.closed = true;
    tx.update_room(&access.room)?;
    let everybody = tx.users(&access.room.context)?;
    let (room, solutions) = (&access.room, access.member.context.solutions());
    let mut notify = announce(tx, room, &solutions, &everybody, &room.members(), UPDATED)?;
    let seen = operator_view(tx, room)?;
    notify.push(for_operators(room, &solutions, UPDATED.1, seen));
    Ok(Outcome { reply: json!("OK"), notify, media: vec![MediaCommand::EndRoom(id.clone())] })
}
