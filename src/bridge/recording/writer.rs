//! The thread that writes all recordings.
//!
//! Packets are collected in memory for a tenth of a second, then appended to their files in one
//! go, so that a bridge that is killed loses that much; once a second the files are forced to
//! the disk, so that a machine that loses power loses that much.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::disk;
use super::disk::Disk;
use super::disk::Summary;
use super::end::EndReason;
use super::limits::RecordingLimits;
use super::recorder::Ended;
use super::recorder::Library;
use crate::bridge::sfu::Recorded;
use crate::model::RecordingId;
use crate::model::SessionId;
use crate::model::TrackKind;
use crate::wire::recording::TrackHeader;
use crate::wire::recording::TrackPacket;
use crate::wire::recording::encode_header;
use crate::wire::recording::encode_packet;

/// How long packets may wait in memory.
const WRITE_EVERY: Duration = Duration::from_millis(100);
/// How long they may wait for the disk; the space that is left is looked at as often.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(super) enum Job {
    /// A recording whose directory was made begins.
    Begin(Box<Begin>),
    /// A packet of a running one.
    Packet(RecordingId, Recorded),
    /// Ends a recording; answers whether it ran.
    End(RecordingId, EndReason, oneshot::Sender<bool>),
    /// Ends all of them and the thread.
    Shutdown,
}

/// What a new recording is.
pub(super) struct Begin {
    pub(super) summary: Summary,
    /// When it began: by the clock that packets are stamped with, and by that of the wall.
    pub(super) started: Instant,
    pub(super) started_us: i64,
    pub(super) live: Arc<Live>,
}

/// Counters of a running recording.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Bytes written, or about to be.
    pub(super) bytes: AtomicU64,
    /// Packets that nobody could take.
    pub(super) dropped: AtomicU64,
}

