//! Everything the screen shows, as plain data. Changed by `update` and
//! `apply` only; read by the views.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Instant;

use ratatui::layout::Size;

use super::action::Pane;
use super::command::PaletteState;
use super::dialog::Dialogs;
use super::effect::DeviceChoice;
use super::event::ContextUser;
use super::event::Invite;
use super::event::Participant;
use super::pane::events::EventsState;
use super::pane::levels::LevelsState;
use super::pane::people::PeopleState;
use super::pane::rooms::RoomsState;
use super::pane::terminal::TerminalsState;
use super::stage::StageState;
use super::text::SafeText;
use super::theme::Theme;
use super::theme::Themes;
use super::widget::toast::Toasts;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

/// The time, as told by whoever feeds the state.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// For durations.
    pub now: Instant,
    /// For people.
    pub wall: Timestamp,
    /// What the user's time zone adds to UTC, in seconds.
    pub utc_offset_s: i32,
}

/// Who the user is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Id in the Context.
    pub user: UserId,
    /// Fingerprint of the own key.
    pub fingerprint: SafeText,
    /// Where the bridge is, in words.
    pub bridge: SafeText,
}

/// The session with the bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Not yet there.
    #[default]
    Connecting,
    /// Usable.
    Online,
    /// Broken; being set up again.
    Offline {
        /// Why.
        reason: SafeText,
    },
}

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asked for.
    Joining,
    /// In it.
    Live,
    /// Leaving was asked for.
    Leaving,
}

/// The call that this client is in, or about to be.
#[derive(Clone, Debug, PartialEq)]
pub struct CallState {
    /// The room.
    pub room: StreamRoomId,
    /// Its name.
    pub name: SafeText,
    /// How far it is.
    pub phase: Phase,
    /// The own microphone is off.
    pub muted: bool,
    /// There is no own microphone.
    pub listen_only: bool,
    /// The camera whose picture is sent, if any.
    pub camera: Option<String>,
    /// What this user shares, if anything.
    pub share: Option<String>,
    /// Everybody in it, this user included.
    pub participants: Vec<Participant>,
}

impl CallState {
    /// A call that was asked for.
    #[must_use]
    pub const fn joining(room: StreamRoomId, name: SafeText) -> Self {
        Self {
            room,
            name,
            phase: Phase::Joining,
            muted: false,
            listen_only: false,
            camera: None,
            share: None,
            participants: Vec::new(),
        }
    }
}

/// The whole state.
#[derive(Debug)]
pub struct State {
    /// The time.
    pub clock: Clock,
    /// When the user last did something.
    pub acted_at: Option<Instant>,
    /// Size of the screen.
    pub size: Size,
    /// All themes and the one in use.
    pub themes: Themes,
    /// Who the user is.
    pub me: Identity,
    /// The session with the bridge.
    pub link: Link,
    /// The pane that has the keys.
    pub focus: Pane,
    /// Users of the Context.
    pub users: BTreeMap<UserId, ContextUser>,
    /// The call, if any.
    pub call: Option<CallState>,
    /// Rooms that the bridge records.
    pub recorded: BTreeSet<StreamRoomId>,
    /// Devices in use.
    pub devices: DeviceChoice,
    /// The last invite that was made.
    pub invite: Option<Invite>,
    /// Rooms.
    pub rooms: RoomsState,
    /// People.
    pub people: PeopleState,
    /// Who and what is to be seen.
    pub stage: StageState,
    /// Levels and link quality.
    pub levels: LevelsState,
    /// Who came and went.
    pub events: EventsState,
    /// Terminals that are shared in the call.
    pub terminals: TerminalsState,
    /// Open dialogs, the top one last.
    pub dialogs: Dialogs,
    /// The command line, while it is open.
    pub palette: Option<PaletteState>,
    /// Messages in passing.
    pub toasts: Toasts,
}

impl State {
    /// A state that has heard nothing yet.
    #[must_use]
    pub fn new(themes: Themes, me: Identity, size: Size, clock: Clock) -> Self {
        Self {
            clock,
            acted_at: None,
            size,
            themes,
            me,
            link: Link::default(),
            focus: Pane::default(),
            users: BTreeMap::new(),
            call: None,
            recorded: BTreeSet::new(),
            devices: DeviceChoice::default(),
            invite: None,
            rooms: RoomsState::default(),
            people: PeopleState::default(),
            stage: StageState::default(),
            levels: LevelsState::default(),
            events: EventsState::default(),
            terminals: TerminalsState::default(),
            dialogs: Dialogs::default(),
            palette: None,
            toasts: Toasts::default(),
        }
    }

    /// How things look now.
    #[must_use]
    pub const fn theme(&self) -> &Theme {
        self.themes.theme()
    }

    /// The call, once this client is in it.
    #[must_use]
    pub fn live_call(&self) -> Option<&CallState> {
        self.call.as_ref().filter(|call| call.phase == Phase::Live)
    }

    /// Lets time pass up to `clock`: peaks sink, messages go. True if the picture changes.
    pub fn advance(&mut self, clock: Clock) -> bool {
        self.clock = clock;
        let now = clock.now;
        let changes = [
            self.toasts.advance(now),
            self.rooms.advance(now),
            self.people.advance(now),
            self.stage.advance(now),
            self.levels.advance(now),
        ];
        changes.contains(&true)
    }

    /// When [`advance`](Self::advance) has something to do; `None` while nothing moves.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.toasts.deadline(),
            self.rooms.deadline(),
            self.people.deadline(),
            self.stage.deadline(),
            self.levels.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Makes the people pane show the call, or the room under the cursor.
    pub fn refresh_people(&mut self) {
        let shown = self.call.as_ref().map(|call| &call.room);
        let row = match shown {
            Some(id) => self.rooms.row(id),
            None => self.rooms.selected(),
        };
        let participants = self.call.as_ref().map(|call| call.participants.as_slice());
        self.people.rebuild(row, participants.unwrap_or_default(), &self.users, &self.me.user);
        self.stage.follow(&self.people, self.clock.now);
    }
}
