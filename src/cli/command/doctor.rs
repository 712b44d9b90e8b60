//! `conclave doctor`: checks what a meeting needs, and says what to fix.

use crate::cli::args::Doctor;
use crate::cli::args::Global;
use crate::cli::args::Sound;
use crate::cli::devices::Choice;
use crate::cli::doctor::Finding;
use crate::cli::doctor::Report;
use crate::cli::doctor::bridge;
use crate::cli::doctor::files;
use crate::cli::doctor::media;
use crate::cli::doctor::pictures;
use crate::cli::doctor::sound;
use crate::cli::doctor::terminal;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::profile::KnownBridge;
use crate::profile::Settings;

/// Checks everything, nearest first, and goes on where one thing does not need the other.
pub async fn run(
    paths: Paths,
    global: &Global,
    wanted: &Sound,
    doctor: &Doctor,
    output: Output,
) -> anyhow::Result<()> {
    let mut report = Report::new(output);
    let mut files_work = true;
    for finding in files::check(&paths) {
        files_work &= report.add(&finding);
    }
    report.add(&terminal::check());
    match Choice::new(wanted, &Settings::load(&paths.config).unwrap_or_default()) {
        Ok(choice) => {
            for finding in sound::check(&choice).await {
                report.add(&finding);
            }
            for finding in pictures::check(&choice).await {
                report.add(&finding);
            }
        }
        Err(error) => {
            report.add(&Finding::error("devices", &error));
        }
    }
    if files_work {
        check_bridge(paths, global, doctor, &mut report).await;
    } else {
        report.add(&Finding::skipped("bridge", "the files come first"));
    }
    Ok(report.finish()?)
}

async fn check_bridge(paths: Paths, global: &Global, doctor: &Doctor, report: &mut Report) {
    let known = KnownBridge::load(&paths.data).map_err(anyhow::Error::from);
    let known = known.and_then(|known| Ok(paths.overrides.apply(known)?));
    match &known {
        Ok(Some(known)) if !known.embedded => {
            if !report.add(&bridge::reach(known).await) {
                return;
            }
        }
        Ok(_) => {
            let text = "the bridge of this machine is used; it is started if it does not run";
            report.add(&Finding::fine("reach", text));
        }
        Err(error) => {
            report.add(&Finding::error("reach", error));
            return;
        }
    }
    let session = match Profile::open(paths, global.name.as_deref()) {
        Ok(profile) => Session::resume(profile).await,
        Err(error) => Err(error),
    };
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            report.add(&Finding::error("login", &error));
            return;
        }
    };
    report.add(&bridge::login(&session));
    report.add(&bridge::compare_clocks(&session.url).await);
    report.add(&media::check(&session, doctor.room.as_deref()).await);
    session.close().await;
}
