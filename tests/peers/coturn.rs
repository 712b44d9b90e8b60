//! A real coturn that shares a secret with the bridge.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use crate::process::Server;
use crate::process::free_port;

/// What coturn and the bridge share.
pub const SECRET: &str = "shared between bridge and relay";

/// How long coturn may take to write off a session.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running coturn. It relays on 127.0.0.1, wherever it is asked.
pub struct Coturn {
    server: Server,
    /// Its `turn:` URL.
    pub url: String,
    _folder: TempDir,
}

impl Coturn {
    /// Starts one that listens on `address`; `None`, and a line that says so, if it is not
    /// installed.
    pub fn start(address: &str, more: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut command = Command::new("turnserver");
        command
            .args(["-n", "--no-cli", "--cli-password=unused", "--no-tls", "--no-dtls", "--no-tcp"])
            .args(["--use-auth-secret", &format!("--static-auth-secret={SECRET}")])
            .args(["--realm=conclave", "--allow-loopback-peers", "--relay-ip=127.0.0.1"])
            .args([format!("--listening-ip={address}"), format!("--listening-port={port}")])
            .args([format!("--pidfile={}", file("pid")), format!("--userdb={}", file("db"))])
            .args(["--log-file=stdout", "--simple-log", "--verbose"])
            .args(more);
        let server = Server::start(command, "listener opened on")?;
        Some(Self { server, url: format!("turn:{address}:{port}?transport=udp"), _folder: folder })
    }

    /// Waits until so many sessions have ended.
    pub async fn ended(&self, count: usize) -> Vec<Session> {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let ended = timeout(PATIENCE, async {
            loop {
                tick.tick().await;
                let sessions = self.sessions();
                if sessions.len() >= count {
                    return sessions;
                }
            }
        });
        ended.await.unwrap_or_else(|_| panic!("{count} sessions: {}", self.server.output()))
    }

    /// The sessions that have ended: who, packets received and sent.
    fn sessions(&self) -> Vec<Session> {
        let mut sessions: Vec<Session> = Vec::new();
        for line in self.server.output().lines().filter(|line| line.contains(": usage: ")) {
            let username = between(line, "username=<", ">").to_owned();
            let id = between(line, "session ", ":").to_owned();
            let count = |name| between(line, name, ",").trim().parse::<u64>().unwrap_or(0);
            let (received, sent) = (count("rp="), count("sp="));
            match sessions.iter_mut().find(|session| session.id == id) {
                Some(session) => {
                    session.received += received;
                    session.sent += sent;
                }
                None => sessions.push(Session { id, username, received, sent }),
            }
        }
        sessions
    }
}

/// What coturn says about one allocation.
#[derive(Debug)]
pub struct Session {
    id: String,
    pub username: String,
    /// Packets from the client.
    pub received: u64,
    /// Packets to the client.
    pub sent: u64,
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> &'a str {
    let rest = line.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

/// Samples of a 16-bit mono WAV file, without leading silence.
pub fn sound_of(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let samples = bytes.get(44..).unwrap_or_default().chunks_exact(2);
    let samples: Vec<f32> =
        samples.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect();
    let first = samples.iter().position(|s| s.abs() > 0.1).unwrap_or(samples.len());
    samples[first..].to_vec()
}
