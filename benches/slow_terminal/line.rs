//! A slow line: an SSH server in a network namespace whose only way out is a token bucket.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use portable_pty::CommandBuilder;
use tempfile::TempDir;

/// What the line carries in a second, of which SSH and TCP need a part.
pub const RATE: &str = "20 KiB/s";
const RATE_KBIT: &str = "160kbit";

/// Addresses of a network of two.
const HERE: &str = "10.211.77.1/30";
const THERE: &str = "10.211.77.2";

/// The server and its namespace; both end when dropped.
pub struct Line {
    directory: TempDir,
    name: String,
    server: Option<Child>,
}

impl Line {
    /// Makes one. The error says what is missing.
    pub fn new() -> Result<Self, String> {
        let name = format!("conclave-{}", std::process::id());
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        run("ip", &["netns", "add", &name])?;
        let mut line = Self { directory, name: name.clone(), server: None };
        let id = std::process::id() % 10_000;
        let (here, there) = (format!("cb{id}"), format!("ca{id}"));
        let inner = format!("{THERE}/30");
        let steps: [&[&str]; 7] = [
            &["link", "add", &here, "type", "veth", "peer", "name", &there],
            &["link", "set", &there, "netns", &name],
            &["addr", "add", HERE, "dev", &here],
            &["link", "set", &here, "up"],
            &["-n", &name, "addr", "add", &inner, "dev", &there],
            // Packets of a line, not of a machine.
            &["-n", &name, "link", "set", &there, "gso_max_size", "1500", "up"],
            &["-n", &name, "link", "set", "lo", "up"],
        ];
        steps.iter().try_for_each(|step| run("ip", step))?;
        let bucket = ["qdisc", "add", "dev", &there, "root", "tbf", "rate", RATE_KBIT];
        let bucket = [&["-n", &name], &bucket[..], &["burst", "3000", "latency", "1s"]].concat();
        run("tc", &bucket)?;
        line.serve()?;
        let mut ssh = Command::new("ssh");
        let tried = ssh.args(line.arguments()).args([THERE, "true"]).output();
        match tried {
            Ok(output) if output.status.success() => Ok(line),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The command that runs `command` at the other end of the line.
    pub fn command(&self, command: &str) -> CommandBuilder {
        let mut ssh = CommandBuilder::new("ssh");
        ssh.args(self.arguments());
        ssh.args(["-tt", THERE, command]);
        ssh
    }

    fn arguments(&self) -> Vec<String> {
        let key = self.file("id");
        let words = ["-p", "2222", "-i", &key, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"];
        let unknown = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
        words.iter().chain(&unknown).map(|word| (*word).to_owned()).collect()
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn serve(&mut self) -> Result<(), String> {
        for key in ["host", "id"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &self.file(key)])?;
        }
        let settings = format!(
            "Port 2222\nListenAddress {THERE}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n",
            self.file("host"),
            self.file("id.pub"),
        );
        fs::write(self.file("config"), settings).map_err(|error| error.to_string())?;
        let server = Path::new("/usr/sbin/sshd");
        if !server.exists() {
            return Err("there is no sshd".to_owned());
        }
        // Where the server's unprivileged part lives; distributions make it at each start.
        fs::create_dir_all("/run/sshd").map_err(|error| error.to_string())?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(server);
        command.args(["-D", "-f", &self.file("config")]).stderr(Stdio::null());
        self.server = Some(command.spawn().map_err(|error| error.to_string())?);
        let address = format!("{THERE}:2222");
        for _ in 0..100 {
            if TcpStream::connect(&address).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err("sshd does not answer".to_owned())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = run("ip", &["netns", "delete", &self.name]);
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let what = || format!("`{program} {}`", arguments.join(" "));
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("{}: {}", what(), String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => Err(format!("{}: {error}", what())),
    }
}
