//! The side that watches: messages go in, a screen comes out, and keystrokes once the owner has
//! given control.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rand::CryptoRng;

use super::cell::Cell;
use super::grid::Grid;
use super::grid::TerminalSize;
use super::message::Beacon;
use super::message::Message;
use super::message::Status;
use super::message::Update;
use super::screen_diff;
use crate::crypto::cipher;

/// How often the owner is told that somebody still watches.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// How often the whole screen is asked for while it doesn't come.
const RESYNC_EVERY: Duration = Duration::from_millis(500);

/// An owner that was not heard of for so long can't be reached.
const SILENCE: Duration = Duration::from_secs(8);

/// Lines of the history that are kept, and asked for at once.
const MAX_LINES: usize = 1000;
const ASKED_LINES: u16 = 100;

/// How often the same lines are asked for.
const LINES_EVERY: Duration = Duration::from_millis(500);

/// Bytes of one message with keystrokes.
const MAX_KEYS: usize = 4096;

/// Who types into a shared terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Its owner.
    #[default]
    Owner,
    /// This process.
    Me,
    /// Somebody else, by the name that the owner tells.
    Other(String),
}

/// What has come of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing that can be seen.
    Nothing,
    /// There is something else to see.
    Changed,
    /// Control was given; the key is sealed for this user.
    Granted {
        /// Number of the grant.
        grant: u32,
        /// The sealed key.
        sealed: Vec<u8>,
    },
    /// The share has ended.
    Over,
}

/// A terminal that somebody else shares.
#[derive(Debug)]
pub struct Viewer {
    me: u64,
    beacon: Beacon,
    heard_at: Instant,
    /// The screen in the making, and the last one that was complete.
    work: Grid,
    shown: Arc<Grid>,
    /// Number of the last update; `None` until a whole screen comes.
    sequence: Option<u32>,
    complete: bool,
    gaps: u64,
    room: Option<TerminalSize>,
    watch_at: Instant,
    resync_from: Instant,
    asked: bool,
    key: Option<(u32, [u8; 32])>,
    counter: u32,
    lines: Arc<BTreeMap<u64, Vec<Cell>>>,
    lines_epoch: u32,
    lines_from: Instant,
    outbox: Vec<Message>,
}

impl Viewer {
    /// Begins to watch what `beacon` tells of. `me` is random.
    #[must_use]
    pub fn new(me: u64, beacon: Beacon, now: Instant) -> Self {
        let work = Grid::new(beacon.size);
        Self {
            me,
            beacon,
            heard_at: now,
            shown: Arc::new(work.clone()),
            work,
            sequence: None,
            complete: false,
            gaps: 0,
            room: None,
            watch_at: now,
            resync_from: now,
            asked: false,
            key: None,
            counter: 0,
            lines: Arc::default(),
            lines_epoch: 0,
            lines_from: now,
            outbox: Vec::new(),
        }
    }

    /// Names the share.
    #[must_use]
    pub const fn share(&self) -> u64 {
        self.beacon.share
    }

    /// The last complete screen.
    #[must_use]
    pub fn screen(&self) -> Arc<Grid> {
        Arc::clone(&self.shown)
    }

