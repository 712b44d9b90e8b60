//! The task that answers guests who ask to be let in.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::api::Connection;
use crate::api::EventQueue;
use crate::api::StreamApi;
use crate::model::ContextId;
use crate::model::EventKind;
use crate::profile::IssuedInvites;

use super::admission;
use super::admission::Request;
use super::args::Admit;
use super::clock;
use super::trust::PinnedKeys;

/// Notices between the gate and the interface; the gate waits when it is full.
const NOTICES: usize = 64;
/// Answers between the interface and the gate; the interface waits when it is full.
const ANSWERS: usize = 64;
/// Guests that may wait for an answer at the same time; further ones have to ask again later.
const MAX_PENDING: usize = 64;

/// What the gate has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody waits for an answer, to be given with this number.
    Asked(u64, Request),
    /// Somebody was let in.
    Admitted(Request),
    /// Somebody was kept out.
    Denied(Request),
    /// Letting somebody in did not work.
    Failed(Request, String),
}

/// A yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Number of the [`Notice::Asked`].
    pub id: u64,
    /// Let them in.
    pub admit: bool,
}

/// What the gate works with.
pub struct Gate {
    /// Logged in.
    pub connection: Connection,
    /// Rooms of that connection.
    pub api: StreamApi,
    /// Where guests come from.
    pub context: ContextId,
    /// What vouches for guests.
    pub invites: IssuedInvites,
    /// What is known about keys.
    pub known: Arc<PinnedKeys>,
    /// Whom to let in.
    pub policy: Admit,
}

/// The other end of the gate's task.
pub struct GateHandle {
    /// What happens at the gate.
    pub notices: mpsc::Receiver<Notice>,
    /// Where answers go.
    pub answers: mpsc::Sender<Answer>,
    task: JoinHandle<()>,
}

impl GateHandle {
    /// Stops answering.
    pub async fn shutdown(self) {
        self.task.abort();
        // An aborted task ends with an error that says just that.
        let _ = self.task.await;
    }
}

impl Gate {
    /// Subscribes to requests and starts answering them.
    pub async fn open(self) -> anyhow::Result<GateHandle> {
        let events = self.connection.events();
        let query = format!("context/custom/{}|contextId={}", admission::CHANNEL, self.context);
        self.connection.subscribe_for(&[query]).await?;
        let (notice_sender, notices) = mpsc::channel(NOTICES);
        let (answers, answer_receiver) = mpsc::channel(ANSWERS);
        let keeper =
            Keeper { gate: self, notices: notice_sender, pending: HashMap::new(), asked: 0 };
        let task = tokio::spawn(keeper.run(events, answer_receiver));
        Ok(GateHandle { notices, answers, task })
    }
}

struct Keeper {
    gate: Gate,
    notices: mpsc::Sender<Notice>,
    pending: HashMap<u64, Request>,
    asked: u64,
}

impl Keeper {
    async fn run(mut self, mut events: EventQueue, mut answers: mpsc::Receiver<Answer>) {
        loop {
            tokio::select! {
                event = events.next_event() => match event.map(|event| event.kind) {
                    Some(EventKind::Custom { channel, author, data, .. })
                        if channel == admission::CHANNEL =>
                    {
                        let invites = &self.gate.invites;
                        let request =
                            admission::read_request(&author, &data, invites, clock::now());
                        if let Some(request) = request {
                            self.consider(request).await;
                        }
                    }
                    Some(_) => {}
                    None => return,
                },
                Some(answer) = answers.recv() => {
                    if let Some(request) = self.pending.remove(&answer.id) {
                        self.settle(request, answer.admit).await;
                    }
                }
            }
        }
    }

    /// Guests repeat their request until they are answered, so a known one is no news.
    async fn consider(&mut self, request: Request) {
        let same = |known: &Request| known.guest == request.guest && known.room == request.room;
        if self.pending.values().any(same) || self.pending.len() >= MAX_PENDING {
            return;
        }
        match self.gate.policy {
            Admit::None => self.settle(request, false).await,
            Admit::All => {
                let vouched = request.vouched;
                self.settle(request, vouched).await;
            }
            Admit::Ask => {
                self.asked += 1;
                self.pending.insert(self.asked, request.clone());
                self.tell(Notice::Asked(self.asked, request)).await;
            }
        }
    }

    async fn settle(&self, request: Request, admit: bool) {
        let Gate { connection, api, context, known, .. } = &self.gate;
        let notice = if admit {
            match admission::admit(api, connection, context, &request, known).await {
                Ok(()) => Notice::Admitted(request),
                Err(error) => Notice::Failed(request, format!("{error:#}")),
            }
        } else {
            match admission::deny(connection, context, &request).await {
                Ok(()) => Notice::Denied(request),
                Err(error) => Notice::Failed(request, error.to_string()),
            }
        };
        self.tell(notice).await;
    }

    async fn tell(&self, notice: Notice) {
        if self.notices.send(notice).await.is_err() {
            tracing::debug!("nobody listens to the gate any more");
        }
    }
}
