//! What members are told about streams, in the words of both generations (streams.md 8).

use serde_json::Value;
use serde_json::json;

use super::outcome::Notice;
use super::outcome::Profile;
use super::outcome::Recipients;
use super::stream::Audience;
use crate::bridge::sfu::ClientId;
use crate::bridge::sfu::Departure;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamSubscription;
use crate::model::StreamTrackInfo;
use crate::model::TrackKind;
use crate::model::UserId;

/// A track as it goes over the wire.
#[must_use]
pub fn track(track: &StreamTrackInfo) -> Value {
    let kind = match track.kind {
        TrackKind::Audio => "audio",
        TrackKind::Video => "video",
        TrackKind::Data => "data",
    };
    let mut view = json!({"type": kind, "mindex": track.mindex, "mid": track.mid.as_str()});
    if let Some(codec) = &track.codec {
        view["codec"] = json!(codec);
        // The SFU answers with in-band error correction for Opus, and others say so here.
        if codec == "opus" && !track.disabled {
            view["fec"] = json!(true);
        }
    }
    if let Some(description) = &track.description {
        view["description"] = json!(description);
    }
    if track.disabled {
        view["disabled"] = json!(true);
    }
    view
}

/// A stream as it goes over the wire.
#[must_use]
pub fn stream(id: StreamId, user: &UserId, tracks: &[StreamTrackInfo]) -> Value {
    let tracks: Vec<Value> = tracks.iter().map(track).collect();
    json!({"id": id.0, "userId": user.as_str(), "tracks": tracks})
}

/// Subscriptions as they go over the wire.
#[must_use]
pub fn subscriptions(list: &[StreamSubscription]) -> Value {
    let list = list.iter().map(|subscription| {
        let mut view = json!({"streamId": subscription.stream_id.0});
        if let Some(track) = &subscription.stream_track_id {
            view["streamTrackId"] = json!(track.as_str());
        }
        view
    });
    Value::Array(list.collect())
}

fn only(profile: Profile, mut notice: Notice) -> Notice {
    notice.profile = profile;
    notice
}

fn to_clients(clients: Vec<ClientId>, mut notice: Notice) -> Notice {
    notice.to = Recipients::Clients(clients);
    notice
}

/// Somebody entered.
#[must_use]
pub fn joined(audience: &Audience, user: &UserId, stream: StreamId) -> Vec<Notice> {
    let room = audience.room.id.as_str();
    let user = user.as_str();
    vec![
        audience.notice(
            "streamroom/join",
            "streamRoomJoined",
            json!({"streamRoomId": room, "userId": user}),
        ),
        only(
            Profile::A,
            audience.notice(
                "streamroom/streams/join",
                "streamJoined",
                json!({"streamRoomId": room, "streamIds": [stream.0], "userId": user}),
            ),
        ),
    ]
}

/// Somebody left, by themselves or not.
#[must_use]
pub fn left(audience: &Audience, departure: &Departure) -> Vec<Notice> {
    let room = audience.room.id.as_str();
    let user = departure.user.as_str();
    let stream = departure.stream.0;
    let mut notices = Vec::new();
    if departure.published {
        notices.push(unpublished(audience, &departure.user, departure.stream));
    }
    if !departure.subscriptions.is_empty() {
        notices.push(subscribed(audience, &departure.user, &departure.subscriptions, false));
    }
    notices.push(audience.notice(
        "streamroom/leave",
        "streamRoomLeft",
        json!({"streamRoomId": room, "userId": user}),
    ));
    notices.push(audience.notice(
        "streamroom/streams/leave",
        "streamLeft",
        json!({"streamRoomId": room, "streamId": stream, "userId": user}),
    ));
    notices
}

/// A stream can be subscribed to. `others` are in the room and may want to.
#[must_use]
pub fn published(audience: &Audience, info: &StreamInfo, others: Vec<ClientId>) -> Vec<Notice> {
    let view = stream(info.id, &info.user_id, &info.tracks);
    let notice = audience.notice(
        "streamroom/streams/publish",
        "streamPublished",
        json!({
            "streamRoomId": audience.room.id.as_str(),
            "stream": view,
            "userId": info.user_id.as_str(),
        }),
    );
    vec![notice, changed(audience, info, others)]
}

fn changed(audience: &Audience, info: &StreamInfo, others: Vec<ClientId>) -> Notice {
    let view = stream(info.id, &info.user_id, &info.tracks);
    let data = json!({"room": audience.room.id.as_str(), "streams": [view]});
    let notice = audience.notice("streamroom/update", "remoteStreamsChanged", data);
    only(Profile::A, to_clients(others, notice))
}

/// A stream ended.
#[must_use]
pub fn unpublished(audience: &Audience, user: &UserId, stream: StreamId) -> Notice {
    audience.notice(
        "streamroom/streams/unpublish",
        "streamUnpublished",
        json!({
            "streamRoomId": audience.room.id.as_str(),
            "streamId": stream.0,
            "userId": user.as_str(),
        }),
    )
}

