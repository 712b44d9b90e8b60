//! A real terminal that a test can type into and look at.

use std::process::Command;
use std::process::Output;

use super::wait;

/// A tmux server of its own, with one window; ended when dropped.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// Opens a terminal of that size with a plain shell in it.
    pub fn open(name: &str, columns: u16, rows: u16) -> Self {
        let terminal = Self { socket: format!("conclave-{name}-{}", std::process::id()) };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let started = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "env",
            "PS1=$ ",
            "HOME=/",
            "TERM=tmux-256color",
            "sh",
        ]);
        assert!(started.status.success(), "tmux is installed: `make setup-test` does that");
        terminal.see("$");
        terminal
    }

    /// Writes everything that the terminal gets from now on to a file, byte for byte.
    pub fn record(&self, file: &std::path::Path) {
        let command = format!("cat > {}", file.display());
        assert!(self.tmux(&["pipe-pane", "-o", &command]).status.success());
    }

    /// Types text and Enter.
    pub fn run(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.keys(&["Enter"]);
    }

    /// Presses keys by tmux's names.
    pub fn keys(&self, keys: &[&str]) {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        assert!(self.tmux(&arguments).status.success());
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// What is on the screen, with the sequences that colour it.
    pub fn styled_screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p", "-e"]).stdout).into_owned()
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let output = self.tmux(&["display-message", "-p", "#{pane_width} #{pane_height}"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (columns, rows) = text.trim().split_once(' ').unwrap();
        (columns.parse().unwrap(), rows.parse().unwrap())
    }

    /// Changes the size, as somebody does who drags a corner of the window.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let resized = self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
        assert!(resized.status.success());
    }

    /// Waits until the screen shows `text`, and returns the screen.
    pub fn see(&self, text: &str) -> String {
        self.see_where(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is as wanted, and returns it.
    pub fn see_where(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait::until(what, || {
                last = self.screen();
                wanted(&last).then(|| last.clone())
            })
        }));
        seen.unwrap_or_else(|_| panic!("never saw {what}; the screen:\n{last}"))
    }

    /// Presses a key, again and again, until the screen is as wanted.
    pub fn press_until(&self, key: &str, wanted: impl Fn(&str) -> bool) {
        wait::until("the key to be taken", || {
            self.keys(&[key]);
            wanted(&self.screen()).then_some(())
        });
    }

    /// Modes of the terminal that a program must leave as they were: alternate screen, cursor,
    /// mouse, keypad, bracketed paste.
    pub fn modes(&self) -> String {
        let format = "alternate=#{alternate_on} cursor=#{cursor_flag} mouse=#{mouse_any_flag} \
            keypad=#{keypad_flag} cursor-keys=#{keypad_cursor_flag} wrap=#{wrap_flag} \
            insert=#{insert_flag} origin=#{origin_flag}";
        let output = self.tmux(&["display-message", "-p", format]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").args(["-L", &self.socket]).args(arguments).output().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
