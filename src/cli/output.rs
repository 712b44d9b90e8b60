//! Results on stdout, diagnostics on stderr: as text for people or as JSON lines for scripts.

use std::io;
use std::io::Write;

use serde_json::Value;

use crate::profile::identity::is_invisible;

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object per line.
    pub json: bool,
}

impl Output {
    /// Prints a result: `value` (an object with an `event` member) or `text`. A reader that has
    /// gone away is not an error: the command goes on and ends as it would have.
    pub fn result(self, value: &Value, text: impl FnOnce() -> String) {
        let line = if self.json { value.to_string() } else { text() };
        if line.is_empty() {
            return;
        }
        let mut stdout = io::stdout().lock();
        if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
            tracing::debug!("nobody reads stdout any more");
        }
    }

    /// Prints an object that has no form for people; nothing without `--json`.
    pub fn event(self, value: &Value) {
        self.result(value, String::new);
    }

    /// Tells the user something that is no result.
    pub fn note(text: &str) {
        let mut stderr = io::stderr().lock();
        if writeln!(stderr, "{text}").is_err() {
            tracing::debug!("nobody reads stderr any more");
        }
    }
}

/// Makes remote text fit for a line of a terminal: at most 200 characters of [`scrub`].
#[must_use]
pub fn clean(text: &str) -> String {
    scrub(text).chars().take(200).collect()
}

/// Replaces control, direction-changing and invisible characters.
#[must_use]
pub fn scrub(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c }).collect()
}
