//! Compact signatures, and blobs that carry their signature.
//!
//! A signature is `header | r | s`, 65 bytes, over the SHA-256 of the message. Ours are
//! deterministic (RFC 6979) and have a low `s`; a verifier takes a high `s` as well, since
//! official programs produce it half of the time.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use k256::ecdsa::RecoveryId;
use k256::ecdsa::Signature;
use k256::ecdsa::VerifyingKey;
use k256::ecdsa::signature::hazmat::PrehashVerifier;

use super::error::CryptoError;
use super::hash;
use super::key::PrivateKey;
use super::key::PublicKey;

/// Length of a signature.
pub const SIGNATURE_BYTES: usize = 65;

/// Lowest header: 27 plus a recovery id of 0. Clients write it whatever the id is.
const HEADER_FIRST: u8 = 27;
/// Highest header that official clients accept.
const HEADER_LAST: u8 = 42;

const BLOB_VERSION: u8 = 1;
const BLOB_SIGNATURE_BYTES: u8 = 65;

/// Signs `message`; the header is always 27.
#[must_use]
pub fn sign(key: &PrivateKey, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
    compact(key, message, |_| HEADER_FIRST)
}

/// Signs `message` so that [`recover`] finds the key: what a bridge does.
#[must_use]
pub fn sign_recoverable(key: &PrivateKey, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
    compact(key, message, |id| HEADER_FIRST.saturating_add(id.to_byte()))
}

fn compact(
    key: &PrivateKey,
    message: &[u8],
    header: impl FnOnce(RecoveryId) -> u8,
) -> [u8; SIGNATURE_BYTES] {
    let digest = hash::sha256(message);
    let (signature, id) = key.signing_key().sign_prehash_recoverable(&digest);
    let mut out = [0; SIGNATURE_BYTES];
    let [first, rest @ ..] = &mut out;
    *first = header(id);
    rest.copy_from_slice(&signature.to_bytes());
    out
}

/// Checks that `key` signed `message`.
///
/// # Errors
///
/// [`CryptoError::MalformedSignature`] if `signature` is none,
/// [`CryptoError::WrongSignature`] if it is one of another message or key.
pub fn verify(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    let (_, signature) = parse(signature)?;
    key.verifying_key()
        .verify_prehash(&hash::sha256(message), &signature.normalize_s())
        .map_err(|_| CryptoError::WrongSignature)
}

/// Finds the key that made a signature of [`sign_recoverable`] or of a bridge.
///
/// # Errors
///
/// [`CryptoError::MalformedSignature`] if `signature` is none or its header has no recovery
/// id, [`CryptoError::WrongSignature`] if no key can have made it.
pub fn recover(message: &[u8], signature: &[u8]) -> Result<PublicKey, CryptoError> {
    let (header, signature) = parse(signature)?;
    let id = RecoveryId::from_byte(header.saturating_sub(HEADER_FIRST))
        .ok_or(CryptoError::MalformedSignature)?;
    // Exchanging s for n - s mirrors the point, so the parity in the id flips along.
    let normal = signature.normalize_s();
    let id =
        if normal == signature { id } else { RecoveryId::new(!id.is_y_odd(), id.is_x_reduced()) };
    let key = VerifyingKey::recover_from_prehash(&hash::sha256(message), &normal, id)
        .map_err(|_| CryptoError::WrongSignature)?;
    let point = k256::CompressedPoint::from(&key);
    PublicKey::from_sec1(&point).map_err(|_| CryptoError::WrongSignature)
}

fn parse(bytes: &[u8]) -> Result<(u8, Signature), CryptoError> {
    let bytes: &[u8; SIGNATURE_BYTES] =
        bytes.try_into().map_err(|_| CryptoError::MalformedSignature)?;
    let [header, numbers @ ..] = bytes;
    if !(HEADER_FIRST..=HEADER_LAST).contains(header) {
        return Err(CryptoError::MalformedSignature);
    }
    let signature = Signature::from_slice(numbers).map_err(|_| CryptoError::MalformedSignature)?;
    Ok((*header, signature))
}

/// Signs `data` and puts the signature before it.
#[must_use]
pub fn seal_blob(key: &PrivateKey, data: &[u8]) -> Vec<u8> {
    let signature = sign(key, data);
    [&[BLOB_VERSION, BLOB_SIGNATURE_BYTES], signature.as_slice(), data].concat()
}

/// The parts of a signed blob, not yet verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedBlob<'a> {
    /// What should be a signature.
    pub signature: &'a [u8],
    /// What it should be a signature of.
    pub data: &'a [u8],
}

impl<'a> SignedBlob<'a> {
    /// Takes a blob apart.
    ///
    /// # Errors
    ///
    /// [`CryptoError::MalformedBox`] if it is too short or of another version.
    pub fn parse(blob: &'a [u8]) -> Result<Self, CryptoError> {
        let [BLOB_VERSION, length, rest @ ..] = blob else {
            return Err(CryptoError::MalformedBox);
        };
        let (signature, data) =
            rest.split_at_checked(usize::from(*length)).ok_or(CryptoError::MalformedBox)?;
        Ok(Self { signature, data })
    }

    /// Returns the data if `key` signed it.
    ///
    /// # Errors
    ///
    /// Those of [`verify`].
    pub fn verify(&self, key: &PublicKey) -> Result<&'a [u8], CryptoError> {
        verify(key, self.data, self.signature)?;
        Ok(self.data)
    }
}

/// Takes a signed blob apart and returns its data if `key` signed it.
///
/// # Errors
///
/// Those of [`SignedBlob::parse`] and [`verify`].
pub fn open_blob<'a>(key: &PublicKey, blob: &'a [u8]) -> Result<&'a [u8], CryptoError> {
    SignedBlob::parse(blob)?.verify(key)
}
