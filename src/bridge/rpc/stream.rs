//! `stream.*`, as far as it concerns live media (streams.md 5.3, 5.4).
//!
//! ACL and policy are checked before a call takes its turn; whoever loses the right while it
//! waits is put out by the service that took the right away.

use serde_json::Value;
use serde_json::json;
use tokio::sync::OwnedMutexGuard;

use super::dispatch::Answer;
use super::dispatch::Peer;
use super::params;
use crate::bridge::core::Core;
use crate::bridge::media::Participant;
use crate::bridge::media::ROOMS_PER_CLIENT;
use crate::bridge::recording::EndReason;
use crate::bridge::recording::Wish;
use crate::bridge::service::Caller;
use crate::bridge::service::Notice;
use crate::bridge::service::ServiceError;
use crate::bridge::service::media_event;
use crate::bridge::service::recording;
use crate::bridge::service::stream;
use crate::bridge::service::stream::Audience;
use crate::bridge::service::stream_room;
use crate::bridge::service::stream_room::Access;
use crate::bridge::sfu::ClientId;
use crate::bridge::sfu::PublishAnswer;
use crate::bridge::sfu::SfuError;
use crate::bridge::sfu::SubscribeAnswer;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamRoomId;
use crate::model::StreamSubscription;
use crate::wire::dto;
use crate::wire::dto::signal::StreamAcceptOffer;
use crate::wire::dto::signal::StreamSetNewOffer;
use crate::wire::dto::signal::StreamTrickle;
use crate::wire::dto::stream::StreamGetTurnCredentials;
use crate::wire::dto::stream::StreamList;
use crate::wire::dto::stream::StreamPublish;
use crate::wire::dto::stream::StreamUnpublish;
use crate::wire::dto::stream::StreamUpdate;
use crate::wire::dto::stream::StreamsModifyRemoteSubscriptions;
use crate::wire::dto::stream::StreamsSubscribeToRemote;
use crate::wire::dto::stream::StreamsUnsubscribeFromRemote;
use crate::wire::dto::stream_room::StreamRoomEnableRecording;
use crate::wire::dto::stream_room::StreamRoomJoin;
use crate::wire::dto::stream_room::StreamRoomLeave;
use crate::wire::rpc::code;

/// A call about one session's media in one room, on its turn.
struct Turn<'a> {
    core: &'a Core,
    client: ClientId,
    caller: Caller,
    access: Access,
    guard: OwnedMutexGuard<()>,
}

impl Turn<'_> {
    fn room(&self) -> &StreamRoomId {
        &self.access.room.id
    }

    fn participant(&self) -> Option<Participant> {
        self.core.media.participant(self.client, self.room())
    }

    fn joined(&self) -> Result<Participant, ServiceError> {
        self.participant().ok_or(ServiceError::NotConnectedToRoom)
    }

    async fn audience(&self) -> Result<Option<Audience>, ServiceError> {
        self.core.audience(self.room()).await
    }

    fn done(self, reply: Value, notices: Vec<Notice>) -> Answer {
        Answer { reply, notices, turn: Some(self.guard) }
    }
}

fn client_of(core: &Core, peer: &Peer) -> Result<ClientId, ServiceError> {
    let socket = peer.socket.as_ref().ok_or(ServiceError::WebSocketOnly)?;
    core.notifier.client_of(socket.id, peer).ok_or(ServiceError::WebSocketOnly)
}

fn media_error(error: &SfuError) -> ServiceError {
    ServiceError::Media { code: error.code(), message: error.to_string() }
}

/// Checks an active room and waits for the turn.
async fn turn<'a>(
    core: &'a Core,
    peer: &Peer,
    caller: Caller,
    room: StreamRoomId,
    function: &'static str,
) -> Result<Turn<'a>, ServiceError> {
    let client = client_of(core, peer)?;
    let who = caller.clone();
    let access = core.store.read(move |tx| stream::active_room(tx, &who, &room, function)).await?;
    let guard = core.media.lock(client, &access.room.id).await;
    Ok(Turn { core, client, caller, access, guard })
}

