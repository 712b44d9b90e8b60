//! The command palette: what can be typed after `:`, how it completes, what it means.

use tui_input::Input;

use super::action::Action;
use super::action::CallAction;
use super::action::Pane;
use super::action::RoomsAction;
use super::action::StageAction;
use super::action::TerminalAction;
use super::action::ViewAction;
use super::stage::LayoutChoice;
use super::state::State;
use super::update::OFF;
use super::widget::input;
use crate::api::terminal::TerminalSize;

/// Completions that are shown at once.
pub const SHOWN: usize = 8;

/// No size in particular.
const AUTO: &str = "auto";

/// What follows the name of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A room of the list.
    Room,
    /// A name for a new room.
    NewRoom,
    /// Somebody of the people pane.
    Person,
    /// A theme.
    Theme,
    /// A pane.
    Pane,
    /// A program with its arguments.
    Program,
    /// Columns and rows.
    Size,
    /// A device; which ones there are is known once the devices were asked for.
    Device,
    /// A camera, or none; alone it switches.
    Camera,
    /// A screen, a window or a terminal, or none; alone it asks.
    Share,
    /// A layout of the stage; alone it goes on to the next one.
    Layout,
    /// Somebody on the stage; alone it is whoever is under the cursor.
    Tile,
}

impl Argument {
    const fn placeholder(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Room => "ROOM",
            Self::NewRoom | Self::Theme | Self::Person => "NAME",
            Self::Pane => "PANE",
            Self::Program => "COMMAND",
            Self::Size => "SIZE",
            Self::Device => "DEVICE",
            Self::Camera => "[CAMERA]",
            Self::Share => "[WHAT]",
            Self::Layout => "[LAYOUT]",
            Self::Tile => "[NAME]",
        }
    }

    /// It has to be there.
    const fn is_needed(self) -> bool {
        !matches!(self, Self::None | Self::Camera | Self::Share | Self::Layout | Self::Tile)
    }
}

/// One command.
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// What follows it.
    pub argument: Argument,
    /// What it does.
    pub about: &'static str,
    /// Left out of completion and documents.
    pub hidden: bool,
    build: fn(&str) -> Option<Action>,
}

impl Command {
    /// Name and argument as they are typed.
    #[must_use]
    pub fn usage(&self) -> String {
        let placeholder = self.argument.placeholder();
        if placeholder.is_empty() {
            self.name.to_owned()
        } else {
            format!("{} {placeholder}", self.name)
        }
    }
}

macro_rules! commands {
    ($($name:literal $argument:ident $about:literal $build:expr;)*) => {
        &[$(Command {
            name: $name,
            argument: Argument::$argument,
            about: $about,
            hidden: $about.is_empty(),
            build: $build,
        },)*]
    };
}

