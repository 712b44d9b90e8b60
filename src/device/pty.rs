//! A command in a pseudo-terminal.
//!
//! Three threads belong to it: one reads what the command writes, one writes what is typed,
//! one waits for its end. They end with the [`Pty`], which hangs up on the command.

use std::io::Read;
use std::io::Write;
use std::sync::mpsc as blocking;
use std::thread;
use std::time::Duration;

use portable_pty::Child;
use portable_pty::CommandBuilder;
use portable_pty::ExitStatus;
use portable_pty::MasterPty;
use portable_pty::PtySize;
use portable_pty::native_pty_system;
use tokio::sync::mpsc;

use super::error::DeviceError;

/// Pieces of output from the reading thread to the owner; when full, the command waits.
const OUTPUT: usize = 64;

/// Bytes of one piece.
const PIECE: usize = 8192;

/// Pieces of input from the owner to the writing thread; when full, the newest is refused.
const INPUT: usize = 64;

/// How often the end of the command is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PtyEvent {
    /// It has written this.
    Output(Vec<u8>),
    /// It has ended with this code.
    Exited(u32),
    /// A signal has ended it.
    Killed,
}

/// A command in a pseudo-terminal. Dropping it hangs up.
pub struct Pty {
    master: Option<Box<dyn MasterPty + Send>>,
    events: mpsc::Receiver<PtyEvent>,
    input: Option<mpsc::Sender<Vec<u8>>>,
    hang_up: Option<blocking::SyncSender<()>>,
    waiter: Option<thread::JoinHandle<()>>,
}

impl std::fmt::Debug for Pty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pty").finish_non_exhaustive()
    }
}

impl Pty {
    /// Runs `command` by `sh` in a terminal of that size.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Command`] if there is no pseudo-terminal or no shell.
    pub fn spawn(command: &str, columns: u16, rows: u16) -> Result<Self, DeviceError> {
        let fail = |reason: String| DeviceError::Command { command: command.to_owned(), reason };
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).map_err(|error| fail(error.to_string()))?;
        let mut builder = CommandBuilder::new("sh");
        builder.args(["-c", command]);
        builder.env("TERM", "xterm-256color");
        builder.env("COLORTERM", "truecolor");
        // It runs in a terminal of its own, not in the one that this process runs in.
        for name in ["TMUX", "TMUX_PANE", "STY", "WINDOWID", "COLUMNS", "LINES"] {
            builder.env_remove(name);
        }
        if let Ok(directory) = std::env::current_dir() {
            builder.cwd(directory);
        }
        let reader = pair.master.try_clone_reader().map_err(|error| fail(error.to_string()))?;
        let writer = pair.master.take_writer().map_err(|error| fail(error.to_string()))?;
        let child = pair.slave.spawn_command(builder).map_err(|error| fail(error.to_string()))?;
        // Or the end of the command would never be seen.
        drop(pair.slave);
        let (event_sender, events) = mpsc::channel(OUTPUT);
        let (input, typed) = mpsc::channel(INPUT);
        let (hang_up, hung_up) = blocking::sync_channel(1);
        let reading = thread::Builder::new().name("pty-read".to_owned());
        let output = event_sender.clone();
        let reading = reading.spawn(move || read(reader, &output));
        let writing = thread::Builder::new().name("pty-write".to_owned());
        let writing = writing.spawn(move || write(writer, typed));
        let waiting = thread::Builder::new().name("pty-wait".to_owned());
        let waiting = waiting.spawn(move || {
            let ended = wait(child, &hung_up);
            // Both end once the command and the terminal are gone.
            if let Ok(reading) = reading {
                let _ = reading.join();
            }
            // If the owner is gone, nobody wants to know.
            let _ = event_sender.blocking_send(ended);
            drop(writing);
        });
        let waiter = waiting.map_err(|error| fail(error.to_string()))?;
        Ok(Self {
            master: Some(pair.master),
            events,
            input: Some(input),
            hang_up: Some(hang_up),
            waiter: Some(waiter),
        })
    }

    /// What the command does next; `None` once it has ended and all is read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Option<PtyEvent> {
        self.events.recv().await
    }

    /// The same without waiting: `None`, too, while nothing has happened.
    pub fn try_event(&mut self) -> Option<PtyEvent> {
        self.events.try_recv().ok()
    }

    /// Types. False if the command takes nothing any more, or far too slowly.
    #[must_use]
    pub fn type_bytes(&self, bytes: Vec<u8>) -> bool {
        self.input.as_ref().is_some_and(|input| input.try_send(bytes).is_ok())
    }

    /// Changes the size; the command is told by the system.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        if let Some(master) = &self.master
            && let Err(error) = master.resize(size)
        {
            tracing::debug!(%error, "a pseudo-terminal was not resized");
        }
    }

    /// Hangs up and waits until the command and the threads have ended. May block for as long
    /// as a command takes that has to be killed, about a quarter of a second.
    pub fn close(mut self) {
        self.hang_up();
        if let Some(waiter) = self.waiter.take() {
            // One that panicked has said so.
            let _ = waiter.join();
        }
    }

    fn hang_up(&mut self) {
        self.events.close();
        self.input = None;
        self.hang_up = None;
        self.master = None;
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The threads see it and end by themselves.
        self.hang_up();
    }
}

