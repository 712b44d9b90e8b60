//! The side that has the terminal: what the program writes goes in, messages to viewers come
//! out, and keystrokes only of whoever has control get through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::emulator::Emulator;
use super::grid::Grid;
use super::grid::TerminalSize;
use super::message::Beacon;
use super::message::Holding;
use super::message::MAX_BYTES;
use super::message::Message;
use super::message::Status;
use super::message::line_bytes;
use super::screen_diff;
use crate::crypto::cipher;
use crate::model::StreamId;
use crate::model::UserId;

/// Shortest time between two looks at the screen: 30 a second.
const FRAME: Duration = Duration::from_millis(33);

/// How often the share is made known although nothing happens. Whoever comes later learns of
/// it so, and whoever lost the last update.
const BEACON_EVERY: Duration = Duration::from_secs(2);

/// How long somebody new takes to be ready to hear of the share.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(300);

/// Shortest time between two messages with the whole screen: one serves all who ask.
const WHOLE_AT_MOST_EVERY: Duration = Duration::from_millis(250);

/// A viewer that was not heard of for so long has gone. They say so every five seconds.
const LEASE: Duration = Duration::from_secs(20);

/// Viewers that are remembered; a room has fewer people.
const MAX_WATCHERS: usize = 256;

/// Viewers with less room than this see a part; the others needn't suffer for it.
const NEGOTIATED_LEAST: (u16, u16) = (40, 10);

/// Lines of the history that one question is answered with.
const MAX_LINES: u16 = 120;

/// What has to be done for the pseudo-terminal and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Give this to the program.
    Write(Vec<u8>),
    /// Change the size of the pseudo-terminal.
    Resize(TerminalSize),
    /// Somebody asks for control.
    Asked(UserId),
}

/// Somebody who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The viewer's number.
    pub viewer: u64,
    /// Whose it is.
    pub user: UserId,
    /// It asks for control.
    pub asks: bool,
    stream: StreamId,
    room: Option<TerminalSize>,
    seen: Instant,
}

struct Holder {
    viewer: u64,
    user: UserId,
    key: [u8; 32],
    /// The same for the holder alone, should it get lost.
    sealed: Vec<u8>,
    /// Number of the last keystrokes.
    counter: u32,
}

/// A shared terminal.
pub struct Owner {
    share: u64,
    name: String,
    emulator: Emulator,
    status: Status,
    /// The screen as it is, and as those who watch have it.
    screen: Arc<Grid>,
    sent: Option<Arc<Grid>>,
    dirty: bool,
    frame_from: Instant,
    sequence: u32,
    whole_wanted: bool,
    whole_from: Instant,
    beacon_at: Instant,
    watchers: BTreeMap<u64, Watcher>,
    holder: Option<Holder>,
    grant: u32,
    fixed: Option<TerminalSize>,
    own_room: Option<TerminalSize>,
    refused: u64,
    answers: Vec<Message>,
    deeds: Vec<Deed>,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("share", &self.share).finish_non_exhaustive()
    }
}

impl Owner {
    /// A terminal of `size` in which `name` is about to run. `share` is random.
    #[must_use]
    pub fn new(share: u64, name: &str, size: TerminalSize, now: Instant) -> Self {
        let emulator = Emulator::new(size);
        Self {
            share,
            name: name.to_owned(),
            screen: Arc::new(emulator.grid()),
            emulator,
            status: Status::Running,
            sent: None,
            dirty: false,
            frame_from: now,
            sequence: 0,
            whole_wanted: false,
            whole_from: now,
            beacon_at: now,
            watchers: BTreeMap::new(),
            holder: None,
            grant: 0,
            fixed: None,
            own_room: None,
            refused: 0,
            answers: Vec::new(),
            deeds: Vec::new(),
        }
    }

    /// Names the share.
    #[must_use]
    pub const fn share(&self) -> u64 {
        self.share
    }

    /// What is shared, in words: the title that the program gave itself, or the command.
    #[must_use]
    pub fn title(&self) -> &str {
        match self.emulator.title() {
            "" => &self.name,
            title => title,
        }
    }

    /// The screen as of the last [`poll`](Self::poll).
    #[must_use]
    pub fn screen(&self) -> Arc<Grid> {
        Arc::clone(&self.screen)
    }