/// Something that tracks are written to.
pub(super) trait Output: Write + Send {
    /// Forces what was written to the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Output for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Opens the file of a track.
pub(super) type Open = fn(&Path) -> io::Result<Box<dyn Output>>;

/// The real one.
pub(super) fn open_file(path: &Path) -> io::Result<Box<dyn Output>> {
    Ok(Box::new(disk::private_file(path, false)?))
}

/// The thread's state.
pub(super) struct Writer {
    pub(super) jobs: Receiver<Job>,
    pub(super) disk: Disk,
    pub(super) limits: RecordingLimits,
    pub(super) library: Arc<Mutex<Library>>,
    pub(super) ended: mpsc::Sender<Ended>,
    pub(super) open: Open,
    pub(super) running: HashMap<RecordingId, Running>,
}

/// One recording.
pub(super) struct Running {
    begin: Begin,
    tracks: HashMap<(SessionId, u32), Track>,
}

struct Track {
    output: Box<dyn Output>,
    waiting: Vec<u8>,
    unsynced: bool,
}

impl Writer {
    /// Works until it is told to end.
    pub(super) fn run(mut self) {
        let mut write_at = Instant::now();
        let mut sync_at = write_at;
        loop {
            let job = if self.running.is_empty() {
                self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.jobs.recv_timeout(write_at.saturating_duration_since(Instant::now()))
            };
            match job {
                Ok(Job::Shutdown) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => self.handle(job),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= write_at {
                self.each(Running::write);
                write_at = now + WRITE_EVERY;
            }
            if now >= sync_at {
                self.each(Running::sync);
                self.check_space();
                sync_at = now + SYNC_EVERY;
            }
        }
        let ids: Vec<RecordingId> = self.running.keys().cloned().collect();
        for id in ids {
            self.finish(&id, EndReason::Bridge);
        }
    }

    pub(super) fn handle(&mut self, job: Job) {
        match job {
            Job::Begin(begin) => {
                let id = RecordingId(begin.summary.id.clone());
                self.running.insert(id, Running { begin: *begin, tracks: HashMap::new() });
            }
            Job::Packet(id, packet) => {
                let Some(running) = self.running.get_mut(&id) else { return };
                if let Err(reason) = running.take(&packet, &self.disk, &self.limits, self.open) {
                    self.end(&id, reason);
                }
            }
            Job::End(id, reason, reply) => {
                // A caller that no longer waits loses the answer.
                let _ = reply.send(self.finish(&id, reason).is_some());
            }
            Job::Shutdown => {}
        }
    }

    /// Does something to each recording, and ends those that it fails for.
    pub(super) fn each(&mut self, work: fn(&mut Running) -> io::Result<()>) {
        let mut failed = Vec::new();
        for (id, running) in &mut self.running {
            if let Err(error) = work(running) {
                tracing::warn!(recording = %id, %error, "a recording can't be written");
                failed.push((id.clone(), EndReason::of_write(&error)));
            }
        }
        for (id, reason) in failed {
            self.end(&id, reason);
        }
    }

    fn check_space(&mut self) {
        if self.running.is_empty() {
            return;
        }
        match self.disk.free() {
            Ok(free) if free >= self.limits.free_bytes => {}
            Ok(free) => {
                tracing::warn!(free, "the disk is nearly full, so all recordings end");
                let ids: Vec<RecordingId> = self.running.keys().cloned().collect();
                for id in ids {
                    self.end(&id, EndReason::Disk);
                }
            }
            Err(error) => tracing::warn!(%error, "the space on the disk is not known"),
        }
    }

    /// Ends a recording that nobody asked to end, and says so.
    fn end(&mut self, id: &RecordingId, reason: EndReason) {
        if let Some(room) = self.finish(id, reason) {
            let ended = Ended { room: room.as_str().into(), recording: id.clone(), reason };
            // A bridge that no longer listens is ending, too.
            let _ = self.ended.blocking_send(ended);
        }
    }

    /// Ends a recording; answers its room.
    fn finish(&mut self, id: &RecordingId, reason: EndReason) -> Option<String> {
        let mut running = self.running.remove(id)?;
        let written = running.write().and_then(|()| running.sync());
        if let Err(error) = written {
            tracing::warn!(recording = %id, %error, "the end of a recording is lost");
        }
        let Begin { mut summary, live, .. } = running.begin;
        summary.ended = Some(now_ms());
        summary.reason = Some(reason.as_str().to_owned());
        summary.bytes = live.bytes.load(Ordering::Relaxed);
        summary.dropped = live.dropped.load(Ordering::Relaxed);
        if let Err(error) = self.disk.write_summary(&summary) {
            tracing::warn!(recording = %id, %error, "the end of a recording is not written down");
        }
        let (room, bytes, dropped) = (summary.room.clone(), summary.bytes, summary.dropped);
        tracing::info!(recording = %id, %room, reason = reason.as_str(), bytes, dropped, "recording ended");
        let mut library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        library.end(id, summary);
        Some(room)
    }
}

impl Running {
    /// Takes one packet into memory; `Err` if the recording must end.
    fn take(
        &mut self,
        packet: &Recorded,
        disk: &Disk,
        limits: &RecordingLimits,
        open: Open,
    ) -> Result<(), EndReason> {
        let live = Arc::clone(&self.begin.live);
        let key = (packet.session, packet.ssrc);
        let mut bytes = Vec::new();
        if !self.tracks.contains_key(&key) {
            if self.tracks.len() >= limits.tracks {
                live.dropped.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            bytes = encode_header(&self.header(packet));
        }
        let arrival = packet.arrival.saturating_duration_since(self.begin.started);
        encode_packet(
            &TrackPacket {
                arrival_us: u64::try_from(arrival.as_micros()).unwrap_or(u64::MAX),
                seq: packet.seq,
                timestamp: packet.timestamp,
                marker: packet.marker,
                payload: &packet.payload,
            },
            &mut bytes,
        );
        let size = bytes.len() as u64;
        if live.bytes.load(Ordering::Relaxed).saturating_add(size) > limits.bytes {
            return Err(EndReason::Size);
        }
        live.bytes.fetch_add(size, Ordering::Relaxed);
        if let Some(track) = self.tracks.get_mut(&key) {
            track.waiting.append(&mut bytes);
            return Ok(());
        }
        let number = u32::try_from(self.tracks.len() + 1).unwrap_or(u32::MAX);
        let id = RecordingId(self.begin.summary.id.clone());
        let output = disk.track_path(&id, number).and_then(|path| open(&path));
        let output = output.map_err(|error| {
            tracing::warn!(recording = %id, %error, "a track can't be recorded");
            EndReason::of_write(&error)
        })?;
        self.tracks.insert(key, Track { output, waiting: bytes, unsynced: false });
        Ok(())
    }

    fn header(&self, packet: &Recorded) -> TrackHeader {
        let (codec, clock_rate) = match packet.kind {
            TrackKind::Audio => ("opus", 48_000),
            TrackKind::Video => ("vp8", 90_000),
            TrackKind::Data => ("data", 0),
        };
        TrackHeader {
            recording: self.begin.summary.id.clone(),
            room: self.begin.summary.room.clone(),
            stream: packet.stream,
            user: packet.user.0.clone(),
            kind: packet.kind,
            codec: codec.to_owned(),
            track: packet.track.0.clone(),
            clock_rate,
            started_us: self.begin.started_us,
        }
    }

    /// Appends what waits to the files.
    pub(super) fn write(&mut self) -> io::Result<()> {
        for track in self.tracks.values_mut().filter(|track| !track.waiting.is_empty()) {
            // A part that was written before an error is a torn tail, which readers ignore.
            let waiting = std::mem::take(&mut track.waiting);
            track.output.write_all(&waiting)?;
            track.unsynced = true;
        }
        Ok(())
    }

    /// Forces the files to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        for track in self.tracks.values_mut().filter(|track| track.unsynced) {
            track.output.sync()?;
            track.unsynced = false;
        }
        Ok(())
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
