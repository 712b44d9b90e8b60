//! The settings of `conclave bridge serve`: a TOML file, environment variables and flags.
//!
//! [`DOCS`] names every setting once, with its meaning; the printed configuration, the names
//! of the environment variables and `docs/operations.md` follow from it.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use toml::Table;
use toml::Value;

use crate::bridge::BridgeConfig;
use crate::bridge::BridgeLimits;
use crate::bridge::TurnServer;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::model::Secret;

/// Every setting but the TURN servers, in the order in which they are printed.
pub const DOCS: &[(&str, &str)] = &[
    ("bridge.listen", "address and TCP port for HTTP and WebSocket"),
    ("bridge.media_port", "UDP port for media; 0 takes the number of the TCP port"),
    (
        "bridge.advertise",
        "addresses under which clients reach the media port; empty: they are found out",
    ),
    ("bridge.host", "host name announced to clients; empty: the address listened on"),
    ("bridge.version", "server version announced at login; clients want at least 2.36.2"),
    ("bridge.cors", "let web pages of any origin speak the client protocol"),
    (
        "bridge.close_empty_rooms",
        "close a room for good when the last one leaves it, as the official server does",
    ),
    (
        "bridge.metrics",
        "where /metrics and /health are served in plain HTTP, for you only; empty: nowhere",
    ),
    ("limits.connections", "TCP connections of everybody together"),
    ("limits.connections_per_address", "TCP connections of one address"),
    ("limits.sessions_per_key", "sessions of one key on all WebSockets together"),
    ("limits.participants_per_room", "people in one room"),
    ("limits.rooms_per_context", "rooms of one context, closed ones included"),
    (
        "limits.held_bytes",
        "bytes of requests and waiting messages over all connections; one address gets a quarter",
    ),
    (
        "limits.requests_per_second",
        "HTTP requests and WebSocket messages of one address; 0: unlimited",
    ),
    ("limits.calls_per_second", "calls of one key; 0: unlimited"),
    ("limits.events_per_second", "custom events of one key; 0: unlimited"),
    (
        "limits.failures_per_minute",
        "failed authorisations and redemptions of invites of one address",
    ),
    ("limits.ping_interval", "time between WebSocket pings; who misses one is disconnected"),
    ("limits.head_timeout", "time a client has to send the head of a request"),
    ("limits.transfer_timeout", "time a client has to send a body, or to take one message"),
    ("log.format", "\"text\" or \"json\""),
    ("log.filter", "what is logged, as in \"info\" or \"warn,conclave::bridge=debug\""),
    ("log.file", "where it is logged; empty: to stderr"),
];

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What it serves.
    pub bridge: Serving,
    /// Bounds.
    pub limits: Limits,
    /// The log.
    pub log: Log,
    /// TURN servers that clients are told about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turn: Vec<Turn>,
}

/// `[bridge]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Serving {
    listen: SocketAddr,
    media_port: u16,
    advertise: Vec<IpAddr>,
    host: String,
    version: String,
    cors: bool,
    close_empty_rooms: bool,
    metrics: String,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    connections: usize,
    connections_per_address: usize,
    sessions_per_key: usize,
    participants_per_room: usize,
    rooms_per_context: u64,
    held_bytes: usize,
    requests_per_second: u32,
    calls_per_second: u32,
    events_per_second: u32,
    failures_per_minute: u32,
    #[serde(with = "time")]
    ping_interval: Duration,
    #[serde(with = "time")]
    head_timeout: Duration,
    #[serde(with = "time")]
    transfer_timeout: Duration,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: Format,
    /// What is logged.
    pub filter: String,
    /// Where to; empty is stderr.
    pub file: PathBuf,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// `[[turn]]`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    url: String,
    secret: String,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Default for Serving {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 9111));
        let config = BridgeConfig::new(listen, PathBuf::new());
        Self {
            listen,
            media_port: 0,
            advertise: Vec::new(),
            host: String::new(),
            version: config.server_version,
            cors: config.cors,
            close_empty_rooms: config.close_empty_rooms,
            metrics: "127.0.0.1:9112".to_owned(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let limits = BridgeLimits::default();
        Self {
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            sessions_per_key: limits.sessions_per_key,
            participants_per_room: limits.participants_per_room,
            rooms_per_context: limits.rooms_per_context,
            held_bytes: limits.held_bytes,
            requests_per_second: limits.requests_per_second,
            calls_per_second: limits.calls_per_second,
            events_per_second: limits.events_per_second,
            failures_per_minute: limits.failures_per_minute,
            ping_interval: limits.ping_interval,
            head_timeout: limits.head_timeout,
            transfer_timeout: limits.transfer_timeout,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: Format::Text,
            filter: crate::cli::logging::DEFAULT_FILTER.to_owned(),
            file: PathBuf::new(),
        }
    }
}

