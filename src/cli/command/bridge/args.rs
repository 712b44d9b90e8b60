//! The command line of `conclave bridge`, declared.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Bridge {
    /// Run the bridge until it is told to end (SIGTERM, SIGINT)
    Serve(Serve),
    /// Solutions: what contexts belong to
    Solution {
        #[command(subcommand)]
        command: Solution,
    },
    /// Contexts: who is in one can see the others in it and share rooms
    Context {
        #[command(subcommand)]
        command: Context,
    },
    /// Users of a context
    User {
        #[command(subcommand)]
        command: User,
    },
    /// Rooms of a context, seen from outside
    Room {
        #[command(subcommand)]
        command: Room,
    },
    /// Invites into a context
    Invite {
        #[command(subcommand)]
        command: Invite,
    },
    /// API keys, for programs that manage the bridge over the network
    Key {
        #[command(subcommand)]
        command: Key,
    },
    /// Write a copy of everything the bridge keeps, while it runs or not
    Backup {
        /// File to write; it must not exist
        file: PathBuf,
    },
    /// Put a backup in place; the bridge must not be running
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Look through the store, or through a backup, and say what is wrong with it
    Check {
        /// A backup [default: the store itself]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Settings file (TOML)
    #[arg(long, env = "CONCLAVE_BRIDGE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change one setting, as in limits.connections=100; may be repeated
    #[arg(long = "set", value_name = "SETTING=VALUE")]
    pub settings: Vec<String>,
    /// Print the settings that would be used, with what each one means, and end
    #[arg(long)]
    pub print_config: bool,
}

#[derive(Debug, Subcommand)]
pub enum Solution {
    /// Make one
    Add {
        /// A name for people
        name: String,
    },
    /// All of them
    List,
    /// One of them
    Show {
        /// Its id
        id: String,
    },
    /// Delete one that has no contexts any more
    Remove {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Context {
    /// Make one
    Add {
        /// A name for people
        name: String,
        /// Solution it belongs to [default: the only one; if there is none, one is made]
        #[arg(long, value_name = "ID")]
        solution: Option<String>,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        /// Policy as a JSON object
        #[arg(long, value_name = "JSON")]
        policy: Option<String>,
    },
    /// All of them
    List,
    /// One of them
    Show {
        /// Its id
        id: String,
    },
    /// End all its rooms and delete it
    Remove {
        /// Its id
        id: String,
    },
}

/// Which context is meant.
#[derive(Debug, Args)]
pub struct InContext {
    /// Id of the context [default: the only one]
    #[arg(long, value_name = "ID")]
    pub context: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Make a key a user
    Add {
        /// What the user is called there
        user: String,
        /// Their public key (base58), as `conclave identity` shows it
        key: String,
        /// What they may call
        #[arg(long, default_value = "ALLOW ALL")]
        acl: String,
        #[command(flatten)]
        place: InContext,
    },
    /// All of them
    List {
        #[command(flatten)]
        place: InContext,
    },
    /// One of them
    Show {
        /// The user
        user: String,
        #[command(flatten)]
        place: InContext,
    },
    /// Change what a user may call
    Acl {
        /// The user
        user: String,
        /// The new rules
        acl: String,
        #[command(flatten)]
        place: InContext,
    },
    /// Take a user out; calls they are in end for them
    Remove {
        /// The user
        user: String,
        #[command(flatten)]
        place: InContext,
    },
}

#[derive(Debug, Subcommand)]
pub enum Room {
    /// All of them
    List {
        #[command(flatten)]
        place: InContext,
    },
    /// One of them
    Show {
        /// Its id
        id: String,
    },
    /// Delete a room for everybody
    Remove {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Invite {
    /// Make an invite to a room; you are the one who will be asked to admit
    Add {
        /// Id of the room
        #[arg(long, value_name = "ID")]
        room: String,
        /// Host and port that guests connect to [default: where the bridge listens]
        #[arg(long, value_name = "HOST")]
        advertise: Option<String>,
        /// How long it is valid
        #[arg(long, value_parser = humantime::parse_duration, default_value = "24h", value_name = "TIME")]
        expires: Duration,
        /// How many people may use it
        #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        uses: u32,
        #[command(flatten)]
        place: InContext,
    },
    /// All of them
    List {
        #[command(flatten)]
        place: InContext,
    },
    /// End one at once
    Revoke {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make one; its secret is shown once
    Add {
        /// A name for people
        name: String,
        /// What it may do, separated by commas
        #[arg(long, default_value = "context,stream,solution:*", value_delimiter = ',')]
        scope: Vec<String>,
    },
    /// All of them, without their secrets
    List,
}
