//! A guest whose network lets through one forwarded TCP port and a TURN server, and nothing else.
//!
//! The guest is a process in a network namespace of its own. A cable leads out of it, on which
//! coturn can be reached; the host, at 127.0.0.1 of the other side, can't. TCP is carried over
//! a Unix socket, which namespaces do not separate, as `ssh -L` would carry it.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::coturn::Coturn;
use crate::coturn::SECRET;
use crate::coturn::sound_of;
use crate::process::Server;
use crate::sound::Heard;
use crate::support::process::Conclave;

/// Tells the inner end of the forwarding its TCP port and the path of the socket.
const FORWARD: &str = "CONCLAVE_PEERS_FORWARD";
/// How long the guest stays.
const STAY: &str = "6s";

/// A network namespace with a cable; removed when dropped.
struct Namespace {
    name: String,
    /// Our end of the cable.
    outside: String,
}

impl Namespace {
    /// Makes one; `None`, and a line that says so, where that is not allowed.
    fn new() -> Option<Self> {
        let id = std::process::id() % 10_000;
        let name = format!("conclave-{id}");
        if !ip(&["netns", "add", &name]) {
            println!("SKIPPED: no network namespaces here; this needs Linux, `ip` and root");
            return None;
        }
        let network = format!("10.{}.{}", 200 + id / 250, id % 250);
        let namespace = Self { name: name.clone(), outside: format!("{network}.1") };
        let (out, inside) = (format!("cout{id}"), format!("cin{id}"));
        let outer = format!("{network}.1/30");
        let inner = format!("{network}.2/30");
        let steps: [&[&str]; 7] = [
            &["link", "add", &out, "type", "veth", "peer", "name", &inside],
            &["link", "set", &inside, "netns", &name],
            &["addr", "add", &outer, "dev", &out],
            &["link", "set", &out, "up"],
            &["-n", &name, "addr", "add", &inner, "dev", &inside],
            &["-n", &name, "link", "set", &inside, "up"],
            &["-n", &name, "link", "set", "lo", "up"],
        ];
        let refused = steps.iter().find(|step| !ip(step));
        if let Some(step) = refused {
            println!("SKIPPED: `ip {}` is not allowed here", step.join(" "));
        }
        refused.is_none().then_some(namespace)
    }

    /// A command that runs inside.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success())
}

async fn splice(
    mut one: impl AsyncRead + AsyncWrite + Unpin,
    mut other: impl AsyncRead + AsyncWrite + Unpin,
) {
    // Either side may hang up whenever it likes.
    let _ = copy_bidirectional(&mut one, &mut other).await;
}

/// The end of the forwarding inside the namespace: a process of its own, by way of this test.
#[tokio::test]
async fn the_inner_end_of_the_forwarding() {
    let Ok(what) = std::env::var(FORWARD) else { return };
    let (port, path) = what.split_once(' ').unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port.parse().unwrap())).await.unwrap();
    println!("forwarding");
    let mut tasks = JoinSet::new();
    loop {
        let (inner, _) = listener.accept().await.unwrap();
        let outer = UnixStream::connect(path).await.unwrap();
        tasks.spawn(splice(inner, outer));
    }
}

/// Carries a TCP port into the namespace, under the same number.
struct Forwarding {
    _outer: JoinSet<()>,
    _inner: Server,
}

impl Forwarding {
    fn of(port: u16, namespace: &Namespace, socket: &str) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let mut outer = JoinSet::new();
        outer.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((inner, _)) = listener.accept().await {
                let outer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tasks.spawn(splice(inner, outer));
            }
        });
        let this = std::env::current_exe().unwrap();
        let mut inner = namespace.command(this.to_str().unwrap());
        inner.args(["--nocapture", "--exact", "firewall::the_inner_end_of_the_forwarding"]);
        inner.env(FORWARD, format!("{port} {socket}"));
        Self { _outer: outer, _inner: Server::start(inner, "forwarding").unwrap() }
    }
}

/// Ana's process with a tone for a microphone; she knows of coturn from her settings.
fn host(coturn: &Coturn, data: &str, speaker: &str) -> Conclave {
    let file = |name: &str| Path::new(data).join(name);
    std::fs::create_dir(data).unwrap();
    std::fs::write(file("turn-secret"), SECRET).unwrap();
    let settings = format!("[[turn]]\nurl = {:?}\nsecret_file = \"turn-secret\"\n", coturn.url);
    std::fs::write(file("settings.toml"), settings).unwrap();
    let who = ["host", "--listen", "127.0.0.1:0", "--data", data, "--name", "ana"];
    let how = ["--admit", "all", "--headless", "--json", "--mic", "tone:440", "--speaker", speaker];
    Conclave::start(who.into_iter().chain(how))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_forwarded_port_a_call_goes_through_coturn() {
    let Some(namespace) = Namespace::new() else { return };
    let Some(coturn) = Coturn::start(&namespace.outside, &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (at_ana, at_ben) = (path("at-ana.wav"), path("at-ben.wav"));
    let mut ana = host(&coturn, &path("ana"), &format!("file:{at_ana}"));
    let hosting = ana.event("hosting");
    let invite = hosting["invite"].as_str().unwrap();
    let port = hosting["url"].as_str().unwrap().rsplit(':').next().unwrap();
    let port = port.trim_end_matches('/').parse().unwrap();
    let _forwarding = Forwarding::of(port, &namespace, &path("forward"));

    let mut guest = namespace.command(env!("CARGO_BIN_EXE_conclave"));
    guest
        .args(["join", invite, "--data", &path("ben"), "--name", "ben", "--headless", "--json"])
        .args(["--mic", "tone:660", "--speaker", &format!("file:{at_ben}"), "--duration", STAY]);
    let began = Instant::now();
    let output = tokio::task::spawn_blocking(move || guest.output().unwrap()).await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut events = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stats = events.rfind(|event| event["event"] == "stats").unwrap();
    println!("ben was there for {} ms; at the end: {stats}", began.elapsed().as_millis());
    ana.signal("TERM");
    let (status, _, stderr) = ana.finish();
    assert!(status.success(), "{stderr}");
    for (who, file, hertz) in [("ben hears ana", at_ben, 440.0), ("ana hears ben", at_ana, 660.0)] {
        let samples = until_silence(sound_of(file.as_ref()));
        Heard::played(samples).is_mostly_tone(who, hertz);
    }
    // Two allocations of ben, and two of ana that she had no use for.
    let sessions = coturn.ended(4).await;
    println!("coturn: {sessions:#?}");
    let packets = stats["packets"].as_u64().unwrap();
    assert!(sessions.iter().any(|session| session.sent >= packets), "{packets} came to ben");
    let packets = stats["packets_sent"].as_u64().unwrap();
    assert!(sessions.iter().any(|session| session.received >= packets), "{packets} left ben");
}

/// The sound up to where it ends.
fn until_silence(mut samples: Vec<f32>) -> Vec<f32> {
    let end = samples.iter().rposition(|sample| sample.abs() > 0.1).unwrap_or(0);
    samples.truncate(end);
    samples
}
