//! A headless Chromium as a child process.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

/// What it is called, the first that works.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Alone with the page: no window, no network but ours, and no permission to be asked for.
const FLAGS: [&str; 20] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    // Addresses as they are, loopback included.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--force-webrtc-ip-handling-policy=default",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
];
/// Bytes of its diagnostics that a failing test shows.
const SHOWN: usize = 4000;

/// A running browser; ended with all its processes when dropped.
pub struct Chromium {
    child: Child,
    folder: TempDir,
}

impl Chromium {
    /// Opens a page; `None`, and a line that says why, where no browser can be run.
    pub fn open(url: &str) -> Option<Self> {
        let Some(program) = PROGRAMS.into_iter().find(|program| works(program)) else {
            println!("SKIPPED: chromium is not installed; `make peers` installs it");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let child = Command::new(program)
            .args(FLAGS)
            .args([&profile, url])
            .env("HOME", folder.path())
            // Killed, it leaves behind what it has put there.
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(Self::log(&folder)).unwrap())
            .process_group(0)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("{program}: {error}"));
        Some(Self { child, folder })
    }

    fn log(folder: &TempDir) -> PathBuf {
        folder.path().join("log")
    }

    /// The end of what it has said.
    pub fn diagnostics(&self) -> String {
        let log = std::fs::read(Self::log(&self.folder)).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(SHOWN)..]).into_owned()
    }
}

/// Whether the program is there and runs; says which it is.
fn works(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    version.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        println!("{program} is {text}");
        output.status.success() && !text.is_empty()
    })
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It has processes of its own, which form a group with it.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
