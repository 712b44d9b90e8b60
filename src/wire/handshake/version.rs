//! The version of a server, and whether it is new enough.

use super::HandshakeError;

/// The oldest server that this protocol works with.
const OLDEST: [u64; 3] = [2, 36, 2];

/// Checks the version that a server announces: dotted integers, at least [`OLDEST`]. A
/// pre-release counts as older than its release.
pub(super) fn check(version: &str) -> Result<(), HandshakeError> {
    let (core, pre_release) = match version.split_once('-') {
        Some((core, _)) => (core, true),
        None => (version, false),
    };
    let parts: Result<Vec<u64>, _> = core.split('.').map(str::parse).collect();
    let mut parts = parts.map_err(|_| HandshakeError::VersionFormat)?;
    while parts.len() < OLDEST.len() {
        parts.push(0);
    }
    let older = parts.as_slice() < OLDEST.as_slice();
    if older || (pre_release && parts.as_slice() == OLDEST.as_slice()) {
        return Err(HandshakeError::VersionTooOld(version.to_owned()));
    }
    Ok(())
}
