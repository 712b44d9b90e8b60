//! The command line, declared. What each command does is in `command/`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

use crate::cli::command::bridge::args::Bridge as BridgeCommand;

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
5 access denied, 6 sound device, 7 damaged data, 8 address in use, 9 room full or closed.";

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
}

/// Where sound comes from and goes to.
#[derive(Clone, Debug, Default, Args)]
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
}

/// How the terminal is used.
#[derive(Clone, Debug, Default, Args)]
pub struct Screen {
    /// Theme by name
    #[arg(long, global = true, env = "CONCLAVE_THEME")]
    pub theme: Option<String>,
    /// Draw with ASCII characters only
    #[arg(long, global = true, env = "CONCLAVE_ASCII")]
    pub ascii: bool,
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
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it alone: a room with two synthetic participants who talk
    Demo,
    /// Start an embedded bridge that others can reach, and print an invite
    Host(Host),
    /// Join a meeting by its invite
    Join(Join),
    /// List, create, show or delete rooms
    Rooms {
        #[command(subcommand)]
        command: Rooms,
    },
    /// Run a bridge for others, and look after it
    Bridge {
        #[command(subcommand)]
        command: BridgeCommand,
    },
    /// List or revoke the invites of the embedded bridge
    Invites {
        #[command(subcommand)]
        command: Invites,
    },
    /// List the sound devices
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
    /// The link that the host was given
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
