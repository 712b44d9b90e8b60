//! Shared terminals of a room: one of our own, and those of others.
//!
//! A task owns the pseudo-terminal and feeds [`Owner`] and [`Viewer`]s, the step functions of
//! the protocol, from the data tracks of the room. What there is to see comes out of a
//! [`watch`]; what is wanted goes in by commands that return at once.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time;

use crate::crypto::ecies;
use crate::crypto::key::PublicKey;
use crate::device::Pty;
use crate::device::PtyEvent;
use crate::media::terminal;
use crate::media::terminal::Deed;
use crate::media::terminal::Message;
use crate::media::terminal::Owner;
use crate::media::terminal::Received;
use crate::media::terminal::Viewer;
use crate::model::StreamHandle;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::net::session::now as wall_clock;

use super::error::ApiError;
use super::joined::Room;
use super::listener::RemoteStreamEvent;
use super::listener::RemoteStreamListener;
use super::roster::Person;
use super::stream_api::StreamApi;
use super::users::VerificationRequest;

pub use crate::media::terminal::Cell as TerminalCell;
pub use crate::media::terminal::Colour as TerminalColour;
pub use crate::media::terminal::Control as TerminalControl;
pub use crate::media::terminal::Grid as TerminalScreen;
pub use crate::media::terminal::Status as TerminalStatus;
pub use crate::media::terminal::Style as TerminalStyle;
pub use crate::media::terminal::TerminalSize;
pub use crate::media::terminal::Watcher as TerminalWatcher;
pub use crate::media::terminal::Width as TerminalWidth;

/// Commands from the application to the task. When full, the newest is refused.
const COMMANDS: usize = 64;

/// Messages from the task to the one that sends them; the task makes no more while any wait.
const OUTGOING: usize = 8;

/// Shared terminals of others that are watched at a time.
const MAX_VIEWERS: usize = 16;

/// A terminal that is to be shared, as the user names it: `terminal:"htop -d 5"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCommand(String);

impl SharedCommand {
    /// Shares this command, which a shell runs.
    #[must_use]
    pub fn new(command: &str) -> Self {
        Self(command.to_owned())
    }

    /// What the shell runs.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.0
    }
}

impl FromStr for SharedCommand {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let invalid = |reason: &str| ApiError::Invalid {
            what: "what is to be shared",
            reason: format!("{reason}; write terminal:\"COMMAND\""),
        };
        let rest = text.strip_prefix("terminal:").ok_or_else(|| invalid("it is no terminal"))?;
        let inner = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner.unwrap_or(rest).trim() {
            "" => Err(invalid("the command is missing")),
            command => Ok(Self::new(command)),
        }
    }
}

impl fmt::Display for SharedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "terminal:\"{}\"", self.0)
    }
}

/// A shared terminal as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TerminalView {
    /// The stream it comes on; `None` is this process's own.
    pub stream: Option<StreamId>,
    /// Whose it is.
    pub user: UserId,
    /// Names the share: what is shared later has another one.
    pub share: u64,
    /// What it shows, in words of its owner.
    pub title: String,
    /// How the program is doing.
    pub status: TerminalStatus,
    /// Who types.
    pub control: TerminalControl,
    /// This process has asked for control.
    pub asked: bool,
    /// The screen.
    pub screen: Arc<TerminalScreen>,
    /// A complete screen has come.
    pub complete: bool,
    /// The owner can be reached.
    pub live: bool,
    /// Lines that have left the screen, by their numbers, as far as they were asked for.
    pub lines: Arc<BTreeMap<u64, Vec<TerminalCell>>>,
    /// How many watch.
    pub watching: u16,
    /// Who watches; known to the owner.
    pub watchers: Vec<TerminalWatcher>,
    /// Messages with keystrokes that were dropped because they came from somebody without
    /// control; known to the owner.
    pub refused: u64,
}

/// All shared terminals of a room, the own one first.
pub type TerminalViews = Vec<Arc<TerminalView>>;

enum Command {
    Close,
    Share { command: SharedCommand, reply: oneshot::Sender<Result<(), ApiError>> },
    Stop,
    Keys(Option<StreamId>, Vec<u8>),
    Ask(StreamId),
    Release(StreamId),
    Lend(Option<UserId>),
    TakeBack,
    Room(Option<StreamId>, Option<TerminalSize>),
    Fix(Option<TerminalSize>),
    Lines(Option<StreamId>, u64, u16),
}

/// The shared terminals of a room that this process is in.
pub struct Terminals {
    commands: mpsc::Sender<Command>,
    views: watch::Receiver<TerminalViews>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Terminals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminals").finish_non_exhaustive()
    }
}

