//! What the audio engine does at each tick, as a step function: `now` is an argument, the
//! devices are pulled, and packets leave through a closure.
//!
//! Invariant: a microphone's samples are all read and encoded in order, unless a tick comes so
//! late that nobody wants to hear them any more, and the loudspeaker gets exactly as many samples as it asks for (rounded up to
//! whole frames).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rand::CryptoRng;

use crate::crypto::frame::FrameKeys;
use crate::device::AudioInput;
use crate::device::AudioOutput;
use crate::media::audio::Meter;
use crate::media::audio::Mixer;
use crate::media::frame::AudioFrame;
use crate::media::frame::EncodedFrame;
use crate::media::frame::FRAME_SAMPLES;
use crate::media::frame::SAMPLE_RATE;
use crate::media::pipeline::AudioReceiver;
use crate::media::pipeline::AudioSender;
use crate::media::pipeline::Received;
use crate::media::pipeline::ReceiverStats;
use crate::model::AudioLevels;
use crate::model::Level;
use crate::model::SpeakerLevel;
use crate::model::StreamHandle;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackStats;
use crate::model::UserId;

use super::loss::Loss;

/// Between two ticks while somebody can be heard: half a frame.
const BUSY: Duration = Duration::from_millis(10);

/// Between two ticks in digital silence; how late the first word may be noticed.
const IDLE: Duration = Duration::from_millis(100);

/// So much digital silence makes an engine idle.
const QUIET_AFTER: Duration = Duration::from_millis(1000);

/// Most frames written to the loudspeaker in one tick: after a machine slept for an hour,
/// an hour of silence is not made up.
const MAX_CATCH_UP: usize = 250;

/// What a microphone has picked up longer ago than this is not said any more: the process was
/// stopped meanwhile, and everybody has gone on.
const MAX_LATE: usize = SAMPLE_RATE as usize;

/// A loudspeaker that wants more frames than this at once was stopped meanwhile. What it gets
/// is silence, and not what those say who speak now.
const MAX_MISSED: usize = 50;

/// Names a joined room within the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::api) struct RoomToken(pub(in crate::api) u64);

/// Names an incoming track.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::api) struct TrackKey {
    pub(in crate::api) room: RoomToken,
    pub(in crate::api) stream: StreamId,
    pub(in crate::api) mid: TrackId,
}

/// A microphone and where it goes.
pub(in crate::api) struct Microphone<S> {
    pub(in crate::api) room: RoomToken,
    pub(in crate::api) user: UserId,
    pub(in crate::api) input: Box<dyn AudioInput>,
    pub(in crate::api) sender: AudioSender,
    pub(in crate::api) sink: S,
}

/// The keys of a version of a room.
#[derive(Clone, Debug)]
pub(in crate::api) struct VersionedKeys {
    pub(in crate::api) version: i64,
    pub(in crate::api) keys: Arc<FrameKeys>,
}

struct Track {
    user: UserId,
    receiver: AudioReceiver,
    loss: Loss,
}

/// Counters of the incoming tracks of a room, ended ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::api) struct RoomAudio {
    pub(in crate::api) concealed_ms: u64,
    pub(in crate::api) jitter_ms: f64,
    pub(in crate::api) dropped_unauthenticated: u64,
}

impl RoomAudio {
    fn add(&mut self, stats: &ReceiverStats) {
        self.concealed_ms = self.concealed_ms.saturating_add(stats.concealed_ms);
        self.jitter_ms = self.jitter_ms.max(stats.jitter_ms);
        self.dropped_unauthenticated =
            self.dropped_unauthenticated.saturating_add(stats.dropped_unauthenticated);
    }
}

