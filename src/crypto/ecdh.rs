//! Key agreement: both sides compute the same secret point and use its x coordinate.

use k256::ecdh;

use super::key::PrivateKey;
use super::key::PublicKey;
use crate::model::Secret;

/// The x coordinate of the shared point, 32 bytes with leading zeros.
#[must_use]
pub fn shared_x(own: &PrivateKey, theirs: &PublicKey) -> Secret<[u8; 32]> {
    let shared = ecdh::diffie_hellman(own.scalar(), theirs.verifying_key().as_affine());
    Secret::new((*shared.raw_secret_bytes()).into())
}
