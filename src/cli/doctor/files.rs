//! Are the user's files there, readable, and private?

use std::fs;
use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::paths::Paths;
use crate::profile::Hosting;
use crate::profile::Identity;
use crate::profile::IssuedInvites;
use crate::profile::KnownBridge;
use crate::profile::KnownKeys;
use crate::profile::KnownRooms;
use crate::profile::ProfileError;
use crate::profile::Settings;
use crate::profile::file;

use super::finding::Finding;

/// Name of the check.
const CHECK: &str = "files";
/// Files that hold keys or secrets.
const SECRET: [&str; 4] = ["identity.toml", "hosting.toml", "invites.toml", "invite.txt"];

/// Looks at the data directory and everything in it.
#[must_use]
pub fn check(paths: &Paths) -> Vec<Finding> {
    let mut findings = Vec::new();
    let loads: [(&str, Result<(), ProfileError>); 7] = [
        ("settings.toml", Settings::load(&paths.config).map(drop)),
        ("identity.toml", Identity::load(&paths.data).map(drop)),
        ("bridge.toml", KnownBridge::load(&paths.data).map(drop)),
        ("known_keys.toml", KnownKeys::load(&paths.data).map(drop)),
        ("known_rooms.toml", KnownRooms::load(&paths.data).map(drop)),
        ("invites.toml", IssuedInvites::load(&paths.data).map(drop)),
        ("hosting.toml", Hosting::load(&paths.data).map(drop)),
    ];
    for (_, loaded) in loads {
        if let Err(error) = loaded {
            findings.push(Finding::error(CHECK, &error.into()));
        }
    }
    findings.extend(open_files(&paths.data));
    findings.extend(unwritable(&paths.data));
    if findings.is_empty() {
        let place = paths.data.display();
        let has_identity = paths.data.join("identity.toml").exists();
        findings.push(if has_identity {
            Finding::fine(CHECK, format!("{place}: identity and settings are in order"))
        } else {
            Finding::fine(CHECK, format!("{place}: no identity yet; it is made when first needed"))
        });
    }
    findings
}

/// Files with secrets that others can read.
fn open_files(data: &Path) -> Vec<Finding> {
    let open = SECRET
        .iter()
        .map(|name| data.join(name))
        .filter(|path| fs::metadata(path).is_ok_and(|metadata| file::is_open_to_others(&metadata)));
    open.map(|path| {
        let message = format!("others can read {}, which holds secrets", path.display());
        Finding::broken(CHECK, Exit::Data, message, &format!("chmod 600 {}", path.display()))
    })
    .collect()
}

/// A directory in which nothing can be written.
fn unwritable(data: &Path) -> Option<Finding> {
    let attempt = file::create_private_dir(data)
        .and_then(|()| file::write_private(&data.join("doctor.probe"), b"probe"));
    // It may never have been written.
    let _ = fs::remove_file(data.join("doctor.probe"));
    attempt.err().map(|error| Finding::error(CHECK, &error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    fn verdicts(data: &Path) -> Vec<(Verdict, String)> {
        let paths = Paths::resolve(Some(data.to_owned())).unwrap();
        check(&paths).into_iter().map(|finding| (finding.verdict, finding.message)).collect()
    }

    #[test]
    fn files_that_are_damaged_or_open_are_found() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(verdicts(directory.path())[0].0, Verdict::Fine, "empty is fine");
        assert!(!directory.path().join("doctor.probe").exists(), "nothing is left behind");
        let identity = Identity::generate("ana", &mut rand::rng()).unwrap();
        identity.store(directory.path()).unwrap();
        assert_eq!(verdicts(directory.path())[0].0, Verdict::Fine);
        fs::write(directory.path().join("known_keys.toml"), "what?").unwrap();
        let found = verdicts(directory.path());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, Verdict::Broken);
        assert!(found[0].1.contains("known_keys.toml"), "{found:?}");
        fs::remove_file(directory.path().join("known_keys.toml")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = directory.path().join("identity.toml");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let found = verdicts(directory.path());
            assert!(found[0].1.contains("others can read"), "{found:?}");
        }
    }
}
