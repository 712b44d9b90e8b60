//! The task that answers guests who ask to be let in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::api::Connection;
use crate::api::EventQueue;
use crate::api::StreamApi;
use crate::model::ContextId;
use crate::model::EventKind;
use crate::model::UserWithPubKey;
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
/// Guests that may wait for an answer at the same time, no more than the interface can hold
/// questions. Further ones are considered when they repeat their request after an answer.
const MAX_PENDING: usize = 8;

/// A guest who has not repeated the request for so long has gone away; they do it every 3 s.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(15);

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
    /// Somebody gave up waiting; the number is that of the question.
    Withdrawn(u64, Request),
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
    /// Where the invites are kept that vouch for guests.
    pub data: PathBuf,
    /// The user as others know them.
    pub me: UserWithPubKey,
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
    pending: HashMap<u64, Pending>,
    asked: u64,
}

/// A question that waits for an answer.
struct Pending {
    request: Request,
    /// When the guest last repeated it.
    heard: Instant,
}

impl Keeper {
    async fn run(mut self, mut events: EventQueue, mut answers: mpsc::Receiver<Answer>) {
        let mut sweep = tokio::time::interval(GIVEN_UP_AFTER);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = sweep.tick(), if !self.pending.is_empty() => self.forget_who_gave_up().await,
                event = events.next_event() => match event.map(|event| event.kind) {
                    Some(EventKind::Custom { channel, author, data, .. })
                        if channel == admission::CHANNEL =>
                    {
                        if let Some(request) = self.read(&author, &data) {
                            self.consider(request).await;
                        }
                    }
                    Some(_) => {}
                    None => return,
                },
                Some(answer) = answers.recv() => {
                    if let Some(pending) = self.pending.remove(&answer.id) {
                        self.settle(pending.request, answer.admit).await;
                    }
                }
            }
        }
    }

    /// Reads a request by the invites as they are now: one that was revoked meanwhile no
    /// longer vouches for anybody.
    fn read(&self, author: &UserWithPubKey, data: &[u8]) -> Option<Request> {
        match IssuedInvites::load(&self.gate.data) {
            Ok(invites) => admission::read_request(author, data, &invites, clock::now()),
            Err(error) => {
                tracing::warn!(%error, "a request could not be checked");
                None
            }
        }
    }

    /// Guests repeat their request until they are answered, so a known one is no news. There
    /// is one question per key, or one guest could use up all of them.
    async fn consider(&mut self, request: Request) {
        let known = self.pending.values_mut().find(|known| known.request.guest == request.guest);
        if let Some(known) = known {
            known.heard = Instant::now();
            return;
        }
        if self.pending.len() >= MAX_PENDING {
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
                let pending = Pending { request: request.clone(), heard: Instant::now() };
                self.pending.insert(self.asked, pending);
                self.tell(Notice::Asked(self.asked, request)).await;
            }
        }
    }

    async fn forget_who_gave_up(&mut self) {
        let silent: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.heard.elapsed() > GIVEN_UP_AFTER)
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            if let Some(pending) = self.pending.remove(&id) {
                self.tell(Notice::Withdrawn(id, pending.request)).await;
            }
        }
    }

    async fn settle(&self, request: Request, admit: bool) {
        let Gate { connection, api, context, known, me, .. } = &self.gate;
        let notice = if admit {
            match admission::admit(api, connection, context, &request, known, me).await {
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
