//! How a guest gets into a room: the guest asks, a manager's client checks and decides.
//!
//! Both messages are ordinary custom context events: signed by their author, encrypted to
//! their receiver, carried by any PrivMX bridge. The guest's *voucher* proves to the manager
//! that the key which asks belongs to whoever holds the invite.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Serialize;

use crate::api::ApiError;
use crate::api::Connection;
use crate::api::StreamApi;
use crate::api::StreamRoomChange;
use crate::crypto::key::PublicKey;
use crate::model::ContextId;
use crate::model::PagingQuery;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserWithPubKey;
use crate::profile::Invite;
use crate::profile::IssuedInvites;
use crate::profile::known_keys::Standing;

use super::exit::Exit;
use super::exit::Failure;
use super::output;
use super::trust::PinnedKeys;

/// Channel of the custom events.
pub const CHANNEL: &str = "conclave/admission";
/// How often a room update is tried again when somebody else updated it meanwhile.
const UPDATE_ATTEMPTS: u32 = 5;

/// The bridge's answer to an update of an outdated version (transport.md §12), and to one that is not
/// allowed at all.
const ACCESS_DENIED: i64 = 0x30;

/// What travels on [`CHANNEL`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    /// Guest to manager: let me in.
    Request { room: String, invite: String, name: String, proof: String },
    /// Manager to guest: no.
    Denied { room: String },
}

/// Somebody wants to enter a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which room.
    pub room: StreamRoomId,
    /// Who asks: this key signed the request.
    pub guest: UserWithPubKey,
    /// The guest's name, fit for a terminal.
    pub name: String,
    /// Fingerprint of the guest's key.
    pub fingerprint: String,
    /// The invite vouches for this name and key.
    pub vouched: bool,
}

/// Sends the guest's request to whoever issued the invite.
pub async fn ask(
    connection: &Connection,
    invite: &Invite,
    name: &str,
    guest: &PublicKey,
) -> anyhow::Result<()> {
    let receiver = inviter(connection, invite).await?;
    let proof = crate::profile::invite::voucher(&invite.secret, &invite.id, name, guest);
    let message = Message::Request {
        room: invite.room.0.clone(),
        invite: invite.id.clone(),
        name: name.to_owned(),
        proof: STANDARD.encode(proof),
    };
    Ok(send(connection, &invite.context, &message, receiver).await?)
}

/// The user of the bridge who holds the key that the invite names.
pub async fn inviter(connection: &Connection, invite: &Invite) -> anyhow::Result<UserWithPubKey> {
    let key = invite.inviter_key.to_base58();
    let users = all_users(connection, &invite.context).await?;
    users.into_iter().find(|user| user.pub_key == key).ok_or_else(|| {
        let text = "whoever invited you is not known to this bridge any more; ask for a new invite";
        Failure::new(Exit::Denied, text).into()
    })
}

/// Tells a guest that the answer is no.
pub async fn deny(
    connection: &Connection,
    context: &ContextId,
    request: &Request,
) -> Result<(), ApiError> {
    let message = Message::Denied { room: request.room.0.clone() };
    send(connection, context, &message, request.guest.clone()).await
}

/// Reads a request; `None` if `data` is none.
#[must_use]
pub fn read_request(
    author: &UserWithPubKey,
    data: &[u8],
    issued: &IssuedInvites,
    now: Timestamp,
) -> Option<Request> {
    let Ok(Message::Request { room, invite, name, proof }) = serde_json::from_slice(data) else {
        return None;
    };
    let key = PublicKey::from_base58(&author.pub_key).ok()?;
    let room = StreamRoomId::from(room);
    let proof = STANDARD.decode(proof).ok()?;
    Some(Request {
        vouched: issued.vouch(&invite, &room, &name, &key, &proof, now),
        room,
        name: output::clean(&name),
        fingerprint: key.fingerprint().to_string(),
        guest: author.clone(),
    })
}

