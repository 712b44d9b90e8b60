//! What the user wants. Made by the keymap, the palette and mouse hits, and by nothing else.

use tui_input::InputRequest;

use super::key::Key;
use super::stage::LayoutChoice;
use super::stage::TileId;
use crate::api::terminal::TerminalSize;

/// A part of the screen that can have the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The list of rooms.
    #[default]
    Rooms,
    /// Who speaks.
    Stage,
    /// Who is here.
    People,
    /// Meters and link quality.
    Levels,
    /// Who came and went.
    Events,
}

impl Pane {
    /// All panes in the order of their digits.
    pub const ALL: [Self; 5] = [Self::Rooms, Self::Stage, Self::People, Self::Levels, Self::Events];

    /// Title on the screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Rooms => "Rooms",
            Self::Stage => "Stage",
            Self::People => "People",
            Self::Levels => "Levels",
            Self::Events => "Events",
        }
    }

    /// The pane `by` places further, round and round.
    #[must_use]
    pub fn step(self, by: isize) -> Self {
        let count = Self::ALL.len() as isize;
        let index = (self as isize + by).rem_euclid(count);
        Self::ALL.into_iter().nth(index as usize).unwrap_or_default()
    }
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// End the program; asks first while in a call.
    Quit,
    /// End the program now.
    QuitNow,
    /// Give the terminal back to the shell until it resumes us.
    Suspend,
    /// Draw every cell again.
    Redraw,
    /// Fail on purpose, to see that the terminal survives it.
    DebugPanic,
    /// Move around.
    View(ViewAction),
    /// Do something with a room.
    Rooms(RoomsAction),
    /// Do something with the call.
    Call(CallAction),
    /// Look at the stage in another way.
    Stage(StageAction),
    /// Do something with a shared terminal.
    Terminal(TerminalAction),
    /// Answer the dialog on top.
    Dialog(DialogAction),
    /// Use the command palette.
    Palette(PaletteAction),
}

/// Moving around and looking.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewAction {
    /// Give the keys to a pane.
    Focus(Pane),
    /// Give the keys to the pane some places further.
    FocusStep(isize),
    /// Move the cursor or scroll in the pane that has the keys, by rows.
    Move(isize),
    /// The same by pages.
    Page(isize),
    /// Go to the first row.
    First,
    /// Go to the last row.
    Last,
    /// Put the cursor on a row of a pane.
    Point(Pane, usize),
    /// Turn on the next theme.
    NextTheme,
    /// Turn on the theme of this name.
    Theme(String),
    /// Show all keys.
    Help,
    /// Show the invite again.
    Invite,
    /// Show who the user is to others.
    Identity,
    /// Compare the key of the person under the cursor.
    CompareSelected,
    /// Compare the key of the person of this name.
    Compare(String),
}

/// Rooms.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomsAction {
    /// Join the room under the cursor.
    JoinSelected,
    /// Join the room of this name.
    Join(String),
    /// Ask for a name and create a room.
    New,
    /// Create a room of this name.
    Create(String),
    /// Delete the room under the cursor, after asking.
    DeleteSelected,
    /// Delete the room of this name, after asking.
    Delete(String),
    /// Ask the bridge for the list again.
    Refresh,
}

/// The call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallAction {
    /// Turn the microphone off or on.
    ToggleMute,
    /// Leave, after asking.
    Leave,
    /// Choose microphone and speaker.
    Devices,
    /// Use this microphone.
    Microphone(String),
    /// Use this speaker.
    Speaker(String),
    /// Turn the camera on or off.
    ToggleCamera,
    /// Use this camera, or none if it is called `off`.
    Camera(String),
    /// Choose what to share.
    Shares,
    /// Share this, or nothing if it is called `off`.
    Share(String),
}

/// The stage.
#[derive(Clone, Debug, PartialEq)]
pub enum StageAction {
    /// Go to the tile some places further; where one stands out, that is then the one.
    Step(isize),
    /// Make the tile under the cursor stand out, or no longer.
    Pin,
    /// Make the tile of the person of this name stand out.
    PinNamed(String),
    /// Put the cursor on a tile; pin it if it is there already.
    Point(TileId),
    /// Divide the stage in the next way.
    NextLayout,
    /// Divide the stage in this way.
    Layout(LayoutChoice),
    /// Let the stage fill the screen, or no longer.
    ToggleFull,
    /// Back to all panes.
    LeaveFull,
    /// Leave out the user's own tile, or no longer.
    ToggleSelf,
    /// Look closer or, if negative, from farther away.
    Zoom(isize),
    /// See the whole picture.
    ZoomOut,
    /// Look further to the right; go to another tile if the whole picture is in sight.
    Pan(isize),
}

/// Shared terminals.
#[derive(Clone, Debug, PartialEq)]
pub enum TerminalAction {
    /// Let the keys go to the terminal in front, or ask its owner for control.
    Type,
    /// Let the keys go to this program again.
    StopTyping,
    /// Type this into the terminal in front.
    Key(Key),
    /// Paste this into the terminal in front.
    Paste(String),
    /// Give control of the own terminal to whoever asks, or to the person of this name.
    Lend(Option<String>),
    /// Take control of the own terminal back, or give back that of another's.
    TakeBack,
    /// Show the next shared terminal; after the last one, everybody in the call.
    Next,
    /// Share this command.
    Share(String),
    /// Share no terminal any more.
    Stop,
    /// Send the own terminal as video, too, or no longer.
    ToggleVideo,
    /// Keep the own terminal at one size; `None` lets the smallest screen decide.
    Fix(Option<TerminalSize>),
}

/// The dialog on top.
#[derive(Clone, Debug, PartialEq)]
pub enum DialogAction {
    /// Yes, do it.
    Yes,
    /// No, don't.
    No,
    /// Take what is entered or chosen.
    Accept,
    /// Away with it.
    Close,
    /// The next part of the form.
    NextField,
    /// Turn the option under the cursor.
    Toggle,
    /// Move or scroll by rows.
    Move(isize),
    /// Change the text.
    Edit(InputRequest),
    /// Put text in from the clipboard.
    Paste(String),
}

/// The command palette.
#[derive(Clone, Debug, PartialEq)]
pub enum PaletteAction {
    /// Open it.
    Open,
    /// Close it and do nothing.
    Close,
    /// Do what it says.
    Run,
    /// Put in the completion that is marked, or mark the next one.
    Complete,
    /// Mark another completion.
    Move(isize),
    /// Change the text.
    Edit(InputRequest),
    /// Put text in from the clipboard.
    Paste(String),
}