fn usage(text: String) -> Failure {
    Failure::new(Exit::Usage, text)
}

/// Name of the environment variable of a setting.
#[must_use]
pub fn variable(setting: &str) -> String {
    let name = setting.strip_prefix("bridge.").unwrap_or(setting);
    format!("CONCLAVE_BRIDGE_{}", name.replace('.', "_").to_uppercase())
}

impl Config {
    /// Reads the file, if one is named, and then applies variables and flags, in this order.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that names the file and line, the variable or the flag.
    pub fn load(
        file: Option<&Path>,
        variable_of: impl Fn(&str) -> Option<String>,
        flags: &[String],
    ) -> Result<Self, Failure> {
        let mut config = match file {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let path = path.display();
                    usage(format!("cannot read {path}: {error}; name another file with --config"))
                })?;
                Self::parse(&text, &path.display().to_string())?
            }
        };
        for (setting, _) in DOCS {
            let name = variable(setting);
            if let Some(value) = variable_of(&name) {
                config = config.with(setting, &value, &format!("${name}"))?;
            }
        }
        for flag in flags {
            let (setting, value) = flag.split_once('=').ok_or_else(|| {
                usage(format!("--set {flag:?} has no value: write it as limits.connections=100"))
            })?;
            config = config.with(setting.trim(), value.trim(), "--set")?;
        }
        config.check()?;
        Ok(config)
    }

    fn parse(text: &str, name: &str) -> Result<Self, Failure> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
            });
            usage(format!(
                "{name}, line {line}: {}; `conclave bridge serve --print-config` shows every setting",
                error.message().trim().replace('\n', " ")
            ))
        })
    }

    /// The same with one setting changed; a value that is no TOML is text.
    fn with(&self, setting: &str, value: &str, source: &str) -> Result<Self, Failure> {
        if !DOCS.iter().any(|(known, _)| *known == setting) {
            return Err(usage(format!(
                "{source}: there is no setting {setting:?}; `conclave bridge serve --print-config` \
                 shows every setting"
            )));
        }
        let quoted = Value::String(value.to_owned());
        let parsed = toml::from_str::<Table>(&format!("value = {value}"));
        let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
        let candidates = [parsed, Some(quoted)];
        let mut reason = String::new();
        for candidate in candidates.into_iter().flatten() {
            match self.replaced(setting, candidate) {
                Ok(config) => return Ok(config),
                Err(error) => reason = error,
            }
        }
        Err(usage(format!("{source}: {setting} can't be {value:?}: {reason}")))
    }

    fn replaced(&self, setting: &str, value: Value) -> Result<Self, String> {
        let mut table = Table::try_from(self).map_err(|error| error.to_string())?;
        let (section, key) = setting.split_once('.').unwrap_or(("bridge", setting));
        if let Some(Value::Table(section)) = table.get_mut(section) {
            section.insert(key.to_owned(), value);
        }
        table.try_into().map_err(|error: toml::de::Error| error.message().replace('\n', " "))
    }

    /// What a type alone does not say.
    fn check(&self) -> Result<(), Failure> {
        self.metrics()?;
        let limits = &self.limits;
        let counts = [
            ("connections", limits.connections),
            ("connections_per_address", limits.connections_per_address),
            ("sessions_per_key", limits.sessions_per_key),
            ("participants_per_room", limits.participants_per_room),
            ("held_bytes", limits.held_bytes),
        ];
        for (name, value) in counts {
            if value == 0 {
                return Err(usage(format!("limits.{name} can't be 0: nobody would be served")));
            }
        }
        let times = [limits.ping_interval, limits.head_timeout, limits.transfer_timeout];
        if times.iter().any(Duration::is_zero) {
            return Err(usage("a time of [limits] can't be 0: nobody would be served".to_owned()));
        }
        Ok(())
    }

    fn metrics(&self) -> Result<Option<SocketAddr>, Failure> {
        let text = self.bridge.metrics.as_str();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            usage(format!("bridge.metrics can't be {text:?}: write an address and a port, or \"\""))
        })
    }

    /// What the bridge is started with.
    ///
    /// # Errors
    ///
    /// A [`Failure`] for an address that is none.
    pub fn bridge(&self, data_dir: PathBuf) -> Result<BridgeConfig, Failure> {
        let Self { bridge, limits, turn, .. } = self;
        let mut config = BridgeConfig::new(bridge.listen, data_dir);
        config.media_port = (bridge.media_port != 0).then_some(bridge.media_port);
        config.advertise.clone_from(&bridge.advertise);
        if !bridge.host.is_empty() {
            config.host.clone_from(&bridge.host);
        }
        config.server_version.clone_from(&bridge.version);
        config.cors = bridge.cors;
        config.close_empty_rooms = bridge.close_empty_rooms;
        config.metrics = self.metrics()?;
        config.limits = BridgeLimits {
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            sessions_per_key: limits.sessions_per_key,
            participants_per_room: limits.participants_per_room,
            rooms_per_context: limits.rooms_per_context,
            held_bytes: limits.held_bytes,
            requests_per_second: limits.requests_per_second,
            calls_per_second: limits.calls_per_second,
            events_per_second: limits.events_per_second,
            failures_per_minute: limits.failures_per_minute,
            ping_interval: limits.ping_interval,
            head_timeout: limits.head_timeout,
            transfer_timeout: limits.transfer_timeout,
        };
        let server = |turn: &Turn| TurnServer {
            url: turn.url.clone(),
            secret: Secret::new(turn.secret.clone()),
        };
        config.turn = turn.iter().map(server).collect();
        Ok(config)
    }

    /// The settings as a file that could be loaded again, with what each one means. Secrets
    /// are not shown.
    #[must_use]
    pub fn print(&self) -> String {
        let table = Table::try_from(self).unwrap_or_default();
        let mut text = String::new();
        let mut current = "";
        for (setting, meaning) in DOCS {
            let Some((section, key)) = setting.split_once('.') else { continue };
            if section != current {
                let gap = if current.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}[{section}]\n"));
                current = section;
            }
            let value = table.get(section).and_then(|section| section.get(key));
            let value = value.map(Value::to_string).unwrap_or_default();
            text.push_str(&format!("# {meaning}\n{key} = {value}\n"));
        }
        text.push_str("\n# TURN servers that clients are told about, each with the secret it shares with us\n");
        if self.turn.is_empty() {
            text.push_str("# [[turn]]\n# url = \"turn:turn.example.org:3478\"\n# secret = \"…\"\n");
        }
        for turn in &self.turn {
            let url = Value::String(turn.url.clone());
            text.push_str(&format!("[[turn]]\nurl = {url}\nsecret = \"…\"\n"));
        }
        text
    }
}

