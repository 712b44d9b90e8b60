//! What the stand-in does when it is called, and what it then tells.

use std::sync::Arc;

use conclave::bridge::sfu::ClientId;
use conclave::bridge::sfu::Departure;
use conclave::bridge::sfu::PublishAnswer;
use conclave::bridge::sfu::SfuError;
use conclave::bridge::sfu::SfuEvent;
use conclave::bridge::sfu::SubscribeAnswer;
use conclave::model::SessionId;
use conclave::model::StreamInfo;
use conclave::model::StreamRoomId;
use conclave::model::StreamSubscription;
use conclave::model::UserId;
use conclave::net::session::now;
use conclave::wire::dto;
use conclave::wire::notification::NotificationKey;
use conclave::wire::rpc::Request;
use conclave::wire::rpc::RpcError;
use conclave::wire::rpc::code;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;

use super::CONTEXT;
use super::Called;
use super::Generation;
use super::Shared;

type Answer = Result<Value, RpcError>;

fn refused(code: i64) -> RpcError {
    RpcError::new(code)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}")).to_owned()
}

fn media(error: &SfuError) -> RpcError {
    refused(match error {
        SfuError::NotJoined => code::NOT_CONNECTED_TO_THE_ROOM,
        SfuError::FeedNotFound(_) => code::MEDIA_FEED_NOT_FOUND,
        SfuError::NoSubscriptions => code::NO_SUBSCRIPTIONS_TO_MODIFY,
        SfuError::InvalidSdp(_) => code::MEDIA_INVALID_SDP,
        _ => code::MEDIA_SERVER_ERROR,
    })
}

fn stream(info: &StreamInfo) -> Value {
    serde_json::to_value(dto::stream::StreamInfo::from(info)).unwrap()
}

fn list(params: &Value, key: &str) -> Vec<StreamSubscription> {
    let items = params[key].as_array().cloned().unwrap_or_default();
    let item = |item: Value| {
        StreamSubscription::from(
            serde_json::from_value::<dto::stream::StreamSubscription>(item).unwrap(),
        )
    };
    items.into_iter().map(item).collect()
}

/// Carries out one call.
pub(super) async fn call(
    shared: &Arc<Shared>,
    socket: Option<u64>,
    user: &str,
    request: &Request,
) -> Answer {
    let (method, params) = (request.method.as_str(), &request.params);
    {
        let mut state = shared.state();
        state.calls.push(Called {
            user: user.to_owned(),
            method: method.to_owned(),
            params: params.clone(),
        });
        shared.changed.notify_waiters();
        if let Some(at) = state.faults.iter().position(|(of, _)| of == method) {
            return Err(refused(state.faults.remove(at).1));
        }
        if let Some(answers) = state.answers.get_mut(method) {
            let more = answers.len() > 1;
            let next = if more { answers.pop_front() } else { answers.front().cloned() };
            return next.ok_or_else(|| refused(code::INTERNAL_ERROR));
        }
    }
    let module = Module { shared, socket, user };
    match method.split_once('.') {
        Some(("context", _)) => module.context(method, params),
        Some(("stream", name)) if name.starts_with("streamRoom") && !is_presence(name) => {
            module.room(name, params)
        }
        Some(("stream", name)) => module.media(name, params).await,
        _ => module.session(method, params),
    }
}

fn is_presence(name: &str) -> bool {
    ["streamRoomJoin", "streamRoomLeave", "streamRoomEnableRecording"].contains(&name)
}

struct Module<'a> {
    shared: &'a Arc<Shared>,
    socket: Option<u64>,
    user: &'a str,
}