/// Enters the room if the session is not in it yet; the notices say so.
async fn enter(turn: &Turn<'_>, function: &'static str) -> Result<Vec<Notice>, ServiceError> {
    if turn.participant().is_some() {
        return Ok(Vec::new());
    }
    let media = &turn.core.media;
    if media.rooms_of(turn.client) >= ROOMS_PER_CLIENT {
        return Err(ServiceError::Media {
            code: code::MEDIA_SERVER_ERROR,
            message: "too many rooms joined".to_owned(),
        });
    }
    let user = turn.access.member.user.user.clone();
    let stream = media
        .sfu
        .join(turn.room(), turn.client, &user)
        .await
        .map_err(|error| media_error(&error))?;
    let participant = Participant {
        context: turn.access.room.context.clone(),
        user: user.clone(),
        pub_key: turn.caller.pub_key.clone(),
        solution: turn.caller.solution.clone(),
        stream,
        main: None,
        subscriber: None,
        tracks: Vec::new(),
        announced: false,
    };
    if !media.insert(turn.client, turn.room().clone(), participant) {
        drop(media.sfu.leave(turn.room(), turn.client).await);
        return Err(ServiceError::Media {
            code: code::MEDIA_SERVER_ERROR,
            message: "too many sessions of this key in the room".to_owned(),
        });
    }
    // The right may have gone while the call waited; whoever took it looked for participants
    // either after this insertion, or before, and then this check sees the change.
    let (who, room) = (turn.caller.clone(), turn.room().clone());
    let still = turn
        .core
        .store
        .read(move |tx| stream::active_room(tx, &who, &room, function).map(drop))
        .await;
    let alive = turn.core.notifier.is_live(turn.client);
    if still.is_err() || !alive {
        drop(media.leave(turn.client, turn.room()).await);
        still?;
        return Err(ServiceError::WebSocketOnly);
    }
    let Some(audience) = turn.audience().await? else { return Ok(Vec::new()) };
    let mut notices = media_event::joined(&audience, &user, stream);
    // Whoever comes later has not heard it.
    let running = turn.core.recorder.running(turn.room());
    notices.extend(running.map(|running| recording::under_way(&audience, &running, turn.client)));
    Ok(notices)
}

/// `stream.streamRoomJoin`.
pub async fn join(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let room = StreamRoomId(params::read::<StreamRoomJoin>(raw)?.stream_room_id);
    let function = "stream/streamRoomJoin";
    let turn = turn(core, peer, caller, room, function).await?;
    let notices = enter(&turn, function).await?;
    Ok(turn.done(json!("OK"), notices))
}

/// `stream.streamRoomLeave`: works in closed rooms too.
pub async fn leave(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let room = StreamRoomId(params::read::<StreamRoomLeave>(raw)?.stream_room_id);
    let client = client_of(core, peer)?;
    let room = core
        .store
        .read(move |tx| stream_room::access(tx, &caller, &room, "stream/streamRoomLeave", "get"))
        .await?
        .room
        .id;
    let guard = core.media.lock(client, &room).await;
    let notices = match core.media.leave(client, &room).await {
        Some(departure) => core.departed(&departure).await,
        None => Vec::new(),
    };
    Ok(Answer { reply: json!("OK"), notices, turn: Some(guard) })
}