/// Times as people write them: `10s`, `500ms`.
mod time {
    use std::time::Duration;

    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error;

    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&humantime::format_duration(*time).to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|_| D::Error::custom("a time is written as in \"10s\" or \"500ms\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn every_setting_is_documented_and_printed() {
        let table = Table::try_from(Config::default()).unwrap();
        let mut known = Vec::new();
        for (section, values) in &table {
            for key in values.as_table().unwrap().keys() {
                known.push(format!("{section}.{key}"));
            }
        }
        let mut documented: Vec<_> = DOCS.iter().map(|(key, _)| (*key).to_owned()).collect();
        known.sort();
        documented.sort();
        assert_eq!(known, documented);
        let printed = Config::default().print();
        assert_eq!(Config::parse(&printed, "printed").unwrap(), Config::default());
        let manual = include_str!("../../../../docs/operations.md");
        for (setting, meaning) in DOCS {
            let row = format!("| `{setting}` | {meaning} |");
            assert!(manual.contains(&row), "docs/operations.md lacks: {row}");
        }
    }

    #[test]
    fn a_bridge_takes_the_settings() {
        let text = "[bridge]\nlisten = '0.0.0.0:1'\nmetrics = ''\nclose_empty_rooms = true\n\
            [limits]\nconnections = 5\nping_interval = '2s'\n[[turn]]\nurl = 'turn:x'\nsecret = 's'\n";
        let config = Config::parse(text, "file").unwrap();
        assert!(!config.print().contains("\"s\""), "secrets are not printed");
        let flags = ["limits.connections=7".to_owned(), "bridge.host = example.org".to_owned()];
        let config = flags.iter().try_fold(config, |config, flag| {
            let (setting, value) = flag.split_once('=').unwrap();
            config.with(setting.trim(), value.trim(), "--set")
        });
        let bridge = config.unwrap().bridge(PathBuf::from("d")).unwrap();
        assert_eq!(bridge.listen.to_string(), "0.0.0.0:1");
        assert_eq!((bridge.metrics, bridge.close_empty_rooms), (None, true));
        assert_eq!(bridge.limits.connections, 7);
        assert_eq!(bridge.limits.ping_interval, Duration::from_secs(2));
        assert_eq!(bridge.host, "example.org");
        assert_eq!(bridge.turn[0].url, "turn:x");
    }

