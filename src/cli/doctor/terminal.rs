//! What can the terminal show?

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::IsTerminal;
use std::io::Read;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;

use serde_json::json;

use crate::cli::look;
use crate::ui::theme::Depth;

use super::finding::Finding;

/// Name of the check.
const CHECK: &str = "terminal";
/// The smallest screen that shows everything.
const SMALLEST: (u16, u16) = (40, 12);
/// Asks whether synchronized output (mode 2026) is known, then for the device attributes, which
/// every terminal answers.
const QUESTION: &[u8] = b"\x1b[?2026$p\x1b[c";
/// Longest answer that is read.
const MAX_ANSWER: usize = 256;

/// Looks at the terminal that this process has, if it has one.
#[must_use]
pub fn check() -> Finding {
    if !io::stdout().is_terminal() && !io::stderr().is_terminal() {
        return Finding::skipped(CHECK, "not on a terminal; headless commands need none");
    }
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Finding::skipped(CHECK, "this process has no terminal of its own");
    };
    let size = stty(&terminal, &["size"]).as_deref().and_then(read_size);
    let synchronized = ask(&terminal).map(|answer| is_synchronized(&answer));
    let depth = look::colour_depth(|name| std::env::var(name).ok());
    judge(size, synchronized, depth, look::speaks_unicode())
}

fn judge(
    size: Option<(u16, u16)>,
    synchronized: Option<bool>,
    depth: Depth,
    unicode: bool,
) -> Finding {
    let colours = match depth {
        Depth::Mono => "no colours",
        Depth::Ansi16 => "16 colours",
        Depth::Ansi256 => "256 colours",
        Depth::True => "true colour",
    };
    let shown = size.map_or_else(|| "unknown size".to_owned(), |(w, h)| format!("{w}×{h}"));
    let letters = if unicode { "UTF-8" } else { "ASCII" };
    let updates = match synchronized {
        Some(true) => "synchronized output",
        Some(false) => "no synchronized output",
        None => "no answer about synchronized output",
    };
    let message = format!("{shown}, {colours}, {letters}, {updates}");
    let figures = json!({"columns": size.map(|size| size.0), "rows": size.map(|size| size.1),
        "colours": colours, "utf8": unicode, "synchronized_output": synchronized});
    let too_small = size.is_some_and(|(w, h)| w < SMALLEST.0 || h < SMALLEST.1);
    let finding = if too_small {
        let fix = format!("make it at least {}×{}", SMALLEST.0, SMALLEST.1);
        Finding::warning(CHECK, message, &fix)
    } else if !unicode {
        let fix = "set a UTF-8 locale, as in LANG=C.UTF-8; until then meters are drawn with ASCII";
        Finding::warning(CHECK, message, fix)
    } else {
        Finding::fine(CHECK, message)
    };
    finding.with_figures(figures)
}

/// Runs `stty` on the terminal; `None` if that does not work.
fn stty(terminal: &File, arguments: &[&str]) -> Option<String> {
    let output = Command::new("stty")
        .args(arguments)
        .stdin(Stdio::from(terminal.try_clone().ok()?))
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read_size(text: &str) -> Option<(u16, u16)> {
    let (rows, columns) = text.split_once(' ')?;
    let size = (columns.parse().ok()?, rows.parse().ok()?);
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// Asks the terminal; `None` if it does not answer within a second. Its settings are as before
/// afterwards.
fn ask(mut terminal: &File) -> Option<Vec<u8>> {
    let before = stty(terminal, &["-g"])?;
    // A read then returns what is there, or nothing after half a second.
    stty(terminal, &["-icanon", "-echo", "min", "0", "time", "5"])?;
    let mut answer = Vec::new();
    let mut part = [0; 64];
    if terminal.write_all(QUESTION).is_ok() {
        while answer.len() < MAX_ANSWER && !is_complete(&answer) {
            match terminal.read(&mut part) {
                Ok(read) if read > 0 => answer.extend_from_slice(part.get(..read)?),
                _ => break,
            }
        }
    }
    stty(terminal, &[&before]);
    is_complete(&answer).then_some(answer)
}

/// The device attributes are the last answer: `ESC [ ? … c`.
fn is_complete(answer: &[u8]) -> bool {
    answer.contains(&b'c')
}

/// `ESC [ ? 2026 ; N $ y`, where N is 1, 2 or 3 if the mode is known.
fn is_synchronized(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let known = text.split("\x1b[?2026;").nth(1).and_then(|rest| rest.chars().next());
    matches!(known, Some('1' | '2' | '3'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn answers_of_terminals_are_understood() {
        let cases: [(&[u8], bool); 5] = [
            (b"\x1b[?2026;2$y\x1b[?62;22c", true),
            (b"\x1b[?2026;1$y\x1b[?62c", true),
            (b"\x1b[?2026;0$y\x1b[?1;2c", false),
            (b"\x1b[?2026;4$y\x1b[?1;2c", false),
            (b"\x1b[?1;2c", false),
        ];
        for (answer, known) in cases {
            assert!(is_complete(answer));
            assert_eq!(is_synchronized(answer), known, "{answer:?}");
        }
        assert!(!is_complete(b"\x1b[?2026;2$y"));
        assert_eq!(read_size("24 80"), Some((80, 24)));
        assert_eq!(read_size("0 0"), None, "nobody set it");
    }

    #[test]
    fn a_small_or_plain_terminal_is_a_warning() {
        let verdict = |size, unicode| judge(size, Some(true), Depth::True, unicode).verdict;
        assert_eq!(verdict(Some((80, 24)), true), Verdict::Fine);
        assert_eq!(verdict(None, true), Verdict::Fine);
        assert_eq!(verdict(Some((39, 24)), true), Verdict::Warning);
        assert_eq!(verdict(Some((80, 24)), false), Verdict::Warning);
    }
}