/// Tracks of a stream changed; nothing if they did not.
#[must_use]
pub fn updated(
    audience: &Audience,
    info: &StreamInfo,
    before: &[StreamTrackInfo],
    others: Vec<ClientId>,
) -> Vec<Notice> {
    let find = |list: &[StreamTrackInfo], of: &StreamTrackInfo| {
        list.iter().find(|track| track.mid == of.mid).cloned()
    };
    let (mut added, mut modified, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for after in &info.tracks {
        match find(before, after) {
            None => {
                added.push(track(after));
                both.push(json!({"after": track(after)}));
            }
            Some(old) if old != *after => {
                let change = json!({"before": track(&old), "after": track(after)});
                modified.push(change.clone());
                both.push(change);
            }
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|old| find(&info.tracks, old).is_none());
    let removed: Vec<Value> = gone.map(track).collect();
    both.extend(removed.iter().map(|track| json!({"before": track})));
    if both.is_empty() {
        return Vec::new();
    }
    let room = audience.room.id.as_str();
    let new = json!({
        "streamRoomId": room,
        "streamId": info.id.0,
        "userId": info.user_id.as_str(),
        "tracksAdded": added,
        "tracksRemoved": removed,
        "tracksModified": modified,
    });
    let old = json!({
        "streamRoomId": room,
        "streamsAdded": [],
        "streamsRemoved": [],
        "streamsModified": [{"streamId": info.id.0, "tracks": both}],
    });
    vec![
        only(Profile::B, audience.notice("streamroom/streams/update", "streamUpdated", new)),
        only(Profile::A, audience.notice("streamroom/update", "streamUpdated", old)),
        changed(audience, info, others),
    ]
}

/// Somebody subscribed to streams, or unsubscribed from them.
#[must_use]
pub fn subscribed(
    audience: &Audience,
    user: &UserId,
    list: &[StreamSubscription],
    on: bool,
) -> Notice {
    let (channel, kind) = if on {
        ("streamroom/subscribers/subscribe", "streamSubscribed")
    } else {
        ("streamroom/subscribers/unsubscribe", "streamUnsubscribed")
    };
    let data = json!({
        "streamRoomId": audience.room.id.as_str(),
        "userId": user.as_str(),
        "subscriptions": subscriptions(list),
    });
    only(Profile::B, audience.notice(channel, kind, data))
}

/// A subscriber has to answer an offer: exactly one of the two shapes reaches it.
#[must_use]
pub fn reoffer(
    audience: &Audience,
    client: ClientId,
    session: SessionId,
    sdp: &str,
    owners: &[(StreamId, UserId)],
) -> Vec<Notice> {
    let room = audience.room.id.as_str();
    let jsep = json!({"type": "offer", "sdp": sdp});
    let new = json!({"streamRoomId": room, "sessionId": session.0, "jsep": jsep});
    let old = json!({
        "videoroom": "updated",
        "room": room,
        "sessionId": session.0,
        "streams": offered(sdp, owners),
        "jsep": jsep,
    });
    let to = vec![client];
    let new = audience.notice("streamroom/internal/reoffer", "streamRoomReoffer", new);
    let old = audience.notice("streamroom/internal", "streamsUpdated", old);
    vec![only(Profile::B, to_clients(to.clone(), new)), only(Profile::A, to_clients(to, old))]
}

/// The m-lines of our own offer, as generation A describes them beside it.
fn offered(sdp: &str, owners: &[(StreamId, UserId)]) -> Vec<Value> {
    let mut streams: Vec<Value> = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let kind = match media.split(' ').next() {
                Some("application") => "data",
                Some(kind) => kind,
                None => "",
            };
            streams.push(json!({
                "type": kind,
                "active": true,
                "mindex": streams.len(),
                "mid": "",
                "ready": true,
                "send": true,
            }));
            continue;
        }
        let Some(stream) = streams.last_mut() else { continue };
        if line == "a=inactive" {
            stream["active"] = json!(false);
            stream["send"] = json!(false);
        } else if let Some(mid) = line.strip_prefix("a=mid:") {
            stream["mid"] = json!(mid);
        } else if let Some((feed, mid)) =
            line.strip_prefix("a=msid:").and_then(|msid| msid.split_once(' '))
            && let Ok(feed) = feed.parse::<i64>()
        {
            stream["feed_id"] = json!(feed);
            stream["feed_mid"] = json!(mid);
            if let Some((_, user)) = owners.iter().find(|(id, _)| id.0 == feed) {
                stream["feed_display"] = json!(user.as_str());
            }
        } else if let Some((_, codec)) =
            line.strip_prefix("a=rtpmap:").and_then(|map| map.split_once(' '))
            && stream.get("codec").is_none()
        {
            // The first one counts: what follows repairs it.
            let name = codec.split('/').next().unwrap_or_default();
            stream["codec"] = json!(name.to_ascii_lowercase());
        }
    }
    streams
}