/// Whether `data` says that `room` stays shut.
#[must_use]
pub fn is_denial(data: &[u8], room: &StreamRoomId) -> bool {
    matches!(serde_json::from_slice(data), Ok(Message::Denied { room: denied }) if denied == room.0)
}

/// Makes the guest a member of the room: wraps the room's keys for the guest's key.
pub async fn admit(
    api: &StreamApi,
    connection: &Connection,
    context: &ContextId,
    request: &Request,
    known: &PinnedKeys,
    me: &UserWithPubKey,
) -> anyhow::Result<()> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let room = api.get_stream_room(&request.room).await?;
        if room.users.contains(&request.guest.user_id) {
            return Ok(());
        }
        let listed = all_users(connection, context).await?;
        let mut users = members(&room.users, &listed, context, known, me)?;
        let managers = members(&room.managers, &listed, context, known, me)?;
        users.push(request.guest.clone());
        // A yes to this fingerprint, or the voucher, is what verifying a key means.
        anyhow::ensure!(
            known.remember(context, &request.guest, true)? != Standing::Changed,
            "{} asks with another key than before; nobody was let in. If they really have a new \
             key, remove the old one from known_keys.toml",
            request.name,
        );
        let outcome = api
            .update_stream_room(&StreamRoomChange {
                stream_room_id: request.room.clone(),
                users,
                managers,
                public_meta: room.public_meta,
                private_meta: room.private_meta,
                version: room.version,
                force: false,
                force_generate_new_key: false,
                policy: None,
            })
            .await;
        match outcome {
            Ok(()) => return Ok(()),
            // Somebody updated the room between our read and our write: read again.
            Err(error) if attempt < UPDATE_ATTEMPTS && error.code() == Some(ACCESS_DENIED) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The keys of a room's members: listed by the bridge, and verified here before.
///
/// The list of members is the bridge's word. Who is on it without this user ever having let
/// them in could be the bridge itself, so no key is wrapped for them.
pub fn members(
    ids: &[crate::model::UserId],
    listed: &[UserWithPubKey],
    context: &ContextId,
    known: &PinnedKeys,
    me: &UserWithPubKey,
) -> anyhow::Result<Vec<UserWithPubKey>> {
    let present = listed.iter().filter(|user| ids.contains(&user.user_id));
    let members: Vec<_> = present.cloned().collect();
    for member in &members {
        let name = output::clean(member.user_id.as_str());
        match known.standing_now(context, member) {
            _ if member == me => {}
            Standing::Verified => {}
            Standing::Changed => anyhow::bail!(
                "the bridge presents another key for {name} than before; nobody was let in. \
                 If {name} really has a new key, remove the old one from known_keys.toml"
            ),
            Standing::New | Standing::Known => anyhow::bail!(
                "the bridge says that {name} is a member, but you have never let them in or \
                 compared their key; do that first (Enter on the person, or `conclave rooms members \
                 ROOM --trust FINGERPRINT`), then go on"
            ),
        }
    }
    Ok(members)
}

/// Every user of a context, over all pages.
pub async fn all_users(
    connection: &Connection,
    context: &ContextId,
) -> Result<Vec<UserWithPubKey>, ApiError> {
    let mut users = Vec::new();
    loop {
        let skip = u32::try_from(users.len()).unwrap_or(u32::MAX);
        let query = PagingQuery { skip, ..PagingQuery::default() };
        let page = connection.list_users(context, &query).await?;
        let is_last = page.items.is_empty();
        users.extend(page.items.into_iter().map(|info| info.user));
        if is_last || users.len() as u64 >= page.total_available {
            return Ok(users);
        }
    }
}

async fn send(
    connection: &Connection,
    context: &ContextId,
    message: &Message,
    receiver: UserWithPubKey,
) -> Result<(), ApiError> {
    let data = serde_json::to_vec(message).expect("a message of strings is always JSON");
    connection.send_custom_event(context, CHANNEL, &data, &[receiver]).await
}
