//! `conclave` without a command, and the terminal interface of the others.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::api::terminal::SharedCommand;
use crate::cli::args::Admit;
use crate::cli::args::Global;
use crate::cli::args::Screen;
use crate::cli::args::Sound;
use crate::cli::devices::Choice;
use crate::cli::gate::Answer;
use crate::cli::gate::GateHandle;
use crate::cli::gate::Notice;
use crate::cli::look;
use crate::cli::output::clean;
use crate::cli::paths::Paths;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::cli::surroundings::Here;
use crate::model::StreamRoomId;
use crate::ui;
use crate::ui::SessionConfig;
use crate::ui::UiConfig;
use crate::ui::effect::AdmissionDecision;
use crate::ui::event::AdmissionId;
use crate::ui::event::AdmissionRequest;
use crate::ui::event::Event;
use crate::ui::event::Invite;
use crate::ui::event::Severity;

use super::host;

/// Facts from the gate to the interface; the gate waits when it is full.
const EVENTS: usize = 64;
/// Decisions from the interface to the gate; the interface tells the user when it is full.
const DECISIONS: usize = 64;

/// How the interface begins.
pub struct Start {
    /// Room to join at once.
    pub room: Option<StreamRoomId>,
    /// An invite to show.
    pub invite: Option<Invite>,
    /// Where guests ask, if this user can let them in.
    pub gate: Option<GateHandle>,
    /// Devices.
    pub choice: Choice,
    /// Join muted.
    pub muted: bool,
    /// A terminal to share from the beginning.
    pub share: Option<SharedCommand>,
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
    let gate = host::open_gate(&session, Admit::Ask).await?;
    let start = Start {
        room: None,
        invite: None,
        gate: Some(gate),
        choice,
        muted: sound.muted,
        share: None,
    };
    let shown = show(&session, screen, start).await;
    session.close().await;
    shown
}

/// Shows the interface until the user quits and has left the call. The session stays open.
pub async fn show(session: &Session, screen: &Screen, start: Start) -> anyhow::Result<()> {
    let (event_sender, events) = mpsc::channel(EVENTS);
    let (decisions, decision_receiver) = mpsc::channel(DECISIONS);
    if let Some(invite) = start.invite {
        // The queue is new and longer than one.
        let _ = event_sender.try_send(Event::InviteReady(invite));
    }
    let porter = start.gate.map(|gate| Porter {
        task: tokio::spawn(carry(gate, session.api.clone(), event_sender, decision_receiver)),
    });
    let profile = &session.profile;
    let chimes = profile.settings.chimes.unwrap_or(true);
    let config = UiConfig {
        look: look::choose(screen, &profile.settings, &profile.paths.config),
        me: ui::state::Identity {
            user: session.user.clone(),
            fingerprint: profile
                .identity
                .key
                .public_key()
                .fingerprint()
                .to_string()
                .as_str()
                .into(),
            bridge: session.url.as_str().into(),
        },
        join: start.room,
        session: SessionConfig {
            connection: session.connection.clone(),
            streams: session.api.clone(),
            context: session.context.clone(),
            user: session.user.clone(),
            microphone: start.choice.mic,
            camera: start.choice.camera,
            screen: start.choice.screen,
            surroundings: Arc::new(Here::new(session.keys.clone(), chimes, &start.choice.speaker)),
            speaker: start.choice.speaker,
            muted: start.muted,
            share: start.share,
            events,
            decisions,
        },
    };
    let shown = ui::run(config).await;
    if let Some(porter) = porter {
        porter.shutdown().await;
    }
    Ok(shown?)
}

/// The task between gate and interface.
struct Porter {
    task: JoinHandle<()>,
}

impl Porter {
    async fn shutdown(self) {
        self.task.abort();
        // An aborted task ends with an error that says just that.
        let _ = self.task.await;
    }
}

async fn carry(
    mut gate: GateHandle,
    api: crate::api::StreamApi,
    events: mpsc::Sender<Event>,
    mut decisions: mpsc::Receiver<AdmissionDecision>,
) {
    loop {
        tokio::select! {
            notice = gate.notices.recv() => {
                let Some(notice) = notice else { return };
                let event = in_the_interfaces_words(notice, &api).await;
                if events.send(event).await.is_err() {
                    return;
                }
            }
            decision = decisions.recv() => {
                let Some(AdmissionDecision { id, admit }) = decision else { return };
                if gate.answers.send(Answer { id: id.0, admit }).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn in_the_interfaces_words(notice: Notice, api: &crate::api::StreamApi) -> Event {
    let note = |severity, text| Event::Noticed { severity, text };
    match notice {
        Notice::Asked(id, request) => {
            let room = api.get_stream_room(&request.room).await;
            let room = room
                .map_or_else(|_| request.room.0.clone(), |room| crate::cli::room_meta::name(&room));
            Event::AdmissionRequested(AdmissionRequest {
                id: AdmissionId(id),
                name: request.name,
                fingerprint: request.fingerprint,
                vouched: request.vouched,
                room,
            })
        }
        Notice::Withdrawn(id, _) => Event::AdmissionWithdrawn(AdmissionId(id)),
        Notice::Admitted(request) => note(Severity::Good, format!("{} is let in", request.name)),
        Notice::Denied(request) => note(Severity::Info, format!("{} is kept out", request.name)),
        Notice::Failed(request, reason) => {
            let text = format!("{} could not be answered: {}", request.name, clean(&reason));
            note(Severity::Bad, text)
        }
    }
}
