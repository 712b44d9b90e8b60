//! `conclave bridge serve`: the bridge as a daemon.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::admin;
use super::args::Serve;
use super::config::Config;
use super::config::Format;
use super::config::Log;
use crate::bridge::Bridge;
use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::stop::Stop;
use crate::profile::file::DirLock;

/// Serves until a signal, and then ends in order: sessions are closed, calls finished, and the
/// store is written out.
pub async fn run(
    paths: &Paths,
    global: &Global,
    options: &Serve,
    output: Output,
) -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::load(options.config.as_deref(), variable, &options.settings)?;
    if options.print_config {
        let text = config.print();
        output.result(&json!({"event": "config", "toml": text}), || text.trim_end().to_owned());
        return Ok(());
    }
    let _log = start_log(&config.log, global.log.as_deref())?;
    let mut stop = Stop::new()?;
    let _lock = DirLock::acquire(&paths.bridge)?;
    let bridge = Bridge::start(config.bridge(paths.bridge.clone())?).await?;
    admin::announce(&bridge, &paths.bridge).await?;
    let metrics = bridge.metrics_addr().map(|address| format!("http://{address}/metrics"));
    let serving = json!({
        "event": "serving",
        "url": bridge.url(),
        "media": bridge.media_addr().to_string(),
        "metrics": metrics,
        "bridge_key": bridge.public_key().to_base58(),
    });
    output.result(&serving, || {
        let key = bridge.public_key().to_base58();
        let seen = metrics.as_deref().unwrap_or("nowhere");
        format!("serving at {}\nmetrics: {seen}\nbridge key: {key}", bridge.url())
    });
    let name = stop.signalled().await;
    tracing::info!(signal = name, "ending");
    bridge.shutdown().await;
    output.result(&json!({"event": "stopped"}), || "stopped".to_owned());
    Ok(())
}

fn start_log(log: &Log, filter: Option<&str>) -> anyhow::Result<Option<WorkerGuard>> {
    let text = filter.unwrap_or(&log.filter);
    let filter = EnvFilter::try_new(text).map_err(|error| {
        let text = format!("log.filter can't be {text:?}: {error}; write it as in \"info\"");
        Failure::new(Exit::Usage, text)
    })?;
    if log.file.as_os_str().is_empty() {
        start(log.format, filter, std::io::stderr);
        return Ok(None);
    }
    let name = log.file.file_name().context("log.file names a directory")?;
    let directory = log.file.parent().unwrap_or(Path::new("."));
    let unusable = |error: std::io::Error| {
        let text = format!("cannot write the log to {}: {error}", log.file.display());
        Failure::new(Exit::Data, text)
    };
    std::fs::create_dir_all(directory).map_err(unusable)?;
    std::fs::OpenOptions::new().create(true).append(true).open(&log.file).map_err(unusable)?;
    let (writer, guard) =
        tracing_appender::non_blocking(tracing_appender::rolling::never(directory, name));
    start(log.format, filter, writer);
    Ok(Some(guard))
}

fn start<W: for<'w> MakeWriter<'w> + Send + Sync + 'static>(
    format: Format,
    filter: EnvFilter,
    writer: W,
) {
    let log =
        tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_env_filter(filter);
    // A second start in one process keeps the first log.
    let started = match format {
        Format::Text => log.try_init(),
        Format::Json => log.json().try_init(),
    };
    drop(started);
}
