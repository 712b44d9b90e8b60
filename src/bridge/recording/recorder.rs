//! The handle of the recorder: begins and ends recordings, and shows what there is.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::disk;
use super::disk::Disk;
use super::disk::Summary;
use super::end::EndReason;
use super::limits::RecordingLimits;
use super::writer;
use super::writer::Begin;
use super::writer::Job;
use super::writer::Live;
use super::writer::Open;
use super::writer::Writer;
use crate::bridge::sfu::RecordSink;
use crate::model::Recording;
use crate::model::RecordingId;
use crate::model::RecordingState;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

/// Packets from the SFU to the writer: about a second of twenty people with video. Full: the
/// packet is dropped and counted, for media must not wait for a disk.
const JOBS: usize = 8192;
/// Recordings that ended by themselves, from the writer to the bridge. Full: the writer waits.
const ENDED: usize = 64;

/// Why nothing is recorded, or a recording not shown.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// This bridge keeps nothing on a disk.
    #[error("this bridge keeps nothing on disk, so it can't record")]
    Unavailable,
    /// Too little space.
    #[error("the disk of the bridge is full")]
    DiskFull,
    /// Too many at the same time.
    #[error("too many rooms are being recorded")]
    TooManyRunning,
    /// Too many are kept.
    #[error("the room has as many recordings as it may; delete some")]
    TooManyKept,
    /// No such recording, or no such track in it.
    #[error("recording does not exist")]
    Unknown,
    /// It can't be deleted while it runs.
    #[error("the recording is still running")]
    StillRunning,
    /// The disk failed.
    #[error("the disk of the bridge fails")]
    Io(#[from] io::Error),
}

/// Who wants what recorded.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Id for the new recording: 24 hex digits.
    pub id: RecordingId,
    /// The room.
    pub room: StreamRoomId,
    /// Who wants it.
    pub user: UserId,
    /// When.
    pub now: Timestamp,
}

/// The recording of a room that somebody wanted recorded.
#[derive(Debug)]
pub struct Begun {
    /// Its id.
    pub recording: RecordingId,
    /// What the SFU has to feed; `None` if the room was being recorded already.
    pub sink: Option<RecordSink>,
}

/// A recording that ended by itself.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The room.
    pub room: StreamRoomId,
    /// The recording.
    pub recording: RecordingId,
    /// Why.
    pub reason: EndReason,
}

/// All recordings that there are.
#[derive(Debug, Default)]
pub(super) struct Library {
    entries: BTreeMap<RecordingId, Entry>,
}

#[derive(Debug)]
struct Entry {
    summary: Summary,
    live: Option<Arc<Live>>,
}

impl Entry {
    fn view(&self) -> Recording {
        match &self.live {
            Some(live) => {
                let mut view = self.summary.view(RecordingState::Running);
                view.bytes = live.bytes.load(Ordering::Relaxed);
                view.dropped = live.dropped.load(Ordering::Relaxed);
                view
            }
            None if self.summary.reason.is_some() => self.summary.view(RecordingState::Ended),
            None => self.summary.view(RecordingState::Interrupted),
        }
    }
}

impl Library {
    /// A recording has ended.
    pub(super) fn end(&mut self, id: &RecordingId, summary: Summary) {
        self.entries.insert(id.clone(), Entry { summary, live: None });
    }

    fn of_room<'a>(&'a self, room: &'a StreamRoomId) -> impl Iterator<Item = &'a Entry> {
        self.entries.values().filter(|entry| entry.summary.room == room.as_str())
    }
}

/// Records rooms. Without a directory it refuses to.
pub struct Recorder {
    disk: Option<Disk>,
    limits: RecordingLimits,
    library: Arc<Mutex<Library>>,
    jobs: SyncSender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// One begin or end at a time.
    turn: AsyncMutex<()>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("disk", &self.disk).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Looks what there is in `root` and starts the writer. Blocks.
    ///
    /// # Errors
    ///
    /// If the directory can't be read, or no thread be started.
    pub fn open(
        root: Option<PathBuf>,
        limits: RecordingLimits,
    ) -> io::Result<(Self, mpsc::Receiver<Ended>)> {
        Self::open_with(root, limits, writer::open_file)
    }