    #[test]
    fn variables_come_after_the_file_and_flags_after_variables() {
        let variables = |name: &str| match name {
            "CONCLAVE_BRIDGE_LIMITS_CONNECTIONS" => Some("9".to_owned()),
            "CONCLAVE_BRIDGE_LOG_FORMAT" => Some("json".to_owned()),
            _ => None,
        };
        let config = Config::load(None, variables, &[]).unwrap();
        assert_eq!((config.limits.connections, config.log.format), (9, Format::Json));
        let flags = ["limits.connections=8".to_owned()];
        assert_eq!(Config::load(None, variables, &flags).unwrap().limits.connections, 8);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_sentence() {
        let cases = [
            ("[bridge]\nport = 1\n", "line 2: unknown field `port`"),
            ("[nothing]\n", "line 1: unknown field `nothing`"),
            ("[limits]\n\nconnections = 'x'\n", "line 3: invalid type: string \"x\""),
            ("[log]\nformat = 'xml'\n", "line 2: unknown variant `xml`"),
            ("[limits]\nping_interval = 'soon'\n", "a time is written as in"),
            ("[bridge\n", "line 1"),
        ];
        for (text, expected) in cases {
            let failure = Config::parse(text, "bridge.toml").unwrap_err();
            assert!(failure.message.contains(expected), "{}", failure.message);
            assert!(!failure.message.contains('\n'), "{}", failure.message);
            assert!(failure.message.starts_with("bridge.toml, line"), "{}", failure.message);
        }
        for (flag, expected) in [
            ("limits.connections", "has no value"),
            ("limits.nothing=1", "there is no setting"),
            ("limits.connections=many", "limits.connections can't be \"many\""),
            ("limits.connections=0", "nobody would be served"),
            ("limits.ping_interval=0s", "nobody would be served"),
            ("bridge.metrics=here", "write an address and a port"),
        ] {
            let failure = Config::load(None, none, &[flag.to_owned()]).unwrap_err();
            assert!(failure.message.contains(expected), "{flag}: {}", failure.message);
        }
    }
}
