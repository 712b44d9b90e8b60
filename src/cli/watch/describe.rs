//! What watching prints: one JSON object per fact, or one line for people.

use jiff::Timestamp as Moment;
use jiff::tz::TimeZone;
use serde_json::Value;
use serde_json::json;

use crate::cli::clock;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::model::CallStats;
use crate::model::Event;
use crate::model::EventKind;
use crate::model::StreamId;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::model::StreamTrackInfo;
use crate::model::TrackKind;
use crate::model::UserId;
use crate::profile::room_meta;

use super::action::Details;
use super::monitor::Alert;
use super::scene::Totals;
use super::tally::Spoken;

/// Prints a fact: `line` with the time added, or `text` with the time of day before it.
pub fn tell(output: Output, mut line: Value, text: impl FnOnce() -> String) {
    let now = clock::now();
    if let Some(members) = line.as_object_mut() {
        members.insert("at_ms".to_owned(), now.0.into());
    }
    output.result(&line, || {
        let text = text();
        if text.is_empty() { text } else { format!("{} {text}", time_of_day(now.0)) }
    });
}

fn time_of_day(ms: i64) -> String {
    let moment = Moment::from_millisecond(ms).unwrap_or_default();
    moment.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

/// A room as every line names it.
#[must_use]
pub fn room_json(id: &StreamRoomId, name: &str) -> Value {
    json!({"id": id.as_str(), "name": name})
}

/// An event of a watched room and a line for people; `None` for what is no news of a room.
#[must_use]
pub fn event(event: &Event, id: &StreamRoomId, name: &str) -> Option<(Value, String)> {
    let (mut line, text) = news(&event.kind, room_json(id, name), name)?;
    if let Some(members) = line.as_object_mut() {
        members.insert("bridge_ms".to_owned(), event.timestamp.0.into());
    }
    Some((line, text))
}

fn news(kind: &EventKind, room: Value, name: &str) -> Option<(Value, String)> {
    let who = |user: &UserId| clean(user.as_str());
    Some(match kind {
        EventKind::StreamRoomCreated(created) => {
            (about_room("room_created", created, room), format!("{name}: created"))
        }
        EventKind::StreamRoomUpdated(updated) => {
            let text = format!("{name}: changed by {}", who(&updated.last_modifier));
            (about_room("room_updated", updated, room), text)
        }
        EventKind::StreamRoomDeleted(_) => {
            (json!({"event": "room_deleted", "room": room}), format!("{name}: deleted"))
        }
        EventKind::StreamRoomJoined { user, .. } => (
            json!({"event": "participant_joined", "room": room, "user": user.as_str()}),
            format!("{name}: {} joined", who(user)),
        ),
        EventKind::StreamRoomLeft { user, .. } => (
            json!({"event": "participant_left", "room": room, "user": user.as_str()}),
            format!("{name}: {} left", who(user)),
        ),
        EventKind::StreamPublished(data) => (
            json!({"event": "published", "room": room, "user": data.user_id.as_str(),
                "stream_id": data.stream.id.0, "tracks": tracks(&data.stream.tracks)}),
            format!("{name}: {} publishes {}", who(&data.user_id), kinds(&data.stream.tracks)),
        ),
        EventKind::StreamUpdated { stream, tracks: now, .. } => (
            json!({"event": "updated", "room": room, "stream_id": stream.0,
                "tracks": tracks(now)}),
            format!("{name}: stream {stream} changed"),
        ),
        EventKind::StreamUnpublished { stream, .. } => (
            json!({"event": "unpublished", "room": room, "stream_id": stream.0}),
            format!("{name}: stream {stream} ended"),
        ),
        EventKind::RemoteStreamsChanged { streams, .. } => {
            let list: Vec<_> = streams.iter().map(|s| (s.id, &s.user_id)).map(stream).collect();
            let line = json!({"event": "streams_changed", "room": room, "streams": list});
            (line, format!("{name}: {} streams changed", streams.len()))
        }
        EventKind::StreamSubscriptionsChanged { user, .. } => (
            json!({"event": "subscriptions_changed", "room": room, "user": user.as_str()}),
            format!("{name}: {} changed what they listen to", who(user)),
        ),
        EventKind::StreamRoomRecordingStarted { recording, user, .. } => (
            json!({"event": "recording_started", "room": room, "recording": recording.as_str(),
                "user": user.as_str()}),
            format!("{name}: {} has it recorded", who(user)),
        ),
        EventKind::StreamRoomRecordingStopped { recording, reason, .. } => (
            json!({"event": "recording_stopped", "room": room, "recording": recording.as_str(),
                "reason": clean(reason)}),
            format!("{name}: no longer recorded ({})", clean(reason)),
        ),
        _ => return None,
    })
}

fn stream((id, user): (StreamId, &UserId)) -> Value {
    json!({"stream_id": id.0, "user": user.as_str()})
}

fn about_room(event: &str, room: &StreamRoom, mut named: Value) -> Value {
    // The name as of this version; the other one is that of the call.
    if let (Some(name), Some(members)) =
        (room_meta::name(&room.private_meta), named.as_object_mut())
    {
        members.insert("name".to_owned(), clean(&name).into());
    }
    let ids = |users: &[UserId]| users.iter().map(|user| user.0.clone()).collect::<Vec<_>>();
    json!({"event": event, "room": named, "version": room.version, "closed": room.closed,
        "users": ids(&room.users), "managers": ids(&room.managers),
        "by": room.last_modifier.as_str(), "verified": room.status_code == 0})
}

fn tracks(tracks: &[StreamTrackInfo]) -> Vec<Value> {
    let track = |track: &StreamTrackInfo| json!({"kind": kind(track.kind), "mid": track.mid.as_str(), "disabled": track.disabled});
    tracks.iter().map(track).collect()
}

fn kinds(tracks: &[StreamTrackInfo]) -> String {
    let live = tracks.iter().filter(|track| !track.disabled);
    let mut kinds: Vec<_> = live.map(|track| kind(track.kind)).collect();
    kinds.dedup();
    if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
}

const fn kind(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Audio => "audio",
        TrackKind::Video => "video",
        TrackKind::Data => "data",
    }
}

