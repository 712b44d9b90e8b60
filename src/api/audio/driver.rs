//! The one task that ticks the audio engine, and the handle to it.

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use crate::device::AudioInput;
use crate::device::AudioOutput;
use crate::media::frame::EncodedFrame;
use crate::media::pipeline::AudioReceiver;
use crate::model::AudioLevels;
use crate::model::CallTiming;
use crate::model::Level;
use crate::model::StreamHandle;
use crate::model::Timestamp;
use crate::model::TrackStats;
use crate::model::UserId;
use crate::rtc::AudioSink;
use crate::rtc::EncodedAudio;

use super::mixdown::Begun;
use super::mixdown::Microphone;
use super::mixdown::Mixdown;
use super::mixdown::RoomAudio;
use super::mixdown::RoomToken;
use super::mixdown::TrackKey;
use super::mixdown::VersionedKeys;

/// Commands from all handles to the engine; when full, callers wait.
const COMMANDS: usize = 64;

/// Packets from all subscribers to the engine: two seconds of ten speakers. When full, the
/// newest is dropped, which the jitter buffer covers like any loss.
const PACKETS: usize = 1024;

/// Levels are reported this often, when they changed.
const LEVELS_EVERY: Duration = Duration::from_millis(100);

/// The least time between two ticks, in which everything else is dealt with.
const BREATH: Duration = Duration::from_millis(2);

/// A tick that comes later than this has missed others for good: the process was stopped, and
/// the ones it slept through are not made up for.
const STOPPED: Duration = Duration::from_millis(500);

/// A level that moved by less is the same, in decibels: nobody can see it on a meter.
const LEVEL_STEP: f32 = 0.5;

enum Command {
    AddMicrophone(StreamHandle, Box<Microphone<AudioSink>>, VersionedKeys),
    SetInput(StreamHandle, Box<dyn AudioInput>),
    RemoveMicrophone(StreamHandle, oneshot::Sender<Option<AudioSink>>),
    SetSink(StreamHandle, AudioSink),
    SetMuted(StreamHandle, bool),
    SetLoss(StreamHandle, u8),
    SetSpeaker { speaker: Box<dyn AudioOutput>, patient: bool },
    AddTrack { key: TrackKey, user: UserId, receiver: Box<AudioReceiver>, keys: VersionedKeys },
    SetUser(TrackKey, UserId),
    RemoveTrack(TrackKey),
    RemoveRoom(RoomToken, oneshot::Sender<()>),
    SetKeys(RoomToken, VersionedKeys),
    RoomAudio(RoomToken, oneshot::Sender<RoomAudio>),
    Tracks(RoomToken, oneshot::Sender<Vec<TrackStats>>),
    Finish(oneshot::Sender<()>),
}

struct Packet {
    key: TrackKey,
    seq: u64,
    timestamp: u32,
    payload: Bytes,
    arrival: Instant,
}

/// Sends to the engine. Cheap to clone. Once the engine is gone, nothing happens any more.
#[derive(Clone)]
pub(in crate::api) struct AudioHandle {
    commands: mpsc::Sender<Command>,
    packets: mpsc::Sender<Packet>,
    levels: watch::Receiver<AudioLevels>,
    fault: watch::Receiver<Option<String>>,
    timing: watch::Receiver<CallTiming>,
}

impl AudioHandle {
    async fn send(&self, command: Command) {
        // A refusal means that the engine was shut down, and with it all sound.
        let _ = self.commands.send(command).await;
    }

    pub(in crate::api) async fn add_microphone(
        &self,
        handle: StreamHandle,
        microphone: Microphone<AudioSink>,
        keys: VersionedKeys,
    ) {
        self.send(Command::AddMicrophone(handle, Box::new(microphone), keys)).await;
    }

    pub(in crate::api) async fn set_input(&self, handle: StreamHandle, input: Box<dyn AudioInput>) {
        self.send(Command::SetInput(handle, input)).await;
    }

    /// Sends a microphone over another connection.
    pub(in crate::api) async fn set_sink(&self, handle: StreamHandle, sink: AudioSink) {
        self.send(Command::SetSink(handle, sink)).await;
    }

