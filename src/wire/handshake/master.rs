//! The secret that a session consists of.

use zeroize::Zeroizing;

use crate::crypto::kdf;
use crate::model::Secret;

/// Length of a master secret.
pub const MASTER_BYTES: usize = 48;

/// What every exchange of a session derives its keys from; it never changes.
#[derive(Debug)]
pub struct MasterSecret(Secret<[u8; MASTER_BYTES]>);

impl MasterSecret {
    /// The secret with these bytes, such as a server kept them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; MASTER_BYTES]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The secret of a login whose key agreement gave `pre_master`.
    #[must_use]
    pub fn from_pre_master(pre_master: &[u8; 32]) -> Self {
        let mut bytes = Zeroizing::new([0; MASTER_BYTES]);
        // Both randoms of a login are empty, so the seed is the label alone.
        kdf::prf(pre_master, b"master secret", bytes.as_mut_slice());
        Self(Secret::new(*bytes))
    }

    /// The bytes, for a server to keep.
    #[must_use]
    pub const fn expose(&self) -> &[u8; MASTER_BYTES] {
        self.0.expose()
    }
}

impl Clone for MasterSecret {
    /// Sessions are used by several exchanges at once.
    fn clone(&self) -> Self {
        Self::from_bytes(*self.expose())
    }
}
