//! The signalling of Streams on top of Janus, as the official bridge does it: the requests of
//! streams.md §10.1 and nothing else.

use serde_json::Value;
use serde_json::json;

use crate::janus::Handle;
use crate::janus::Ids;
use crate::janus::Janus;
use crate::janus::Link;

/// Makes a room and answers its id.
pub async fn create(janus: &Janus) -> Value {
    let mut link = janus.connect().await;
    let admin = link.attach().await;
    let mut body = json!({
        "request": "create", "permanent": false, "publishers": 50, "bitrate": 512_000,
        "bitrate_cap": false,
    });
    if janus.ids == Ids::Strings {
        body["room"] = json!("1234");
    }
    link.ask(admin, body, None).await.data["room"].clone()
}

/// A joined client as the bridge sees it: its two media sessions.
pub struct Seat {
    link: Link,
    room: Value,
    ids: Ids,
    publisher: Handle,
    subscriber: Option<Handle>,
    name: String,
    /// The publisher id, which is the stream id.
    pub stream: i64,
}

impl Seat {
    /// `streamRoomJoin`.
    pub async fn join(janus: &Janus, room: &Value, name: &str) -> Self {
        let mut link = janus.connect().await;
        let publisher = link.attach().await;
        let mut body =
            json!({ "request": "join", "ptype": "publisher", "room": room, "display": name });
        if janus.ids == Ids::Strings {
            let id: u32 = rand::random();
            body["id"] = json!(id.to_string());
        }
        let joined = link.ask(publisher, body, None).await;
        let id = &joined.data["id"];
        let stream = id.as_i64().or_else(|| id.as_str()?.parse().ok()).expect("a decimal id");
        let (room, ids) = (room.clone(), janus.ids);
        Self { link, room, ids, publisher, subscriber: None, name: name.to_owned(), stream }
    }

    /// `streamPublish`: the answer, and the tracks as Janus lists them.
    pub async fn publish(&mut self, offer: &str) -> (String, Vec<Value>) {
        self.link.forget(self.publisher);
        let body = json!({
            "request": "publish", "e2ee": true, "display": self.name, "data": true
        });
        self.offer(body, offer).await
    }

    /// `streamUpdate`.
    pub async fn update(&mut self, offer: &str) -> (String, Vec<Value>) {
        self.offer(json!({ "request": "configure" }), offer).await
    }

    async fn offer(&mut self, body: Value, offer: &str) -> (String, Vec<Value>) {
        let jsep = json!({ "type": "offer", "sdp": offer });
        let outcome = self.link.ask(self.publisher, body, Some(jsep)).await;
        let tracks = outcome.data["streams"].as_array().cloned().unwrap_or_default();
        (outcome.sdp.expect("an answer"), tracks)
    }

    /// `streamUnpublish`, up to where Janus has taken the connection down: it takes down a new
    /// one that is made before.
    pub async fn unpublish(&mut self) {
        self.link.ask(self.publisher, json!({ "request": "unpublish" }), None).await;
        self.link.down(self.publisher).await;
    }

    /// `streamsSubscribeToRemote`, `streamsModifyRemoteSubscriptions` and
    /// `streamsUnsubscribeFromRemote`: the offer, if there is one.
    pub async fn modify(&mut self, add: &[Track], remove: &[Track]) -> Option<String> {
        let list = |tracks: &[Track]| -> Vec<Value> {
            tracks.iter().map(|track| track.to_json(self.ids)).collect()
        };
        let (add, remove) = (list(add), list(remove));
        let (handle, body) = match (self.subscriber, add.is_empty(), remove.is_empty()) {
            (None, _, _) => {
                let handle = *self.subscriber.insert(self.link.attach().await);
                let body = json!({
                    "request": "join", "ptype": "subscriber", "room": self.room, "data": true,
                    "use_msid": true, "streams": add,
                });
                (handle, body)
            }
            (Some(handle), false, true) => {
                (handle, json!({ "request": "subscribe", "streams": add }))
            }
            (Some(handle), true, _) => {
                (handle, json!({ "request": "unsubscribe", "streams": remove }))
            }
            (Some(handle), false, false) => {
                (handle, json!({ "request": "update", "subscribe": add, "unsubscribe": remove }))
            }
        };
        self.link.ask(handle, body, None).await.sdp
    }

    /// `streamAcceptOffer`.
    pub async fn accept(&mut self, answer: &str) {
        let jsep = json!({ "type": "answer", "sdp": answer });
        let handle = self.subscriber.expect("subscribed");
        self.link.ask(handle, json!({ "request": "start" }), Some(jsep)).await;
    }

    /// The next offer that Janus makes by itself.
    pub async fn reoffer(&mut self) -> String {
        self.link.offer(self.subscriber.expect("subscribed")).await
    }

    /// Waits until the publisher's connection is up; others may subscribe from then on.
    pub async fn published(&mut self) {
        self.link.up(self.publisher).await;
    }
}

/// What is subscribed to: a stream, or one track of it.
#[derive(Clone, Debug)]
pub struct Track {
    feed: i64,
    mid: Option<String>,
}

impl Track {
    fn to_json(&self, ids: Ids) -> Value {
        let feed = match ids {
            Ids::Numbers => json!(self.feed),
            Ids::Strings => json!(self.feed.to_string()),
        };
        match &self.mid {
            Some(mid) => json!({ "feed": feed, "mid": mid }),
            None => json!({ "feed": feed }),
        }
    }
}

/// A whole stream.
pub const fn whole(stream: i64) -> Track {
    Track { feed: stream, mid: None }
}

/// One track.
pub fn track(stream: i64, mid: &str) -> Track {
    Track { feed: stream, mid: Some(mid.to_owned()) }
}