    pub(in crate::api) async fn remove_microphone(
        &self,
        handle: StreamHandle,
    ) -> Option<AudioSink> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::RemoveMicrophone(handle, reply)).await;
        answer.await.ok().flatten()
    }

    pub(in crate::api) async fn set_muted(&self, handle: StreamHandle, muted: bool) {
        self.send(Command::SetMuted(handle, muted)).await;
    }

    /// Prepares a microphone for loss.
    pub(in crate::api) async fn set_loss(&self, handle: StreamHandle, percent: u8) {
        self.send(Command::SetLoss(handle, percent)).await;
    }

    pub(in crate::api) async fn set_speaker(&self, speaker: Box<dyn AudioOutput>, patient: bool) {
        self.send(Command::SetSpeaker { speaker, patient }).await;
    }

    pub(in crate::api) async fn add_track(
        &self,
        key: TrackKey,
        user: UserId,
        receiver: AudioReceiver,
        keys: VersionedKeys,
    ) {
        let receiver = Box::new(receiver);
        self.send(Command::AddTrack { key, user, receiver, keys }).await;
    }

    /// Names the publisher of a track.
    pub(in crate::api) async fn set_user(&self, key: TrackKey, user: UserId) {
        self.send(Command::SetUser(key, user)).await;
    }

    pub(in crate::api) async fn remove_track(&self, key: TrackKey) {
        self.send(Command::RemoveTrack(key)).await;
    }

    /// Forgets a room; when this returns, its microphone is closed.
    pub(in crate::api) async fn remove_room(&self, room: RoomToken) {
        let (reply, answer) = oneshot::channel();
        self.send(Command::RemoveRoom(room, reply)).await;
        // No answer: the engine is gone and so is the microphone.
        let _ = answer.await;
    }

    pub(in crate::api) async fn set_keys(&self, room: RoomToken, keys: VersionedKeys) {
        self.send(Command::SetKeys(room, keys)).await;
    }

    pub(in crate::api) async fn room_audio(&self, room: RoomToken) -> RoomAudio {
        let (reply, answer) = oneshot::channel();
        self.send(Command::RoomAudio(room, reply)).await;
        answer.await.unwrap_or_default()
    }

    /// The incoming tracks of a room; none once the engine is gone.
    pub(in crate::api) async fn tracks(&self, room: RoomToken) -> Vec<TrackStats> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Tracks(room, reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Ends what the speaker plays, so that a file is complete.
    pub(in crate::api) async fn finish_speaker(&self) {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Finish(reply)).await;
        let _ = answer.await;
    }

    /// Hands over a packet; drops it when the engine is behind.
    pub(in crate::api) fn packet(
        &self,
        key: TrackKey,
        seq: u64,
        timestamp: u32,
        payload: Bytes,
        arrival: Instant,
    ) {
        let packet = Packet { key, seq, timestamp, payload, arrival };
        if self.packets.try_send(packet).is_err() {
            tracing::trace!("the audio engine is behind, a packet is dropped");
        }
    }

    pub(in crate::api) fn levels(&self) -> watch::Receiver<AudioLevels> {
        self.levels.clone()
    }

    pub(in crate::api) fn timing(&self) -> watch::Receiver<CallTiming> {
        self.timing.clone()
    }

    pub(in crate::api) fn fault(&self) -> watch::Receiver<Option<String>> {
        self.fault.clone()
    }
}

/// The task.
pub(in crate::api) struct AudioEngine {
    mixdown: Mixdown<AudioSink>,
    commands: mpsc::Receiver<Command>,
    packets: mpsc::Receiver<Packet>,
    levels: watch::Sender<AudioLevels>,
    fault: watch::Sender<Option<String>>,
    timing: watch::Sender<CallTiming>,
    begun: Begun,
    levels_at: Instant,
}

impl AudioEngine {
    /// Starts the task; it ends when the last handle is gone.
    pub(in crate::api) fn spawn() -> (AudioHandle, JoinHandle<()>) {
        let now = Instant::now();
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (packets, packet_queue) = mpsc::channel(PACKETS);
        let (levels, levels_seen) = watch::channel(AudioLevels::default());
        let (fault, fault_seen) = watch::channel(None);
        let (timing, timing_seen) = watch::channel(CallTiming::default());
        let engine = Self {
            mixdown: Mixdown::new(now),
            commands: command_queue,
            packets: packet_queue,
            levels,
            fault,
            timing,
            begun: Begun::default(),
            levels_at: now,
        };
        let task = tokio::spawn(engine.run());
        let handle = AudioHandle {
            commands,
            packets,
            levels: levels_seen,
            fault: fault_seen,
            timing: timing_seen,
        };
        (handle, task)
    }

