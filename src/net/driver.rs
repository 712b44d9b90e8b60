//! The one task that owns a session's socket.
//!
//! It sends calls and hands out their answers, pings, refills tickets, delivers events, and
//! when the socket is lost opens it again with growing waits, authorises it anew and
//! subscribes to the same channels. Commands wait in their queue meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::sleep_until;
use tokio::time::timeout;

use crate::model::SubscriptionId;
use crate::wire::dto::event::Event;

use super::backoff::Backoff;
use super::error::NetError;
use super::link::Link;
use super::link::Received;
use super::session::Attempt;
use super::session::Sealed;
use super::session::SessionEvent;
use super::session::SessionState;
use super::session::Shared;
use super::subscriptions::MAX_SUBSCRIPTIONS;
use super::subscriptions::SubscriptionTable;

/// How often the bridge is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(10);

/// How long it may take to give one.
const PONG_WITHIN: Duration = Duration::from_secs(3);

/// How often the stock of tickets is looked at.
const REFILL_EVERY: Duration = Duration::from_secs(10);

/// How long opening, authorising and subscribing may take together.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

type Reply<T> = oneshot::Sender<Result<T, NetError>>;

/// What handles ask of the driver.
pub(super) enum Command {
    /// Call a method over the socket.
    Call { method: String, params: Value, reply: oneshot::Sender<Result<Attempt, NetError>> },
    /// Subscribe to channels.
    Subscribe { channels: Vec<String>, reply: Reply<Vec<SubscriptionId>> },
    /// End subscriptions.
    Unsubscribe { ids: Vec<SubscriptionId>, reply: Reply<()> },
    /// The session was logged in anew: open a socket for it, unless that was done already.
    Reopen,
}

/// A call that is under way.
struct Pending {
    sealed: Sealed,
    method: String,
    then: Then,
}

/// What to do with its answer.
enum Then {
    Reply(oneshot::Sender<Result<Attempt, NetError>>),
    Subscribed { channels: Vec<String>, reply: Reply<Vec<SubscriptionId>> },
    Unsubscribed { reply: Reply<()> },
}

/// Why serving a socket ended.
enum End {
    Stopped,
    Lost(String),
}

/// Owns the socket.
pub(super) struct SessionDriver {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<SessionEvent>,
    subscriptions: SubscriptionTable,
    pending: HashMap<u32, Pending>,
    backoff: Backoff,
    link: Option<Link>,
    /// Refills that are under way: at most one.
    refills: JoinSet<Result<(), NetError>>,
}

impl SessionDriver {
    /// Opens and authorises the first socket.
    pub(super) async fn open(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<SessionEvent>,
    ) -> Result<Self, NetError> {
        let link = Link::open(&shared).await?;
        Ok(Self {
            shared,
            commands,
            events,
            subscriptions: SubscriptionTable::default(),
            pending: HashMap::new(),
            backoff: Backoff::default(),
            link: Some(link),
            refills: JoinSet::new(),
        })
    }

    pub(super) async fn run(mut self) {
        while let Some(mut link) = self.next_link().await {
            let end = self.serve(&mut link).await;
            self.fail_pending();
            self.shared.http.forget_connections();
            match end {
                End::Stopped => {
                    link.goodbye(&self.shared).await;
                    break;
                }
                End::Lost(reason) => {
                    tracing::info!(%reason, "the socket is lost");
                    let state = SessionState::Reconnecting { reason: reason.clone() };
                    self.shared.state.send_replace(state);
                    self.tell_surely(SessionEvent::Disconnected { reason }).await;
                }
            }
        }
        self.shared.state.send_replace(SessionState::Closed);
        self.refills.shutdown().await;
    }

