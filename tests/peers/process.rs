//! A server of somebody else as a child process.

use std::collections::VecDeque;
use std::io::BufRead;
use std::io::BufReader;
use std::net::TcpListener;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of output that are kept for the message of a test that fails.
const KEPT_LINES: usize = 4000;

/// A running server; ended when dropped.
pub struct Server {
    child: Child,
    /// Print the output when a test fails.
    tells: bool,
    output: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts `command` and waits until its standard output contains `ready`; `None` if the
    /// program is not installed.
    pub fn start(mut command: Command, ready: &str) -> Option<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("SKIPPED: {name} is not installed; `make peers` installs it");
                return None;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        let stdout = child.stdout.take().unwrap();
        let output = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, is_ready) = mpsc::sync_channel(1);
        let (kept, ready) = (Arc::clone(&output), ready.to_owned());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.contains(&ready) {
                    let _ = sender.try_send(());
                }
                let mut kept = kept.lock().unwrap();
                kept.push_back(line);
                if kept.len() > KEPT_LINES {
                    kept.pop_front();
                }
            }
        });
        let server = Self { child, tells: false, output };
        if is_ready.recv_timeout(PATIENCE).is_err() {
            panic!("{name} did not start:\n{}", server.output());
        }
        Some(server)
    }

    /// Prints what it has printed if the test fails.
    pub fn tell_if_failing(&mut self) {
        self.tells = true;
    }

    /// What it has printed, as far as it is kept.
    pub fn output(&self) -> String {
        let lines = self.output.lock().unwrap();
        lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.tells && std::thread::panicking() {
            println!("{}", self.output());
        }
    }
}

/// A TCP port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