/// `stream.streamList`: over HTTP too.
pub async fn list(core: &Core, caller: Caller, raw: Value) -> Result<Answer, ServiceError> {
    let room = StreamRoomId(params::read::<StreamList>(raw)?.stream_room_id);
    let access = core
        .store
        .read(move |tx| stream::active_room(tx, &caller, &room, "stream/streamList"))
        .await?;
    let streams = core.media.sfu.list(&access.room.id).await.map_err(|_| ServiceError::Media {
        code: code::ERROR_DURING_REQUEST_TO_MEDIA_SERVER,
        message: "media server does not answer".to_owned(),
    })?;
    let list: Vec<Value> = streams
        .iter()
        .map(|info| media_event::stream(info.id, &info.user_id, &info.tracks))
        .collect();
    Ok(Answer::quiet(json!({"list": list})))
}

/// `stream.streamRoomEnableRecording`: for present and future publishers of the room.
pub async fn enable_recording(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let room = StreamRoomId(params::read::<StreamRoomEnableRecording>(raw)?.stream_room_id);
    let turn = turn(core, peer, caller, room, "stream/streamRoomEnableRecording").await?;
    turn.access.require("update")?;
    turn.participant().ok_or(ServiceError::NoMainSession)?;
    let refused = |message: String| ServiceError::Media { code: code::MEDIA_SERVER_ERROR, message };
    let wish = Wish {
        id: core.new_id().into(),
        room: turn.room().clone(),
        user: turn.access.member.user.user.clone(),
        now: core.now(),
    };
    let begun = core.recorder.begin(wish).await.map_err(|error| refused(error.to_string()))?;
    let Some(sink) = begun.sink else { return Ok(turn.done(json!("OK"), Vec::new())) };
    if let Err(error) = core.media.sfu.record(turn.room(), Some(sink)).await {
        core.recorder.end(turn.room(), EndReason::Failed).await;
        return Err(media_error(&error));
    }
    let running = core.recorder.running(turn.room());
    let notices = match (turn.audience().await?, running) {
        (Some(audience), Some(running)) => vec![recording::started(&audience, &running)],
        _ => Vec::new(),
    };
    Ok(turn.done(json!("OK"), notices))
}

fn published(turn: &Turn<'_>, answer: &PublishAnswer) -> (Value, StreamInfo) {
    let user = turn.access.member.user.user.clone();
    let stream = media_event::stream(answer.stream_id, &user, &answer.tracks);
    let reply = json!({
        "sessionId": answer.session_id.0,
        "answer": {"type": "answer", "sdp": answer.answer_sdp},
        "publishedData": {
            "streamRoomId": turn.room().as_str(),
            "stream": stream,
            "userId": user.as_str(),
        },
    });
    let info = StreamInfo::new(answer.stream_id, user, answer.tracks.clone());
    (reply, info)
}

/// `stream.streamPublish`: enters the room if need be.
pub async fn publish(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamPublish = params::read(raw)?;
    let (room, offer) = (StreamRoomId(call.stream_room_id), call.offer.sdp);
    let function = "stream/streamPublish";
    let turn = turn(core, peer, caller, room, function).await?;
    let notices = enter(&turn, function).await?;
    let answer = core.media.sfu.publish(turn.room(), turn.client, offer).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            // The session may have entered just now; others learn of that all the same.
            core.notifier.fan_out(&notices, core.now());
            return Err(match error {
                SfuError::AlreadyPublishing => ServiceError::Media {
                    code: code::MEDIA_SERVER_ERROR,
                    message: "Stream already published".to_owned(),
                },
                error => media_error(&error),
            });
        }
    };
    core.media.update(turn.client, turn.room(), |part| {
        part.main = Some(answer.session_id);
        part.tracks = answer.tracks.clone();
        part.announced = false;
    });
    let (reply, _) = published(&turn, &answer);
    Ok(turn.done(reply, notices))
}

