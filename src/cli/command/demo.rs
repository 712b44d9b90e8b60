//! `conclave demo`: a room with two synthetic participants who talk, to try it alone.
//!
//! Everything is real but the talkers' voices and faces: an embedded bridge on loopback, three
//! logged-in clients, end-to-end encrypted media. It lives in a temporary directory.

use crate::api::Call;
use crate::cli::args::Global;
use crate::cli::args::Screen;
use crate::cli::args::Sound;
use crate::cli::devices::Choice;
use crate::cli::paths::Paths;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::device::DeviceSpec;
use crate::device::video::VideoSpec;
use crate::model::StreamRoom;

use super::join;
use super::tui;

/// Name of the demo's room.
const ROOM: &str = "demo";
/// The synthetic participants and their voices.
const TALKERS: [(&str, &str); 2] = [("ben", "voice:1"), ("chi", "voice:2")];

/// Opens the demo meeting.
pub async fn run(global: &Global, sound: &Sound, screen: &Screen) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("conclave-demo-").tempdir()?;
    let below = |name: &str| Paths::resolve(Some(directory.path().join(name)));
    let profile = Profile::open(below("you")?, global.name.as_deref())?;
    let choice = Choice::new(sound, &profile.settings)?;
    let listen = "127.0.0.1:0".parse().expect("a socket address");
    let session = Session::host(profile, listen, &[]).await?;
    let mut talkers = Vec::new();
    for (name, _) in TALKERS {
        let profile = Profile::open(below(name)?, Some(name))?;
        talkers.push(session.guest(profile).await?);
    }
    let members = std::iter::once(&session).chain(&talkers).map(Session::own_user).collect();
    let room = session.create_room_for(ROOM, members).await?;
    let mut calls = Vec::new();
    for (talker, (_, voice)) in talkers.iter().zip(TALKERS) {
        calls.push(talk(talker, &room, voice).await?);
    }
    let start = tui::Start {
        room: Some(room.stream_room_id.clone()),
        invite: None,
        gate: None,
        choice,
        muted: sound.muted,
        share: None,
    };
    let shown = tui::show(&session, screen, start).await;
    // The bridge goes last, or nobody could say goodbye to it.
    for call in calls {
        if let Err(error) = call.leave().await {
            tracing::debug!(%error, "a talker could not say goodbye");
        }
    }
    for talker in talkers {
        talker.close().await;
    }
    session.close().await;
    shown
}

async fn talk(talker: &Session, room: &StreamRoom, voice: &str) -> anyhow::Result<Call> {
    let choice = Choice {
        mic: Some(voice.parse()?),
        mic_named: true,
        speaker: DeviceSpec::Null,
        speaker_named: true,
        camera: Some(VideoSpec::Pattern),
        screen: None,
    };
    join::enter(talker, room, &choice, false).await
}