/// Everything that sounds in this process.
pub(in crate::api) struct Mixdown<S> {
    microphones: HashMap<StreamHandle, Microphone<S>>,
    tracks: HashMap<TrackKey, Track>,
    ended: HashMap<RoomToken, RoomAudio>,
    /// The newest that came, in whatever order: what is added later has to use them too.
    keys: HashMap<RoomToken, VersionedKeys>,
    /// What was last asked for, also before there is a microphone.
    muted: HashMap<StreamHandle, bool>,
    speaker: Option<Box<dyn AudioOutput>>,
    /// Nobody waits for what the speaker plays: it is a file or nothing at all.
    speaker_is_patient: bool,
    mixer: Mixer,
    output: Meter,
    output_is_loud: bool,
    last_sound: Instant,
    samples: Vec<f32>,
    encoded: Vec<EncodedFrame>,
    /// What went wrong with a device since it was last asked for.
    fault: Option<String>,
    /// When sound began to flow.
    begun: Begun,
}

/// When sound began to flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Begun {
    pub(in crate::api) microphone: Option<Instant>,
    pub(in crate::api) speaker: Option<Instant>,
    pub(in crate::api) first_sound: Option<Instant>,
}

impl<S> Mixdown<S> {
    pub(in crate::api) fn new(now: Instant) -> Self {
        Self {
            microphones: HashMap::new(),
            tracks: HashMap::new(),
            ended: HashMap::new(),
            keys: HashMap::new(),
            muted: HashMap::new(),
            speaker: None,
            speaker_is_patient: true,
            mixer: Mixer::new(),
            output: Meter::new(),
            output_is_loud: false,
            last_sound: now,
            samples: Vec::new(),
            encoded: Vec::new(),
            fault: None,
            begun: Begun::default(),
        }
    }

    /// When sound began to flow.
    pub(in crate::api) const fn begun(&self) -> Begun {
        self.begun
    }

    pub(in crate::api) fn add_microphone(
        &mut self,
        handle: StreamHandle,
        mut microphone: Microphone<S>,
        keys: VersionedKeys,
        now: Instant,
    ) {
        self.last_sound = now;
        let room = microphone.room;
        self.set_keys(room, keys);
        if let Some(newest) = self.keys.get(&room) {
            microphone.sender.set_keys(Arc::clone(&newest.keys));
        }
        if let Some(muted) = self.muted.get(&handle) {
            microphone.sender.set_muted(*muted);
        }
        self.microphones.insert(handle, microphone);
    }

    pub(in crate::api) fn set_input(&mut self, handle: StreamHandle, input: Box<dyn AudioInput>) {
        if let Some(microphone) = self.microphones.get_mut(&handle) {
            microphone.input = input;
        }
    }

    pub(in crate::api) fn set_sink(&mut self, handle: StreamHandle, sink: S) {
        if let Some(microphone) = self.microphones.get_mut(&handle) {
            microphone.sink = sink;
        }
    }

    pub(in crate::api) fn remove_microphone(&mut self, handle: StreamHandle) -> Option<S> {
        self.muted.remove(&handle);
        self.microphones.remove(&handle).map(|microphone| microphone.sink)
    }

    /// Prepares a microphone for a share of its packets being lost on their way.
    pub(in crate::api) fn set_loss(&mut self, handle: StreamHandle, percent: u8) {
        if let Some(microphone) = self.microphones.get_mut(&handle)
            && let Err(error) = microphone.sender.set_loss(percent)
        {
            self.fault = Some(error.to_string());
        }
    }

    pub(in crate::api) fn set_muted(&mut self, handle: StreamHandle, muted: bool) {
        self.muted.insert(handle, muted);
        if let Some(microphone) = self.microphones.get_mut(&handle) {
            microphone.sender.set_muted(muted);
        }
    }

    pub(in crate::api) fn set_speaker(&mut self, speaker: Box<dyn AudioOutput>, patient: bool) {
        if let Some(mut old) = self.speaker.replace(speaker) {
            self.note(old.finish().err());
        }
        self.speaker_is_patient = patient;
    }

