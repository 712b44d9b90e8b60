//! The log: to a file, never to the terminal that is drawn on.

use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::profile::ProfileError;
use crate::profile::file;

/// What is logged unless `--log` or `CONCLAVE_LOG` says otherwise. The WebRTC stack is chatty.
pub const DEFAULT_FILTER: &str = "warn,conclave=info";
/// Days of logs that are kept.
const KEPT_DAYS: usize = 7;

/// Starts logging into `directory`; lasts until the guard is dropped.
///
/// # Errors
///
/// [`ProfileError::Io`] if the directory can't be made.
pub fn start(directory: &Path, filter: Option<&str>) -> Result<Option<WorkerGuard>, ProfileError> {
    file::create_private_dir(directory)?;
    let Ok(appender) = tracing_appender::rolling::Builder::new()
        .rotation(tracing_appender::rolling::Rotation::DAILY)
        .filename_prefix("conclave")
        .filename_suffix("log")
        .max_log_files(KEPT_DAYS)
        .build(directory)
    else {
        return Ok(None);
    };
    let (writer, guard) = tracing_appender::non_blocking(appender);
    let filter = filter
        .and_then(|filter| EnvFilter::try_new(filter).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
    let started =
        tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_env_filter(filter);
    // A second start in one process (tests) keeps the first log.
    Ok(started.try_init().is_ok().then_some(guard))
}
