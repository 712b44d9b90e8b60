//! What the interface asks of the outside: one intention each, carried out by the backend.

use super::event::AdmissionId;
use crate::api::terminal::TerminalSize;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// One intention. The answer comes back as an [`Event`](super::event::Event).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// End the program.
    Exit,
    /// Stop until the shell resumes us.
    Suspend,
    /// Forget what is on the screen and draw it all.
    Redraw,
    /// Panic.
    Panic,
    /// Ask for the lists of rooms and users.
    Refresh,
    /// Create a room and list it.
    CreateRoom {
        /// Its name.
        name: String,
        /// Who may take part.
        members: Members,
    },
    /// Delete a room.
    DeleteRoom(StreamRoomId),
    /// Join the call of a room, leaving the one that is on.
    JoinRoom(StreamRoomId),
    /// Leave the call.
    LeaveRoom,
    /// Turn the own microphone off or on.
    SetMuted(bool),
    /// Ask which devices there are.
    ListDevices,
    /// Use these devices from now on.
    SetDevices(DeviceChoice),
    /// Send the picture of this camera; none if `None`.
    SetCamera(Option<String>),
    /// Ask what can be shared.
    ListShares,
    /// Share this screen, window or terminal; nothing if `None`.
    SetShare(Option<String>),
    /// Do something with a shared terminal.
    Terminal(TerminalOrder),
    /// Note that the user has compared somebody's key and found it right.
    VerifyKey {
        /// Whose key.
        user: UserId,
        /// The fingerprint that was compared: another key than this is not meant.
        fingerprint: String,
    },
    /// Let somebody in.
    Admit(AdmissionId),
    /// Keep somebody out.
    Deny(AdmissionId),
}

/// What is to be done with a shared terminal. One without a stream is this user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalOrder {
    /// Share this command.
    Share(String),
    /// Share nothing any more.
    Stop,
    /// Type this.
    Keys(Option<StreamId>, Vec<u8>),
    /// Ask the owner for control.
    Ask(StreamId),
    /// Give control back to the owner.
    Release(StreamId),
    /// Give control of the own terminal to somebody, or to whoever asks.
    Lend(Option<UserId>),
    /// Take control of the own terminal back.
    TakeBack,
    /// There is so much room for it on this screen.
    Room(Option<StreamId>, Option<TerminalSize>),
    /// Fetch lines that have left the screen: the first one, and how many.
    Lines(Option<StreamId>, u64, u16),
}

/// Who may take part in a new room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Members {
    /// Its creator; others are let in one by one.
    #[default]
    OnlyMe,
    /// All users that the Context has now.
    Everybody,
}

/// Devices of the call, by the names that choose them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceChoice {
    /// Microphone.
    pub microphone: String,
    /// Speaker.
    pub speaker: String,
    /// Camera; the system's default one if empty.
    pub camera: String,
}

/// What the user decided about somebody who wants in, for whoever made the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionDecision {
    /// The request.
    pub id: AdmissionId,
    /// Let them in.
    pub admit: bool,
}