    pub(in crate::api) fn add_track(
        &mut self,
        key: TrackKey,
        user: UserId,
        mut receiver: AudioReceiver,
        keys: VersionedKeys,
    ) {
        self.remove_track(&key);
        self.set_keys(key.room, keys);
        if let Some(newest) = self.keys.get(&key.room) {
            receiver.set_keys(Arc::clone(&newest.keys));
        }
        self.tracks.insert(key, Track { user, receiver, loss: Loss::default() });
    }

    pub(in crate::api) fn set_user(&mut self, key: &TrackKey, user: UserId) {
        if let Some(track) = self.tracks.get_mut(key) {
            track.user = user;
        }
    }

    pub(in crate::api) fn remove_track(&mut self, key: &TrackKey) {
        if let Some(track) = self.tracks.remove(key) {
            self.ended.entry(key.room).or_default().add(&track.receiver.stats());
        }
    }

    /// Forgets a room that was left.
    pub(in crate::api) fn remove_room(&mut self, room: RoomToken) {
        self.tracks.retain(|key, _| key.room != room);
        self.microphones.retain(|_, microphone| microphone.room != room);
        self.ended.remove(&room);
        self.keys.remove(&room);
    }

    /// Uses the keys of a room's version, unless those of a newer one are known.
    pub(in crate::api) fn set_keys(&mut self, room: RoomToken, newer: VersionedKeys) {
        if self.keys.get(&room).is_some_and(|known| newer.version < known.version) {
            return;
        }
        let keys = Arc::clone(&newer.keys);
        self.keys.insert(room, newer);
        for microphone in self.microphones.values_mut().filter(|m| m.room == room) {
            microphone.sender.set_keys(Arc::clone(&keys));
        }
        for (_, track) in self.tracks.iter_mut().filter(|(key, _)| key.room == room) {
            track.receiver.set_keys(Arc::clone(&keys));
        }
    }

    pub(in crate::api) fn handle_packet(
        &mut self,
        key: &TrackKey,
        seq: u64,
        timestamp: u32,
        payload: &[u8],
        arrival: Instant,
    ) {
        if let Some(track) = self.tracks.get_mut(key) {
            let received = track.receiver.handle_packet(seq, timestamp, payload, arrival);
            track.loss.observe(&track.receiver.stats(), arrival);
            if received == Received::Queued {
                self.last_sound = self.last_sound.max(arrival);
            }
        }
    }

    /// Reads the microphones and feeds the loudspeaker up to `now`; `send` takes packets.
    pub(in crate::api) fn tick(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        mut send: impl FnMut(&S, EncodedFrame, Level),
    ) {
        let mut fault = None;
        for microphone in self.microphones.values_mut() {
            self.samples.clear();
            self.begun.microphone.get_or_insert(now);
            if let Err(error) = microphone.input.read(now, &mut self.samples) {
                fault = Some(error);
                continue;
            }
            let late = self.samples.len().saturating_sub(MAX_LATE);
            if late > 0 {
                microphone.sender.skip(self.samples.len());
                self.samples.clear();
            }
            if self.samples.iter().any(|sample| *sample != 0.0) {
                self.last_sound = now;
            }
            self.encoded.clear();
            let done = microphone.sender.handle_samples(&self.samples, rng, &mut self.encoded);
            if let Err(error) = done {
                self.fault = Some(error.to_string());
            }
            let level = microphone.sender.level();
            for frame in self.encoded.drain(..) {
                send(&microphone.sink, frame, level);
            }
        }
        self.note(fault);
        self.play(now);
    }

