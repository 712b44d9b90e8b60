//! What an alert sets off besides a line of output: a bell, a notification, a command.
//!
//! What comes from others never gets into a command line: the command is the user's own text,
//! and names and figures are in its environment.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::output::clean;

/// Commands that run at the same time; for further alerts none is started, which is told.
pub const MAX_CHILDREN: usize = 4;
/// A command that takes longer is killed.
const CHILD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the end of watching waits for commands that run.
const GOODBYE: Duration = Duration::from_secs(2);

/// An alert in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The rule.
    pub rule: String,
    /// "raised" or "cleared".
    pub state: &'static str,
    /// Id of the room, or nothing.
    pub room: String,
    /// Name of the room, or nothing.
    pub room_name: String,
    /// Who it is about, or nothing.
    pub user: String,
    /// The figure, or nothing.
    pub value: String,
    /// All of it in one line.
    pub text: String,
}

impl Details {
    /// The environment of a command.
    fn environment(&self) -> [(&'static str, String); 7] {
        [
            ("CONCLAVE_ALERT_RULE", clean(&self.rule)),
            ("CONCLAVE_ALERT_STATE", self.state.to_owned()),
            ("CONCLAVE_ALERT_ROOM", clean(&self.room)),
            ("CONCLAVE_ALERT_ROOM_NAME", clean(&self.room_name)),
            ("CONCLAVE_ALERT_USER", clean(&self.user)),
            ("CONCLAVE_ALERT_VALUE", clean(&self.value)),
            ("CONCLAVE_ALERT_TEXT", clean(&self.text)),
        ]
    }
}

/// Rings the bell and sends a notification, if there is a terminal to hear it. Standard error
/// is tried first: standard output may be read by a program.
pub fn ring(text: &str) {
    let bytes = notification(text);
    let rung = if io::stderr().is_terminal() {
        io::stderr().lock().write_all(bytes.as_bytes())
    } else if io::stdout().is_terminal() {
        let mut out = io::stdout().lock();
        out.write_all(bytes.as_bytes()).and_then(|()| out.flush())
    } else {
        Ok(())
    };
    if let Err(error) = rung {
        tracing::debug!(%error, "the bell could not be rung");
    }
}

/// BEL, then OSC 9, which most terminals show as a notification and the others ignore.
fn notification(text: &str) -> String {
    format!("\x07\x1b]9;{}\x1b\\", clean(text))
}

/// How a command ended, where that is worth telling.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Well,
    /// Otherwise; in words.
    Badly(String),
}

/// Runs a command for every alert.
#[derive(Debug)]
pub struct Runner {
    command: String,
    children: JoinSet<Ended>,
}

impl Runner {
    /// Runs `command` by `sh -c`.
    #[must_use]
    pub fn new(command: &str) -> Self {
        Self { command: command.to_owned(), children: JoinSet::new() }
    }

    /// Starts the command for an alert; an error says in words why not.
    ///
    /// # Errors
    ///
    /// Too many are running, or the system refused.
    pub fn start(&mut self, details: &Details) -> Result<(), String> {
        if self.children.len() >= MAX_CHILDREN {
            return Err(format!(
                "{MAX_CHILDREN} commands are running already, so none was started"
            ));
        }
        let diagnostics = io::stderr().as_fd().try_clone_to_owned();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(&self.command)
            .envs(details.environment())
            .stdin(Stdio::null())
            // Our own output may be read by a program; what a command says is diagnostics.
            .stdout(diagnostics.map_or_else(|_| Stdio::null(), Stdio::from))
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("the command could not be started: {error}"))?;
        self.children.spawn(async move {
            match timeout(CHILD_TIMEOUT, child.wait()).await {
                Ok(Ok(status)) if status.success() => Ended::Well,
                Ok(Ok(status)) => Ended::Badly(format!("the command ended with {status}")),
                Ok(Err(error)) => Ended::Badly(format!("the command was lost: {error}")),
                Err(_) => {
                    // Reaped here; a process that can't be killed is the system's.
                    let _ = child.kill().await;
                    let limit = CHILD_TIMEOUT.as_secs();
                    Ended::Badly(format!("the command was killed after {limit} s"))
                }
            }
        });
        Ok(())
    }

    /// Waits for a command to end; never, if none runs.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_end(&mut self) -> Ended {
        match self.children.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => Ended::Badly(format!("the command was lost: {error}")),
            None => std::future::pending().await,
        }
    }

    /// Waits a little for what runs, then kills it.
    pub async fn shutdown(mut self) {
        let all = async { while self.children.join_next().await.is_some() {} };
        if timeout(GOODBYE, all).await.is_err() {
            tracing::info!("commands were still running at the end");
        }
        self.children.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(user: &str) -> Details {
        Details {
            rule: "left".to_owned(),
            state: "raised",
            user: user.to_owned(),
            ..Details::default()
        }
    }

    #[test]
    fn a_notification_holds_no_controls_of_others() {
        let text = notification("ana\x1b\\\x07\u{9c}\nleft");
        assert_eq!(text.matches('\x1b').count(), 2, "{text:?}");
        assert_eq!(text.matches('\x07').count(), 1, "{text:?}");
        assert!(!text.contains('\n') && !text.contains('\u{9c}'));
    }

    #[tokio::test]
    async fn names_reach_the_command_as_they_are_and_are_not_run() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("out");
        let trap = directory.path().join("trap");
        let hostile = format!("$(touch {0}); `touch {0}` \"'; touch {0}", trap.display());
        let command = format!("printf %s \"$CONCLAVE_ALERT_USER\" > {}", file.display());
        let mut runner = Runner::new(&command);
        runner.start(&details(&hostile)).unwrap();
        assert_eq!(runner.next_end().await, Ended::Well);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), clean(&hostile));
        assert!(!trap.exists());
    }

    #[tokio::test]
    async fn children_are_bounded_and_failures_told() {
        let directory = tempfile::tempdir().unwrap();
        let gate = directory.path().join("gate");
        let command = format!("while [ ! -e {} ]; do sleep 0.02; done; exit 3", gate.display());
        let mut runner = Runner::new(&command);
        for _ in 0..MAX_CHILDREN {
            runner.start(&details("ana")).unwrap();
        }
        let refused = runner.start(&details("ana")).unwrap_err();
        assert!(refused.contains("running already"), "{refused}");
        std::fs::write(&gate, "").unwrap();
        for _ in 0..MAX_CHILDREN {
            match timeout(Duration::from_secs(20), runner.next_end()).await.unwrap() {
                Ended::Badly(text) => assert!(text.contains('3'), "{text}"),
                Ended::Well => panic!("exit 3 is no success"),
            }
        }
        runner.start(&details("ana")).unwrap();
        runner.shutdown().await;
    }
}
