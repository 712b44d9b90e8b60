//! Keys from other keys, and keys from passwords.

use hmac::Hmac;
use sha2::Sha512;
use zeroize::Zeroize;
use zeroize::Zeroizing;

use super::error::CryptoError;
use super::hash;
use super::key::PrivateKey;
use crate::model::Secret;

const HASH_BYTES: usize = 32;

/// Label under which a key is split into one for encryption and one for authentication.
const KEM_LABEL: &[u8] = b"key expansion";

/// Rounds of PBKDF2 for a key from a password.
const PASSWORD_ROUNDS: u32 = 200_000;
/// Rounds of the deprecated derivation.
const OLD_PASSWORD_ROUNDS: u32 = 1_000;

/// The HMAC key that turns a seed into a BIP32 master key.
const MASTER_LABEL: &[u8] = b"Bitcoin seed";

/// Rounds and salt prefix of a seed from a BIP39 mnemonic.
const MNEMONIC_ROUNDS: u32 = 2048;
const MNEMONIC_SALT: &str = "mnemonic";

/// The pseudo-random function of TLS 1.2 (RFC 5246 §5) without a label of its own; fills `out`.
pub fn prf(secret: &[u8], seed: &[u8], out: &mut [u8]) {
    let mut a = Zeroizing::new(hash::hmac_sha256(secret, seed));
    for chunk in out.chunks_mut(HASH_BYTES) {
        let block = Zeroizing::new(hash::hmac_sha256_parts(secret, &[a.as_slice(), seed]));
        chunk.copy_from_slice(&block[..chunk.len()]);
        *a = hash::hmac_sha256(secret, a.as_slice());
    }
}

/// The feedback-mode KDF (crypto.md 2.2); fills `out`. The length is part of the derivation, so
/// a shorter result is not the beginning of a longer one.
pub fn kdf(key: &[u8], label: &[u8], out: &mut [u8]) {
    let length = u32::try_from(out.len()).expect("keys are short").to_be_bytes();
    let mut previous = Zeroizing::new(Vec::with_capacity(HASH_BYTES));
    for (index, chunk) in (1u32..).zip(out.chunks_mut(HASH_BYTES)) {
        let parts = [previous.as_slice(), &index.to_be_bytes(), label, &[0], &length];
        let block = Zeroizing::new(hash::hmac_sha256_parts(key, &parts));
        chunk.copy_from_slice(&block[..chunk.len()]);
        previous.clear();
        previous.extend_from_slice(block.as_slice());
    }
}

/// Two keys made of one, so that none serves two purposes.
pub struct BoxKeys {
    /// Encrypts.
    pub enc: Secret<[u8; 32]>,
    /// Authenticates.
    pub mac: Secret<[u8; 32]>,
}

/// Splits a key (crypto.md 2.2).
#[must_use]
pub fn kem(key: &[u8]) -> BoxKeys {
    let mut both = Zeroizing::new([0; 64]);
    kdf(key, KEM_LABEL, both.as_mut_slice());
    let (enc, mac) = both.split_at(32);
    BoxKeys {
        enc: Secret::new(enc.try_into().expect("half of 64 bytes")),
        mac: Secret::new(mac.try_into().expect("half of 64 bytes")),
    }
}

/// PBKDF2 with HMAC-SHA512; fills `out`.
pub fn pbkdf2_sha512(password: &[u8], salt: &[u8], rounds: u32, out: &mut [u8]) {
    pbkdf2::pbkdf2::<Hmac<Sha512>>(password, salt, rounds, out)
        .expect("HMAC takes keys of any length");
}

/// The identity that belongs to a password. Takes a good part of a second.
///
/// # Errors
///
/// [`CryptoError::MalformedKey`] with negligible probability.
pub fn user_key(password: &str, salt: &str) -> Result<PrivateKey, CryptoError> {
    password_key(password, salt, PASSWORD_ROUNDS)
}

/// The identity that the deprecated derivation finds for a password.
///
/// # Errors
///
/// [`CryptoError::MalformedKey`] with negligible probability.
pub fn old_user_key(password: &str, salt: &str) -> Result<PrivateKey, CryptoError> {
    password_key(password, salt, OLD_PASSWORD_ROUNDS)
}

fn password_key(password: &str, salt: &str, rounds: u32) -> Result<PrivateKey, CryptoError> {
    let mut seed = Zeroizing::new([0; 32]);
    pbkdf2_sha512(password.as_bytes(), salt.as_bytes(), rounds, seed.as_mut_slice());
    master_key(seed.as_slice())
}

/// The seed that belongs to a BIP39 mnemonic. Words and passphrase must be ASCII or already in
/// normal form KD.
#[must_use]
pub fn mnemonic_seed(mnemonic: &str, passphrase: &str) -> Secret<[u8; 64]> {
    let mut seed = [0; 64];
    let salt = Zeroizing::new([MNEMONIC_SALT, passphrase].concat());
    pbkdf2_sha512(mnemonic.as_bytes(), salt.as_bytes(), MNEMONIC_ROUNDS, &mut seed);
    Secret::new(seed)
}

/// The BIP32 master key of a seed.
///
/// # Errors
///
/// [`CryptoError::MalformedKey`] with negligible probability.
pub fn master_key(seed: &[u8]) -> Result<PrivateKey, CryptoError> {
    let mut node = hash::hmac_sha512(MASTER_LABEL, seed);
    let number = Zeroizing::new(*node.first_chunk().expect("32 of 64 bytes"));
    node.zeroize();
    PrivateKey::from_bytes(&number)
}