    fn play(&mut self, now: Instant) {
        let Some(speaker) = &mut self.speaker else { return };
        self.begun.speaker.get_or_insert(now);
        let mut wanted = speaker.wanted(now);
        let mut frame = AudioFrame::silence();
        let mut fault = None;
        while wanted > MAX_MISSED * FRAME_SAMPLES && fault.is_none() {
            fault = speaker.write(frame.samples()).err();
            wanted = wanted.saturating_sub(FRAME_SAMPLES);
        }
        for _ in 0..MAX_CATCH_UP {
            if wanted == 0 || fault.is_some() {
                break;
            }
            for track in self.tracks.values_mut() {
                if track.receiver.pull(now, &mut frame) {
                    self.mixer.add(&frame);
                }
            }
            self.mixer.finish(&mut frame);
            self.output.measure(frame.samples());
            self.output_is_loud = !frame.is_silent();
            if self.output_is_loud {
                self.begun.first_sound.get_or_insert(now);
                self.last_sound = now;
            }
            if let Err(error) = speaker.write(frame.samples()) {
                fault = Some(error);
                break;
            }
            wanted = wanted.saturating_sub(FRAME_SAMPLES);
        }
        if fault.is_some() {
            // A lost device does not come back; whoever listens chooses another one.
            self.speaker = None;
        }
        self.note(fault);
    }

    /// How long to wait before the next tick; `None` until something changes.
    pub(in crate::api) fn pause(&self, now: Instant) -> Option<Duration> {
        let nothing = self.microphones.is_empty() && self.tracks.is_empty();
        if nothing && self.speaker_is_patient {
            return None;
        }
        let quiet = now.saturating_duration_since(self.last_sound) > QUIET_AFTER;
        Some(if quiet && self.speaker_is_patient { IDLE } else { BUSY })
    }

    /// Levels as they are now, own microphone first.
    pub(in crate::api) fn levels(&self) -> AudioLevels {
        let own = self.microphones.values().map(|microphone| SpeakerLevel {
            user: microphone.user.clone(),
            stream: None,
            level: microphone.sender.level(),
            speaking: microphone.sender.is_speaking() && !microphone.sender.is_muted(),
            muted: microphone.sender.is_muted(),
            loss: None,
        });
        let mut remote: Vec<_> = self.tracks.iter().collect();
        remote.sort_by_key(|(key, _)| key.stream);
        let remote = remote.into_iter().map(|(key, track)| {
            let stats = track.receiver.stats();
            SpeakerLevel {
                user: track.user.clone(),
                stream: Some(key.stream),
                level: stats.level,
                speaking: stats.speaking,
                muted: stats.muted,
                loss: track.loss.share(),
            }
        });
        AudioLevels { levels: own.chain(remote).collect(), output: self.output.level() }
    }

    /// Counters of a room.
    pub(in crate::api) fn room_audio(&self, room: RoomToken) -> RoomAudio {
        let mut total = self.ended.get(&room).copied().unwrap_or_default();
        for (_, track) in self.tracks.iter().filter(|(key, _)| key.room == room) {
            total.add(&track.receiver.stats());
        }
        total
    }

    /// The incoming tracks of a room, by stream.
    pub(in crate::api) fn tracks(&self, room: RoomToken) -> Vec<TrackStats> {
        let mut tracks: Vec<_> = self
            .tracks
            .iter()
            .filter(|(key, _)| key.room == room)
            .map(|(key, track)| {
                let stats = track.receiver.stats();
                TrackStats {
                    user: track.user.clone(),
                    stream: key.stream,
                    line: key.mid.clone(),
                    packets: stats.packets,
                    lost: stats.lost,
                    bytes: stats.bytes,
                    concealed_ms: stats.concealed_ms,
                    jitter_ms: stats.jitter_ms,
                    dropped_unauthenticated: stats.dropped_unauthenticated,
                    loss: track.loss.share(),
                    level: stats.level,
                    speaking: stats.speaking,
                    muted: stats.muted,
                }
            })
            .collect();
        tracks.sort_by(|a, b| (a.stream, &a.line).cmp(&(b.stream, &b.line)));
        tracks
    }

    /// What went wrong with a device since this was last asked.
    pub(in crate::api) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Ends what the loudspeaker plays.
    pub(in crate::api) fn finish(&mut self) {
        if let Some(mut speaker) = self.speaker.take() {
            self.note(speaker.finish().err());
        }
    }

    fn note(&mut self, error: Option<crate::device::DeviceError>) {
        if let Some(error) = error {
            self.fault = Some(error.to_string());
        }
    }
}
