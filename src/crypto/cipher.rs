//! Symmetric encryption: AES-256 in CBC and ECB mode, and the authenticated boxes made of it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use aes::Aes256;
use aes::cipher::BlockCipherDecrypt;
use aes::cipher::BlockCipherEncrypt;
use aes::cipher::BlockModeDecrypt;
use aes::cipher::BlockModeEncrypt;
use aes::cipher::KeyInit;
use aes::cipher::KeyIvInit;
use aes::cipher::block_padding::Pkcs7;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::error::CryptoError;
use super::hash;
use super::kdf;

/// Length of an AES block and of an IV.
pub const BLOCK_BYTES: usize = 16;

const TAG_BYTES: usize = 16;

/// The only type of blob that is written, and the only authenticated one that is read.
const BLOB_TYPE: u8 = 4;

/// AES-256-CBC with PKCS#7 padding. Authenticates nothing.
#[must_use]
pub fn cbc_encrypt(key: &[u8; 32], iv: &[u8; BLOCK_BYTES], data: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec::<Pkcs7>(data)
}

/// Reverses [`cbc_encrypt`]. Check a MAC first: the error tells about the padding.
///
/// # Errors
///
/// [`CryptoError::NotAuthentic`] if the length or the padding is wrong.
pub fn cbc_decrypt(
    key: &[u8; 32],
    iv: &[u8; BLOCK_BYTES],
    data: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    cbc::Decryptor::<Aes256>::new(key.into(), iv.into())
        .decrypt_padded_vec::<Pkcs7>(data)
        .map_err(|_| CryptoError::NotAuthentic)
}

/// Encrypts one block in place (ECB): for the header of a record only.
pub fn ecb_encrypt_block(key: &[u8; 32], block: &mut [u8; BLOCK_BYTES]) {
    Aes256::new(key.into()).encrypt_block(block.into());
}

/// Reverses [`ecb_encrypt_block`].
pub fn ecb_decrypt_block(key: &[u8; 32], block: &mut [u8; BLOCK_BYTES]) {
    Aes256::new(key.into()).decrypt_block(block.into());
}

/// Encrypts and authenticates `data`: what notifications consist of.
#[must_use]
pub fn ae_seal(key: &[u8; 32], data: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
    let mut iv = [0; BLOCK_BYTES];
    rng.fill_bytes(&mut iv);
    ae_seal_with_iv(key, data, &iv)
}

/// [`ae_seal`] with a chosen IV, which must never be used for the same key again.
#[must_use]
pub fn ae_seal_with_iv(key: &[u8; 32], data: &[u8], iv: &[u8; BLOCK_BYTES]) -> Vec<u8> {
    let keys = kdf::kem(key);
    // A block of zeros goes first: encrypted, it serves the reader as the IV of the rest.
    let mut plain = Zeroizing::new(vec![0; BLOCK_BYTES]);
    plain.extend_from_slice(data);
    let mut out = cbc_encrypt(keys.enc.expose(), iv, &plain);
    let tag = hash::hmac_sha256(keys.mac.expose(), &out);
    out.extend(tag.iter().take(TAG_BYTES));
    out
}

/// Opens what [`ae_seal`] made.
///
/// # Errors
///
/// [`CryptoError::MalformedBox`] if it is too short,
/// [`CryptoError::NotAuthentic`] if the key is another or the box was changed.
pub fn ae_open(key: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (cipher, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(CryptoError::MalformedBox)?;
    let (iv, body) = cipher.split_first_chunk().ok_or(CryptoError::MalformedBox)?;
    let keys = kdf::kem(key);
    let expected = hash::hmac_sha256(keys.mac.expose(), cipher);
    if !hash::equal(expected.first_chunk::<TAG_BYTES>().expect("16 of 32 bytes"), tag) {
        return Err(CryptoError::NotAuthentic);
    }
    cbc_decrypt(keys.enc.expose(), iv, body)
}

/// Seals `data` as a typed blob: what metadata consists of.
#[must_use]
pub fn blob_seal(key: &[u8; 32], data: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
    let mut blob = ae_seal(key, data, rng);
    blob.insert(0, BLOB_TYPE);
    blob
}

/// Opens a typed blob.
///
/// # Errors
///
/// [`CryptoError::UnsupportedCipher`] if it is of a legacy type, else those of [`ae_open`].
pub fn blob_open(key: &[u8; 32], blob: &[u8]) -> Result<Vec<u8>, CryptoError> {
    match blob {
        [BLOB_TYPE, sealed @ ..] => ae_open(key, sealed),
        [other, ..] => Err(CryptoError::UnsupportedCipher(*other)),
        [] => Err(CryptoError::MalformedBox),
    }
}
