//! The handle to everything that has to do with pictures in one process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use tokio::sync::watch;

use crate::api::audio::RoomToken;
use crate::api::audio::TrackKey;
use crate::api::audio::VersionedKeys;
use crate::media::pipeline::VideoPacket;
use crate::media::video::Picture;
use crate::model::LocalTrackId;
use crate::model::SentVideoStats;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::VideoTrackStats;

use super::local::Encoding;
use super::local::LocalVideo;
use super::remote;
use super::remote::Arrived;
use super::remote::Command;
use super::remote::NewTrack;
use super::remote::Output;
use super::remote::Shared;
use super::wanted::Wanted;

/// Packets from all subscribers to the decoder: a second of ten screens. When full, the newest
/// is dropped, which costs a key frame as any loss does.
const PACKETS: usize = 2048;

/// Tracks that are remembered, watched or not, before those that are not are forgotten.
const MAX_OUTPUTS: usize = 256;

/// Names what is watched: it outlives subscriptions, and lines.
type Place = (RoomToken, StreamId, TrackId);

/// Where pictures go, and how large they may be.
type Outputs = HashMap<Place, (Output, (u32, u32))>;

struct Inner {
    shared: Arc<Shared>,
    packets: SyncSender<Arrived>,
    /// Until the first track comes, when the thread is started.
    queue: Mutex<Option<Receiver<Arrived>>>,
    outputs: Mutex<Outputs>,
    sending: Mutex<Vec<Sending>>,
}

/// A track that is sent.
struct Sending {
    room: RoomToken,
    track: LocalTrackId,
    encoding: Weak<Encoding>,
}

impl Sending {
    fn is_alive(&self) -> bool {
        self.encoding.strong_count() > 0
    }
}

/// Everything that has to do with pictures. Cheap to clone; the decoder ends with the last one.
#[derive(Clone)]
pub(in crate::api) struct VideoHandle(Arc<Inner>);

impl Default for VideoHandle {
    fn default() -> Self {
        let (packets, queue) = sync_channel(PACKETS);
        Self(Arc::new(Inner {
            shared: Arc::default(),
            packets,
            queue: Mutex::new(Some(queue)),
            outputs: Mutex::default(),
            sending: Mutex::default(),
        }))
    }
}

impl VideoHandle {
    fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.0.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sending(&self) -> MutexGuard<'_, Vec<Sending>> {
        self.0.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes a track from now on.
    pub(in crate::api) fn add_track(&self, new: NewTrack) {
        self.start();
        let place = (new.key.room, new.key.stream, new.track.clone());
        let (output, size) = self.outputs().entry(place).or_default().clone();
        let (room, stream, track) = (new.key.room, new.key.stream, new.track.clone());
        self.0.shared.command(Command::Add(Box::new(new), output));
        self.0.shared.command(Command::SetSize(room, stream, track, size));
    }

    pub(in crate::api) fn remove_track(&self, key: TrackKey) {
        self.0.shared.command(Command::Remove(key));
    }

    /// Forgets a room that was left.
    pub(in crate::api) fn remove_room(&self, room: RoomToken) {
        self.0.shared.command(Command::RemoveRoom(room));
        self.outputs().retain(|(of, ..), _| *of != room);
        self.sending().retain(|sending| sending.room != room && sending.is_alive());
    }

    /// Uses the keys of a room's version, unless those of a newer one are known.
    pub(in crate::api) fn set_keys(&self, room: RoomToken, keys: &VersionedKeys) {
        for encoding in self.encodings(room) {
            encoding.set_keys(keys.clone());
        }
        self.0.shared.command(Command::SetKeys(room, keys.clone()));
    }

    /// Hands over a packet; drops it when the decoder is behind.
    pub(in crate::api) fn packet(&self, key: TrackKey, packet: VideoPacket, arrival: Instant) {
        if self.0.packets.try_send(Arrived { key, packet, arrival }).is_err() {
            tracing::trace!("the decoder is behind, a packet is dropped");
        }
    }

    /// The newest picture of a track, whether it is subscribed to or not.
    pub(in crate::api) fn pictures(
        &self,
        room: RoomToken,
        stream: StreamId,
        track: &TrackId,
    ) -> watch::Receiver<Option<Arc<Picture>>> {
        let mut outputs = self.outputs();
        // What nobody receives and nobody watches is forgotten in time.
        if outputs.len() >= MAX_OUTPUTS {
            outputs.retain(|_, (output, _)| output.receiver_count() > 0 || Self::is_fed(output));
        }
        outputs.entry((room, stream, track.clone())).or_default().0.subscribe()
    }

    /// The decoder holds a copy of the sender.
    fn is_fed(output: &Output) -> bool {
        output.sender_count() > 1
    }

    /// Makes pictures that are larger smaller.
    pub(in crate::api) fn set_sizes(&self, room: RoomToken, wanted: &[Wanted]) {
        for Wanted { stream, track, max_width, max_height } in wanted {
            let size = (*max_width, *max_height);
            let place = (room, *stream, track.clone());
            self.outputs().entry(place).or_default().1 = size;
            let command = Command::SetSize(room, *stream, track.clone(), size);
            self.0.shared.command(command);
        }
    }

    /// Counters of what is received in a room now, by stream.
    pub(in crate::api) fn received(&self, room: RoomToken) -> Vec<VideoTrackStats> {
        let stats = self.0.shared.stats();
        let mut list: Vec<_> = stats
            .iter()
            .filter(|(key, _)| key.room == room)
            .map(|(_, stats)| stats.clone())
            .collect();
        list.sort_by(|a, b| (a.stream, &a.track.0).cmp(&(b.stream, &b.track.0)));
        list
    }

    /// Counters of what is sent to a room now.
    pub(in crate::api) fn sent(&self, room: RoomToken) -> Vec<SentVideoStats> {
        self.encodings(room).iter().map(|encoding| encoding.stats(Instant::now())).collect()
    }

    /// Whether anybody is there to see what is sent to a room, as far as is known.
    pub(in crate::api) fn set_watched(&self, room: RoomToken, watched: bool) {
        self.encodings(room).iter().for_each(|encoding| encoding.set_watched(watched));
    }

    /// Keeps the keys of an encoder up to date.
    pub(in crate::api) fn register(&self, room: RoomToken, track: LocalTrackId, of: &LocalVideo) {
        let encoding = Arc::downgrade(of.encoding());
        let mut sending = self.sending();
        sending.retain(Sending::is_alive);
        sending.push(Sending { room, track, encoding });
    }

    /// A track that is sent.
    pub(in crate::api) fn local(&self, track: &LocalTrackId) -> Option<Arc<Encoding>> {
        self.sending().iter().find(|sending| sending.track == *track)?.encoding.upgrade()
    }

    fn encodings(&self, room: RoomToken) -> Vec<Arc<Encoding>> {
        let sending = self.sending();
        let mine = sending.iter().filter(|sending| sending.room == room);
        mine.filter_map(|sending| sending.encoding.upgrade()).collect()
    }

    /// Starts the decoder, once.
    fn start(&self) {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(queue) = queue else { return };
        let shared = Arc::clone(&self.0.shared);
        let named = thread::Builder::new().name("pictures".to_owned());
        // It ends with the last handle.
        if let Err(error) = named.spawn(move || remote::decode(&shared, &queue)) {
            tracing::error!(%error, "no thread for pictures");
        }
    }
}
