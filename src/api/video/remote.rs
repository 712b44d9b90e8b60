//! What others show: one thread that opens and decodes everything that is subscribed to.
//!
//! The thread takes packets from a bounded queue, and what has to be changed from a list beside
//! it, so that no command waits behind packets. A picture goes to whoever watches its track, and
//! to the listeners of its room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::api::audio::RoomToken;
use crate::api::audio::TrackKey;
use crate::api::audio::VersionedKeys;
use crate::api::joined::Room;
use crate::api::listener::RemoteStreamEvent;
use crate::media::pipeline::VideoPacket;
use crate::media::pipeline::VideoReceiver;
use crate::media::video::Picture;
use crate::model::TrackId;
use crate::model::VideoTrackStats;

use super::meter::RateMeter;

/// How often gaps are looked at while nothing arrives.
const TICK: Duration = Duration::from_millis(40);

/// The newest picture of a track.
pub(super) type Output = watch::Sender<Option<Arc<Picture>>>;

/// A track that is received from now on.
pub(in crate::api) struct NewTrack {
    pub(in crate::api) key: TrackKey,
    /// As its publisher and everybody else names it.
    pub(in crate::api) track: TrackId,
    pub(in crate::api) room: Weak<Room>,
    pub(in crate::api) keys: VersionedKeys,
    /// Takes the lines whose publishers are to be asked for a key frame.
    pub(in crate::api) requests: mpsc::Sender<TrackId>,
}

/// What the thread is asked to do besides decoding.
pub(super) enum Command {
    Add(Box<NewTrack>, Output),
    Remove(TrackKey),
    RemoveRoom(RoomToken),
    SetKeys(RoomToken, VersionedKeys),
    SetSize(RoomToken, crate::model::StreamId, TrackId, (u32, u32)),
}

/// What a packet is and where it belongs.
pub(super) struct Arrived {
    pub(super) key: TrackKey,
    pub(super) packet: VideoPacket,
    pub(super) arrival: Instant,
}

/// What the handle and the thread share.
#[derive(Default)]
pub(super) struct Shared {
    /// Few and small: tracks come and go, keys change. Emptied with every packet and tick.
    commands: Mutex<Vec<Command>>,
    stats: Mutex<HashMap<TrackKey, VideoTrackStats>>,
}

impl Shared {
    pub(super) fn command(&self, command: Command) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
    }

    fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn stats(&self) -> MutexGuard<'_, HashMap<TrackKey, VideoTrackStats>> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Track {
    new: NewTrack,
    receiver: VideoReceiver,
    output: Output,
    meter: RateMeter,
    asked: u64,
    /// Larger pictures are made smaller; 0 is no bound.
    size: (u32, u32),
}

impl Track {
    fn take(&mut self, packet: VideoPacket, arrival: Instant) {
        let bytes = packet.payload.len() as u64;
        let picture = self.receiver.handle_packet(packet, arrival);
        self.meter.count(u32::from(picture.is_some()), bytes, arrival);
        self.show(picture);
    }

    fn tick(&mut self, now: Instant) {
        let picture = self.receiver.handle_time(now);
        self.meter.count(u32::from(picture.is_some()), 0, now);
        self.show(picture);
        if self.receiver.wants_key_frame(now) {
            self.asked = self.asked.saturating_add(1);
            // When full, somebody is asked already; it is wanted again soon.
            let _ = self.new.requests.try_send(self.new.key.mid.clone());
        }
    }

    fn show(&self, picture: Option<Arc<Picture>>) {
        let Some(picture) = picture else { return };
        if let Some(room) = self.new.room.upgrade() {
            room.listeners.tell_picture(&RemoteStreamEvent::Picture {
                stream: self.new.key.stream,
                line: self.new.key.mid.clone(),
                track: self.new.track.clone(),
                picture: Arc::clone(&picture),
            });
        }
        self.output.send_replace(Some(self.fitted(picture)));
    }