    /// The first socket, or a new one as soon as that succeeds; none when stopped.
    async fn next_link(&mut self) -> Option<Link> {
        if let Some(link) = self.link.take() {
            return Some(link);
        }
        let lost_at = Instant::now();
        loop {
            let stop = self.shared.stop.clone();
            let delay = self.backoff.next_delay(lost_at.elapsed(), rand::random());
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(delay) => {}
            }
            let attempt = tokio::select! {
                () = stop.cancelled() => return None,
                attempt = timeout(OPEN_TIMEOUT, self.reopen()) => attempt,
            };
            match attempt.unwrap_or(Err(NetError::Timeout(OPEN_TIMEOUT))) {
                Ok(link) => {
                    self.backoff.reset();
                    self.shared.state.send_replace(SessionState::Connected);
                    self.tell_surely(SessionEvent::Reconnected).await;
                    return Some(link);
                }
                Err(error) => {
                    tracing::info!(%error, "reconnecting failed");
                    let state = SessionState::Reconnecting { reason: error.to_string() };
                    self.shared.state.send_replace(state);
                }
            }
        }
    }

    async fn reopen(&mut self) -> Result<Link, NetError> {
        let mut link = Link::open(&self.shared).await?;
        let held = self.subscriptions.channels();
        if held.is_empty() {
            return Ok(link);
        }
        let channels: Vec<_> = held.iter().map(|(_, channel)| channel).collect();
        let params = json!({ "channels": channels });
        let answer = link.call(&self.shared, "subscribeToChannels", &params).await?;
        for ((id, _), server_id) in held.iter().zip(subscription_ids(&answer)?) {
            self.subscriptions.rebind(id, &server_id);
        }
        if link.generation() == self.shared.generation() {
            return Ok(link);
        }
        // The session was lost between the two calls, and with it the socket's authorisation.
        Err(NetError::ConnectionLost)
    }

    async fn serve(&mut self, link: &mut Link) -> End {
        let stop = self.shared.stop.clone();
        let mut ping = ticker(PING_EVERY);
        let mut refill = ticker(REFILL_EVERY);
        let mut heard_by: Option<Instant> = None;
        // Events may have come while the socket was being set up.
        while let Some(received) = link.take_early() {
            if let Some(end) = self.handle_received(received) {
                return end;
            }
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return End::Stopped,
                received = link.receive() => {
                    heard_by = None;
                    if let Some(end) = self.handle_received(received) {
                        return end;
                    }
                }
                command = self.commands.recv() => {
                    let Some(command) = command else { return End::Stopped };
                    if let Err(end) = self.handle_command(link, command).await {
                        return end;
                    }
                }
                _ = ping.tick() => {
                    if link.ping().await.is_err() {
                        return End::Lost("the socket is broken".to_owned());
                    }
                    heard_by.get_or_insert_with(|| Instant::now() + PONG_WITHIN);
                }
                () = until(heard_by), if heard_by.is_some() => {
                    return End::Lost("the bridge does not answer".to_owned());
                }
                _ = refill.tick(), if self.refills.is_empty() => {
                    let shared = Arc::clone(&self.shared);
                    self.refills.spawn(async move { shared.refill().await });
                }
                Some(refilled) = self.refills.join_next() => {
                    if let Ok(Err(error)) = refilled {
                        // The next tick tries again; running out leads to a new login.
                        tracing::info!(%error, "no new tickets");
                    }
                    if let Err(end) = self.require_current(link) {
                        return end;
                    }
                }
            }
        }
    }

    async fn handle_command(&mut self, link: &mut Link, command: Command) -> Result<(), End> {
        match command {
            Command::Call { reply, .. } if reply.is_closed() => Ok(()),
            Command::Call { method, params, reply } => {
                self.start(link, method, &params, Then::Reply(reply)).await
            }
            Command::Subscribe { channels, reply } => {
                let total = self.subscriptions.len().saturating_add(channels.len());
                if total > MAX_SUBSCRIPTIONS {
                    let text = format!("more than {MAX_SUBSCRIPTIONS} subscriptions");
                    // Nobody waits if the reply is refused.
                    let _ = reply.send(Err(NetError::Alert { text }));
                    return Ok(());
                }
                let params = json!({ "channels": channels });
                let then = Then::Subscribed { channels, reply };
                self.start(link, "subscribeToChannels".to_owned(), &params, then).await
            }
            Command::Unsubscribe { ids, reply } => {
                let gone = self.subscriptions.remove(&ids);
                if gone.is_empty() {
                    // Nobody waits if the reply is refused.
                    let _ = reply.send(Ok(()));
                    return Ok(());
                }
                let params = json!({ "subscriptionsIds": gone });
                let then = Then::Unsubscribed { reply };
                self.start(link, "unsubscribeFromChannels".to_owned(), &params, then).await
            }
            // Between the login and this command the socket may have been opened anew.
            Command::Reopen => self.require_current(link),
        }
    }

    /// The socket belongs to the current login, or it is of no use any more.
    fn require_current(&self, link: &Link) -> Result<(), End> {
        if link.generation() == self.shared.generation() {
            return Ok(());
        }
        Err(End::Lost("the session was logged in anew".to_owned()))
    }

    async fn start(
        &mut self,
        link: &mut Link,
        method: String,
        params: &Value,
        then: Then,
    ) -> Result<(), End> {
        let mut sealed = match self.shared.seal(&method, params) {
            Ok(sealed) => sealed,
            Err(generation) => {
                then.finish(&mut self.subscriptions, Ok(Attempt::SessionLost { generation }));
                return Ok(());
            }
        };
        let body = std::mem::take(&mut sealed.body);
        match link.send(body).await {
            Ok(id) => {
                self.pending.insert(id, Pending { sealed, method, then });
                Ok(())
            }
            Err(error) => {
                then.finish(&mut self.subscriptions, Err(NetError::ConnectionLost));
                Err(End::Lost(error.to_string()))
            }
        }
    }

    fn handle_received(&mut self, received: Received) -> Option<End> {
        match received {
            Received::Answer { id, body } => {
                if let Some(Pending { sealed, method, then }) = self.pending.remove(&id) {
                    let attempt = self.shared.open(sealed, &method, &body);
                    then.finish(&mut self.subscriptions, Ok(attempt));
                }
                None
            }
            Received::Event(event) => {
                match Event::from_raw(event) {
                    Ok(event) => {
                        let notification = self.subscriptions.notification(event);
                        self.tell(SessionEvent::Notification(Box::new(notification)))
                    }
                    Err(error) => {
                        // One strange event must not stop the others.
                        tracing::debug!(%error, "an event is left out");
                        None
                    }
                }
            }
            Received::Nothing => None,
            Received::Closed(reason) => Some(End::Lost(reason)),
        }
    }

    /// Hands an event to the reader; a reader that is hopelessly behind gets a new start.
    fn tell(&self, event: SessionEvent) -> Option<End> {
        match self.events.try_send(event) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => Some(End::Lost("events are not being read".to_owned())),
            Err(TrySendError::Closed(_)) => Some(End::Stopped),
        }
    }

    /// Hands over what must not be missed, however long the reader takes.
    async fn tell_surely(&self, event: SessionEvent) {
        let stop = self.shared.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            // A reader that is gone misses nothing.
            _ = self.events.send(event) => {}
        }
    }

    fn fail_pending(&mut self) {
        for (_, pending) in self.pending.drain() {
            pending.then.finish(&mut self.subscriptions, Err(NetError::ConnectionLost));
        }
    }
}

