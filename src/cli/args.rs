//! The command line, declared. What each command does is in `command/`.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

use crate::api::terminal::SharedCommand;
use crate::cli::command::bridge::args::Bridge as BridgeCommand;
use crate::media::recording::SoundFormat;
use crate::ui::canvas::VideoBudget;

use super::remote::Remote;
use super::watch::Rule;

/// Encrypted voice meetings in the terminal.
#[derive(Debug, Parser)]
#[command(name = "conclave", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do; without a command: open the terminal interface on the configured bridge
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub global: Global,
    #[command(flatten)]
    pub sound: Sound,
    #[command(flatten)]
    pub screen: Screen,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 usage, 3 invite refused, 4 bridge unreachable, \
5 access denied, 6 device, 7 damaged data, 8 address in use, 9 room full or closed, 10 no picture to save.";

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Directory for identity, settings and bridge store [default: the XDG directories]
    #[arg(long, global = true, env = "CONCLAVE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Name that others see [default: the one in settings, else the login name]
    #[arg(long, global = true, env = "CONCLAVE_NAME")]
    pub name: Option<String>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// What goes to the log file, as in "info" or "conclave::api=debug"
    #[arg(long, global = true, env = "CONCLAVE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
}

/// Where sound comes from and goes to, and what is shown.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Devices")]
pub struct Sound {
    /// Microphone: a device name, default, file:PATH.wav, tone:HZ, voice:N, silence or null
    #[arg(long, global = true, env = "CONCLAVE_MIC", value_name = "DEV")]
    pub mic: Option<String>,
    /// Loudspeaker: a device name, default, file:PATH.wav or null
    #[arg(long, global = true, env = "CONCLAVE_SPEAKER", value_name = "DEV")]
    pub speaker: Option<String>,
    /// Join muted
    #[arg(long, global = true)]
    pub muted: bool,
    /// Show yourself: a camera's name, default, file:CLIP.y4m, image:FILE,
    /// terminal:"COMMAND", pattern or off [default: off]
    #[arg(long, global = true, env = "CONCLAVE_CAMERA", value_name = "SOURCE")]
    pub camera: Option<String>,
    /// Show something besides: screen, screen:N, window:TITLE, terminal:"COMMAND", pattern or off
    /// [default: off]
    #[arg(long, global = true, env = "CONCLAVE_SCREEN", value_name = "SOURCE")]
    pub screen: Option<String>,
}

/// How the terminal is used.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Terminal")]
pub struct Screen {
    /// Theme by name
    #[arg(long, global = true, env = "CONCLAVE_THEME")]
    pub theme: Option<String>,
    /// Draw with ASCII characters only
    #[arg(long, global = true, env = "CONCLAVE_ASCII")]
    pub ascii: bool,
    /// What pictures may cost: auto, exact, or bytes in a second as in 64KiB/s
    #[arg(long, global = true, env = "CONCLAVE_VIDEO_BUDGET", value_name = "RATE")]
    pub video_budget: Option<VideoBudget>,
}

/// How a call without a terminal interface runs.
#[derive(Clone, Debug, Args)]
pub struct Headless {
    /// No terminal interface: print what happens
    #[arg(long)]
    pub headless: bool,
    /// Leave after this time, as in 10s or 5m
    #[arg(long, value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Without an interface: receive what others show, and print figures about it
    #[arg(long, requires = "headless")]
    pub video: bool,
    /// Share a terminal from the beginning, as in 'terminal:"htop"'
    #[arg(long, env = "CONCLAVE_SHARE", value_name = "WHAT")]
    share: Option<SharedCommand>,
    /// Send the shared terminal as video, too, for those who show no shared terminals
    #[arg(long, requires = "share")]
    share_video: bool,
}