/// The levels of a second.
pub fn levels(output: Output, id: &StreamRoomId, name: &str, spoken: &[Spoken]) {
    let list: Vec<_> = spoken
        .iter()
        .map(|s| {
            json!({"user": s.user.as_str(), "stream_id": s.stream.map_or(0, |id| id.0),
                "dbfs": tenths(s.loudest), "speaking": s.sound.speaking, "muted": s.sound.muted,
                "loss": s.sound.loss, "jitter_ms": tenths(s.sound.jitter_ms),
                "speaking_ms": s.totals.speaking_ms, "concealed_ms": s.totals.concealed_ms,
                "undecryptable": s.totals.undecryptable})
        })
        .collect();
    let line = json!({"event": "levels", "room": room_json(id, name), "levels": list});
    tell(output, line, || {
        let one = |s: &Spoken| {
            let (who, level) = (clean(s.user.as_str()), s.loudest.round());
            match (s.sound.muted, s.sound.speaking) {
                (true, _) => format!("{who} muted"),
                (false, true) => format!("{who} {level} speaking"),
                (false, false) => format!("{who} {level}"),
            }
        };
        let all: Vec<_> = spoken.iter().map(one).collect();
        if all.is_empty() { String::new() } else { format!("{name}: {}", all.join(", ")) }
    });
}

/// The counters of a room.
pub fn stats(
    output: Output,
    (id, name): (&StreamRoomId, &str),
    (people, streams): (usize, usize),
    totals: &Totals,
    call: &CallStats,
) {
    let line = json!({"event": "stats", "room": room_json(id, name), "people": people,
        "streams": streams, "packets": totals.packets, "lost": totals.lost,
        "bytes": totals.bytes, "concealed_ms": totals.concealed_ms,
        "undecryptable": totals.undecryptable, "jitter_ms": tenths(call.jitter_ms),
        "rtt_ms": call.rtt_ms.map(tenths)});
    tell(output, line, String::new);
}

/// An alert in words, for all who are told.
#[must_use]
pub fn alert(rule: &str, alert: &Alert) -> Details {
    let state = if alert.raised { "raised" } else { "cleared" };
    let value = alert.value.map(|value| tenths(value).to_string()).unwrap_or_default();
    let user = alert.user.as_ref().map(|user| clean(user.as_str())).unwrap_or_default();
    let room_name = alert.room_name.clone().unwrap_or_default();
    let mut text = if alert.raised { rule.to_owned() } else { format!("over: {rule}") };
    let mut details = Vec::new();
    if !user.is_empty() {
        details.push(user.clone());
    }
    if !room_name.is_empty() {
        details.push(format!("in {room_name}"));
    }
    if !value.is_empty() {
        details.push(format!("at {value}"));
    }
    if !details.is_empty() {
        text = format!("{text} ({})", details.join(" "));
    }
    Details {
        rule: rule.to_owned(),
        state,
        room: alert.room.as_ref().map(|room| room.0.clone()).unwrap_or_default(),
        room_name,
        user,
        value,
        text,
    }
}

/// Prints an alert.
pub fn tell_alert(output: Output, rule: &str, alert: &Alert, details: &Details) {
    let room = alert.room.as_ref().map(|id| room_json(id, &details.room_name));
    let lasted = u64::try_from(alert.lasted.as_millis()).unwrap_or(u64::MAX);
    let line = json!({"event": "alert", "state": details.state, "rule": rule, "room": room,
        "user": alert.user.as_ref().map(UserId::as_str), "value": alert.value.map(tenths),
        "lasted_ms": lasted, "message": details.text});
    tell(output, line, || format!("ALERT {}", details.text));
}

/// Rounds to one decimal; JSON knows no infinity.
fn tenths(value: f64) -> f64 {
    if value.is_finite() { (value * 10.0).round() / 10.0 } else { 0.0 }
}