/// Every command; those without a description are hidden.
#[rustfmt::skip]
pub static COMMANDS: &[Command] = commands! {
    "join" Room "join a room" |name| Some(Action::Rooms(RoomsAction::Join(name.to_owned())));
    "create" NewRoom "create a room" |name| Some(Action::Rooms(RoomsAction::Create(name.to_owned())));
    "new" None "ask for a name, create a room" |_| Some(Action::Rooms(RoomsAction::New));
    "delete" Room "delete a room" |name| Some(Action::Rooms(RoomsAction::Delete(name.to_owned())));
    "mute" None "turn the microphone off or on" |_| Some(Action::Call(CallAction::ToggleMute));
    "leave" None "leave the call" |_| Some(Action::Call(CallAction::Leave));
    "devices" None "choose microphone, speaker and camera" |_| Some(Action::Call(CallAction::Devices));
    "mic" Device "use this microphone" |name| Some(Action::Call(CallAction::Microphone(name.to_owned())));
    "speaker" Device "use this speaker" |name| Some(Action::Call(CallAction::Speaker(name.to_owned())));
    "camera" Camera "turn the camera on or off, or use another one" |name| Some(Action::Call(camera(name)));
    "share" Share "share a screen, a window or a terminal; `off` ends it" |name| Some(Action::Call(share(name)));
    "layout" Layout "divide the stage in another way" layout;
    "pin" Tile "make somebody stand out" |name| Some(Action::Stage(tile(name)));
    "full" None "the stage over the whole screen, or no longer" |_| Some(Action::Stage(StageAction::ToggleFull));
    "hide-self" None "hide or show your own tile" |_| Some(Action::Stage(StageAction::ToggleSelf));
    "zoom-in" None "look at a picture more closely" |_| Some(Action::Stage(StageAction::Zoom(1)));
    "zoom-out" None "see the whole picture" |_| Some(Action::Stage(StageAction::ZoomOut));
    "terminal" Program "share a command in a terminal of its own" |line| Some(Action::Terminal(TerminalAction::Share(line.to_owned())));
    "end-terminal" None "share no terminal any more" |_| Some(Action::Terminal(TerminalAction::Stop));
    "terminal-video" None "send your terminal as video, too, or no longer" |_| Some(Action::Terminal(TerminalAction::ToggleVideo));
    "terminal-size" Size "keep your terminal at one size, as in 80x24; `auto` fits it to the screens of all" |size| terminal_size(size).map(|size| Action::Terminal(TerminalAction::Fix(size)));
    "type" None "type into the shared terminal, or ask for control" |_| Some(Action::Terminal(TerminalAction::Type));
    "lend" Person "give somebody control of your terminal" |name| Some(Action::Terminal(TerminalAction::Lend(Some(name.to_owned()))));
    "take-back" None "take control of your terminal back" |_| Some(Action::Terminal(TerminalAction::TakeBack));
    "next-terminal" None "show the next shared terminal, or everybody" |_| Some(Action::Terminal(TerminalAction::Next));
    "invite" None "show the invite" |_| Some(Action::View(ViewAction::Invite));
    "key" None "show your own key" |_| Some(Action::View(ViewAction::Identity));
    "compare" Person "compare somebody's key" |name| Some(Action::View(ViewAction::Compare(name.to_owned())));
    "theme" Theme "turn on a theme" |name| Some(Action::View(ViewAction::Theme(name.to_owned())));
    "next-theme" None "turn on the next theme" |_| Some(Action::View(ViewAction::NextTheme));
    "pane" Pane "give the keys to a pane" |name| pane(name).map(|pane| Action::View(ViewAction::Focus(pane)));
    "next-pane" None "give the keys to the next pane" |_| Some(Action::View(ViewAction::FocusStep(1)));
    "refresh" None "ask for the lists again" |_| Some(Action::Rooms(RoomsAction::Refresh));
    "redraw" None "draw the screen again" |_| Some(Action::Redraw);
    "help" None "show all keys" |_| Some(Action::View(ViewAction::Help));
    "suspend" None "back to the shell; `fg` resumes" |_| Some(Action::Suspend);
    "quit" None "end the program" |_| Some(Action::Quit);
    "debug panic" None "" |_| Some(Action::DebugPanic);
};

/// `80x24`; nothing fixed if it says `auto`.
fn terminal_size(size: &str) -> Option<Option<TerminalSize>> {
    if size == AUTO {
        return Some(None);
    }
    let (columns, rows) = size.split_once('x')?;
    TerminalSize::checked(columns.parse().ok()?, rows.parse().ok()?).map(Some)
}

fn camera(name: &str) -> CallAction {
    if name.is_empty() { CallAction::ToggleCamera } else { CallAction::Camera(name.to_owned()) }
}

fn share(what: &str) -> CallAction {
    if what.is_empty() { CallAction::Shares } else { CallAction::Share(what.to_owned()) }
}

fn layout(name: &str) -> Option<Action> {
    Some(Action::Stage(match name {
        "" => StageAction::NextLayout,
        name => StageAction::Layout(LayoutChoice::named(name)?),
    }))
}

fn tile(name: &str) -> StageAction {
    if name.is_empty() { StageAction::Pin } else { StageAction::PinNamed(name.to_owned()) }
}

fn pane(name: &str) -> Option<Pane> {
    Pane::ALL.into_iter().find(|pane| pane.title().eq_ignore_ascii_case(name))
}

