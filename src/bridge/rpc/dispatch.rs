//! Which method is which, and what it needs: nothing, a session, a user, a WebSocket.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use tokio::sync::OwnedMutexGuard;

use super::context;
use super::params;
use super::recording;
use super::stream;
use super::stream_room;
use crate::bridge::core::Core;
use crate::bridge::notify::Socket;
use crate::bridge::notify::Style;
use crate::bridge::service::Caller;
use crate::bridge::service::Notice;
use crate::bridge::service::ServiceError;
use crate::bridge::session::LoginId;
use crate::wire::dto::session::AuthorizeWebSocket;
use crate::wire::dto::session::Logout;
use crate::wire::dto::session::Ping;
use crate::wire::dto::session::SubscribeToChannel;
use crate::wire::dto::session::SubscribeToChannels;
use crate::wire::dto::session::UnauthorizeWebSocket;
use crate::wire::dto::session::UnsubscribeFromChannel;
use crate::wire::dto::session::UnsubscribeFromChannels;
use crate::wire::notification::NotificationKey;
use crate::wire::record::Encoding;

/// Where a call came from.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The login session.
    pub login: LoginId,
    /// Who it is; `None` is anonymous.
    pub identity: Option<Caller>,
    /// The WebSocket, if it came over one.
    pub socket: Option<Arc<Socket>>,
    /// What it was written in, and its notifications will be.
    pub encoding: Encoding,
}

/// The result of a call. Notices go out after the reply, and while the turn is held.
#[derive(Debug)]
pub struct Answer {
    /// What the caller gets.
    pub reply: Value,
    /// Whom to tell what.
    pub notices: Vec<Notice>,
    /// Keeps the next call of the same kind waiting until the notices are out.
    pub turn: Option<OwnedMutexGuard<()>>,
}

impl Answer {
    /// An answer that concerns nobody else.
    #[must_use]
    pub const fn quiet(reply: Value) -> Self {
        Self { reply, notices: Vec::new(), turn: None }
    }
}

/// Carries out one call.
///
/// # Errors
///
/// Whatever the method refuses; the caller turns it into an error answer.
pub async fn dispatch(
    core: &Core,
    peer: &Peer,
    method: &str,
    params: Value,
) -> Result<Answer, ServiceError> {
    match method {
        "ping" => {
            params::read::<Ping>(params)?;
            Ok(Answer::quiet(json!("pong")))
        }
        "logout" => {
            params::read::<Logout>(params)?;
            core.logout(peer.login).await;
            Ok(Answer::quiet(json!("OK")))
        }
        "authorizeWebSocket" => authorize(core, peer, params).await,
        "unauthorizeWebSocket" => unauthorize(core, peer, params).await,
        "subscribeToChannels" => subscribe(core, peer, params).await,
        "subscribeToChannel" => subscribe_one(core, peer, params).await,
        "unsubscribeFromChannels" => unsubscribe(core, peer, params),
        "unsubscribeFromChannel" => unsubscribe_one(core, peer, params),
        // Without streams there is no such module.
        _ if method.starts_with("stream.") && !core.config.streams => {
            Err(ServiceError::MethodNotFound)
        }
        _ => {
            let known = ["context.", "stream.", "recording."];
            let known = known.iter().any(|module| method.starts_with(module));
            let caller = match &peer.identity {
                Some(caller) => caller.clone(),
                None if known => return Err(ServiceError::AccessDenied),
                None => return Err(ServiceError::MethodNotFound),
            };
            ration(core, &caller, method)?;
            dispatch_user(core, peer, caller, method, params).await
        }
    }
}

/// Refuses what a key asks too often. Events count extra: each goes to many.
fn ration(core: &Core, caller: &Caller, method: &str) -> Result<(), ServiceError> {
    let now = core.now();
    let mut rates = core.rates();
    let mut taken = rates.call(&caller.pub_key, now);
    if taken.is_ok() && method.ends_with("SendCustomEvent") {
        taken = rates.event(&caller.pub_key, now);
    }
    taken.map_err(|_| {
        core.metrics.refused_calls.count();
        ServiceError::TooManyCalls
    })
}

async fn dispatch_user(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    method: &str,
    params: Value,
) -> Result<Answer, ServiceError> {
    match method {
        "context.contextList" => context::list(core, caller, params).await,
        "context.contextGet" => context::get(core, caller, params).await,
        "context.contextListUsers" => context::list_users(core, caller, params).await,
        "context.contextGetUsers" => context::get_users(core, caller, params).await,
        "context.contextSendCustomEvent" => context::send_custom_event(core, caller, params).await,
        "stream.streamRoomCreate" => stream_room::create(core, caller, params).await,
        "stream.streamRoomUpdate" => stream_room::update(core, caller, params).await,
        "stream.streamRoomDelete" => stream_room::delete(core, caller, params).await,
        "stream.streamRoomDeleteMany" => stream_room::delete_many(core, caller, params).await,
        "stream.streamRoomGet" => stream_room::get(core, caller, params).await,
        "stream.streamRoomList" => stream_room::list(core, caller, params).await,
        "stream.streamRoomListAll" => stream_room::list_all(core, caller, params).await,
        "stream.streamRoomClose" => stream_room::close(core, caller, params).await,
        "stream.streamRoomSendCustomEvent" => {
            stream_room::send_custom_event(core, caller, params).await
        }
        "stream.streamRoomJoin" => stream::join(core, peer, caller, params).await,
        "stream.streamRoomLeave" => stream::leave(core, peer, caller, params).await,
        "stream.streamRoomEnableRecording" => {
            stream::enable_recording(core, peer, caller, params).await
        }
        "stream.streamList" => stream::list(core, caller, params).await,
        "stream.streamPublish" => stream::publish(core, peer, caller, params).await,
        "stream.streamUpdate" => stream::update(core, peer, caller, params).await,
        "stream.streamUnpublish" => stream::unpublish(core, peer, caller, params).await,
        "stream.streamsSubscribeToRemote" => stream::subscribe(core, peer, caller, params).await,
        "stream.streamsModifyRemoteSubscriptions" => {
            stream::modify(core, peer, caller, params).await
        }
        "stream.streamsUnsubscribeFromRemote" => {
            stream::unsubscribe(core, peer, caller, params).await
        }
        "stream.streamAcceptOffer" => stream::accept_offer(core, peer, caller, params).await,
        "stream.streamSetNewOffer" => stream::set_new_offer(core, peer, caller, params).await,
        "stream.streamTrickle" => stream::trickle(core, peer, caller, params).await,
        own if own.starts_with("recording.") => recording::call(core, caller, own, params).await,
        "stream.streamGetTurnCredentials" => stream::turn_credentials(core, &caller, params),
        _ => Err(ServiceError::MethodNotFound),
    }
}

