//! A call between two guests of a host, all of them processes, over a network that can be broken.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::ear;
use crate::ear::Ear;
use crate::ear::Recovery;
use crate::proxy::OUTSIDE;
use crate::proxy::Proxy;
use crate::support::process::Conclave;
use crate::support::wait;

/// How long sound may take to come back before it is said to be lost for good.
const GIVE_UP: Duration = Duration::from_secs(60);
/// How long the list of speakers may lag behind, reports once a second included.
const SETTLED: Duration = Duration::from_secs(10);
/// Mean square of one tone, give or take: two copies of it would be twice to four times that.
const ONE_TONE: std::ops::Range<f64> = 0.08..0.17;

/// A guest who says a tone and hears the other's.
pub struct Guest {
    pub process: Conclave,
    ear: Ear,
    name: &'static str,
    _data: TempDir,
}

impl Guest {
    fn join(invite: &str, name: &'static str, hertz: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let speaker = data.path().join("heard.wav");
        let process = Conclave::start([
            "join",
            invite,
            "--name",
            name,
            "--headless",
            "--json",
            "--mic",
            &format!("tone:{hertz}"),
            "--speaker",
            &format!("file:{}", speaker.display()),
            "--data",
            &data.path().display().to_string(),
        ]);
        Self { process, ear: Ear::open(speaker), name, _data: data }
    }
}

/// The meeting.
pub struct Meeting {
    pub proxy: Proxy,
    host: Option<Conclave>,
    host_data: TempDir,
    pub guests: [Guest; 2],
}

impl Meeting {
    /// Begins it and waits until both guests are heard.
    pub fn begin(proxy: Proxy) -> Self {
        let host_data = tempfile::tempdir().unwrap();
        let mut host = start_host(host_data.path(), proxy.port);
        let invite = host.event("hosting")["invite"].as_str().unwrap().to_owned();
        host.event("joined");
        let mut guests =
            [("ben", "440"), ("chi", "660")].map(|(name, hertz)| Guest::join(&invite, name, hertz));
        for guest in &mut guests {
            guest.process.event("joined");
            guest.process.event("first_audio");
        }
        Self { proxy, host: Some(host), host_data, guests }
    }

    /// Kills the bridge, and with it whoever hosts.
    pub fn kill_host(&mut self) {
        self.host = None;
    }

    /// Starts the bridge again; answers when it took its first connection.
    pub fn restart_host(&mut self) -> Instant {
        let host = start_host(self.host_data.path(), self.proxy.port);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.proxy.port));
        let back = wait::until("the bridge to listen", || {
            TcpStream::connect(address).ok().map(|_| Instant::now())
        });
        self.host = Some(host);
        back
    }

    /// Waits until both hear each other again; answers how long that took.
    pub fn recover(&mut self, back: Instant) -> Result<f64, String> {
        let deadline = Instant::now() + GIVE_UP;
        let mut slowest = 0.0_f64;
        for guest in &mut self.guests {
            let found = loop {
                guest.process.take_notice();
                if let Some(recovery) = ear::recovery(&guest.ear.since(back), back) {
                    break recovery;
                }
                if Instant::now() > deadline {
                    return Err(format!("{} hears nothing any more", guest.name));
                }
                std::thread::park_timeout(Duration::from_millis(50));
            };
            let Recovery { seconds, power } = found;
            if !ONE_TONE.contains(&power) {
                return Err(format!("{} hears a tone of power {power:.3}", guest.name));
            }
            slowest = slowest.max(seconds);
        }
        if let Some(host) = &mut self.host {
            host.take_notice();
        }
        Ok(slowest)
    }

    /// Checks that nobody is missing or there twice.
    pub fn check(&mut self) -> Result<(), String> {
        self.guests.iter_mut().try_for_each(Guest::has_everybody_once)
    }
}

impl Guest {
    /// Waits for a report of levels in which each speaker is there once.
    fn has_everybody_once(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + SETTLED;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            last = self.process.event("levels");
            let levels = last["levels"].as_array().cloned().unwrap_or_default();
            let mut users: Vec<_> =
                levels.iter().filter_map(|level| level["user"].as_str()).collect();
            users.sort_unstable();
            if users == ["ana", "ben", "chi"] {
                return Ok(());
            }
        }
        Err(format!("{} has other speakers than ana, ben and chi once each: {last}", self.name))
    }
}

fn start_host(data: &Path, port: u16) -> Conclave {
    let outside = OUTSIDE.to_string();
    Conclave::start([
        "host",
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--advertise",
        &outside,
        "--media-address",
        &outside,
        "--name",
        "ana",
        "--admit",
        "all",
        "--headless",
        "--json",
        "--mic",
        "silence",
        "--speaker",
        "null",
        "--data",
        &data.display().to_string(),
    ])
}