fn read(mut reader: Box<dyn Read + Send>, output: &mpsc::Sender<PtyEvent>) {
    let mut buffer = vec![0; PIECE];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                let piece = buffer.get(..count).unwrap_or_default().to_vec();
                if output.blocking_send(PtyEvent::Output(piece)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn write(mut writer: Box<dyn Write + Send>, mut typed: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = typed.blocking_recv() {
        if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() {
            return;
        }
    }
}

/// Waits for the end of the command, or ends it when told to hang up.
fn wait(mut child: Box<dyn Child + Send + Sync>, hung_up: &blocking::Receiver<()>) -> PtyEvent {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return event(&status),
            Ok(None) => {}
            Err(_) => return PtyEvent::Killed,
        }
        let told = hung_up.recv_timeout(LOOK_EVERY);
        if !matches!(told, Err(blocking::RecvTimeoutError::Timeout)) {
            // First a hang-up, then, a little later, what can't be refused.
            let _ = child.kill();
            let _ = child.wait();
            return PtyEvent::Killed;
        }
    }
}

fn event(status: &ExitStatus) -> PtyEvent {
    match status.signal() {
        Some(_) => PtyEvent::Killed,
        None => PtyEvent::Exited(status.exit_code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until(pty: &mut Pty, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            match pty.next_event().await {
                Some(PtyEvent::Output(bytes)) => all.push_str(&String::from_utf8_lossy(&bytes)),
                other => panic!("{other:?} after {all:?}"),
            }
        }
        all
    }

    #[tokio::test]
    async fn command_reads_writes_and_learns_its_size() {
        let mut pty =
            Pty::spawn("stty size; read line; stty size; echo got $line; exit 3", 90, 30).unwrap();
        until(&mut pty, "30 90").await;
        pty.resize(100, 40);
        assert!(pty.type_bytes(b"hello\n".to_vec()));
        until(&mut pty, "got hello").await;
        let mut last = None;
        while let Some(event) = pty.next_event().await {
            last = Some(event);
        }
        assert_eq!(last, Some(PtyEvent::Exited(3)));
        pty.close();
    }

    #[tokio::test]
    async fn command_that_does_not_want_to_end_is_ended() {
        let mut pty =
            Pty::spawn("trap '' HUP TERM; echo ready; while :; do read x || :; done", 80, 24)
                .unwrap();
        until(&mut pty, "ready").await;
        tokio::task::spawn_blocking(move || pty.close()).await.unwrap();
    }
}