async fn renegotiate(turn: &Turn<'_>, offer: String) -> Result<(Value, Vec<Notice>), ServiceError> {
    let before = turn.joined()?;
    let media = &turn.core.media;
    let answer = media
        .sfu
        .update(turn.room(), turn.client, offer)
        .await
        .map_err(|error| media_error(&error))?;
    media.update(turn.client, turn.room(), |part| part.tracks = answer.tracks.clone());
    let (reply, info) = published(turn, &answer);
    // Nobody has heard of a stream that is not connected yet.
    let audience = if before.announced { turn.audience().await? } else { None };
    let notices = audience.map_or_else(Vec::new, |audience| {
        let others = media.others(turn.client, turn.room());
        media_event::updated(&audience, &info, &before.tracks, others)
    });
    Ok((reply, notices))
}

/// `stream.streamUpdate`.
pub async fn update(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamUpdate = params::read(raw)?;
    let (room, offer) = (StreamRoomId(call.stream_room_id), call.offer.sdp);
    let turn = turn(core, peer, caller, room, "stream/streamUpdate").await?;
    let (reply, notices) = renegotiate(&turn, offer).await?;
    Ok(turn.done(reply, notices))
}

/// The room of a media session of this very caller.
fn room_of(core: &Core, peer: &Peer, session: SessionId) -> Result<StreamRoomId, ServiceError> {
    let client = client_of(core, peer)?;
    let room = core.media.room_of(client, session);
    room.ok_or_else(|| ServiceError::params("sessionId: not a media session of this connection"))
}

/// `stream.streamUnpublish`: whoever publishes may stop, and keeps the stream id.
pub async fn unpublish(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let session = SessionId(params::read::<StreamUnpublish>(raw)?.session_id);
    let room = room_of(core, peer, session)?;
    let client = client_of(core, peer)?;
    let access = core
        .store
        .read(move |tx| stream_room::access(tx, &caller, &room, "stream/streamUnpublish", "get"))
        .await?;
    let room = access.room.id;
    let guard = core.media.lock(client, &room).await;
    let is_main = core.media.participant(client, &room).and_then(|part| part.main);
    if is_main != Some(session) {
        return Err(ServiceError::params("sessionId: not a publisher session"));
    }
    let ended = core.media.sfu.unpublish(&room, client).await;
    let stream: Option<StreamId> = core.media.update(client, &room, |part| {
        part.main = None;
        part.announced = false;
        part.tracks.clear();
        part.stream
    });
    ended.map_err(|error| media_error(&error))?;
    let mut notices = Vec::new();
    if let Some(stream) = stream
        && let Some(audience) = core.audience(&room).await?
    {
        notices.push(media_event::unpublished(&audience, &access.member.user.user, stream));
    }
    Ok(Answer { reply: json!("OK"), notices, turn: Some(guard) })
}

fn subscriptions(list: Vec<dto::stream::StreamSubscription>) -> Vec<StreamSubscription> {
    list.into_iter().map(StreamSubscription::from).collect()
}

async fn subscribed(
    turn: Turn<'_>,
    answer: SubscribeAnswer,
    changes: [(&[StreamSubscription], bool); 2],
) -> Result<Answer, ServiceError> {
    let media = &turn.core.media;
    media.update(turn.client, turn.room(), |part| part.subscriber = Some(answer.session_id));
    let mut reply = json!({"sessionId": answer.session_id.0});
    if let Some(sdp) = answer.offer {
        reply["offer"] = json!({"type": "offer", "sdp": sdp});
    }
    let user = &turn.access.member.user.user;
    let mut notices = Vec::new();
    if let Some(audience) = turn.audience().await? {
        for (list, on) in changes {
            if !list.is_empty() {
                notices.push(media_event::subscribed(&audience, user, list, on));
            }
        }
    }
    Ok(turn.done(reply, notices))
}

/// `stream.streamsSubscribeToRemote`.
pub async fn subscribe(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamsSubscribeToRemote = params::read(raw)?;
    let room = StreamRoomId(call.stream_room_id);
    let add = subscriptions(call.subscriptions_to_add);
    let turn = turn(core, peer, caller, room, "stream/streamSubscribe").await?;
    turn.joined()?;
    let answer = core
        .media
        .sfu
        .subscribe(turn.room(), turn.client, add.clone())
        .await
        .map_err(|error| media_error(&error))?;
    subscribed(turn, answer, [(&add, true), (&[], false)]).await
}