impl Headless {
    /// The terminal that is to be shared from the beginning.
    pub fn shared(&self) -> Option<SharedCommand> {
        self.share.clone().map(|share| share.with_video(self.share_video))
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it alone: a room with two synthetic participants who talk and show pictures
    Demo,
    /// Start an embedded bridge that others can reach, and print an invite
    Host(Host),
    /// Join a meeting by its invite, or a room you are a member of by its name
    Join(Join),
    /// List, create, show, change or delete rooms
    Rooms {
        #[command(subcommand)]
        command: Rooms,
    },
    /// Run a bridge for others, and look after it
    Bridge {
        #[command(subcommand)]
        command: BridgeCommand,
    },
    /// Join rooms listen-only and tell what happens in them
    Watch(Watch),
    /// List or revoke the invites of the embedded bridge
    Invites {
        #[command(subcommand)]
        command: Invites,
    },
    /// Keep accounts on bridges, each with a key of its own
    Profile {
        #[command(subcommand)]
        command: Profiles,
    },
    /// Check bridge, network, sound, camera, screen, terminal and files, and say what to fix
    Doctor(Doctor),
    /// Have the bridge record a room, sealed as it is; everybody in it is told
    Record(Record),
    /// List, export or delete recordings of your rooms
    Recordings {
        #[command(subcommand)]
        command: Recordings,
    },
    /// Play a recording in the terminal: IVF, Y4M, WAV or Ogg
    Play(Play),
    /// Save a picture of what somebody in a room shows
    Snap(Snap),
    /// List microphones, loudspeakers, cameras, screens and windows
    Devices,
    /// Show your name and key fingerprint
    Identity,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub struct Host {
    /// Address and TCP port for HTTP and WebSocket; media uses UDP on the same port
    #[arg(long, env = "CONCLAVE_LISTEN", default_value = "127.0.0.1:9111", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Host name or address that the invite names [default: the one listened on]
    #[arg(long, env = "CONCLAVE_ADVERTISE", value_name = "HOST")]
    pub advertise: Option<String>,
    /// Address at which media is reached instead of this machine's own; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub media_address: Vec<IpAddr>,
    /// Room to open; created if there is none of that name
    #[arg(long, default_value = "lobby")]
    pub room: String,
    /// Whom to admit: everybody with a valid invite, those you confirm, or nobody
    #[arg(long, value_enum, default_value_t = Admit::Ask)]
    pub admit: Admit,
    /// How long the invite is valid
    #[arg(long, value_parser = humantime::parse_duration, default_value = "24h", value_name = "TIME")]
    pub invite_expires: Duration,
    /// How many people may use the invite
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub invite_uses: u32,
    #[command(flatten)]
    pub headless: Headless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Admit {
    /// Whoever holds a valid invite, if the invite vouches for their key
    All,
    /// Ask here each time
    Ask,
    /// Nobody
    None,
}

#[derive(Debug, Args)]
pub struct Join {
    /// The link that you were given; or the name or id of a room you are a member of
    #[arg(value_name = "INVITE|ROOM")]
    pub invite: String,
    #[command(flatten)]
    pub headless: Headless,
}

#[derive(Debug, Subcommand)]
pub enum Rooms {
    /// All rooms you are a member of
    List,
    /// Create a room
    Create {
        /// Its name
        room: String,
    },
    /// One room with its members
    Show {
        /// Name or id
        room: String,
    },
    /// Delete a room for everybody
    Delete {
        /// Name or id
        room: String,
    },
    /// Members of a room with their keys; add, remove and verify them
    Members(Members),
    /// Give a room another name
    Rename {
        /// Name or id
        room: String,
        /// What to call it from now on
        #[arg(value_name = "NAME")]
        new_name: String,
    },
    /// Who may do what with a room; changes it with --set
    Policy {
        /// Name or id
        room: String,
        /// An entry and its new value, as in get=all or update=manager; may be repeated
        #[arg(long, value_name = "ENTRY=VALUE")]
        set: Vec<String>,
    },
    /// Give a member a picture, which stands for them while they show none
    Avatar {
        /// Name or id
        room: String,
        /// A PNG, JPEG, WebP or GIF file; it is made small. Without one the avatar is removed
        file: Option<PathBuf>,
        /// Whose it is [default: yours]
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// Whether a room is being recorded
    Recording {
        /// Name or id
        room: String,
    },
}

#[derive(Debug, Args)]
pub struct Members {
    /// Name or id
    pub room: String,
    /// User of the context to let in; may be repeated
    #[arg(long, value_name = "USER")]
    pub add: Vec<String>,
    /// Member to put out; the room gets a new key. May be repeated
    #[arg(long, value_name = "USER")]
    pub remove: Vec<String>,
    /// Member to make a manager; may be repeated
    #[arg(long, value_name = "USER")]
    pub manager: Vec<String>,
    /// Fingerprint that you have compared with its owner; may be repeated
    #[arg(long, value_name = "FINGERPRINT")]
    pub trust: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// Rooms by name or id [default: all you are a member of, also those that come]
    pub rooms: Vec<String>,
    /// Serve figures for Prometheus at http://ADDR/metrics
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Tell when a rule holds, as in 'level > -30 for 2s'; may be repeated
    #[arg(long = "alert", value_name = "RULE")]
    pub alerts: Vec<Rule>,
    /// Run this command (by sh) for every alert, its details in CONCLAVE_ALERT_* variables
    #[arg(long, value_name = "CMD", requires = "alerts")]
    pub exec: Option<String>,
    /// Stop after this time, as in 10s or 5m
    #[arg(long, value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub enum Profiles {
    // "name" is who the user is, in every command; so these have names of their own.
    /// Add an account: --bridge URL --solution ID [--context ID] [--key FILE] [--bridge-key KEY];
    /// without a key file a new key is made
    Add {
        /// What to call it
        #[arg(value_name = "NAME")]
        added: String,
    },
    /// All profiles
    List,
    /// Use a profile from now on
    Use {
        /// Its name; "local" for the bridge of last time or the embedded one
        #[arg(value_name = "NAME")]
        used: String,
    },
    /// Log in and show who you are there
    Test {
        /// Its name [default: the one in use]
        #[arg(value_name = "NAME")]
        tested: Option<String>,
    },
    /// Delete a profile with its key
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        removed: String,
        /// Yes, delete the key, too
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Room to try media in [default: a room made for it and deleted again]
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
}

#[derive(Debug, Args)]
pub struct Play {
    /// The file
    pub file: PathBuf,
    /// Another file to play along: the sound of a film, or the pictures
    #[arg(long, value_name = "FILE")]
    pub with: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Record {
    /// Name or id of the room
    pub room: String,
    /// End the recording
    #[arg(long)]
    pub stop: bool,
}

#[derive(Debug, Args)]
pub struct Snap {
    /// Name or id of the room
    pub room: String,
    /// Whose picture to save
    #[arg(long)]
    pub user: String,
    /// PNG file for the picture; one that exists is replaced
    #[arg(long, short, value_name = "FILE.png")]
    pub out: PathBuf,
    /// What to save [default: the screen, or the camera if no screen is shown]
    #[arg(long, value_enum)]
    pub what: Option<Shown>,
    /// How long to wait for a picture, as in 10s or 5m
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10s", value_name = "TIME")]
    pub timeout: Duration,
}

/// What people show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// Their face
    Camera,
    /// Their screen, a window or a terminal
    Screen,
}

#[derive(Debug, Subcommand)]
pub enum Recordings {
    /// The recordings of a room, or of all your rooms
    List {
        /// Name or id of the room
        room: Option<String>,
    },
    /// Decrypt a recording: one file per track, all of which start together
    Export {
        /// Its id as listed, or a room, whose last recording is meant
        recording: String,
        /// Directory for the files [default: recording-ID]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// What sound becomes; video becomes IVF, messages JSON lines
        #[arg(long, value_enum, default_value_t = SoundFile::Wav)]
        format: SoundFile,
    },
    /// Delete a recording from the bridge, for everybody
    Delete {
        /// Its id, as listed
        recording: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SoundFile {
    /// 48 kHz, 16 bits, mono
    Wav,
    /// Opus as it was sent
    Ogg,
}

impl From<SoundFile> for SoundFormat {
    fn from(file: SoundFile) -> Self {
        match file {
            SoundFile::Wav => Self::Wav,
            SoundFile::Ogg => Self::Ogg,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Invites {
    /// All invites that the embedded bridge knows
    List,
    /// End an invite at once
    Revoke {
        /// Its id, as listed
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    /// clap gives a global argument the value of any other one of the same id below it.
    fn ids_below(command: &clap::Command, global: &BTreeSet<String>) -> Vec<String> {
        let own = command.get_arguments().map(|argument| argument.get_id().to_string());
        let taken = own
            .filter(|id| global.contains(id))
            .map(|id| format!("{} of `{}`", id, command.get_name()));
        let below = command.get_subcommands().flat_map(|command| ids_below(command, global));
        taken.chain(below).collect()
    }

    #[test]
    fn no_argument_is_mistaken_for_a_global_one() {
        let command = Arguments::command();
        command.clone().debug_assert();
        let global: BTreeSet<String> = command
            .get_arguments()
            .filter(|argument| argument.is_global_set())
            .map(|argument| argument.get_id().to_string())
            .collect();
        // `conclave bridge` administrates; who the user is plays no part there.
        let commands = command.get_subcommands().filter(|command| command.get_name() != "bridge");
        let clashes: Vec<_> = commands.flat_map(|command| ids_below(command, &global)).collect();
        assert_eq!(clashes, Vec::<String>::new());
    }
}