impl Module<'_> {
    fn session(&self, method: &str, params: &Value) -> Answer {
        let mut state = self.shared.state();
        state.next += 1;
        let fresh = state.next;
        let socket = self.socket.and_then(|id| state.sockets.get_mut(&id));
        let socket = socket.ok_or_else(|| refused(code::WEBSOCKET_REQUIRED))?;
        match method {
            "authorizeWebSocket" => {
                self.user.clone_into(&mut socket.user);
                socket.key = NotificationKey::from_base64(&text(params, "key"));
                socket.channel = u32::try_from(fresh).unwrap();
                Ok(json!({"wsChannelId": fresh}))
            }
            "subscribeToChannels" => {
                let mut made = Vec::new();
                for (index, channel) in params["channels"].as_array().unwrap().iter().enumerate() {
                    let channel = channel.as_str().unwrap();
                    let id = format!("{fresh}-{index}");
                    socket.subscriptions.push((id.clone(), channel.parse().unwrap()));
                    made.push(json!({"subscriptionId": id, "channel": channel}));
                }
                Ok(json!({"subscriptions": made}))
            }
            "unsubscribeFromChannels" => {
                let ids = params["subscriptionsIds"].as_array().unwrap();
                socket.subscriptions.retain(|(id, _)| !ids.contains(&json!(id)));
                Ok(json!("OK"))
            }
            "unauthorizeWebSocket" => {
                socket.key = None;
                Ok(json!("OK"))
            }
            _ => Err(refused(code::METHOD_NOT_FOUND)),
        }
    }

    fn context(&self, method: &str, params: &Value) -> Answer {
        let state = self.shared.state();
        let context = json!({"contextId": CONTEXT, "userId": self.user, "acl": "ALLOW ALL"});
        match method {
            "context.contextGet" => Ok(json!({"context": context})),
            "context.contextList" => Ok(json!({"contexts": [context], "count": 1})),
            "context.contextListUsers" => {
                let users: Vec<_> = state
                    .users
                    .iter()
                    .map(|(id, key)| {
                        json!({
                            "id": id, "pubKey": key.to_base58(), "status": "active",
                            "lastStatusChange": {"action": "login", "timestamp": 1},
                        })
                    })
                    .skip(usize::try_from(params["skip"].as_i64().unwrap()).unwrap())
                    .collect();
                Ok(json!({"count": state.users.len(), "users": users}))
            }
            _ => Err(refused(code::METHOD_NOT_FOUND)),
        }
    }

    /// Fails unless the room is there and this user's.
    fn member(&self, id: &str) -> Result<Value, RpcError> {
        let state = self.shared.state();
        let room = state.rooms.get(id).ok_or(refused(code::STREAM_ROOM_DOES_NOT_EXIST))?;
        if is_member(room, self.user) {
            Ok(room.clone())
        } else {
            Err(refused(code::ACCESS_DENIED))
        }
    }

    fn manager(&self, id: &str) -> Result<Value, RpcError> {
        let room = self.member(id)?;
        let manages = room["managers"].as_array().unwrap().contains(&json!(self.user));
        if manages { Ok(room) } else { Err(refused(code::ACCESS_DENIED)) }
    }

    fn room(&self, name: &str, params: &Value) -> Answer {
        let id = params["id"].as_str().or(params["streamRoomId"].as_str()).unwrap_or_default();
        match name {
            "streamRoomCreate" => {
                let mut state = self.shared.state();
                state.next += 1;
                let id = format!("room-{}", state.next);
                let room = json!({
                    "id": id, "resourceId": params["resourceId"], "contextId": CONTEXT,
                    "createDate": now().0, "creator": self.user,
                    "lastModificationDate": now().0, "lastModifier": self.user,
                    "data": [{"keyId": params["keyId"], "data": params["data"]}],
                    "keyId": params["keyId"], "users": params["users"],
                    "managers": params["managers"], "keys": params["keys"], "version": 1,
                    "type": params["type"], "policy": {}, "closed": false,
                });
                state.rooms.insert(id.clone(), room);
                drop(state);
                self.tell_room("streamRoomCreated", "streamroom/create", &id);
                Ok(json!({"streamRoomId": id}))
            }
            "streamRoomUpdate" => {
                let mut room = self.manager(id)?;
                let current = room["version"].as_i64().unwrap();
                if params["version"] != current && params["force"] != true {
                    return Err(refused(code::ACCESS_DENIED));
                }
                let entry = json!({"keyId": params["keyId"], "data": params["data"]});
                room["data"].as_array_mut().unwrap().push(entry);
                let fresh = params["keys"].as_array().unwrap().clone();
                room["keys"].as_array_mut().unwrap().extend(fresh);
                for key in ["users", "managers", "keyId"] {
                    room[key] = params[key].clone();
                }
                room["version"] = json!(current + 1);
                room["lastModificationDate"] = json!(now().0);
                room["lastModifier"] = json!(self.user);
                self.shared.state().rooms.insert(id.to_owned(), room);
                self.tell_room("streamRoomUpdated", "streamroom/update", id);
                Ok(json!("OK"))
            }
            "streamRoomGet" => Ok(json!({"streamRoom": view(&self.member(id)?, self.user)})),
            "streamRoomList" | "streamRoomListAll" => {
                let rooms = self.shared.state().rooms.clone();
                let mine = rooms.values().filter(|room| is_member(room, self.user));
                let list: Vec<_> = mine.map(|room| view(room, self.user)).collect();
                Ok(json!({"count": list.len(), "list": list}))
            }
            "streamRoomDelete" => {
                self.manager(id)?;
                let data = json!({"streamRoomId": id, "type": "stream"});
                let room = self.member(id)?;
                self.shared.emit("streamRoomDeleted", "streamroom/delete", id, |_, user| {
                    is_member(&room, user).then(|| data.clone())
                });
                self.shared.state().rooms.remove(id);
                Ok(json!("OK"))
            }
            "streamRoomDeleteMany" => {
                let ids = params["ids"].as_array().unwrap().clone();
                let result = |id: &Value| {
                    let text = id.as_str().unwrap();
                    let status = match self.manager(text) {
                        Ok(_) => "OK",
                        Err(error) if error.code == code::ACCESS_DENIED => "ACCESS_DENIED",
                        Err(_) => "STREAM_ROOM_DOES_NOT_EXIST",
                    };
                    json!({"id": id, "status": status})
                };
                Ok(json!({"results": ids.iter().map(result).collect::<Vec<_>>()}))
            }
            "streamRoomClose" => {
                self.manager(id)?;
                self.shared.state().rooms.get_mut(id).unwrap()["closed"] = json!(true);
                Ok(json!("OK"))
            }
            "streamRoomSendCustomEvent" => {
                self.member(id)?;
                let key = self.shared.state().users.iter().find(|(of, _)| of == self.user).cloned();
                let data = json!({
                    "id": id, "author": {"id": self.user, "pub": key.unwrap().1.to_base58()},
                    "keyId": params["keyId"], "eventData": params["data"],
                });
                let path = format!("stream/custom/{}", text(params, "channel"));
                self.shared.emit("custom", &path, id, |_, _| Some(data.clone()));
                Ok(json!("OK"))
            }
            _ => Err(refused(code::METHOD_NOT_FOUND)),
        }
    }

    fn tell_room(&self, kind: &str, path: &str, id: &str) {
        let room = self.shared.state().rooms[id].clone();
        self.shared
            .emit(kind, path, id, |_, user| is_member(&room, user).then(|| view(&room, user)));
    }

    async fn media(&self, name: &str, params: &Value) -> Answer {
        let shared = self.shared;
        if name == "streamGetTurnCredentials" {
            return Ok(json!({"credentials": []}));
        }
        if name == "streamList" {
            let id = text(params, "streamRoomId");
            self.open_room(&id)?;
            let streams = shared.sfu.list(&StreamRoomId(id)).await.map_err(|e| media(&e))?;
            return Ok(json!({"list": streams.iter().map(stream).collect::<Vec<_>>()}));
        }
        let socket =
            self.socket.ok_or_else(|| refused(code::METHOD_CALLABLE_WITH_WEBSOCKET_ONLY))?;
        if let Some(session) = params["sessionId"].as_i64() {
            return self.media_session(name, socket, session, params).await;
        }
        let id = text(params, "streamRoomId");
        let (room, client) = (StreamRoomId(id.clone()), ClientId(socket));
        if name != "streamRoomLeave" {
            self.open_room(&id)?;
        }
        match name {
            "streamRoomJoin" => {
                let joined = shared.state().sockets.get(&socket).map(|s| s.joined.contains(&id));
                if joined == Some(true) {
                    return Ok(json!("OK"));
                }
                shared.sfu.join(&room, client, &UserId::from(self.user)).await.unwrap();
                if let Some(socket) = shared.state().sockets.get_mut(&socket) {
                    socket.joined.insert(id.clone());
                }
                if shared.generation == Generation::B {
                    let data = json!({"streamRoomId": id, "userId": self.user});
                    shared.emit("streamRoomJoined", "streamroom/join", &id, |_, _| {
                        Some(data.clone())
                    });
                }
                Ok(json!("OK"))
            }
            "streamRoomLeave" => {
                let departure = shared.sfu.leave(&room, client).await.unwrap();
                if let Some(socket) = shared.state().sockets.get_mut(&socket) {
                    socket.joined.remove(&id);
                    socket.publishers.retain(|_, of| *of != id);
                    socket.subscribers.retain(|_, of| *of != id);
                }
                tell_departure(shared, departure);
                Ok(json!("OK"))
            }
            "streamRoomEnableRecording" => {
                self.manager(&id)?;
                let state = shared.state();
                let joined = state.sockets.get(&socket).is_some_and(|s| s.joined.contains(&id));
                if !joined {
                    return Err(refused(code::MAIN_MEDIA_SESSION_FOR_USER_MISSING));
                }
                Ok(json!("OK"))
            }
            "streamPublish" | "streamUpdate" => {
                let offer = text(&params["offer"], "sdp");
                let first = name == "streamPublish";
                let answer = if first {
                    let user = UserId::from(self.user);
                    shared.sfu.join(&room, client, &user).await.unwrap();
                    shared.sfu.publish(&room, client, offer).await
                } else {
                    shared.sfu.update(&room, client, offer).await
                };
                let answer = answer.map_err(|error| media(&error))?;
                Ok(self.published(&id, socket, &answer, first))
            }
            "streamsSubscribeToRemote" => {
                let add = list(params, "subscriptionsToAdd");
                let answer = shared.sfu.subscribe(&room, client, add).await;
                let answer = answer.map_err(|error| media(&error))?;
                let added = &params["subscriptionsToAdd"];
                self.tell_subscriptions("streamSubscribed", "subscribe", &id, added);
                Ok(self.offered(&id, socket, answer))
            }
            "streamsModifyRemoteSubscriptions" | "streamsUnsubscribeFromRemote" => {
                let add = list(params, "subscriptionsToAdd");
                let remove = list(params, "subscriptionsToRemove");
                let answer = shared.sfu.modify(&room, client, add, remove).await;
                let answer = answer.map_err(|error| media(&error))?;
                let removed = &params["subscriptionsToRemove"];
                self.tell_subscriptions("streamUnsubscribed", "unsubscribe", &id, removed);
                Ok(self.offered(&id, socket, answer))
            }
            _ => Err(refused(code::METHOD_NOT_FOUND)),
        }
    }

    async fn media_session(&self, name: &str, socket: u64, session: i64, params: &Value) -> Answer {
        let shared = self.shared;
        let client = ClientId(socket);
        let room = {
            let state = shared.state();
            let held = state.sockets.get(&socket);
            held.and_then(|s| s.publishers.get(&session).or(s.subscribers.get(&session))).cloned()
        };
        let room = room.ok_or_else(|| refused(code::INVALID_PARAMS))?;
        match name {
            "streamAcceptOffer" => {
                let answer = text(&params["answer"], "sdp");
                let accepted = shared.sfu.accept_offer(client, SessionId(session), answer).await;
                accepted.map_err(|error| media(&error))?;
                Ok(json!("OK"))
            }
            "streamTrickle" | "streamSetNewOffer" => Ok(json!("OK")),
            "streamUnpublish" => {
                // Both generations ask for the policy `update` here (streams.md §14.1, B4).
                self.manager(&room)?;
                let id = StreamRoomId(room.clone());
                let stream = shared.sfu.unpublish(&id, client).await.map_err(|e| media(&e))?;
                if let Some(socket) = shared.state().sockets.get_mut(&socket) {
                    socket.publishers.remove(&session);
                }
                tell_unpublished(shared, &room, stream.0, self.user);
                if shared.generation == Generation::A {
                    // The session is made anew, so that others see it leave the room (B3).
                    let (user, published) = (UserId::from(self.user), false);
                    let departure =
                        Departure { room: id, user, stream, published, subscriptions: Vec::new() };
                    tell_departure(shared, Some(departure));
                }
                Ok(json!("OK"))
            }
            _ => Err(refused(code::METHOD_NOT_FOUND)),
        }
    }

    fn open_room(&self, id: &str) -> Result<(), RpcError> {
        let room = self.shared.state().rooms.get(id).cloned();
        let room = room.ok_or_else(|| refused(code::STREAM_ROOM_DOES_NOT_EXIST))?;
        if room["closed"] == true {
            return Err(refused(code::STREAM_ROOM_CLOSED));
        }
        self.member(id).map(drop)
    }

    fn published(&self, room: &str, socket: u64, answer: &PublishAnswer, first: bool) -> Value {
        let shared = self.shared;
        let info = StreamInfo::new(answer.stream_id, self.user.into(), answer.tracks.clone());
        let shown = stream(&info);
        let data = json!({"streamRoomId": room, "stream": shown, "userId": self.user});
        let before = {
            let mut state = shared.state();
            if let Some(socket) = state.sockets.get_mut(&socket) {
                socket.publishers.insert(answer.session_id.0, room.to_owned());
                socket.joined.insert(room.to_owned());
            }
            let tracks = shown["tracks"].as_array().unwrap().clone();
            state.tracks.insert(answer.stream_id.0, tracks).unwrap_or_default()
        };
        if !first {
            self.tell_updated(room, answer.stream_id.0, &before, &shown["tracks"]);
        }
        if shared.generation == Generation::A {
            if first {
                // Before anything is connected (B11).
                shared.emit("streamPublished", "streamroom/streams/publish", room, |_, _| {
                    Some(data.clone())
                });
            }
            let changed = json!({"room": room, "streams": [shown]});
            shared.emit("remoteStreamsChanged", "streamroom/update", room, |id, _| {
                (id != socket).then(|| changed.clone())
            });
        }
        json!({
            "sessionId": answer.session_id.0,
            "answer": {"type": "answer", "sdp": answer.answer_sdp},
            "publishedData": data,
        })
    }

    fn tell_updated(&self, room: &str, id: i64, before: &[Value], after: &Value) {
        let after = after.as_array().unwrap();
        let same = |list: &[Value], mid: &Value| list.iter().find(|t| t["mid"] == *mid).cloned();
        let added: Vec<_> = after.iter().filter(|t| same(before, &t["mid"]).is_none()).collect();
        let modified: Vec<_> = after
            .iter()
            .filter_map(|now| Some((same(before, &now["mid"])?, now)))
            .filter(|(then, now)| then != *now)
            .map(|(then, now)| json!({"before": then, "after": now}))
            .collect();
        if self.shared.generation == Generation::B {
            let data = json!({
                "streamRoomId": room, "streamId": id, "userId": self.user, "tracksAdded": added,
                "tracksRemoved": [], "tracksModified": modified,
            });
            let path = "streamroom/streams/update";
            self.shared.emit("streamUpdated", path, room, |_, _| Some(data.clone()));
            return;
        }
        let mut tracks: Vec<_> = added.iter().map(|track| json!({"after": track})).collect();
        tracks.extend(modified);
        let data = json!({
            "streamRoomId": room, "streamsAdded": [], "streamsRemoved": [],
            "streamsModified": [{"streamId": id, "tracks": tracks}],
        });
        self.shared.emit("streamUpdated", "streamroom/update", room, |_, _| Some(data.clone()));
    }

    fn tell_subscriptions(&self, kind: &str, path: &str, room: &str, list: &Value) {
        if self.shared.generation == Generation::B {
            let data = json!({"streamRoomId": room, "userId": self.user, "subscriptions": list});
            let path = format!("streamroom/subscribers/{path}");
            self.shared.emit(kind, &path, room, |_, _| Some(data.clone()));
        }
    }

    fn offered(&self, room: &str, socket: u64, answer: SubscribeAnswer) -> Value {
        if let Some(socket) = self.shared.state().sockets.get_mut(&socket) {
            socket.subscribers.insert(answer.session_id.0, room.to_owned());
        }
        let mut result = json!({"sessionId": answer.session_id.0});
        if let Some(sdp) = answer.offer {
            result["offer"] = json!({"type": "offer", "sdp": sdp});
        }
        result
    }
}

