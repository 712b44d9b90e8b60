//! `conclave` without a command, and the terminal interface of the others.

use crate::cli::args::Global;
use crate::cli::args::Screen;
use crate::cli::args::Sound;
use crate::cli::devices::Choice;
use crate::cli::gate::GateHandle;
use crate::cli::paths::Paths;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::model::StreamRoomId;

/// How the interface begins.
pub struct Start {
    /// Room to join at once.
    pub room: Option<StreamRoomId>,
    /// Room name, link and validity of an invite to show.
    pub invite: Option<(String, String, String)>,
    /// Where guests ask, if this user can let them in.
    pub gate: Option<GateHandle>,
    /// Sound devices.
    pub choice: Choice,
    /// Join muted.
    pub muted: bool,
}

/// Opens the interface on the bridge of last time.
pub async fn run(
    paths: Paths,
    global: &Global,
    sound: &Sound,
    screen: &Screen,
) -> anyhow::Result<()> {
    let profile = Profile::open(paths, global.name.as_deref())?;
    let choice = Choice::new(sound, &profile.settings)?;
    let session = Session::resume(profile).await?;
    let start = Start { room: None, invite: None, gate: None, choice, muted: sound.muted };
    show(session, screen, start).await
}

/// Shows the interface until the user quits, then closes the session.
pub async fn show(session: Session, _screen: &Screen, _start: Start) -> anyhow::Result<()> {
    session.close().await;
    anyhow::bail!("not yet")
}
