//! Where things are kept: one directory with `--data`, the XDG directories without.

use std::path::PathBuf;

use directories::ProjectDirs;

use super::exit::Exit;
use super::exit::Failure;
use super::remote::Overrides;

/// Directories of one user of this machine.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Settings and themes.
    pub config: PathBuf,
    /// Identity, known keys, invites, hosting credentials.
    pub data: PathBuf,
    /// Store of the embedded bridge.
    pub bridge: PathBuf,
    /// Log files.
    pub logs: PathBuf,
    /// What the command line says about the bridge to use, instead of what the files say.
    pub overrides: Overrides,
}

impl Paths {
    /// Everything below `data`, or the places that the system has for it.
    ///
    /// # Errors
    ///
    /// A [`Failure`] if the system knows no home directory.
    pub fn resolve(data: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(data) = data {
            return Ok(Self::below(data.clone(), data));
        }
        let system = ProjectDirs::from("", "", "conclave").ok_or_else(|| {
            Failure::new(
                Exit::Data,
                "there is no home directory to keep data in; name one with --data DIR",
            )
        })?;
        Ok(Self::below(system.config_dir().to_owned(), system.data_dir().to_owned()))
    }

    fn below(config: PathBuf, data: PathBuf) -> Self {
        let (bridge, logs) = (data.join("bridge"), data.join("logs"));
        Self { config, data, bridge, logs, overrides: Overrides::default() }
    }
}