    pub(super) fn open_with(
        root: Option<PathBuf>,
        limits: RecordingLimits,
        open: Open,
    ) -> io::Result<(Self, mpsc::Receiver<Ended>)> {
        let disk = root.map(Disk::new);
        let mut library = Library::default();
        if let Some(disk) = &disk {
            for summary in disk.scan()? {
                library
                    .entries
                    .insert(RecordingId(summary.id.clone()), Entry { summary, live: None });
            }
        }
        let library = Arc::new(Mutex::new(library));
        let (jobs, inbox) = sync_channel(JOBS);
        let (sender, ended) = mpsc::channel(ENDED);
        let thread = match &disk {
            None => None,
            Some(disk) => {
                let writer = Writer {
                    jobs: inbox,
                    disk: disk.clone(),
                    limits: limits.clone(),
                    library: Arc::clone(&library),
                    ended: sender,
                    open,
                    running: HashMap::new(),
                };
                let builder = std::thread::Builder::new().name("bridge-recorder".to_owned());
                Some(builder.spawn(|| writer.run())?)
            }
        };
        let (thread, turn) = (Mutex::new(thread), AsyncMutex::new(()));
        Ok((Self { disk, limits, library, jobs, thread, turn }, ended))
    }

    fn library(&self) -> MutexGuard<'_, Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the recorder is limited to.
    #[must_use]
    pub const fn limits(&self) -> &RecordingLimits {
        &self.limits
    }

    /// The running recording of a room.
    #[must_use]
    pub fn running(&self, room: &StreamRoomId) -> Option<Recording> {
        self.library().of_room(room).find(|entry| entry.live.is_some()).map(Entry::view)
    }

    /// Rooms that are being recorded.
    #[must_use]
    pub fn rooms(&self) -> Vec<StreamRoomId> {
        let library = self.library();
        let running = library.entries.values().filter(|entry| entry.live.is_some());
        running.map(|entry| entry.summary.room.as_str().into()).collect()
    }

    /// Begins to record a room. Nothing is recorded before the SFU feeds the sink.
    ///
    /// # Errors
    ///
    /// All but [`RecorderError::Unknown`] and [`RecorderError::StillRunning`].
    pub async fn begin(&self, wish: Wish) -> Result<Begun, RecorderError> {
        let disk = self.disk.clone().ok_or(RecorderError::Unavailable)?;
        let id = disk::checked_id(wish.id.as_str()).ok_or(RecorderError::Unknown)?;
        let _turn = self.turn.lock().await;
        if let Some(running) = self.running(&wish.room) {
            return Ok(Begun { recording: running.id, sink: None });
        }
        {
            let library = self.library();
            if library.of_room(&wish.room).count() >= self.limits.per_room {
                return Err(RecorderError::TooManyKept);
            }
            let running = library.entries.values().filter(|entry| entry.live.is_some());
            if running.count() >= self.limits.running {
                return Err(RecorderError::TooManyRunning);
            }
        }
        let summary = Summary {
            id: id.0.clone(),
            room: wish.room.0,
            started_by: wish.user.0,
            started: wish.now.0,
            ended: None,
            reason: None,
            bytes: 0,
            dropped: 0,
        };
        let (made, free) = (summary.clone(), self.limits.free_bytes);
        blocking(move || {
            if disk.free()? < free {
                return Err(RecorderError::DiskFull);
            }
            disk.create(&made).map_err(|error| match EndReason::of_write(&error) {
                EndReason::Disk => RecorderError::DiskFull,
                _ => error.into(),
            })
        })
        .await?;
        let live = Arc::new(Live::default());
        let begin = Begin {
            summary: summary.clone(),
            started: Instant::now(),
            started_us: now_us(),
            live: Arc::clone(&live),
        };
        let entry = Entry { summary, live: Some(Arc::clone(&live)) };
        self.library().entries.insert(id.clone(), entry);
        self.tell(Job::Begin(Box::new(begin))).await?;
        tracing::info!(recording = %id, "recording begins");
        Ok(Begun { recording: id.clone(), sink: Some(self.sink(id, live)) })
    }