/// `stream.streamsModifyRemoteSubscriptions`.
pub async fn modify(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamsModifyRemoteSubscriptions = params::read(raw)?;
    let room = StreamRoomId(call.stream_room_id);
    let add = subscriptions(call.subscriptions_to_add);
    let remove = subscriptions(call.subscriptions_to_remove);
    let turn = turn(core, peer, caller, room, "stream/streamModifySubscription").await?;
    change(turn, add, remove).await
}

/// `stream.streamsUnsubscribeFromRemote`.
pub async fn unsubscribe(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamsUnsubscribeFromRemote = params::read(raw)?;
    let room = StreamRoomId(call.stream_room_id);
    let remove = subscriptions(call.subscriptions_to_remove);
    let turn = turn(core, peer, caller, room, "stream/streamUnsubscribe").await?;
    change(turn, Vec::new(), remove).await
}

async fn change(
    turn: Turn<'_>,
    add: Vec<StreamSubscription>,
    remove: Vec<StreamSubscription>,
) -> Result<Answer, ServiceError> {
    if turn.joined()?.subscriber.is_none() {
        return Err(ServiceError::NoSubscriptions);
    }
    let answer = turn
        .core
        .media
        .sfu
        .modify(turn.room(), turn.client, add.clone(), remove.clone())
        .await
        .map_err(|error| media_error(&error))?;
    subscribed(turn, answer, [(&add, true), (&remove, false)]).await
}

/// `stream.streamAcceptOffer`.
pub async fn accept_offer(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamAcceptOffer = params::read(raw)?;
    let (session, answer) = (SessionId(call.session_id), call.answer.sdp);
    let room = room_of(core, peer, session)?;
    let turn = turn(core, peer, caller, room, "stream/streamAcceptOffer").await?;
    match core.media.sfu.accept_offer(turn.client, session, answer).await {
        // A session that vanished meanwhile needs no answer any more.
        Ok(()) | Err(SfuError::UnknownSession) => Ok(turn.done(json!("OK"), Vec::new())),
        Err(error) => Err(media_error(&error)),
    }
}

/// `stream.streamSetNewOffer`: an update whose answer the caller does not want.
pub async fn set_new_offer(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamSetNewOffer = params::read(raw)?;
    let (session, offer) = (SessionId(call.session_id), call.offer.sdp);
    let room = room_of(core, peer, session)?;
    let turn = turn(core, peer, caller, room, "stream/streamSetNewOffer").await?;
    let (_, notices) = renegotiate(&turn, offer).await?;
    Ok(turn.done(json!("OK"), notices))
}

/// `stream.streamTrickle`.
pub async fn trickle(
    core: &Core,
    peer: &Peer,
    caller: Caller,
    raw: Value,
) -> Result<Answer, ServiceError> {
    let call: StreamTrickle = params::read(raw)?;
    let (session, line) = (SessionId(call.session_id), call.rtc_candidate.candidate);
    let client = client_of(core, peer)?;
    let room = room_of(core, peer, session)?;
    core.store
        .read(move |tx| {
            stream_room::access(tx, &caller, &room, "stream/streamTrickle", "get").map(drop)
        })
        .await?;
    match core.media.sfu.trickle(client, session, line).await {
        Ok(()) => Ok(Answer::quiet(json!("OK"))),
        Err(error) => Err(media_error(&error)),
    }
}

/// `stream.streamGetTurnCredentials`.
pub fn turn_credentials(core: &Core, caller: &Caller, raw: Value) -> Result<Answer, ServiceError> {
    params::read::<StreamGetTurnCredentials>(raw)?;
    Ok(Answer::quiet(json!({"credentials": core.turn_credentials(&caller.pub_key)})))
}