    fn fitted(&self, picture: Arc<Picture>) -> Arc<Picture> {
        let (width, height) = self.size;
        let fits = |bound: u32, side: u32| bound == 0 || side <= bound;
        if fits(width, picture.width()) && fits(height, picture.height()) {
            return picture;
        }
        let bound = |bound: u32, side: u32| if bound == 0 { side } else { bound };
        let (width, height) = (bound(width, picture.width()), bound(height, picture.height()));
        picture.fitted(width, height).map_or(picture, Arc::new)
    }

    fn stats(&self, now: Instant) -> VideoTrackStats {
        let stats = self.receiver.stats();
        let (fps, kbit) = self.meter.per_second(now);
        let room = self.new.room.upgrade();
        let user = room.and_then(|room| room.known_publisher(self.new.key.stream));
        VideoTrackStats {
            user: user.unwrap_or_default(),
            stream: self.new.key.stream,
            track: self.new.track.clone(),
            width: stats.width,
            height: stats.height,
            packets: stats.packets,
            lost: stats.lost,
            bytes: stats.bytes,
            pictures: stats.pictures,
            key_frames: stats.key_frames,
            key_frames_asked: self.asked,
            undecodable: stats.undecoded,
            dropped_unauthenticated: stats.undecryptable,
            fps,
            kbit,
        }
    }
}

/// The thread's state.
#[derive(Default)]
struct Decoding {
    tracks: HashMap<TrackKey, Track>,
    /// The newest that came: what is added later has to use them too.
    keys: HashMap<RoomToken, VersionedKeys>,
}

/// Decodes until every handle is gone.
pub(super) fn decode(shared: &Shared, packets: &Receiver<Arrived>) {
    let mut decoding = Decoding::default();
    let mut ticked = Instant::now();
    loop {
        let arrived = packets.recv_timeout(TICK);
        shared.take_commands().into_iter().for_each(|command| decoding.command(command));
        match arrived {
            Ok(Arrived { key, packet, arrival }) => {
                if let Some(track) = decoding.tracks.get_mut(&key) {
                    track.take(packet, arrival);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        if now.saturating_duration_since(ticked) >= TICK {
            ticked = now;
            decoding.tracks.values_mut().for_each(|track| track.tick(now));
            let stats = decoding.tracks.iter().map(|(key, track)| (key.clone(), track.stats(now)));
            *shared.stats() = stats.collect();
        }
    }
}

impl Decoding {
    fn command(&mut self, command: Command) {
        match command {
            Command::Add(new, output) => self.add(*new, output),
            Command::Remove(key) => self.remove(&key),
            Command::RemoveRoom(room) => {
                let gone: Vec<_> =
                    self.tracks.keys().filter(|key| key.room == room).cloned().collect();
                gone.iter().for_each(|key| self.remove(key));
                self.keys.remove(&room);
            }
            Command::SetKeys(room, keys) => self.set_keys(room, keys),
            Command::SetSize(room, stream, name, size) => {
                let meant = |key: &TrackKey| key.room == room && key.stream == stream;
                for track in self.tracks.values_mut() {
                    if meant(&track.new.key) && track.new.track == name {
                        track.size = size;
                    }
                }
            }
        }
    }

    fn add(&mut self, new: NewTrack, output: Output) {
        self.set_keys(new.key.room, new.keys.clone());
        let keys = self.keys.get(&new.key.room).unwrap_or(&new.keys);
        let receiver = VideoReceiver::new(Arc::clone(&keys.keys));
        let (key, meter) = (new.key.clone(), RateMeter::default());
        let track = Track { new, receiver, output, meter, asked: 0, size: (0, 0) };
        self.tracks.insert(key, track);
    }

    fn remove(&mut self, key: &TrackKey) {
        if let Some(track) = self.tracks.remove(key) {
            track.output.send_replace(None);
        }
    }

    fn set_keys(&mut self, room: RoomToken, newer: VersionedKeys) {
        if self.keys.get(&room).is_some_and(|known| newer.version < known.version) {
            return;
        }
        for track in self.tracks.values_mut().filter(|track| track.new.key.room == room) {
            track.receiver.set_keys(Arc::clone(&newer.keys));
        }
        self.keys.insert(room, newer);
    }
}
