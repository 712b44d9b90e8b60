//! From arguments to exit code.

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use super::args::Arguments;
use super::args::Command;
use super::command;
use super::command::bridge::args::Bridge;
use super::exit::Exit;
use super::failure;
use super::logging;
use super::output::Output;
use super::output::scrub;
use super::paths::Paths;

/// Reads the command line, runs the command, prints what went wrong, and answers the exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.global.json };
    match start(arguments, output) {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            let (exit, message) = failure::explain(&error);
            tracing::error!(error = ?error, "the command failed");
            output.event(&json!({"event": "error", "message": message, "code": exit as u8}));
            Output::note(&format!("conclave: {}", scrub(&message)));
            exit.into()
        }
    }
}

fn start(arguments: Arguments, output: Output) -> anyhow::Result<()> {
    match &arguments.command {
        Some(Command::Completions { shell }) => return command::completions::print(*shell),
        Some(Command::Man) => return command::completions::print_manual(),
        Some(Command::Devices) => return command::devices::run(output),
        _ => {}
    }
    let paths = Paths::resolve(arguments.global.data.clone())?;
    // A daemon logs as its settings say.
    let is_daemon =
        matches!(arguments.command, Some(Command::Bridge { command: Bridge::Serve(_) }));
    let _log = match is_daemon {
        true => None,
        false => logging::start(&paths.logs, arguments.global.log.as_deref())?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()?;
    let result = runtime.block_on(dispatch(arguments, paths, output));
    // A read of stdin can't be cancelled; waiting for it would hang the exit.
    runtime.shutdown_background();
    result
}

/// Two workers serve a call of any size we have measured; more only wake each other up.
fn worker_threads() -> usize {
    const MOST: usize = 4;
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, MOST))
}

async fn dispatch(arguments: Arguments, paths: Paths, output: Output) -> anyhow::Result<()> {
    let Arguments { command, global, sound, screen } = arguments;
    // Some commands are about this machine's own bridge, whatever profile is in use.
    let own = paths;
    if let Some(name) = own_bridge(command.as_ref()) {
        global.remote.refuse_for(name)?;
    }
    let paths = match &command {
        Some(Command::Profile { .. } | Command::Bridge { .. }) => own.clone(),
        _ => global.remote.select(&own)?,
    };
    match command {
        None => command::tui::run(paths, &global, &sound, &screen).await,
        Some(Command::Demo) => command::demo::run(&global, &sound, &screen).await,
        Some(Command::Host(host)) => {
            command::host::run(own, &global, &sound, &screen, &host, output).await
        }
        Some(Command::Join(join)) => {
            command::join::run((own, paths), &global, &sound, &screen, &join, output).await
        }
        Some(Command::Rooms { command }) => {
            command::rooms::run(paths, &global, &command, output).await
        }
        Some(Command::Invites { command }) => {
            command::invites::run(own, &global, &command, output).await
        }
        Some(Command::Watch(watch)) => command::watch::run(paths, &global, watch, output).await,
        Some(Command::Profile { command }) => {
            command::profile::run(&own, &global, &command, output).await
        }
        Some(Command::Doctor(doctor)) => {
            command::doctor::run(paths, &global, &sound, &doctor, output).await
        }
        Some(Command::Bridge { command }) => {
            command::bridge::run(own, &global, command, output).await
        }
        Some(Command::Record(record)) => {
            command::record::run(paths, &global, &record, output).await
        }
        Some(Command::Snap(snap)) => command::snap::run(paths, &global, &snap, output).await,
        Some(Command::Recordings { command }) => {
            command::recordings::run(paths, &global, &command, output).await
        }
        Some(Command::Play(play)) => command::play::run(paths, &sound, &screen, &play).await,
        Some(Command::Identity) => command::identity::run(paths, &global, output),
        // Answered before the runtime was made.
        Some(Command::Devices | Command::Completions { .. } | Command::Man) => Ok(()),
    }
}

/// The name of a command that has a bridge of its own.
const fn own_bridge(command: Option<&Command>) -> Option<&'static str> {
    match command {
        Some(Command::Host(_)) => Some("host"),
        Some(Command::Invites { .. }) => Some("invites"),
        Some(Command::Demo) => Some("demo"),
        _ => None,
    }
}