    /// How the program is doing.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Who watches.
    pub fn watchers(&self) -> impl Iterator<Item = &Watcher> {
        self.watchers.values()
    }

    /// The viewer that has control; `None` is the owner.
    #[must_use]
    pub fn holder(&self) -> Option<(u64, &UserId)> {
        self.holder.as_ref().map(|holder| (holder.viewer, &holder.user))
    }

    /// Keystrokes of others that were dropped because they had no control.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes what the program has written.
    pub fn output(&mut self, bytes: &[u8], now: Instant) {
        let title = self.emulator.title().to_owned();
        self.emulator.process(bytes);
        let replies = self.emulator.take_replies();
        if !replies.is_empty() {
            self.deeds.push(Deed::Write(replies));
        }
        self.dirty = true;
        if self.emulator.title() != title {
            self.beacon_at = self.beacon_at.min(now + FRAME);
        }
    }

    /// The program has ended; its last screen stays.
    pub fn ended(&mut self, status: Status, now: Instant) {
        self.status = status;
        self.take_back(now);
        self.beacon_at = now;
    }

    /// What the owner types. It gets through while the owner has control.
    pub fn keys(&mut self, bytes: &[u8]) {
        if self.holder.is_none() && self.status == Status::Running {
            self.deeds.push(Deed::Write(bytes.to_vec()));
        }
    }

    /// The owner has room for so much, or doesn't look.
    pub fn set_own_room(&mut self, room: Option<TerminalSize>, now: Instant) {
        self.own_room = room;
        self.negotiate(now);
    }

    /// Keeps the terminal at one size, or lets the smallest room decide.
    pub fn set_fixed(&mut self, size: Option<TerminalSize>, now: Instant) {
        self.fixed = size;
        self.negotiate(now);
    }

    /// Gives control to a viewer: `key` is new and random, `sealed` the same for its user
    /// alone. False if there is no such viewer.
    pub fn grant(&mut self, viewer: u64, key: [u8; 32], sealed: Vec<u8>, now: Instant) -> bool {
        let Some(watcher) = self.watchers.get_mut(&viewer) else { return false };
        if self.status != Status::Running {
            return false;
        }
        watcher.asks = false;
        self.grant = self.grant.wrapping_add(1);
        let user = watcher.user.clone();
        self.holder = Some(Holder { viewer, user, key, sealed, counter: 0 });
        self.tell_grant();
        self.beacon_at = now;
        true
    }

    fn tell_grant(&mut self) {
        let (share, grant) = (self.share, self.grant);
        if let Some(Holder { viewer, sealed, .. }) = &self.holder {
            let (viewer, sealed) = (*viewer, sealed.clone());
            self.answers.push(Message::Grant { share, grant, viewer, sealed });
        }
    }

    /// Takes control back. What was typed under the old grant and is still on its way is dropped.
    pub fn take_back(&mut self, now: Instant) {
        if self.holder.take().is_some() {
            self.beacon_at = now;
        }
    }

    /// Makes the share known again soon: somebody may be new.
    pub fn announce(&mut self, now: Instant) {
        self.beacon_at = self.beacon_at.min(now + ANNOUNCE_AFTER);
    }

    /// A stream has gone for good, and the viewers on it.
    pub fn forget(&mut self, gone: impl Fn(StreamId) -> bool, now: Instant) {
        self.retain(now, |watcher| !gone(watcher.stream));
    }