impl Terminals {
    /// Follows the shared terminals of `room`. `handle` is the local stream, whose data track
    /// carries what is sent; without one, nothing can be shared or watched.
    pub(super) fn follow(
        api: &StreamApi,
        room: &StreamRoomId,
        handle: Option<StreamHandle>,
        people: watch::Receiver<Vec<Person>>,
    ) -> Result<Self, ApiError> {
        let (commands, orders) = mpsc::channel(COMMANDS);
        let (view_sender, views) = watch::channel(Vec::new());
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let task = Task {
            me: rand::random(),
            room: api.room(room)?,
            listener: api.add_remote_stream_listener(room, None)?,
            api: api.clone(),
            handle,
            people,
            orders,
            views: view_sender,
            outgoing,
            sender: JoinSet::new(),
            waiting: VecDeque::new(),
            own: None,
            viewers: BTreeMap::new(),
            jobs: JoinSet::new(),
            changed: false,
        };
        let task = Mutex::new(Some(tokio::spawn(task.run(messages))));
        Ok(Self { commands, views, task })
    }

    /// All that is shared in the room, now and from now on.
    #[must_use]
    pub fn views(&self) -> watch::Receiver<TerminalViews> {
        self.views.clone()
    }

    /// Shares a command in a terminal of its own, in place of what was shared before. Others
    /// see it and can't type, until they are given control.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NoDataTrack`] if the call was joined without messages.
    /// - [`ApiError::Device`] if the command can't be started.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent it.
    pub async fn share(&self, command: SharedCommand) -> Result<(), ApiError> {
        let (reply, answer) = oneshot::channel();
        let order = Command::Share { command, reply };
        self.commands.send(order).await.map_err(|_| ApiError::Closed)?;
        answer.await.map_err(|_| ApiError::Closed)?
    }

    /// Ends the own share and its command.
    pub fn stop(&self) {
        self.order(Command::Stop);
    }

    /// Types into a terminal: the own one (`None`) or one that this process has control of.
    /// Without control nothing is sent.
    pub fn keys(&self, stream: Option<StreamId>, keys: Vec<u8>) {
        self.order(Command::Keys(stream, keys));
    }

    /// Asks the owner for control.
    pub fn ask(&self, stream: StreamId) {
        self.order(Command::Ask(stream));
    }

    /// Gives control back to the owner.
    pub fn release(&self, stream: StreamId) {
        self.order(Command::Release(stream));
    }

    /// Gives control of the own terminal to a user who watches; without a name, to the one who
    /// asks for it, or to the only one who watches.
    pub fn lend(&self, user: Option<UserId>) {
        self.order(Command::Lend(user));
    }

    /// Takes control of the own terminal back at once.
    pub fn take_back(&self) {
        self.order(Command::TakeBack);
    }

    /// Says how much room there is for a terminal, which its owner makes fit; `None` takes it
    /// as large as it is.
    pub fn set_room(&self, stream: Option<StreamId>, room: Option<TerminalSize>) {
        self.order(Command::Room(stream, room));
    }

    /// Keeps the own terminal at one size; `None` lets the smallest room decide.
    pub fn fix_size(&self, size: Option<TerminalSize>) {
        self.order(Command::Fix(size));
    }

    /// Asks for lines that have left the screen.
    pub fn want_lines(&self, stream: Option<StreamId>, from: u64, count: u16) {
        self.order(Command::Lines(stream, from, count));
    }

    fn order(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::debug!("the task of the shared terminals takes no order");
        }
    }

    /// Ends the own share, says goodbye to the others and waits for the command to end.
    pub(super) async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that takes no order has ended.
            let _ = self.commands.send(Command::Close).await;
            let _ = task.await;
        }
    }
}

/// The own share.
struct Own {
    pty: Pty,
    running: bool,
    owner: Owner,
    lines: Arc<BTreeMap<u64, Vec<TerminalCell>>>,
    epoch: u32,
}

/// What was done beside the task.
enum Job {
    Sealed { share: u64, viewer: u64, key: [u8; 32], sealed: Result<Vec<u8>, ApiError> },
    Opened { stream: StreamId, grant: u32, key: Result<[u8; 32], ApiError> },
}

