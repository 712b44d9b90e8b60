//! A real `conclave` process with JSON output, and what it has printed so far.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use serde_json::Value;

use super::wait;

/// Lines between the thread that reads stdout and the test; the process waits when it is full.
const LINES: usize = 4096;

/// A running process; killed when dropped.
pub struct Conclave {
    child: Child,
    lines: Receiver<(Instant, String)>,
    stderr: Receiver<String>,
    /// Everything printed so far that was taken notice of, with the time it was read.
    pub seen: Vec<(Instant, Value)>,
}

impl Conclave {
    /// Starts the program under test with these arguments.
    pub fn start<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same with additional environment variables.
    pub fn start_with<S: AsRef<std::ffi::OsStr>>(
        arguments: impl IntoIterator<Item = S>,
        environment: &[(&str, &str)],
    ) -> Self {
        // Another build can be put to the test by name.
        let program = std::env::var_os("CONCLAVE_BIN");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_conclave").into());
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (line_sender, lines) = mpsc::sync_channel(LINES);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line_sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        let (text_sender, stderr_text) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = text_sender.send(text);
        });
        Self { child, lines, stderr: stderr_text, seen: Vec::new() }
    }

    /// Waits for the next event of that name and returns it.
    pub fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true)
    }

    /// Waits for the next event of that name that satisfies `is_it`.
    pub fn event_where(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + wait::PATIENCE;
        loop {
            let value = self.next(name, deadline);
            if value["event"] == name && is_it(&value) {
                return value;
            }
        }
    }

    /// Waits until each of `wanted` has been satisfied by an event, in whatever order they come.
    pub fn all_of(&mut self, what: &str, wanted: &[&dyn Fn(&Value) -> bool]) {
        let deadline = Instant::now() + wait::PATIENCE;
        let mut open = wanted.to_vec();
        while !open.is_empty() {
            let value = self.next(what, deadline);
            open.retain(|is_it| !is_it(&value));
        }
    }

    /// The next line as an event; fails the test if `what` has not come in time.
    fn next(&mut self, what: &str, deadline: Instant) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok((at, line)) = self.lines.recv_timeout(left) else {
            let _ = self.child.kill();
            let stderr = self.stderr.recv().unwrap_or_default();
            panic!("no event {what}; seen: {:#?}\nstderr: {stderr}", self.seen);
        };
        let value: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("stdout has a line that is no JSON ({error}): {line}"));
        self.seen.push((at, value.clone()));
        value
    }

    /// Takes notice of everything printed so far, without waiting.
    pub fn take_notice(&mut self) {
        while let Ok((at, line)) = self.lines.try_recv() {
            let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.seen.push((at, value));
        }
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends a signal by name, as in "INT".
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end; answers exit status, all events and everything on stderr.
    pub fn finish(mut self) -> (ExitStatus, Vec<Value>, String) {
        let status = wait::until("the process to end", || {
            // It must not wait for us to read.
            self.take_notice();
            self.child.try_wait().unwrap()
        });
        while let Ok((at, line)) = self.lines.recv() {
            self.seen.push((at, serde_json::from_str(&line).unwrap_or(Value::String(line))));
        }
        let stderr = self.stderr.recv().unwrap_or_default();
        let seen = self.seen.iter().map(|(_, value)| value.clone()).collect();
        (status, seen, stderr)
    }
}

impl Drop for Conclave {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