async fn authorize(core: &Core, peer: &Peer, raw: Value) -> Result<Answer, ServiceError> {
    let socket = peer.socket.as_ref().ok_or(ServiceError::WebSocketRequired)?;
    let call: AuthorizeWebSocket = params::read(raw)?;
    let key = NotificationKey::from_base64(&call.key);
    let key = key.ok_or_else(|| ServiceError::params("key: must be base64 of 32 bytes"))?;
    // Counted before there is a session: a session that ends at once takes one off again.
    let before = peer.identity.as_ref().map(|caller| {
        let before = core.presence.came(&caller.pub_key, core.now());
        (caller, before)
    });
    let many = call.add_ws_channel_id;
    let authorized = core.notifier.authorize(socket, peer, key, many, rand::random());
    if let (Err(_), Some((caller, before))) = (&authorized, before) {
        core.presence.never_came(&caller.pub_key, before);
    }
    let channel = authorized?;
    // Whoever opens another socket has lost the one before, even if that can't be seen from here
    // yet: without this, somebody who comes back would be in each room twice.
    let current = core.notifier.client_of(socket.id, peer);
    for earlier in core.notifier.of_login(peer.login) {
        if Some(earlier) != current {
            core.end_client(earlier).await;
        }
    }
    Ok(Answer::quiet(json!({"wsChannelId": channel})))
}

async fn unauthorize(core: &Core, peer: &Peer, raw: Value) -> Result<Answer, ServiceError> {
    let socket = peer.socket.as_ref().ok_or(ServiceError::WebSocketRequired)?;
    params::read::<UnauthorizeWebSocket>(raw)?;
    let client = core.notifier.client_of(socket.id, peer).ok_or(ServiceError::WebSocketRequired)?;
    core.end_client(client).await;
    Ok(Answer::quiet(json!("OK")))
}

/// What waited for these subscriptions.
async fn kept(core: &Core, peer: &Peer, socket: &Socket) -> Result<Vec<Notice>, ServiceError> {
    match (core.notifier.client_of(socket.id, peer), &peer.identity) {
        (Some(client), Some(caller)) => core.kept_for(client, caller).await,
        _ => Ok(Vec::new()),
    }
}

async fn subscribe(core: &Core, peer: &Peer, raw: Value) -> Result<Answer, ServiceError> {
    let socket = peer.socket.as_ref().ok_or(ServiceError::WebSocketRequired)?;
    let channels = params::read::<SubscribeToChannels>(raw)?.channels;
    let ids =
        core.notifier.subscribe(socket.id, peer, &channels, Style::Current, || core.new_id())?;
    let list: Vec<Value> = ids
        .iter()
        .zip(&channels)
        .map(|(id, channel)| json!({"subscriptionId": id, "channel": channel}))
        .collect();
    let notices = kept(core, peer, socket).await?;
    Ok(Answer { notices, ..Answer::quiet(json!({"subscriptions": list})) })
}

async fn subscribe_one(core: &Core, peer: &Peer, raw: Value) -> Result<Answer, ServiceError> {
    let socket = peer.socket.as_ref().ok_or(ServiceError::WebSocketRequired)?;
    let channel = params::read::<SubscribeToChannel>(raw)?.channel;
    let ids =
        core.notifier.subscribe(socket.id, peer, &[channel], Style::Legacy, || core.new_id())?;
    let id = ids.into_iter().next().ok_or(ServiceError::Internal)?;
    let notices = kept(core, peer, socket).await?;
    Ok(Answer { notices, ..Answer::quiet(json!({"subscriptionId": id})) })
}

fn unsubscribe(core: &Core, peer: &Peer, raw: Value) -> Result<Answer, ServiceError> {
    let socket = peer.socket.as_ref().ok_or(ServiceError::WebSocketRequired)?;
    let ids = params::read::<UnsubscribeFromChannels>(raw)?.subscriptions_ids;
    core.notifier.unsubscribe(socket.id, peer, |subscription| ids.contains(&subscription.id))?;
    Ok(Answer::quiet(json!("OK")))
}

fn unsubscribe_one(core: &Core, peer: &Peer, raw: Value) -> Result<Answer, ServiceError> {
    let socket = peer.socket.as_ref().ok_or(ServiceError::WebSocketRequired)?;
    let channel = params::read::<UnsubscribeFromChannel>(raw)?.channel;
    core.notifier.unsubscribe(socket.id, peer, |subscription| {
        subscription.style == Style::Legacy && subscription.query.to_string() == channel
    })?;
    Ok(Answer::quiet(json!("OK")))
}
