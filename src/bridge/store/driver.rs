//! The thread that owns the database, and the handle that sends it work.
//!
//! SQLite blocks, so it lives on a thread of its own. Work arrives as closures over a [`Tx`];
//! one runs at a time, which makes every transaction serialisable without locks.

use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::Transaction;
use rusqlite::TransactionBehavior;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::error::StoreError;
use super::schema;
use crate::bridge::metrics::Histogram;

/// Jobs from the calls of all sessions to the store thread. Full: the calls wait.
const JOBS: usize = 256;
/// Name of the database within the data directory.
pub(super) const FILE: &str = "bridge.db";
/// Name of the file whose lock says that the directory is in use.
pub(super) const LOCK: &str = "bridge.lock";
/// Prepared statements kept for reuse.
const STATEMENTS: usize = 128;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

enum Job {
    Run(Work),
    Stop,
}

/// One transaction, as services see it. Methods are in the files of their tables.
pub struct Tx<'a> {
    pub(super) inner: Transaction<'a>,
}

/// Handle of the store: cheap to clone, sends work to its thread.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    latency: Arc<Histogram>,
}

impl Store {
    /// Opens or creates the database in `dir`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] says what is wrong with the file; it is never changed in that case.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let unusable = |path: &Path, error: &std::io::Error| StoreError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        create_private_dir(dir).map_err(|error| unusable(dir, &error))?;
        let lock_path = dir.join(LOCK);
        let lock = private_file(&lock_path).map_err(|error| unusable(&lock_path, &error))?;
        if lock.try_lock().is_err() {
            return Err(StoreError::InUse(dir.to_owned()));
        }
        let path = dir.join(FILE);
        let fresh = !schema::examine(&path)?;
        // Created before SQLite sees it, so that the key inside is never readable by others.
        private_file(&path).map_err(|error| unusable(&path, &error))?;
        let corrupt =
            |reason: String, path: &PathBuf| StoreError::Corrupt { path: path.clone(), reason };
        let mut connection =
            Connection::open(&path).map_err(|error| corrupt(error.to_string(), &path))?;
        if !fresh {
            schema::check(&connection).map_err(|reason| corrupt(reason, &path))?;
        }
        schema::prepare(&mut connection, fresh)?;
        Self::start(connection, Some(lock))
    }

    /// An empty database that is forgotten with the handle.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if SQLite can't work at all.
    pub fn open_in_memory() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        schema::prepare(&mut connection, true)?;
        Self::start(connection, None)
    }

    fn start(mut connection: Connection, lock: Option<File>) -> Result<Self, StoreError> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let (jobs, mut inbox) = mpsc::channel::<Job>(JOBS);
        let thread = std::thread::Builder::new()
            .name("bridge-store".to_owned())
            .spawn(move || {
                while let Some(Job::Run(work)) = inbox.blocking_recv() {
                    work(&mut connection);
                }
                // The lock outlives the connection, so nobody opens a file in use.
                drop(connection);
                drop(lock);
            })
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self { jobs, thread: Arc::new(Mutex::new(Some(thread))), latency: Arc::default() })
    }

    /// Runs `work` in a transaction: committed if it succeeds, undone if not.
    ///
    /// # Errors
    ///
    /// What `work` returned, or a [`StoreError`] if the commit failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop work that was handed over.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(TransactionBehavior::Immediate, true, work).await
    }

    /// Runs `work` in a transaction that is undone at the end: for reading only.
    ///
    /// # Errors
    ///
    /// What `work` returned, or a [`StoreError`].
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(TransactionBehavior::Deferred, false, work).await
    }

    async fn run<T, E>(
        &self,
        behavior: TransactionBehavior,
        commit: bool,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let begun = Instant::now();
        let (answer, answered) = oneshot::channel();
        let job: Work = Box::new(move |connection| {
            // The caller may be gone; what was committed stays committed.
            // Work that panics is undone as its transaction is dropped; others go on.
            let done =
                catch_unwind(AssertUnwindSafe(|| transact(connection, behavior, commit, work)));
            let broken = || StoreError::Database("a transaction broke off".to_owned());
            drop(answer.send(done.unwrap_or_else(|_| Err(E::from(broken())))));
        });
        self.jobs.send(Job::Run(job)).await.map_err(|_| E::from(StoreError::Closed))?;
        let done = answered.await.map_err(|_| E::from(StoreError::Closed))?;
        self.latency.observe(begun.elapsed());
        done
    }

    /// How long work takes, from being handed over to its answer.
    #[must_use]
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// Finishes what was handed over and closes the file. All handles fail from now on.
    pub async fn shutdown(&self) {
        // A thread that is gone already needs no telling.
        drop(self.jobs.send(Job::Stop).await);
        let thread = self.thread.lock().ok().and_then(|mut slot| slot.take());
        if let Some(thread) = thread {
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
    }
}

fn transact<T, E: From<StoreError>>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    commit: bool,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let inner = connection
        .transaction_with_behavior(behavior)
        .map_err(|error| E::from(StoreError::from(error)))?;
    let mut tx = Tx { inner };
    let value = work(&mut tx)?;
    if commit {
        tx.inner.commit().map_err(|error| E::from(StoreError::from(error)))?;
    }
    Ok(value)
}

pub(super) fn create_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