    fn sink(&self, id: RecordingId, live: Arc<Live>) -> RecordSink {
        let jobs = self.jobs.clone();
        RecordSink::new(move |packet| {
            if jobs.try_send(Job::Packet(id.clone(), packet)).is_err() {
                live.dropped.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// Ends the recording of a room; everything that the sink was fed is on the disk then.
    /// `None` if the room was not being recorded.
    pub async fn end(&self, room: &StreamRoomId, reason: EndReason) -> Option<Recording> {
        let _turn = self.turn.lock().await;
        let id = self.running(room)?.id;
        let (reply, ended) = oneshot::channel();
        self.tell(Job::End(id.clone(), reason, reply)).await.ok()?;
        // If it ended by itself meanwhile, that is what is told.
        if !ended.await.ok()? {
            return None;
        }
        self.find(&id).ok()
    }

    /// The recordings of a room, oldest first, without their tracks.
    #[must_use]
    pub fn list(&self, room: &StreamRoomId) -> Vec<Recording> {
        let mut list: Vec<Recording> = self.library().of_room(room).map(Entry::view).collect();
        list.sort_by(|a, b| (a.started.0, &a.id).cmp(&(b.started.0, &b.id)));
        list
    }

    /// One recording without its tracks.
    ///
    /// # Errors
    ///
    /// [`RecorderError::Unknown`].
    pub fn find(&self, id: &RecordingId) -> Result<Recording, RecorderError> {
        self.library().entries.get(id).map(Entry::view).ok_or(RecorderError::Unknown)
    }

    /// One recording with its tracks.
    ///
    /// # Errors
    ///
    /// [`RecorderError::Unknown`], [`RecorderError::Io`].
    pub async fn get(&self, id: &RecordingId) -> Result<Recording, RecorderError> {
        let mut view = self.find(id)?;
        let disk = self.disk.clone().ok_or(RecorderError::Unknown)?;
        let id = id.clone();
        view.tracks = blocking(move || Ok(disk.tracks(&id)?)).await?;
        Ok(view)
    }

    /// A part of the file of a track, and the size of the whole.
    ///
    /// # Errors
    ///
    /// [`RecorderError::Unknown`], [`RecorderError::Io`].
    pub async fn read(
        &self,
        id: &RecordingId,
        track: u32,
        offset: u64,
        length: u32,
    ) -> Result<(Vec<u8>, u64), RecorderError> {
        self.find(id)?;
        let disk = self.disk.clone().ok_or(RecorderError::Unknown)?;
        let id = id.clone();
        blocking(move || {
            disk.read(&id, track, offset, u64::from(length)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => RecorderError::Unknown,
                _ => error.into(),
            })
        })
        .await
    }

    /// Removes a recording for good.
    ///
    /// # Errors
    ///
    /// [`RecorderError::Unknown`], [`RecorderError::StillRunning`], [`RecorderError::Io`].
    pub async fn remove(&self, id: &RecordingId) -> Result<(), RecorderError> {
        let _turn = self.turn.lock().await;
        if self.find(id)?.state == RecordingState::Running {
            return Err(RecorderError::StillRunning);
        }
        let disk = self.disk.clone().ok_or(RecorderError::Unknown)?;
        let gone = id.clone();
        blocking(move || Ok(disk.remove(&gone)?)).await?;
        self.library().entries.remove(id);
        tracing::info!(recording = %id, "recording removed");
        Ok(())
    }

    /// Ends all recordings and the writer.
    pub async fn shutdown(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // A writer that is gone has ended already.
        let _ = self.tell(Job::Shutdown).await;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the recorder broke off");
        }
    }

    /// Hands a job over, waiting for its turn.
    async fn tell(&self, job: Job) -> Result<(), RecorderError> {
        let jobs = self.jobs.clone();
        blocking(move || jobs.send(job).map_err(|_| RecorderError::Unavailable)).await
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RecorderError> + Send + 'static,
) -> Result<T, RecorderError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(RecorderError::Unavailable))
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::sync::Condvar;

    use tempfile::TempDir;

    use super::*;
    use crate::bridge::recording::writer::Output;
    use crate::bridge::sfu::Recorded;
    use crate::model::SessionId;
    use crate::model::StreamId;
    use crate::model::TrackKind;

    fn packet(seq: u64) -> Recorded {
        Recorded {
            session: SessionId(1),
            stream: StreamId(2),
            user: "ana".into(),
            kind: TrackKind::Audio,
            track: "0".into(),
            ssrc: 3,
            arrival: Instant::now(),
            seq,
            timestamp: 0,
            marker: false,
            payload: vec![7; 100].into(),
        }
    }

    fn wish(room: &str) -> Wish {
        Wish {
            id: hex::encode(rand::random::<[u8; 12]>()).into(),
            room: room.into(),
            user: "ana".into(),
            now: Timestamp(1),
        }
    }

    async fn begin(
        dir: &TempDir,
        open: Open,
    ) -> (Recorder, mpsc::Receiver<Ended>, RecordingId, RecordSink) {
        let root = Some(dir.path().join("recordings"));
        let limits = RecordingLimits { free_bytes: 0, ..RecordingLimits::default() };
        let (recorder, ended) = Recorder::open_with(root, limits, open).unwrap();
        let begun = recorder.begin(wish("r")).await.unwrap();
        (recorder, ended, begun.recording, begun.sink.unwrap())
    }

    /// A disk with room for one kilobyte.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.0);
            self.0 -= fits;
            if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Full {
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_disk_that_fills_up_ends_the_recording() {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, mut ended, id, sink) =
            begin(&dir, |_: &Path| Ok(Box::new(Full(1000)))).await;
        for seq in 0..20 {
            sink.take(packet(seq));
        }
        let ended = ended.recv().await.unwrap();
        assert_eq!((ended.reason, &ended.recording), (EndReason::Disk, &id));
        let found = recorder.find(&id).unwrap();
        assert_eq!((found.state, found.reason.as_deref()), (RecordingState::Ended, Some("disk")));
        assert!(recorder.rooms().is_empty());
        recorder.shutdown().await;
    }

    static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    /// A disk that does nothing until it is told to.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let open = GATE.0.lock().unwrap();
            drop(GATE.1.wait_while(open, |open| !*open).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Stuck {
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn media_never_waits_for_a_disk_that_is_stuck() {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, _ended, id, sink) = begin(&dir, |_: &Path| Ok(Box::new(Stuck))).await;
        let mut seq = 0;
        while recorder.find(&id).unwrap().dropped == 0 {
            sink.take(packet(seq));
            seq += 1;
        }
        *GATE.0.lock().unwrap() = true;
        GATE.1.notify_all();
        let ended = recorder.end(&"r".into(), EndReason::Stopped).await.unwrap();
        assert_eq!((ended.state, ended.dropped), (RecordingState::Ended, 1));
        recorder.shutdown().await;
    }

    #[tokio::test]
    async fn what_was_cut_off_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, _ended, id, sink) = begin(&dir, writer::open_file).await;
        sink.take(packet(1));
        let copy = tempfile::tempdir().unwrap();
        let root = dir.path().join("recordings");
        // What a crash leaves is what is there at any moment.
        loop {
            let bytes = recorder.read(&id, 1, 0, 1 << 20).await.map_or(0, |(_, size)| size);
            if bytes > 100 {
                break;
            }
            tokio::task::yield_now().await;
        }
        let from = root.join(id.as_str());
        let to = copy.path().join(id.as_str());
        std::fs::create_dir(&to).unwrap();
        for name in ["recording.json", "1.track"] {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
        std::fs::create_dir(copy.path().join("lost+found")).unwrap();
        let (again, _ended) =
            Recorder::open(Some(copy.path().to_owned()), RecordingLimits::default()).unwrap();
        let found = again.get(&id).await.unwrap();
        assert_eq!((found.state, found.tracks.len()), (RecordingState::Interrupted, 1));
        assert!(found.bytes > 0 && found.ended.is_some());
        // The room can be recorded again.
        assert!(again.begin(wish("r")).await.unwrap().sink.is_some());
        again.remove(&id).await.unwrap();
        assert!(again.find(&id).is_err() && !to.exists());
        again.shutdown().await;
        recorder.shutdown().await;
        assert_eq!(recorder.find(&id).unwrap().reason.as_deref(), Some("bridge"));
    }
}