    /// Takes a message that came on `stream`, which is `user`'s.
    pub fn receive(&mut self, stream: StreamId, user: &UserId, message: &Message, now: Instant) {
        match message {
            Message::Query => self.beacon_at = now,
            Message::Watch { share, viewer, room, resync } if *share == self.share => {
                self.watch((stream, user), *viewer, (*room, *resync), now);
            }
            Message::Unwatch { share, viewer } if *share == self.share => {
                let (viewer, user) = (*viewer, user.clone());
                self.retain(now, |watcher| watcher.viewer != viewer || watcher.user != user);
            }
            Message::Ask { share, viewer } if *share == self.share => {
                if self.holder.as_ref().is_some_and(|holder| holder.viewer == *viewer) {
                    // The key did not get through.
                    self.tell_grant();
                } else if let Some(watcher) = self.watcher_of(*viewer, user)
                    && !std::mem::replace(&mut watcher.asks, true)
                {
                    self.deeds.push(Deed::Asked(user.clone()));
                }
            }
            Message::Release { share, viewer, grant } if *share == self.share => {
                let known = self.watcher_of(*viewer, user).is_some();
                let holds = self.holder.as_ref().is_some_and(|holder| holder.viewer == *viewer);
                if known && holds && *grant == self.grant {
                    self.take_back(now);
                }
            }
            Message::Keys { share, viewer, grant, sealed } if *share == self.share => {
                match self.open(stream, *viewer, *grant, sealed) {
                    Some(keys) => self.deeds.push(Deed::Write(keys)),
                    None => self.refused = self.refused.saturating_add(1),
                }
            }
            Message::WantHistory { share, viewer, from, count }
                if *share == self.share && self.watcher_of(*viewer, user).is_some() =>
            {
                self.answer_history(*from, *count);
            }
            _ => {}
        }
    }

