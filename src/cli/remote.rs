//! Which bridge a command talks to: flags first, then the profile in use, then the bridge of last
//! time or the embedded one.

use std::path::PathBuf;

use clap::Args;

use crate::crypto::key::PublicKey;
use crate::profile::KnownBridge;
use crate::profile::Remotes;
use crate::profile::remotes::LOCAL;

use super::exit::Exit;
use super::exit::Failure;
use super::paths::Paths;

/// Which bridge to use, and as whom.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Bridge")]
pub struct Remote {
    /// Profile to use, see `conclave profile`; "local" for the bridge of last time
    #[arg(long, global = true, env = "CONCLAVE_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Parts of an account on a bridge.
#[derive(Clone, Debug, Default, Args)]
pub struct Overrides {
    /// Base URL of the bridge, beginning with http or https
    #[arg(long, global = true, env = "CONCLAVE_BRIDGE", value_name = "URL")]
    pub bridge: Option<String>,
    /// Solution to log in to
    #[arg(long, global = true, env = "CONCLAVE_SOLUTION", value_name = "ID")]
    pub solution: Option<String>,
    /// Context of the rooms [default: the only one]
    #[arg(long, global = true, env = "CONCLAVE_CONTEXT", value_name = "ID")]
    pub context: Option<String>,
    /// File with the private key (WIF) of the user; nobody else may be able to read it
    #[arg(id = "key_file", long = "key", global = true, env = "CONCLAVE_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Public key that the bridge has to prove that it holds
    #[arg(long, global = true, env = "CONCLAVE_BRIDGE_KEY", value_name = "KEY")]
    pub bridge_key: Option<String>,
}

impl Overrides {
    /// Nothing was said on the command line.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bridge.is_none()
            && self.solution.is_none()
            && self.context.is_none()
            && self.key.is_none()
            && self.bridge_key.is_none()
    }

    /// What the files say, with what the command line says in its place.
    ///
    /// # Errors
    ///
    /// A [`Failure`] if that is not enough to find a bridge, or the key is none.
    pub fn apply(&self, known: Option<KnownBridge>) -> Result<Option<KnownBridge>, Failure> {
        if self.is_empty() {
            return Ok(known);
        }
        let usage = |text: &str| Failure::new(Exit::Usage, text);
        let mut bridge = match (&self.bridge, known) {
            (Some(url), _) => KnownBridge {
                url: url.clone(),
                solution: self
                    .solution
                    .clone()
                    .ok_or_else(|| usage("--bridge URL needs the solution, too: --solution ID"))?,
                context: String::new(),
                user: String::new(),
                bridge_key: None,
                embedded: false,
            },
            (None, Some(known)) => known,
            // A key alone is for whatever bridge there is.
            (None, None) if self.solution.is_none() && self.context.is_none() => return Ok(None),
            (None, None) => {
                return Err(usage("no bridge is known yet; name one with --bridge URL"));
            }
        };
        if let Some(solution) = &self.solution {
            bridge.solution.clone_from(solution);
        }
        if let Some(context) = &self.context {
            bridge.context.clone_from(context);
        }
        if let Some(key) = &self.bridge_key {
            let read = PublicKey::from_base58(key);
            read.map_err(|_| usage("--bridge-key is no public key in base58"))?;
            bridge.bridge_key = Some(key.clone());
        }
        // Who the user is may differ now; the bridge knows.
        bridge.user.clear();
        Ok(Some(bridge))
    }
}

impl Remote {
    /// Where the files of the chosen account are, and what the command line says besides.
    ///
    /// # Errors
    ///
    /// [`crate::profile::ProfileError`] if the profile does not exist.
    pub fn select(&self, base: &Paths) -> anyhow::Result<Paths> {
        let remotes = Remotes::new(&base.data);
        let chosen = match &self.profile {
            Some(name) => Some(name.clone()),
            // A bridge that is named in full needs nothing of the profile in use.
            None if self.overrides.bridge.is_some() => None,
            None => remotes.current()?,
        };
        let data = match chosen.as_deref() {
            None | Some(LOCAL) => base.data.clone(),
            Some(name) => remotes.directory(name)?,
        };
        Ok(Paths { data, overrides: self.overrides.clone(), ..base.clone() })
    }

    /// Refuses a choice of bridge where a command has its own.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that says which command.
    pub fn refuse_for(&self, command: &str) -> Result<(), Failure> {
        if self.overrides.is_empty() && self.profile.as_deref().is_none_or(|name| name == LOCAL) {
            return Ok(());
        }
        let text = format!(
            "`conclave {command}` has a bridge of its own; leave out --profile, --bridge, --solution, \
             --context, --key and --bridge-key, and unset their CONCLAVE_ variables"
        );
        Err(Failure::new(Exit::Usage, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(url: &str) -> KnownBridge {
        KnownBridge {
            url: url.to_owned(),
            solution: "s".to_owned(),
            context: "c".to_owned(),
            user: "ana".to_owned(),
            bridge_key: None,
            embedded: false,
        }
    }

    #[test]
    fn flags_take_the_place_of_what_the_files_say() {
        let text = |text: &str| Some(text.to_owned());
        let none = Overrides::default();
        assert_eq!(none.apply(Some(known("http://a"))).unwrap(), Some(known("http://a")));
        assert_eq!(none.apply(None).unwrap(), None);
        let context = Overrides { context: text("d"), ..Overrides::default() };
        let applied = context.apply(Some(known("http://a"))).unwrap().unwrap();
        assert_eq!((applied.url.as_str(), applied.context.as_str()), ("http://a", "d"));
        assert_eq!(applied.user, "", "to be asked for");
        let missing = Overrides { bridge: text("http://b"), ..Overrides::default() };
        assert_eq!(missing.apply(Some(known("http://a"))).unwrap_err().exit, Exit::Usage);
        let full = Overrides { solution: text("t"), ..missing };
        let applied = full.apply(Some(known("http://a"))).unwrap().unwrap();
        assert_eq!((applied.url.as_str(), applied.context.as_str()), ("http://b", ""));
        let nowhere = Overrides { solution: text("t"), ..Overrides::default() };
        assert_eq!(nowhere.apply(None).unwrap_err().exit, Exit::Usage);
        let key = Overrides { bridge_key: text("no key"), ..Overrides::default() };
        assert_eq!(key.apply(Some(known("http://a"))).unwrap_err().exit, Exit::Usage);
    }
}
