//! The task of the shared terminals of a room. It owns the pseudo-terminal and feeds [`Owner`]
//! and [`Viewer`]s, the step functions of the protocol, from the data tracks of the room.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use super::command::SharedCommand;
use super::handle::TerminalOrder;
use super::key::key_of;
use super::key::open_key;
use super::view::TerminalView;
use super::view::TerminalViews;
use crate::api::ApiError;
use crate::api::Person;
use crate::api::RemoteStreamEvent;
use crate::api::RemoteStreamListener;
use crate::api::StreamApi;
use crate::api::joined::Room;
use crate::crypto::ecies;
use crate::device::Pty;
use crate::device::PtyEvent;
use crate::media::terminal;
use crate::media::terminal::Cell;
use crate::media::terminal::Control;
use crate::media::terminal::Deed;
use crate::media::terminal::Message;
use crate::media::terminal::Owner;
use crate::media::terminal::Received;
use crate::media::terminal::Status;
use crate::media::terminal::TerminalSize;
use crate::media::terminal::Viewer;
use crate::model::StreamHandle;
use crate::model::StreamId;
use crate::model::UserId;

/// Messages from the task to the one that sends them; the task makes no more while any wait.
const OUTGOING: usize = 8;

/// Shared terminals of others that are watched at a time.
const MAX_VIEWERS: usize = 16;

/// What the application wants.
pub(super) enum Command {
    Close,
    Share { command: SharedCommand, reply: oneshot::Sender<Result<(), ApiError>> },
    Order(TerminalOrder),
}

/// The own share.
struct Own {
    pty: Pty,
    running: bool,
    owner: Owner,
    lines: Arc<BTreeMap<u64, Vec<Cell>>>,
    epoch: u32,
}

/// What was done beside the task.
enum Job {
    Sealed { share: u64, viewer: u64, key: [u8; 32], sealed: Result<Vec<u8>, ApiError> },
    Opened { stream: StreamId, grant: u32, key: Result<[u8; 32], ApiError> },
}

/// Feeds the step functions, and does what they say.
pub(super) struct Task {
    me: u64,
    api: StreamApi,
    room: Arc<Room>,
    handle: Option<StreamHandle>,
    listener: RemoteStreamListener,
    people: watch::Receiver<Vec<Person>>,
    orders: mpsc::Receiver<Command>,
    views: watch::Sender<TerminalViews>,
    outgoing: mpsc::Sender<Vec<u8>>,
    /// Sends what is outgoing; ends with its channel.
    sender: JoinSet<()>,
    waiting: VecDeque<Vec<u8>>,
    own: Option<Own>,
    viewers: BTreeMap<StreamId, (UserId, Viewer)>,
    jobs: JoinSet<Job>,
    changed: bool,
}

impl Task {
    pub(super) fn new(
        api: &StreamApi,
        room: Arc<Room>,
        handle: Option<StreamHandle>,
        people: watch::Receiver<Vec<Person>>,
        (orders, views): (mpsc::Receiver<Command>, watch::Sender<TerminalViews>),
    ) -> Result<Self, ApiError> {
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let mut sender = JoinSet::new();
        sender.spawn(send_all(api.clone(), handle, messages));
        Ok(Self {
            me: rand::random(),
            listener: api.add_remote_stream_listener(&room.id, None)?,
            room,
            api: api.clone(),
            handle,
            people,
            orders,
            views,
            outgoing,
            sender,
            waiting: VecDeque::new(),
            own: None,
            viewers: BTreeMap::new(),
            jobs: JoinSet::new(),
            changed: false,
        })
    }