/// The command line while it is open.
#[derive(Clone, Debug, Default)]
pub struct PaletteState {
    /// What is typed.
    pub input: Input,
    /// Index of the completion that is marked.
    pub marked: usize,
}

/// One way to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The whole line if it is taken.
    pub line: String,
    /// What it does; may be empty.
    pub about: &'static str,
    /// More has to follow before it can be run.
    pub needs_argument: bool,
}

/// The ways to go on from `line`.
#[must_use]
pub fn completions(line: &str, state: &State) -> Vec<Completion> {
    let typed = line.trim_start();
    if let Some((command, argument)) = split(typed) {
        let options = options(command.argument, state);
        let matching = options.into_iter().filter(|option| starts_with(option, argument));
        let complete = |option: String| Completion {
            line: format!("{} {option}", command.name),
            about: "",
            needs_argument: false,
        };
        return matching.map(complete).collect();
    }
    let visible = COMMANDS.iter().filter(|command| !command.hidden);
    let matching = visible.filter(|command| starts_with(command.name, typed.trim_end()));
    let complete = |command: &Command| Completion {
        line: command.name.to_owned(),
        about: command.about,
        needs_argument: command.argument.is_needed(),
    };
    matching.map(complete).collect()
}

/// Puts the marked completion into the line.
pub fn complete(palette: &mut PaletteState, completions: &[Completion]) {
    if let Some(completion) = completions.get(palette.marked) {
        let space = if completion.needs_argument { " " } else { "" };
        palette.input = Input::new(String::new());
        input::paste(&mut palette.input, &completion.line);
        if !space.is_empty() {
            input::edit(&mut palette.input, tui_input::InputRequest::InsertChar(' '));
        }
        palette.marked = 0;
    }
}

/// What a line means.
///
/// # Errors
///
/// A sentence for the user.
pub fn parse(line: &str) -> Result<Action, String> {
    let line = line.trim();
    if let Some(command) = COMMANDS.iter().find(|command| command.name == line) {
        if !command.argument.is_needed() {
            return (command.build)("").ok_or_else(String::new);
        }
        return Err(format!("{line} what? Type :{}", command.usage()));
    }
    match split(line) {
        Some((command, argument)) if command.argument != Argument::None => {
            (command.build)(argument)
                .ok_or_else(|| format!("{} cannot be {argument}", command.name))
        }
        Some((command, _)) => Err(format!("{} takes nothing after it", command.name)),
        None => Err(format!("no command is called {line}: ? lists them")),
    }
}

/// The command at the start of a line and what follows the space after it.
fn split(line: &str) -> Option<(&'static Command, &str)> {
    let (name, argument) = line.split_once(' ')?;
    let command = COMMANDS.iter().find(|command| command.name == name)?;
    Some((command, argument.trim()))
}

fn options(argument: Argument, state: &State) -> Vec<String> {
    match argument {
        Argument::None | Argument::NewRoom | Argument::Program => Vec::new(),
        Argument::Size => [AUTO, "80x24"].map(str::to_owned).to_vec(),
        Argument::Room => {
            let open = state.rooms.rows().iter().filter(|room| !room.closed);
            open.map(|room| room.name.as_str().to_owned()).collect()
        }
        Argument::Person => {
            let others = state.people.rows().iter().filter(|person| !person.own);
            others.map(|person| person.name.as_str().to_owned()).collect()
        }
        Argument::Theme => state.themes.names().map(str::to_owned).collect(),
        Argument::Pane => Pane::ALL.iter().map(|pane| pane.title().to_lowercase()).collect(),
        Argument::Camera => ["default", "pattern", OFF].map(str::to_owned).to_vec(),
        Argument::Share => ["screen", "terminal:\"$SHELL\"", OFF].map(str::to_owned).to_vec(),
        Argument::Layout => LayoutChoice::ALL.map(|layout| layout.name().to_owned()).to_vec(),
        Argument::Tile => {
            state.people.in_call().map(|person| person.name.as_str().to_owned()).collect()
        }
        Argument::Device => ["default", "silence", "null"].map(str::to_owned).to_vec(),
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.to_lowercase().starts_with(&prefix.to_lowercase())
}