struct Task {
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
    async fn run(mut self, messages: mpsc::Receiver<Vec<u8>>) {
        self.sender.spawn(send_all(self.api.clone(), self.handle, messages));
        self.tell(&Message::Query);
        loop {
            let deadline = self.step();
            let outgoing = self.outgoing.clone();
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Command::Close) | None => break,
                    Some(order) => self.obey(order).await,
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

    async fn obey(&mut self, order: Command) {
        let now = Instant::now();
        self.changed = true;
        match order {
            Command::Share { command, reply } => {
                // Whoever went away does not want the answer.
                let _ = reply.send(self.share(&command, now).await);
            }
            Command::Close => {}
            Command::Stop => self.stop().await,
            Command::Keys(None, keys) => {
                if let Some(own) = &mut self.own {
                    own.owner.keys(&keys);
                }
            }
            Command::Keys(Some(stream), keys) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.keys(&keys, &mut rand::rng());
                }
            }
            Command::Ask(stream) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.ask();
                }
            }
            Command::Release(stream) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.release();
                }
            }
            Command::Lend(user) => self.lend(user.as_ref()),
            Command::TakeBack => {
                if let Some(own) = &mut self.own {
                    own.owner.take_back(now);
                }
            }
            Command::Room(None, room) => {
                if let Some(own) = &mut self.own {
                    own.owner.set_own_room(room, now);
                }
            }
            Command::Room(Some(stream), room) => {
                if let Some((_, viewer)) = self.viewers.get_mut(&stream) {
                    viewer.set_room(room, now);
                }
            }
            Command::Fix(size) => {
                if let Some(own) = &mut self.own {
                    own.owner.set_fixed(size, now);
                }
            }
            Command::Lines(stream, from, count) => self.fetch(stream, from, count, now),
        }
    }

    async fn share(&mut self, command: &SharedCommand, now: Instant) -> Result<(), ApiError> {
        let handle = self.handle.ok_or(ApiError::NoDataTrack(StreamHandle(0)))?;
        tracing::debug!(%handle, "a terminal is shared");
        self.stop().await;
        let size = TerminalSize::USUAL;
        let text = command.0.clone();
        let spawning =
            tokio::task::spawn_blocking(move || Pty::spawn(&text, size.columns(), size.rows()));
        let pty = spawning.await.map_err(|_| ApiError::Closed)?;
        let pty = pty.map_err(|error| ApiError::Device(error.to_string()))?;
        let owner = Owner::new(rand::random(), &command.0, size, now);
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
            Some(PtyEvent::Exited(code)) => own.owner.ended(TerminalStatus::Exited(code), now),
            Some(PtyEvent::Killed) => own.owner.ended(TerminalStatus::Killed, now),
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
                None => TerminalControl::Me,
                Some((_, user)) => TerminalControl::Other(user.to_string()),
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

/// The key that the bridge and the application agree on for somebody.
async fn key_of(api: &StreamApi, room: &Room, user: &UserId) -> Result<PublicKey, ApiError> {
    let context = api.get_stream_room(&room.id).await?.context_id;
    let users = &room.core.users;
    users.prepare(&room.core.session, &context, &[user.as_str()]).await;
    let unknown = || ApiError::Crypto(format!("the key of {user} is not known or not trusted"));
    let pub_key = users.key(&context, user).ok_or_else(unknown)?;
    let request = VerificationRequest {
        context,
        user: user.clone(),
        pub_key: pub_key.clone(),
        date: Timestamp(wall_clock().0),
    };
    if !users.accepts(&request) {
        return Err(unknown());
    }
    PublicKey::from_base58(&pub_key).map_err(|error| ApiError::Crypto(error.to_string()))
}

/// Opens the key of a grant, if the owner has sealed it.
async fn open_key(
    api: &StreamApi,
    room: &Room,
    owner: &UserId,
    sealed: &[u8],
) -> Result<[u8; 32], ApiError> {
    let failed = |error: String| ApiError::Crypto(error);
    let opened = ecies::open(&room.core.key, sealed).map_err(|error| failed(error.to_string()))?;
    if opened.author != key_of(api, room, owner).await? {
        return Err(failed(format!("a grant of {owner} was made by somebody else")));
    }
    let key = opened.plaintext.expose().as_slice();
    key.try_into().map_err(|_| failed("a grant has no key".to_owned()))
}

async fn next_event(own: &mut Option<Own>) -> Option<PtyEvent> {
    match own {
        Some(own) if own.running => own.pty.next_event().await,
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_commands_are_read_and_written() {
        let cases = [
            ("terminal:\"htop -d 5\"", Some("htop -d 5")),
            ("terminal:htop", Some("htop")),
            ("terminal:vim \"a b\"", Some("vim \"a b\"")),
            ("terminal:", None),
            ("terminal:\"\"", None),
            ("screen", None),
        ];
        for (text, command) in cases {
            let read = text.parse::<SharedCommand>().ok();
            assert_eq!(read.as_ref().map(SharedCommand::command), command, "{text}");
            if let Some(read) = read {
                assert_eq!(read.to_string().parse::<SharedCommand>().unwrap(), read);
            }
        }
    }
}
