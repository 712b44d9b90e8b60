//! Facts that reach the interface: answers to its effects, news from the bridge, and what
//! the command line has to tell. [`apply`](super::apply::apply) writes them into the state.
//!
//! Text in here may come from anybody; it is filtered when it enters the state.

use super::effect::DeviceChoice;
use super::stage::Share;
use super::stage::TileContent;
use super::stage::TileId;
use crate::api::terminal::TerminalViews;
use crate::model;
use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The session with the bridge is usable.
    Connected,
    /// The session broke; it is being set up again.
    Disconnected {
        /// Why, in words for a person.
        reason: String,
    },
    /// All rooms of the Context, as they are now.
    RoomsListed(Vec<RoomInfo>),
    /// A room is new, or something about it changed.
    RoomChanged(RoomInfo),
    /// Who is in a room, where the bridge could tell.
    RoomPeopleListed {
        /// The room.
        room: StreamRoomId,
        /// Users that publish in it.
        present: Vec<UserId>,
    },
    /// All users of the Context, as they are now.
    UsersListed(Vec<ContextUser>),
    /// Devices that can be chosen.
    DevicesListed(DeviceMenu),
    /// The devices in use changed.
    DevicesChanged(DeviceChoice),
    /// A room was created by this user.
    RoomCreated(StreamRoomId),
    /// This client is in the call.
    CallJoined {
        /// The room.
        room: StreamRoomId,
        /// No microphone is published.
        listen_only: bool,
    },
    /// This client is no longer in the call.
    CallLeft {
        /// The room.
        room: StreamRoomId,
        /// Why, if it was not asked for.
        fault: Option<Fault>,
    },
    /// Everybody in the call, as of now.
    ParticipantsChanged(Vec<Participant>),
    /// Everything that somebody in the call shows, as of now.
    SharesChanged(Vec<Share>),
    /// What fills a tile is new. For pictures, which are many, there is the gallery.
    TileChanged {
        /// Which one.
        tile: TileId,
        /// What is in it now.
        content: TileContent,
    },
    /// The camera whose picture is sent; `None` if it is off.
    CameraChanged(Option<String>),
    /// Screens, windows and terminals that can be shared.
    ShareMenuListed(ShareMenu),
    /// What this user shares; `None` if nothing.
    OwnShareChanged(Option<String>),
    /// All terminals that are shared in the call, as of now.
    TerminalsChanged(TerminalViews),
    /// Sound levels of the call, up to ten times a second.
    LevelsMeasured(AudioLevels),
    /// Counters of the call, about once a second.
    StatsMeasured(CallStats),
    /// News from the bridge.
    Bridge(Box<model::Event>),
    /// Something that was asked for did not work.
    Failed(Fault),
    /// Somebody asks to be let in.
    AdmissionRequested(AdmissionRequest),
    /// A request was settled elsewhere or given up.
    AdmissionWithdrawn(AdmissionId),
    /// There is an invite to hand out.
    InviteReady(Invite),
    /// Worth a line in passing.
    Noticed {
        /// How bad it is.
        severity: Severity,
        /// What to say.
        text: String,
    },
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worked.
    Good,
    /// Needs attention.
    Warn,
    /// Did not work.
    Bad,
}

/// A room as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its id.
    pub id: StreamRoomId,
    /// Its name from the encrypted metadata.
    pub name: String,
    /// Members that may take part.
    pub users: Vec<UserId>,
    /// Members that may change it.
    pub managers: Vec<UserId>,
    /// Nobody can join it any more.
    pub closed: bool,
    /// Its signatures and keys were checked and hold.
    pub verified: bool,
}

/// A user of the Context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextUser {
    /// Who.
    pub user: UserId,
    /// Fingerprint of the public key.
    pub fingerprint: String,
    /// What this client knows about that key.
    pub trust: Trust,
    /// Has a live session.
    pub active: bool,
}

/// What this client knows about somebody's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Nothing yet.
    #[default]
    Unknown,
    /// The same key as at the first meeting, never compared by the user.
    Known,
    /// Compared by the user.
    Verified,
    /// Not the key that was known: a new device, or somebody else.
    Changed,
}

/// Somebody in the call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Participant {
    /// Who.
    pub user: UserId,
    /// Sends sound.
    pub publishing: bool,
    /// Says that the microphone is off.
    pub muted: bool,
    /// Share of this person's packets that never came, 0 to 1; `None` until known.
    pub loss: Option<f32>,
    /// Something comes from this person that cannot be decrypted.
    pub unreadable: bool,
}

/// A request to be let into a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionRequest {
    /// Names the request in the answer.
    pub id: AdmissionId,
    /// What the person is called.
    pub name: String,
    /// Fingerprint of the key that they hold.
    pub fingerprint: String,
    /// An invite of this user vouches for that key.
    pub vouched: bool,
    /// Name of the room.
    pub room: String,
}

/// Number of an admission request, given by whoever makes the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdmissionId(pub u64);

/// An invite to hand out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Name of the room it leads to.
    pub room: String,
    /// The link.
    pub link: String,
    /// The link as a QR code in half blocks, one line per row; empty if there is none.
    pub qr: String,
    /// How long and how often it can be used, in words.
    pub validity: String,
}

/// Devices there are, by the names that choose them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceMenu {
    /// Microphones.
    pub microphones: Vec<String>,
    /// Speakers.
    pub speakers: Vec<String>,
    /// Cameras.
    pub cameras: Vec<String>,
}

/// What can be shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareMenu {
    /// All of it.
    pub options: Vec<ShareOption>,
    /// Why there are no screens and windows among them, if there are none.
    pub missing: Option<String>,
}

/// Something that can be shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareOption {
    /// What it is called.
    pub title: String,
    /// The name that chooses it: `screen`, `window:Editor`, `terminal:"htop"`.
    pub spec: String,
}

/// What went wrong, for a person: what happened, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}
