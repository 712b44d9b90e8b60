//! `conclave watch`: joins rooms listen-only and tells what happens in them.

use serde_json::json;
use tokio::sync::watch;

use crate::cli::args::Global;
use crate::cli::args::Watch;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::cli::watch::action::Runner;
use crate::cli::watch::describe;
use crate::cli::watch::metrics::Snapshot;
use crate::cli::watch::monitor::Monitor;
use crate::cli::watch::server::MetricsServer;
use crate::cli::watch::watcher;
use crate::cli::watch::watcher::MAX_ROOMS;
use crate::cli::watch::watcher::Watcher;
use crate::model::StreamRoom;

/// Watches until the time is over, a signal comes, or no room is left.
pub async fn run(
    paths: Paths,
    global: &Global,
    watch: Watch,
    output: Output,
) -> anyhow::Result<()> {
    let (figures, server) = match watch.metrics {
        Some(address) => {
            let (sender, receiver) = watch::channel(Snapshot::default());
            let server = MetricsServer::start(address, receiver).await.map_err(|error| {
                let text = format!(
                    "cannot serve figures at {address}: {error}; choose another --metrics address"
                );
                Failure::new(Exit::Listen, text)
            })?;
            let url = format!("http://{}/metrics", server.address());
            let line = json!({"event": "metrics", "url": url});
            describe::tell(output, line, || format!("figures at {url}"));
            (Some(sender), Some(server))
        }
        None => (None, None),
    };
    let session = Session::resume(Profile::open(paths, global.name.as_deref())?).await?;
    let result = carry_out(&session, watch, figures, output).await;
    if let Some(server) = server {
        server.shutdown().await;
    }
    session.close().await;
    result
}

async fn carry_out(
    session: &Session,
    watch: Watch,
    figures: Option<watch::Sender<Snapshot>>,
    output: Output,
) -> anyhow::Result<()> {
    // First the events, then the list: no room that comes meanwhile is missed.
    let events = watcher::subscribe(session).await?;
    let wanted = chosen(session, &watch.rooms).await?;
    let watcher = Watcher {
        output,
        session,
        events,
        wanted,
        all: watch.rooms.is_empty(),
        monitor: Monitor::new(watch.alerts),
        runner: watch.exec.as_deref().map(Runner::new),
        figures,
        duration: watch.duration,
    };
    watcher.run().await
}

/// The rooms that were named, or all that are open.
async fn chosen(session: &Session, names: &[String]) -> anyhow::Result<Vec<StreamRoom>> {
    if names.len() > MAX_ROOMS {
        let text = format!("{MAX_ROOMS} rooms are the most that can be watched at once");
        return Err(Failure::new(Exit::Usage, text).into());
    }
    if names.is_empty() {
        let rooms = session.rooms().await?;
        return Ok(rooms.into_iter().filter(|r| !r.closed && r.status_code == 0).collect());
    }
    let mut rooms = Vec::new();
    for name in names {
        rooms.push(session.expect_room(name).await?);
    }
    Ok(rooms)
}
