//! An X server without a screen, for what is shared from one.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// An X server without a screen.
pub struct Xvfb {
    child: Child,
    /// As DISPLAY has it.
    pub name: String,
}

impl Xvfb {
    /// `None`, loudly, if there is none on this machine.
    #[expect(clippy::print_stdout, reason = "a test that was skipped has to say so")]
    pub fn start() -> Option<Self> {
        let child = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "320x200x24", "-nolisten", "tcp"])
            .args(["-noreset", "-ac"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                println!("SKIPPED: Xvfb does not start ({error}); `make setup-test` installs it");
                return None;
            }
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let number: u32 = line.trim().parse().expect("Xvfb says which display it has");
        Some(Self { child, name: format!(":{number}") })
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