    pub(super) async fn run(mut self) {
        self.tell(&Message::Query);
        loop {
            let deadline = self.step();
            let outgoing = self.outgoing.clone();
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Command::Share { command, reply }) => {
                        let now = Instant::now();
                        let shared = self.share(&command, now).await;
                        self.show(now);
                        // Whoever went away does not want the answer.
                        let _ = reply.send(shared);
                    }
                    Some(Command::Order(order)) => self.obey(order).await,
                    Some(Command::Close) | None => break,
                },
                event = self.listener.next_event() => match event {
                    Some(RemoteStreamEvent::Data { stream, data }) => self.receive(stream, &data).await,
                    Some(_) => {}
                    None => break,
                },
                event = next_event(&mut self.own) => self.handle_pty(event),
                Ok(()) = self.people.changed() => self.look_around(),
                Some(job) = self.jobs.join_next() => {
                    if let Ok(job) = job {
                        self.finish(job);
                    }
                }
                Ok(permit) = outgoing.reserve_owned(), if !self.waiting.is_empty() => {
                    if let Some(message) = self.waiting.pop_front() {
                        permit.send(message);
                    }
                }
                () = time::sleep_until(deadline.into()) => {}
            }
        }
        self.end().await;
    }

    /// Does what is due, and says when to look again.
    fn step(&mut self) -> Instant {
        let now = Instant::now();
        // What has been made is on its way; more would only wait in a queue.
        let ready = self.waiting.is_empty() && self.outgoing.capacity() == OUTGOING;
        let mut deadline = now + time::Duration::from_secs(3600);
        let mut messages = Vec::new();
        if let Some(own) = &mut self.own {
            let screen = own.owner.screen();
            messages.extend(own.owner.poll(now, ready));
            self.changed |= !Arc::ptr_eq(&screen, &own.owner.screen());
            for deed in own.owner.take_deeds() {
                match deed {
                    Deed::Write(bytes) => {
                        if !own.pty.type_bytes(bytes) {
                            tracing::debug!("the shared command takes no input");
                        }
                    }
                    Deed::Resize(size) => own.pty.resize(size.columns(), size.rows()),
                    Deed::Asked(_) => self.changed = true,
                }
            }
            deadline = deadline.min(own.owner.deadline());
        }
        for (stream, (_, viewer)) in &mut self.viewers {
            messages.extend(viewer.poll(now));
            deadline = deadline.min(viewer.deadline());
            let views = self.views.borrow();
            let shown = views.iter().find(|view| view.stream == Some(*stream));
            self.changed |= shown.is_some_and(|shown| shown.live != viewer.is_live(now));
        }
        for message in messages {
            self.changed |= matches!(message, Message::Beacon(_));
            self.tell(&message);
        }
        if std::mem::take(&mut self.changed) {
            self.show(now);
        }
        // Not at once again for what can't be sent yet.
        deadline.max(now + time::Duration::from_millis(5))
    }

    fn tell(&mut self, message: &Message) {
        if self.handle.is_some() {
            self.waiting.push_back(message.encode());
        }
    }

    async fn obey(&mut self, order: TerminalOrder) {
        let now = Instant::now();
        self.changed = true;
        match order {
            TerminalOrder::Stop => self.stop().await,
            TerminalOrder::Keys(None, keys) => {
                if let Some(own) = &mut self.own {
                    own.owner.keys(&keys);
                }
            }
            TerminalOrder::Keys(Some(stream), keys) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.keys(&keys, &mut rand::rng());
                }
            }
            TerminalOrder::Ask(stream) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.ask();
                }
            }
            TerminalOrder::Release(stream) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.release();
                }
            }
            TerminalOrder::Lend(user) => self.lend(user.as_ref()),
            TerminalOrder::TakeBack => {
                if let Some(own) = &mut self.own {
                    own.owner.take_back(now);
                }
            }
            TerminalOrder::Room(None, room) => {
                if let Some(own) = &mut self.own {
                    own.owner.set_own_room(room, now);
                }
            }
            TerminalOrder::Room(Some(stream), room) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.set_room(room, now);
                }
            }
            TerminalOrder::Fix(size) => {
                if let Some(own) = &mut self.own {
                    own.owner.set_fixed(size, now);
                }
            }
            TerminalOrder::Lines(stream, from, count) => self.fetch(stream, from, count, now),
        }
    }

    async fn share(&mut self, command: &SharedCommand, now: Instant) -> Result<(), ApiError> {
        let handle = self.handle.ok_or(ApiError::NoDataTrack(StreamHandle(0)))?;
        tracing::debug!(%handle, "a terminal is shared");
        self.changed = true;
        self.stop().await;
        let size = TerminalSize::USUAL;
        let text = command.command().to_owned();
        let spawning =
            tokio::task::spawn_blocking(move || Pty::spawn(&text, size.columns(), size.rows()));
        let pty = spawning.await.map_err(|_| ApiError::Closed)?;
        let pty = pty.map_err(|error| ApiError::Device(error.to_string()))?;
        let owner = Owner::new(rand::random(), command.command(), size, now);
        self.own = Some(Own { pty, running: true, owner, lines: Arc::default(), epoch: 0 });
        Ok(())
    }

    async fn stop(&mut self) {
        if let Some(own) = self.own.take() {
            self.tell(&own.owner.bye());
            // It may take a moment until the command believes it.
            let closing = tokio::task::spawn_blocking(move || own.pty.close());
            let _ = closing.await;
        }
    }

    fn lend(&mut self, user: Option<&UserId>) {
        let Some(own) = &self.own else { return };
        let watchers: Vec<_> = own.owner.watchers().collect();
        let asking = watchers.iter().find(|watcher| watcher.asks);
        let chosen = match user {
            Some(user) => {
                let theirs = watchers.iter().filter(|watcher| watcher.user == *user);
                theirs.max_by_key(|watcher| watcher.asks)
            }
            None => asking.or(if watchers.len() == 1 { watchers.first() } else { None }),
        };
        let Some(watcher) = chosen else { return };
        let (share, viewer, user) = (own.owner.share(), watcher.viewer, watcher.user.clone());
        let (api, room) = (self.api.clone(), Arc::clone(&self.room));
        self.jobs.spawn(async move {
            let key: [u8; 32] = rand::random();
            let sealed = async {
                let theirs = key_of(&api, &room, &user).await?;
                Ok(ecies::seal(&room.core.key, &theirs, &key))
            };
            Job::Sealed { share, viewer, key, sealed: sealed.await }
        });
    }

    fn finish(&mut self, job: Job) {
        let now = Instant::now();
        self.changed = true;
        match job {
            Job::Sealed { share, viewer, key, sealed: Ok(sealed) } => {
                if let Some(own) = self.own.as_mut().filter(|own| own.owner.share() == share) {
                    own.owner.grant(viewer, key, sealed, now);
                }
            }
            Job::Opened { stream, grant, key: Ok(key) } => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.set_key(grant, key);
                }
            }
            Job::Sealed { sealed: Err(error), .. } => {
                tracing::warn!(%error, "control of the terminal could not be given");
            }
            Job::Opened { key: Err(error), .. } => {
                tracing::warn!(%error, "control of a terminal could not be taken");
            }
        }
    }

    async fn receive(&mut self, stream: StreamId, data: &[u8]) {
        if !terminal::is_ours(data) {
            return;
        }
        let Some(message) = Message::decode(data) else {
            tracing::debug!(%stream, "a message about a shared terminal makes no sense");
            return;
        };
        let user = match self.room.known_publisher(stream) {
            Some(user) => user,
            None => self.room.publisher_of(stream).await,
        };
        let now = Instant::now();
        if let Some(own) = &mut self.own {
            let refused = own.owner.refused();
            own.owner.receive(stream, &user, &message, now);
            self.changed |= refused != own.owner.refused();
        }
        self.watch(stream, user, message, now);
    }

    fn watch(&mut self, stream: StreamId, user: UserId, message: Message, now: Instant) {
        if let Message::Beacon(beacon) = &message {
            let known = self.viewers.get(&stream);
            if known.is_none_or(|(_, viewer)| viewer.share() != beacon.share) {
                // The same terminal on another stream: its owner was away.
                let before = self
                    .viewers
                    .iter()
                    .find(|(_, (whose, viewer))| viewer.share() == beacon.share && *whose == user);
                let before = before.map(|(stream, _)| *stream);
                let moved = before.and_then(|before| self.viewers.remove(&before));
                if self.viewers.len() >= MAX_VIEWERS {
                    return;
                }
                let viewer = match moved {
                    Some((_, mut viewer)) => {
                        viewer.begin_again(now);
                        viewer
                    }
                    None => Viewer::new(self.me, beacon.clone(), now),
                };
                self.viewers.insert(stream, (user, viewer));
                self.changed = true;
            }
        }
        let Some((user, viewer)) = self.viewers.get_mut(&stream) else { return };
        match viewer.receive(message, now) {
            Received::Nothing => {}
            Received::Changed => self.changed = true,
            Received::Granted { grant, sealed } => {
                let (api, room, user) = (self.api.clone(), Arc::clone(&self.room), user.clone());
                self.jobs.spawn(async move {
                    let key = open_key(&api, &room, &user, &sealed).await;
                    Job::Opened { stream, grant, key }
                });
            }
            Received::Over => {
                self.viewers.remove(&stream);
                self.changed = true;
            }
        }
    }

    fn handle_pty(&mut self, event: Option<PtyEvent>) {
        let now = Instant::now();
        let Some(own) = &mut self.own else { return };
        match event {
            Some(PtyEvent::Output(bytes)) => own.owner.output(&bytes, now),
            Some(PtyEvent::Exited(code)) => own.owner.ended(Status::Exited(code), now),
            Some(PtyEvent::Killed) => own.owner.ended(Status::Killed, now),
            None => own.running = false,
        }
    }

    /// Somebody came or went.
    fn look_around(&mut self) {
        let now = Instant::now();
        let streams: BTreeSet<StreamId> = {
            let people = self.people.borrow_and_update();
            people.iter().flat_map(|person| person.streams.iter().copied()).collect()
        };
        let before = self.viewers.len();
        self.viewers.retain(|stream, _| streams.contains(stream));
        self.changed |= self.viewers.len() != before;
        if let Some(own) = &mut self.own {
            own.owner.forget(|stream| !streams.contains(&stream), now);
            own.owner.announce(now);
        }
    }

    fn fetch(&mut self, stream: Option<StreamId>, from: u64, count: u16, now: Instant) {
        match stream {
            Some(stream) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.want_lines(from, count, now);
                }
            }
            None => {
                let Some(own) = &mut self.own else { return };
                let epoch = own.owner.screen().meta.history.epoch;
                let (from, lines) = own.owner.history(from, count);
                // Of the own terminal only what is looked at is kept: it is quickly fetched.
                own.lines = Arc::new((from..).zip(lines).collect());
                own.epoch = epoch;
            }
        }
    }

    fn show(&self, now: Instant) {
        let own = self.own.as_ref().map(|own| {
            let control = match own.owner.holder() {
                None => Control::Me,
                Some((_, user)) => Control::Other(user.to_string()),
            };
            let screen = own.owner.screen();
            let known = own.epoch == screen.meta.history.epoch;
            let watchers: Vec<_> = own.owner.watchers().cloned().collect();
            Arc::new(TerminalView {
                stream: None,
                user: self.room.me.clone(),
                share: own.owner.share(),
                title: own.owner.title().to_owned(),
                status: own.owner.status(),
                control,
                asked: false,
                lines: if known { Arc::clone(&own.lines) } else { Arc::default() },
                screen,
                complete: true,
                live: true,
                watching: u16::try_from(watchers.len()).unwrap_or(u16::MAX),
                watchers,
                refused: own.owner.refused(),
            })
        });
        let others = self.viewers.iter().map(|(stream, (user, viewer))| {
            Arc::new(TerminalView {
                stream: Some(*stream),
                user: user.clone(),
                share: viewer.share(),
                title: viewer.title().to_owned(),
                status: viewer.status(),
                control: viewer.control(),
                asked: viewer.has_asked(),
                screen: viewer.screen(),
                complete: viewer.is_complete(),
                live: viewer.is_live(now),
                lines: viewer.lines(),
                watching: viewer.watchers(),
                watchers: Vec::new(),
                refused: 0,
            })
        });
        self.views.send_replace(own.into_iter().chain(others).collect());
    }

    async fn end(mut self) {
        self.stop().await;
        let goodbyes: Vec<_> = self.viewers.values().map(|(_, viewer)| viewer.unwatch()).collect();
        goodbyes.iter().for_each(|message| self.tell(message));
        for message in self.waiting.drain(..) {
            // What can't be sent now is not worth waiting for.
            if self.outgoing.try_send(message).is_err() {
                break;
            }
        }
        self.jobs.shutdown().await;
        self.views.send_replace(Vec::new());
        drop(self.outgoing);
        let sending = async { while self.sender.join_next().await.is_some() {} };
        // A data channel that doesn't take them at once has nobody at its end.
        let _ = time::timeout(time::Duration::from_millis(200), sending).await;
    }
}

/// Sends messages one after the other. One that can't be sent is missing at its receivers, who
/// notice.
async fn send_all(
    api: StreamApi,
    handle: Option<StreamHandle>,
    mut messages: mpsc::Receiver<Vec<u8>>,
) {
    while let Some(message) = messages.recv().await {
        if let Some(handle) = handle
            && let Err(error) = api.send_data(handle, &message).await
        {
            tracing::debug!(%error, "a message about a shared terminal was not sent");
        }
    }
}

async fn next_event(own: &mut Option<Own>) -> Option<PtyEvent> {
    match own {
        Some(own) if own.running => own.pty.next_event().await,
        _ => std::future::pending().await,
    }
}
