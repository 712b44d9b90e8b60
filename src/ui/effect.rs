//! What the interface asks of the outside: one intention each, carried out by the backend.

use super::event::AdmissionId;
use crate::api::terminal::TerminalOrder;
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
    /// Share this command in a terminal of its own.
    ShareTerminal(String),
    /// Send the own shared terminal as video, too, or no longer.
    ToggleTerminalVideo,
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