    async fn run(mut self) {
        let mut next = Some(Instant::now());
        loop {
            tokio::select! {
                () = until(next), if next.is_some() => {
                    let now = Instant::now();
                    self.tick(now);
                    // From the time it was due, so that ticks don't drift; but after a tick
                    // that took long, commands and packets have their turn first.
                    let earliest = Instant::now() + BREATH;
                    let due = next.filter(|due| now.saturating_duration_since(*due) < STOPPED);
                    next = self.mixdown.pause(now).map(|pause| {
                        due.map_or(now, |due| due + pause).max(earliest)
                    });
                }
                command = self.commands.recv() => {
                    let Some(command) = command else { break };
                    self.handle(command);
                    next = Some(Instant::now());
                }
                Some(packet) = self.packets.recv() => {
                    let Packet { key, seq, timestamp, payload, arrival } = packet;
                    self.mixdown.handle_packet(&key, seq, timestamp, &payload, arrival);
                    let now = Instant::now();
                    let soon = self.mixdown.pause(now).map(|pause| now + pause);
                    next = [next, soon].into_iter().flatten().min();
                }
            }
        }
        self.mixdown.finish();
    }

    fn handle(&mut self, command: Command) {
        let mixdown = &mut self.mixdown;
        match command {
            Command::AddMicrophone(handle, microphone, keys) => {
                mixdown.add_microphone(handle, *microphone, keys, Instant::now());
            }
            Command::SetInput(handle, input) => mixdown.set_input(handle, input),
            Command::RemoveMicrophone(handle, reply) => {
                // The caller went away; the microphone is closed all the same.
                let _ = reply.send(mixdown.remove_microphone(handle));
            }
            Command::SetSink(handle, sink) => mixdown.set_sink(handle, sink),
            Command::SetMuted(handle, muted) => mixdown.set_muted(handle, muted),
            Command::SetLoss(handle, percent) => mixdown.set_loss(handle, percent),
            Command::SetSpeaker { speaker, patient } => {
                mixdown.set_speaker(speaker, patient);
                self.fault.send_replace(None);
            }
            Command::AddTrack { key, user, receiver, keys } => {
                mixdown.add_track(key, user, *receiver, keys);
            }
            Command::SetUser(key, user) => mixdown.set_user(&key, user),
            Command::RemoveTrack(key) => mixdown.remove_track(&key),
            Command::RemoveRoom(room, reply) => {
                mixdown.remove_room(room);
                let _ = reply.send(());
            }
            Command::SetKeys(room, keys) => mixdown.set_keys(room, keys),
            Command::RoomAudio(room, reply) => {
                let _ = reply.send(mixdown.room_audio(room));
            }
            Command::Tracks(room, reply) => {
                let _ = reply.send(mixdown.tracks(room));
            }
            Command::Finish(reply) => {
                mixdown.finish();
                let _ = reply.send(());
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        self.mixdown.tick(now, &mut rand::rng(), send);
        let begun = self.mixdown.begun();
        if begun != self.begun {
            self.begun = begun;
            self.timing.send_replace(on_the_wall(begun, Instant::now()));
        }
        if now.saturating_duration_since(self.levels_at) >= LEVELS_EVERY {
            self.levels_at = now;
            let levels = self.mixdown.levels();
            self.levels.send_if_modified(|shown| {
                let changed = differs(shown, &levels);
                if changed {
                    *shown = levels;
                }
                changed
            });
        }
        if let Some(fault) = self.mixdown.take_fault() {
            self.fault.send_if_modified(|shown| {
                let changed = shown.as_ref() != Some(&fault);
                if changed {
                    tracing::warn!(%fault, "sound device");
                    *shown = Some(fault);
                }
                changed
            });
        }
    }
}

/// The same moments by the wall clock.
fn on_the_wall(begun: Begun, now: Instant) -> CallTiming {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = |moment: Instant| {
        let wall = wall.saturating_sub(now.saturating_duration_since(moment));
        Timestamp(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX))
    };
    CallTiming {
        microphone_started: begun.microphone.map(at),
        speaker_started: begun.speaker.map(at),
        first_audio: begun.first_sound.map(at),
    }
}

fn send(sink: &AudioSink, frame: EncodedFrame, level: Level) {
    sink.set_level(Some(level));
    let EncodedFrame { payload, timestamp, marker } = frame;
    if let Err(error) = sink.write(EncodedAudio { payload, timestamp, marker }) {
        tracing::trace!(%error, "a frame is not sent");
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due.into()).await;
    }
}

/// Whether a person could see the difference.
fn differs(shown: &AudioLevels, now: &AudioLevels) -> bool {
    let moved = |a: Level, b: Level| (a.dbfs() - b.dbfs()).abs() >= LEVEL_STEP;
    let percent = |loss: Option<f32>| loss.map(|loss| (loss * 100.0).round());
    shown.levels.len() != now.levels.len()
        || moved(shown.output, now.output)
        || shown.levels.iter().zip(&now.levels).any(|(a, b)| {
            moved(a.level, b.level)
                || percent(a.loss) != percent(b.loss)
                || (&a.user, a.stream, a.speaking, a.muted)
                    != (&b.user, b.stream, b.speaking, b.muted)
        })
}
