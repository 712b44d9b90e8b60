//! `conclave bridge …`: the bridge without a meeting of its own, as a service for others.
//!
//! [`serve`] runs it; [`manage`] changes what it holds, over its management API whether it
//! runs or not; [`maintain`] looks after its store.

pub mod admin;
pub mod args;
pub mod config;
pub mod maintain;
pub mod manage;
pub mod serve;

use crate::cli::args::Global;
use crate::cli::output::Output;
use crate::cli::paths::Paths;

/// Carries out one command.
pub async fn run(
    paths: Paths,
    global: &Global,
    command: args::Bridge,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        args::Bridge::Serve(options) => serve::run(&paths, global, &options, output).await,
        args::Bridge::Backup { file } => maintain::backup(&paths, &file, output),
        args::Bridge::Restore { file } => maintain::restore(&paths, &file, output),
        args::Bridge::Check { file } => maintain::check(&paths, file.as_deref(), output),
        other => manage::run(&paths, global, other, output).await,
    }
}