    /// A complete screen has come.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The screen is the owner's as of the last message.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.complete && self.sequence.is_some()
    }

    /// How often updates were missing.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// The owner was heard of lately.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) < SILENCE
    }

    /// What is shared.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.beacon.title
    }

    /// How the program is doing.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.beacon.status
    }

    /// How many watch.
    #[must_use]
    pub const fn watchers(&self) -> u16 {
        self.beacon.watchers
    }

    /// Who types.
    #[must_use]
    pub fn control(&self) -> Control {
        match self.beacon.holding.viewer {
            None => Control::Owner,
            Some(viewer) if viewer == self.me => Control::Me,
            Some(_) => Control::Other(self.beacon.holder.clone()),
        }
    }

    /// Control was asked for and neither given nor refused.
    #[must_use]
    pub const fn has_asked(&self) -> bool {
        self.asked
    }

    /// Lines that have left the screen, as far as they were asked for.
    #[must_use]
    pub fn lines(&self) -> Arc<BTreeMap<u64, Vec<Cell>>> {
        Arc::clone(&self.lines)
    }

    /// Takes a message of the owner.
    pub fn receive(&mut self, message: Message, now: Instant) -> Received {
        match message {
            Message::Beacon(beacon) if beacon.share == self.share() => {
                self.heard_at = now;
                if beacon.sequence != self.sequence.unwrap_or(beacon.sequence) {
                    self.lose(now);
                }
                if beacon.holding.viewer == Some(self.me) {
                    self.asked = false;
                    if self.key.is_none() {
                        self.outbox.push(Message::Ask { share: beacon.share, viewer: self.me });
                    }
                } else {
                    self.key = None;
                }
                let changed = self.beacon != beacon;
                self.beacon = beacon;
                if changed { Received::Changed } else { Received::Nothing }
            }
            Message::Update(update) if update.share == self.share() => {
                self.heard_at = now;
                self.update(&update, now)
            }
            Message::Grant { share, grant, viewer, sealed } if share == self.share() => {
                if viewer != self.me {
                    return Received::Nothing;
                }
                self.asked = false;
                Received::Granted { grant, sealed }
            }
            Message::History { share, epoch, from, lines } if share == self.share() => {
                self.take_lines(epoch, from, lines);
                Received::Changed
            }
            Message::Bye { share } if share == self.share() => Received::Over,
            _ => Received::Nothing,
        }
    }

    /// The key of a grant, opened.
    pub fn set_key(&mut self, grant: u32, key: [u8; 32]) {
        // The same key may come twice; what was typed with it goes on counting.
        if self.key != Some((grant, key)) {
            self.key = Some((grant, key));
            self.counter = 0;
        }
    }

    /// Asks for control.
    pub fn ask(&mut self) {
        if self.control() != Control::Me {
            self.asked = true;
            self.outbox.push(Message::Ask { share: self.share(), viewer: self.me });
        }
    }

    /// Gives control back.
    pub fn release(&mut self) {
        if let Some((grant, _)) = self.key.take() {
            self.outbox.push(Message::Release { share: self.share(), viewer: self.me, grant });
        }
    }

    /// Types; false if this viewer has no control, and then nothing is sent.
    pub fn keys(&mut self, bytes: &[u8], rng: &mut impl CryptoRng) -> bool {
        let Some((grant, key)) = self.key else { return false };
        if self.control() != Control::Me || self.beacon.holding.grant != grant {
            return false;
        }
        for piece in bytes.chunks(MAX_KEYS) {
            self.counter = self.counter.saturating_add(1);
            let mut plain = self.counter.to_be_bytes().to_vec();
            plain.extend_from_slice(piece);
            let sealed = cipher::ae_seal(&key, &plain, rng);
            let (share, viewer) = (self.share(), self.me);
            self.outbox.push(Message::Keys { share, viewer, grant, sealed });
        }
        true
    }

    /// Says how much room there is; `None` takes the terminal as large as it is.
    pub fn set_room(&mut self, room: Option<TerminalSize>, now: Instant) {
        if self.room != room {
            self.room = room;
            self.watch_at = now;
        }
    }

    /// Asks for lines that have left the screen, from number `from` on, if they are missing.
    pub fn want_lines(&mut self, from: u64, count: u16, now: Instant) {
        let history = self.shown.meta.history;
        let until = from.saturating_add(u64::from(count)).min(history.end);
        let from = from.max(history.first);
        let known = self.lines_epoch == history.epoch;
        let missing = (from..until).find(|line| !known || !self.lines.contains_key(line));
        if let Some(first) = missing
            && now >= self.lines_from
        {
            self.lines_from = now + LINES_EVERY;
            let (share, viewer) = (self.share(), self.me);
            // One page more than is seen: the next one up.
            let from = first.saturating_sub(u64::from(ASKED_LINES / 2)).max(history.first);
            self.outbox.push(Message::WantHistory { share, viewer, from, count: ASKED_LINES });
        }
    }

    /// The owner was away, and has forgotten who watches.
    pub const fn begin_again(&mut self, now: Instant) {
        self.sequence = None;
        self.watch_at = now;
        self.resync_from = now;
    }

    /// What to tell the owner now.
    pub fn poll(&mut self, now: Instant) -> Vec<Message> {
        let mut messages = std::mem::take(&mut self.outbox);
        let resync = self.sequence.is_none() && now >= self.resync_from;
        if resync || now >= self.watch_at {
            self.watch_at = now + WATCH_EVERY;
            if resync {
                self.resync_from = now + RESYNC_EVERY;
            }
            let (share, viewer) = (self.share(), self.me);
            messages.push(Message::Watch { share, viewer, room: self.room, resync });
        }
        messages
    }

    /// When [`poll`](Self::poll) has something to do although nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        match self.sequence {
            None => self.watch_at.min(self.resync_from),
            Some(_) => self.watch_at,
        }
    }

    /// Says goodbye.
    #[must_use]
    pub const fn unwatch(&self) -> Message {
        Message::Unwatch { share: self.beacon.share, viewer: self.me }
    }

    fn update(&mut self, update: &Update, now: Instant) -> Received {
        let follows = self.sequence.is_some_and(|last| last.wrapping_add(1) == update.sequence);
        if update.key.is_none() && !follows {
            if self.sequence.is_some() {
                self.lose(now);
            }
            return Received::Nothing;
        }
        if !screen_diff::apply(&mut self.work, update) {
            self.lose(now);
            return Received::Nothing;
        }
        self.sequence = Some(update.sequence);
        self.beacon.sequence = update.sequence;
        if !update.commit {
            return Received::Nothing;
        }
        self.complete = true;
        if self.work != *self.shown {
            self.shown = Arc::new(self.work.clone());
        }
        if self.lines_epoch != self.shown.meta.history.epoch {
            self.lines = Arc::default();
        }
        Received::Changed
    }

    /// Something is missing: what comes until the next whole screen is of no use.
    fn lose(&mut self, now: Instant) {
        self.sequence = None;
        self.gaps = self.gaps.saturating_add(1);
        self.resync_from = self.resync_from.min(now);
    }

    fn take_lines(&mut self, epoch: u32, from: u64, lines: Vec<Vec<Cell>>) {
        let history = self.shown.meta.history;
        if epoch != history.epoch {
            return;
        }
        if self.lines_epoch != epoch {
            self.lines = Arc::default();
            self.lines_epoch = epoch;
        }
        let kept = Arc::make_mut(&mut self.lines);
        for (number, line) in (from..history.end).zip(lines) {
            if number >= history.first {
                kept.insert(number, line);
            }
        }
        while kept.len() > MAX_LINES {
            kept.pop_first();
        }
        kept.retain(|number, _| *number >= history.first);
    }
}