    /// What to do for the pseudo-terminal and the owner.
    pub fn take_deeds(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.deeds)
    }

    /// What to tell the viewers now. Updates only if they are `ready` for more: what is not
    /// sent now is contained in what is sent later.
    pub fn poll(&mut self, now: Instant, ready: bool) -> Vec<Message> {
        self.retain(now, |watcher| now.saturating_duration_since(watcher.seen) < LEASE);
        if self.dirty && now >= self.frame_from {
            self.dirty = false;
            self.frame_from = now + FRAME;
            let screen = self.emulator.grid();
            if screen != *self.screen {
                self.screen = Arc::new(screen);
            }
        }
        let mut messages = std::mem::take(&mut self.answers);
        if ready {
            messages.extend(self.updates(now).into_iter().map(Message::Update));
        }
        if now >= self.beacon_at {
            self.beacon_at = now + BEACON_EVERY;
            messages.push(Message::Beacon(self.beacon()));
        }
        messages
    }

    /// When [`poll`](Self::poll) has something to do although nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let frame = self.dirty.then_some(self.frame_from);
        let whole = (self.whole_wanted && !self.watchers.is_empty()).then_some(self.whole_from);
        let lease = self.watchers.values().map(|watcher| watcher.seen + LEASE).min();
        [frame, whole, lease].into_iter().flatten().fold(self.beacon_at, Instant::min)
    }

    /// Says goodbye.
    #[must_use]
    pub const fn bye(&self) -> Message {
        Message::Bye { share: self.share }
    }

    /// Lines of the history for the owner's own eyes.
    pub fn history(&mut self, from: u64, count: u16) -> (u64, Vec<Vec<super::cell::Cell>>) {
        self.emulator.history(from, count.min(MAX_LINES))
    }

    fn beacon(&self) -> Beacon {
        let viewer = self.holder.as_ref().map(|holder| holder.viewer);
        let holder = self.holder.as_ref().map(|holder| holder.user.to_string());
        Beacon {
            share: self.share,
            sequence: self.sequence,
            size: self.emulator.size(),
            status: self.status,
            holding: Holding { grant: self.grant, viewer },
            holder: holder.unwrap_or_default(),
            watchers: u16::try_from(self.watchers.len()).unwrap_or(u16::MAX),
            title: self.title().to_owned(),
        }
    }

    fn updates(&mut self, now: Instant) -> Vec<super::message::Update> {
        if self.watchers.is_empty() {
            self.sent = None;
            return Vec::new();
        }
        let fits = self.sent.as_ref().filter(|sent| sent.size() == self.screen.size());
        let due = self.whole_wanted && now >= self.whole_from;
        let updates = match fits {
            Some(sent) if !due => {
                if Arc::ptr_eq(sent, &self.screen) {
                    return Vec::new();
                }
                screen_diff::changes(self.share, &mut self.sequence, sent, &self.screen)
            }
            _ => {
                self.whole_wanted = false;
                self.whole_from = now + WHOLE_AT_MOST_EVERY;
                screen_diff::whole(self.share, &mut self.sequence, &self.screen)
            }
        };
        self.sent = Some(Arc::clone(&self.screen));
        updates
    }

    fn watch(
        &mut self,
        (stream, user): (StreamId, &UserId),
        viewer: u64,
        (room, resync): (Option<TerminalSize>, bool),
        now: Instant,
    ) {
        let new = !self.watchers.contains_key(&viewer);
        if new && self.watchers.len() >= MAX_WATCHERS {
            return;
        }
        let watcher = self.watchers.entry(viewer).or_insert_with(|| Watcher {
            viewer,
            user: user.clone(),
            asks: false,
            stream,
            room,
            seen: now,
        });
        if watcher.user != *user {
            return;
        }
        (watcher.stream, watcher.room, watcher.seen) = (stream, room, now);
        self.whole_wanted |= resync || new;
        if new {
            self.beacon_at = now;
        }
        self.negotiate(now);
    }

    fn watcher_of(&mut self, viewer: u64, user: &UserId) -> Option<&mut Watcher> {
        self.watchers.get_mut(&viewer).filter(|watcher| watcher.user == *user)
    }

    fn retain(&mut self, now: Instant, keep: impl Fn(&Watcher) -> bool) {
        let before = self.watchers.len();
        self.watchers.retain(|_, watcher| keep(watcher));
        if self.watchers.len() == before {
            return;
        }
        if self.holder.as_ref().is_some_and(|holder| !self.watchers.contains_key(&holder.viewer)) {
            self.take_back(now);
        }
        self.beacon_at = now;
        self.negotiate(now);
    }

    /// The keystrokes of whoever has control; `None` for everybody else's.
    fn open(
        &mut self,
        stream: StreamId,
        viewer: u64,
        grant: u32,
        sealed: &[u8],
    ) -> Option<Vec<u8>> {
        let watcher = self.watchers.get(&viewer)?;
        let holder = self.holder.as_mut().filter(|holder| holder.viewer == viewer)?;
        if watcher.stream != stream || grant != self.grant {
            return None;
        }
        let opened = cipher::ae_open(&holder.key, sealed).ok()?;
        let (counter, keys) = opened.split_first_chunk::<4>()?;
        let counter = u32::from_be_bytes(*counter);
        if counter <= holder.counter {
            return None;
        }
        holder.counter = counter;
        Some(keys.to_vec())
    }

    fn answer_history(&mut self, from: u64, count: u16) {
        // One answer that waits is enough; a viewer asks again for what is missing.
        if self.answers.len() > 2 * usize::from(MAX_LINES) {
            return;
        }
        let epoch = self.screen.meta.history.epoch;
        let (mut from, lines) = self.emulator.history(from, count.min(MAX_LINES));
        let (mut packed, mut bytes) = (Vec::new(), 64);
        let share = self.share;
        for line in lines {
            let used = line.iter().rposition(|cell| *cell != super::cell::Cell::default());
            let line = line.get(..used.map_or(0, |last| last + 1)).unwrap_or_default().to_vec();
            let size = line_bytes(&line);
            if bytes + size > MAX_BYTES {
                let lines = std::mem::take(&mut packed);
                let count = u64::try_from(lines.len()).unwrap_or(0);
                self.answers.push(Message::History { share, epoch, from, lines });
                from += count;
                bytes = 64;
            }
            bytes += size;
            packed.push(line);
        }
        if !packed.is_empty() {
            self.answers.push(Message::History { share, epoch, from, lines: packed });
        }
    }

    /// The terminal gets as large as everybody who wants it to fit can show.
    fn negotiate(&mut self, now: Instant) {
        let (columns, rows) = NEGOTIATED_LEAST;
        let roomy = |room: TerminalSize| {
            TerminalSize::new(room.columns().max(columns), room.rows().max(rows))
        };
        let rooms = self.watchers.values().filter_map(|watcher| watcher.room).chain(self.own_room);
        let smallest = rooms.map(roomy).reduce(TerminalSize::common);
        let Some(size) = self.fixed.or(smallest) else { return };
        if size != self.emulator.size() {
            self.emulator.resize(size);
            self.deeds.push(Deed::Resize(size));
            self.dirty = true;
            self.beacon_at = now;
        }
    }
}