impl Then {
    /// Gives the answer to whoever waits; that nobody does any more is no error.
    fn finish(self, table: &mut SubscriptionTable, answer: Result<Attempt, NetError>) {
        match self {
            Self::Reply(reply) => {
                let _ = reply.send(answer);
            }
            Self::Subscribed { channels, reply } => {
                let ids = result_of(answer).and_then(|value| {
                    let server_ids = subscription_ids(&value)?;
                    let pairs = channels.iter().zip(&server_ids);
                    Ok(pairs.map(|(channel, id)| table.add(channel, id)).collect())
                });
                let _ = reply.send(ids);
            }
            Self::Unsubscribed { reply } => {
                // With the socket the bridge has forgotten them anyway.
                let done = match result_of(answer) {
                    Err(NetError::ConnectionLost) | Ok(_) => Ok(()),
                    Err(error) => Err(error),
                };
                let _ = reply.send(done);
            }
        }
    }
}

fn result_of(answer: Result<Attempt, NetError>) -> Result<Value, NetError> {
    match answer? {
        Attempt::Done(result) => result,
        Attempt::SessionLost { .. } => Err(NetError::ConnectionLost),
    }
}

fn subscription_ids(answer: &Value) -> Result<Vec<String>, NetError> {
    let list = answer.get("subscriptions").and_then(Value::as_array);
    let ids = list
        .into_iter()
        .flatten()
        .map(|item| item.get("subscriptionId").and_then(Value::as_str).map(str::to_owned));
    let ids: Option<Vec<_>> = ids.collect();
    ids.filter(|ids| list.is_some_and(|list| list.len() == ids.len()))
        .ok_or_else(|| NetError::Protocol("an answer without subscription ids".to_owned()))
}

fn ticker(period: Duration) -> tokio::time::Interval {
    let mut ticker = interval(period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker.reset();
    ticker
}

async fn until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}