fn is_member(room: &Value, user: &str) -> bool {
    ["users", "managers"].iter().any(|key| room[*key].as_array().unwrap().contains(&json!(user)))
}

/// A room as one of its members sees it.
fn view(room: &Value, user: &str) -> Value {
    let mut room = room.clone();
    let keys: Vec<_> = room["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["user"] == user)
        .map(|key| json!({"keyId": key["keyId"], "data": key["data"]}))
        .collect();
    room["keys"] = json!(keys);
    room
}

fn tell_unpublished(shared: &Shared, room: &str, stream: i64, user: &str) {
    let mut data = json!({"streamRoomId": room, "streamId": stream});
    if shared.generation == Generation::B {
        data["userId"] = json!(user);
    }
    let path = "streamroom/streams/unpublish";
    shared.emit("streamUnpublished", path, room, |_, _| Some(data.clone()));
}

fn tell_departure(shared: &Shared, departure: Option<Departure>) {
    let Some(Departure { room, user, stream, published, .. }) = departure else { return };
    let (room, user) = (room.as_str(), user.as_str());
    match shared.generation {
        Generation::A => {
            // Once per remaining session (B12).
            let data = json!({"streamRoomId": room, "streamId": stream.0, "userId": user});
            let remaining =
                shared.state().sockets.values().filter(|s| s.joined.contains(room)).count();
            for _ in 0..remaining {
                shared.emit("streamLeft", "streamroom/streams/leave", room, |_, _| {
                    Some(data.clone())
                });
            }
        }
        Generation::B => {
            if published {
                tell_unpublished(shared, room, stream.0, user);
            }
            let data = json!({"streamRoomId": room, "userId": user});
            shared.emit("streamRoomLeft", "streamroom/leave", room, |_, _| Some(data.clone()));
        }
    }
}

/// Ends what a socket held.
pub(super) async fn end(shared: &Shared, socket: u64) {
    shared.state().sockets.remove(&socket);
    for departure in shared.sfu.leave_all(ClientId(socket)).await.unwrap_or_default() {
        tell_departure(shared, Some(departure));
    }
}

/// Tells what happens in the SFU without a call.
pub(super) async fn follow(shared: Arc<Shared>, mut events: mpsc::Receiver<SfuEvent>) {
    while let Some(event) = events.recv().await {
        match event {
            // In generation A it has been told already.
            SfuEvent::PublisherConnected { room, user, stream: info, .. }
                if shared.generation == Generation::B =>
            {
                let room = room.as_str();
                let data = json!({
                    "streamRoomId": room, "stream": stream(&info), "userId": user.as_str(),
                });
                shared.emit("streamPublished", "streamroom/streams/publish", room, |_, _| {
                    Some(data.clone())
                });
            }
            SfuEvent::PublisherGone { room, user, stream, .. } => {
                tell_unpublished(&shared, room.as_str(), stream.0, user.as_str());
            }
            SfuEvent::Reoffer { room, client, session_id, offer_sdp } => {
                let room = room.as_str();
                let jsep = json!({"type": "offer", "sdp": offer_sdp});
                let (kind, path, data) = match shared.generation {
                    Generation::A => (
                        "streamsUpdated",
                        "streamroom/internal",
                        json!({
                            "videoroom": "updated", "room": room, "sessionId": session_id.0,
                            "streams": [], "jsep": jsep,
                        }),
                    ),
                    Generation::B => (
                        "streamRoomReoffer",
                        "streamroom/internal/reoffer",
                        json!({"streamRoomId": room, "jsep": jsep}),
                    ),
                };
                shared.emit(kind, path, room, |id, _| (id == client.0).then(|| data.clone()));
            }
            _ => {}
        }
    }
}
