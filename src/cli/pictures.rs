//! The pictures of others in a call without a terminal interface: received when asked for, and
//! told about in figures.

use std::collections::BTreeMap;
use std::future;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::Call;
use crate::api::Person;
use crate::api::VideoTrack;
use crate::api::Wanted;
use crate::device::video::pattern;
use crate::media::video::Picture;
use crate::model::CallStats;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::UserId;

type Newest = watch::Receiver<Option<Arc<Picture>>>;

/// The pictures of others.
pub struct Pictures {
    people: watch::Receiver<Vec<Person>>,
    /// What is received.
    tracks: BTreeMap<(StreamId, TrackId), Newest>,
    /// Wait for the first picture of each.
    first: JoinSet<Value>,
    wanted: bool,
}

impl Pictures {
    /// Receives everything that anybody shows, if `wanted`.
    pub fn new(call: &Call, wanted: bool) -> Self {
        let mut people = call.people();
        people.mark_changed();
        Self { people, tracks: BTreeMap::new(), first: JoinSet::new(), wanted }
    }

    /// What happens next, to be printed: the first picture of somebody.
    pub async fn next(&mut self, call: &Call) -> Value {
        if !self.wanted {
            return future::pending().await;
        }
        loop {
            tokio::select! {
                Some(first) = self.first.join_next() => {
                    // A track that ended before it was seen has nothing to tell.
                    if let Ok(first) = first && !first.is_null() {
                        return first;
                    }
                }
                changed = self.people.changed() => {
                    if changed.is_err() {
                        return future::pending().await;
                    }
                    self.look(call);
                }
            }
        }
    }

    /// Looks at everybody who is there now.
    fn look(&mut self, call: &Call) {
        let people = self.people.borrow_and_update().clone();
        let others = people.iter().filter(|person| !person.is_self);
        let shown: Vec<(UserId, VideoTrack)> = others
            .flat_map(|person| person.videos.iter().map(|v| (person.user.clone(), v.clone())))
            .collect();
        let wanted = shown.iter().map(|(_, video)| Wanted {
            stream: video.stream,
            track: video.track.clone(),
            max_width: 0,
            max_height: 0,
        });
        call.want_pictures(wanted.collect());
        let is_shown = |stream: StreamId, track: &TrackId| {
            shown.iter().any(|(_, video)| video.stream == stream && video.track == *track)
        };
        self.tracks.retain(|(stream, track), _| is_shown(*stream, track));
        for (user, video) in shown {
            let place = (video.stream, video.track.clone());
            if self.tracks.contains_key(&place) {
                continue;
            }
            let Ok(newest) = call.pictures(video.stream, &video.track) else { continue };
            self.first.spawn(first(newest.clone(), user, video));
            self.tracks.insert(place, newest);
        }
    }

    /// Figures of what is received and sent, for the statistics.
    pub fn stats(&self, stats: &CallStats) -> (Value, Value) {
        let received = stats.video.iter().map(|track| {
            let place = (track.stream, track.track.clone());
            let newest = self.tracks.get(&place).and_then(|newest| newest.borrow().clone());
            let counter = newest.and_then(|picture| pattern::read_counter(&picture));
            json!({"user": track.user.as_str(), "stream_id": track.stream.0,
                "track": track.track.as_str(), "width": track.width, "height": track.height,
                "fps": tenths(track.fps), "kbit": tenths(track.kbit), "pictures": track.pictures,
                "key_frames": track.key_frames, "key_frames_asked": track.key_frames_asked,
                "undecodable": track.undecodable, "packets": track.packets, "lost": track.lost,
                "dropped_unauthenticated": track.dropped_unauthenticated, "counter": counter})
        });
        let sent = stats.video_sent.iter().map(|track| {
            json!({"content": track.content.label(), "width": track.width,
                "height": track.height, "fps": tenths(track.fps), "kbit": tenths(track.kbit),
                "target_kbit": track.target_kbit, "pictures": track.pictures,
                "key_frames": track.key_frames})
        });
        (received.collect(), sent.collect())
    }
}

/// Waits for the first picture of a track; null if there never is one.
async fn first(mut newest: Newest, user: UserId, video: VideoTrack) -> Value {
    let since = Instant::now();
    let picture = match newest.wait_for(Option::is_some).await {
        Ok(picture) => picture.clone(),
        Err(_) => None,
    };
    let Some(picture) = picture else { return Value::Null };
    let after_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    json!({"event": "picture", "user": user.as_str(), "stream_id": video.stream.0,
        "track": video.track.as_str(), "content": video.content.label(),
        "width": picture.width(), "height": picture.height(), "after_ms": after_ms,
        "counter": pattern::read_counter(&picture)})
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
