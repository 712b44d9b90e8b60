//! Who may take part in a room's media, and who is told about it (streams.md 5.1, 8).

use serde_json::Value;
use serde_json::json;

use super::error::ServiceError;
use super::outcome::Caller;
use super::outcome::Notice;
use super::outcome::Outcome;
use super::outcome::Profile;
use super::outcome::Recipients;
use super::outcome::keys_of;
use super::policy;
use super::policy::Roles;
use super::stream_room;
use super::stream_room::Access;
use super::user;
use crate::bridge::store::RoomRecord;
use crate::bridge::store::Tx;
use crate::model::SolutionId;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// A custom event within a room.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomEvent {
    /// The room.
    pub room: StreamRoomId,
    /// Name of the channel.
    pub channel: String,
    /// The key the payload is sealed with.
    pub key_id: String,
    /// Sealed payload.
    pub data: Value,
    /// Receivers; everybody in the room if absent.
    pub users: Option<Vec<UserId>>,
}

/// A room and the keys of those in it: what it takes to tell them something.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The room.
    pub room: RoomRecord,
    /// Solutions that see its Context.
    pub solutions: Vec<SolutionId>,
    /// Public keys of its members.
    pub keys: Vec<String>,
}

impl Audience {
    /// A notice to every member.
    #[must_use]
    pub fn notice(&self, channel: &str, kind: &'static str, data: Value) -> Notice {
        Notice {
            target: stream_room::target(&self.room, channel),
            solutions: self.solutions.clone(),
            kind,
            data,
            to: Recipients::Keys(self.keys.clone()),
            profile: Profile::Both,
            keep: false,
        }
    }
}

/// The audience of a room, or `None` if it is gone.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn audience(tx: &Tx<'_>, id: &StreamRoomId) -> Result<Option<Audience>, ServiceError> {
    let Some(room) = tx.room(id)? else { return Ok(None) };
    let Some(context) = tx.context(&room.context)? else { return Ok(None) };
    let keys = keys_of(&room.members(), &tx.users(&room.context)?);
    Ok(Some(Audience { room, solutions: context.solutions(), keys }))
}

/// What members and operators are told when a room is deleted; to be asked while it is still there.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn deleted(tx: &Tx<'_>, id: &StreamRoomId) -> Result<Vec<Notice>, ServiceError> {
    let Some(audience) = audience(tx, id)? else { return Ok(Vec::new()) };
    let kind = "streamRoomDeleted";
    let mut data = json!({"streamRoomId": id.as_str()});
    let told = stream_room::for_operators(&audience.room, &audience.solutions, kind, data.clone());
    if let Some(kind) = &audience.room.kind {
        data["type"] = json!(kind);
    }
    Ok(vec![audience.notice("streamroom/delete", kind, data), told])
}

/// Checks of the methods that need a live room: exists, not closed, user, ACL, policy `get`.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`], [`ServiceError::RoomClosed`] or
/// [`ServiceError::AccessDenied`], found in this order.
pub fn active_room(
    tx: &Tx<'_>,
    caller: &Caller,
    id: &StreamRoomId,
    function: &str,
) -> Result<Access, ServiceError> {
    let room = tx.room(id)?.ok_or(ServiceError::RoomDoesNotExist)?;
    if room.closed {
        return Err(ServiceError::RoomClosed);
    }
    stream_room::access_to(tx, caller, room, function, "get")
}

/// `streamRoomSendCustomEvent`: only a member may speak to the members.
///
/// # Errors
///
/// [`ServiceError::RoomDoesNotExist`], [`ServiceError::AccessDenied`],
/// [`ServiceError::InvalidKeyId`] or [`ServiceError::NoAccessToContainer`].
pub fn send_custom_event(
    tx: &Tx<'_>,
    caller: &Caller,
    event: RoomEvent,
) -> Result<Outcome, ServiceError> {
    let room = tx.room(&event.room)?.ok_or(ServiceError::RoomDoesNotExist)?;
    let member = user::member(tx, caller, &room.context)?;
    member.require("stream/streamSendCustomNotification", &[("streamRoomId", room.id.as_str())])?;
    let me = &member.user.user;
    let roles = Roles::in_room(me, &room);
    if !room.has_member(me)
        || !policy::allows("sendCustomNotification", Some(&room), &member.context, roles)
    {
        return Err(ServiceError::AccessDenied);
    }
    if !tx.version_key_ids(&room.id)?.iter().any(|id| id.as_str() == event.key_id) {
        return Err(ServiceError::InvalidKeyId);
    }
    let to = event.users.unwrap_or_else(|| room.members());
    if to.iter().any(|user| !room.has_member(user)) {
        return Err(ServiceError::NoAccessToContainer);
    }
    let notice = Notice {
        target: stream_room::target(&room, &format!("stream/custom/{}", event.channel)),
        solutions: member.context.solutions(),
        kind: "custom",
        data: json!({
            "id": room.id.as_str(),
            "author": {"id": me.as_str(), "pub": member.user.pub_key},
            "keyId": event.key_id,
            "eventData": event.data,
        }),
        to: Recipients::Keys(keys_of(&to, &tx.users(&room.context)?)),
        profile: Profile::Both,
        keep: false,
    };
    Ok(Outcome { reply: json!("OK"), notify: vec![notice], media: Vec::new() })
}
