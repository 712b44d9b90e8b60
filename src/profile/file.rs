//! Reading and writing profile files: private to the user, whole or not at all.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ProfileError;

/// No profile file is anywhere near this long; a longer one is not ours.
const MAX_FILE_LEN: u64 = 1 << 20;

/// Reads a TOML file; `None` if there is none.
///
/// # Errors
///
/// [`ProfileError::Corrupt`] if it is no TOML of that shape, [`ProfileError::Io`] otherwise.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ProfileError> {
    let corrupt = |reason: String| ProfileError::Corrupt { path: path.to_owned(), reason };
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error("read", path, source)),
    };
    if length > MAX_FILE_LEN {
        return Err(corrupt(format!("{length} bytes is too long")));
    }
    let bytes = fs::read(path).map_err(|source| io_error("read", path, source))?;
    let text = String::from_utf8(bytes).map_err(|_| corrupt("not UTF-8 text".to_owned()))?;
    // The message of a TOML error may quote the line, and the line may hold a key.
    toml::from_str(&text).map(Some).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
        });
        corrupt(format!("line {line} is not as expected"))
    })
}

/// Reads a short text file that only its owner may read.
///
/// # Errors
///
/// [`ProfileError::OpenKey`] if others may, [`ProfileError::Corrupt`] if it is no short text,
/// [`ProfileError::Io`] otherwise.
pub fn read_private(path: &Path) -> Result<String, ProfileError> {
    let metadata = fs::metadata(path).map_err(|source| io_error("read", path, source))?;
    if is_open_to_others(&metadata) {
        return Err(ProfileError::OpenKey { path: path.to_owned() });
    }
    let corrupt = |reason: String| ProfileError::Corrupt { path: path.to_owned(), reason };
    if metadata.len() > MAX_FILE_LEN {
        return Err(corrupt(format!("{} bytes is too long", metadata.len())));
    }
    let bytes = fs::read(path).map_err(|source| io_error("read", path, source))?;
    String::from_utf8(bytes).map_err(|_| corrupt("not UTF-8 text".to_owned()))
}

/// Whether others than its owner may do anything with a file.
#[must_use]
pub fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
    }
    #[cfg(not(unix))]
    {
        false
    }
}

/// Writes a TOML file, readable by its owner only, replacing the old one in one step.
///
/// # Errors
///
/// [`ProfileError::Io`]; the old file is then still there.
pub fn write_toml<T: Serialize>(path: &Path, value: &T) -> Result<(), ProfileError> {
    let text = toml::to_string_pretty(value)
        .map_err(|error| io_error("write", path, io::Error::other(error)))?;
    write_private(path, text.as_bytes())
}

/// Writes a file with mode 0600, replacing the old one in one step.
///
/// # Errors
///
/// [`ProfileError::Io`]; the old file is then still there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), ProfileError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    create_private_dir(directory)?;
    let draft = draft_path(path);
    let write = || -> io::Result<()> {
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_options().open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| io_error("write", path, source))
}

/// Creates a directory for this user alone, with its parents.
///
/// # Errors
///
/// [`ProfileError::Io`].
pub fn create_private_dir(path: &Path) -> Result<(), ProfileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| io_error("create", path, source))
}

/// Holds a data directory for one process; the system lets go of it when the process ends.
#[derive(Debug)]
pub struct DirLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirLock {
    /// Takes the lock of `directory`, creating the directory if need be.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Locked`] if another process has it.
    pub fn acquire(directory: &Path) -> Result<Self, ProfileError> {
        create_private_dir(directory)?;
        let path = directory.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| io_error("open", &path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => {
                Err(ProfileError::Locked { path: directory.to_owned() })
            }
            Err(fs::TryLockError::Error(source)) => Err(io_error("lock", &path, source)),
        }
    }
}

fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.draft", std::process::id()));
    path.with_file_name(name)
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> ProfileError {
    ProfileError::Io { action, path: path.to_owned(), source }
}
