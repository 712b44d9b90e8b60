//! Boxes from one known identity to another (crypto.md 3).
//!
//! There is no ephemeral key, so equal input gives equal output and old boxes open once
//! either private key is known. The tag has four bytes only: what must be authentic is signed
//! in addition.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use zeroize::Zeroizing;

use super::cipher;
use super::cipher::BLOCK_BYTES;
use super::ecdh;
use super::error::CryptoError;
use super::hash;
use super::key::PUBLIC_KEY_BYTES;
use super::key::PrivateKey;
use super::key::PublicKey;
use crate::model::Secret;

const ENVELOPE_TYPE: u8 = b'e';
const TAG_BYTES: usize = 4;

/// What was in a box, and who made it.
#[derive(Debug)]
pub struct Opened {
    /// The author that the box names; only its holder and the reader can have made it.
    pub author: PublicKey,
    /// The content.
    pub plaintext: Secret<Vec<u8>>,
}

struct Keys {
    enc: Zeroizing<[u8; 32]>,
    mac: Zeroizing<[u8; 32]>,
}

fn agree(own: &PrivateKey, theirs: &PublicKey) -> Keys {
    let both = Zeroizing::new(hash::sha512(ecdh::shared_x(own, theirs).expose()));
    Keys {
        enc: Zeroizing::new(*both.first_chunk().expect("32 of 64 bytes")),
        mac: Zeroizing::new(*both.last_chunk().expect("32 of 64 bytes")),
    }
}

/// Seals without saying from whom to whom.
#[must_use]
pub fn seal_raw(author: &PrivateKey, recipient: &PublicKey, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_raw(&mut out, author, recipient, plaintext);
    out
}

fn append_raw(out: &mut Vec<u8>, author: &PrivateKey, recipient: &PublicKey, plaintext: &[u8]) {
    let keys = agree(author, recipient);
    let digest = hash::hmac_sha256(author.to_bytes().expose(), plaintext);
    let iv: &[u8; BLOCK_BYTES] = digest.first_chunk().expect("16 of 32 bytes");
    let body = cipher::cbc_encrypt(&keys.enc, iv, plaintext);
    let tag = hash::hmac_sha256_parts(keys.mac.as_slice(), &[iv, &body]);
    out.extend_from_slice(iv);
    out.extend_from_slice(&body);
    out.extend(tag.iter().take(TAG_BYTES));
}

/// Opens what [`seal_raw`] made; `own` and `theirs` are the two ends, in either role.
///
/// # Errors
///
/// [`CryptoError::MalformedBox`] if it is too short,
/// [`CryptoError::NotAuthentic`] if a key is another or the box was changed.
pub fn open_raw(
    own: &PrivateKey,
    theirs: &PublicKey,
    raw: &[u8],
) -> Result<Secret<Vec<u8>>, CryptoError> {
    let (sealed, tag) = raw.split_last_chunk::<TAG_BYTES>().ok_or(CryptoError::MalformedBox)?;
    let (iv, body) = sealed.split_first_chunk().ok_or(CryptoError::MalformedBox)?;
    let keys = agree(own, theirs);
    let expected = hash::hmac_sha256(keys.mac.as_slice(), sealed);
    if !hash::equal(expected.first_chunk::<TAG_BYTES>().expect("4 of 32 bytes"), tag) {
        return Err(CryptoError::NotAuthentic);
    }
    cipher::cbc_decrypt(&keys.enc, iv, body).map(Secret::new)
}

/// Seals `plaintext` for `recipient`, naming both ends.
#[must_use]
pub fn seal(author: &PrivateKey, recipient: &PublicKey, plaintext: &[u8]) -> Vec<u8> {
    let mut out = vec![ENVELOPE_TYPE];
    out.extend_from_slice(&author.public_key().to_sec1());
    out.extend_from_slice(&recipient.to_sec1());
    append_raw(&mut out, author, recipient, plaintext);
    out
}

/// Opens a box that is addressed to `reader`.
///
/// Compare the author with the one you expect: the tag covers the x coordinate of their point
/// only, so a box with the other sign opens as well, and names a key that is not the author's.
///
/// # Errors
///
/// [`CryptoError::MalformedBox`] or [`CryptoError::MalformedKey`] if it is none,
/// [`CryptoError::WrongRecipient`] if it is addressed to somebody else,
/// [`CryptoError::NotAuthentic`] if it was changed.
pub fn open(reader: &PrivateKey, envelope: &[u8]) -> Result<Opened, CryptoError> {
    let [ENVELOPE_TYPE, rest @ ..] = envelope else {
        return Err(CryptoError::MalformedBox);
    };
    let (author, rest) =
        rest.split_first_chunk::<PUBLIC_KEY_BYTES>().ok_or(CryptoError::MalformedBox)?;
    let (recipient, raw) =
        rest.split_first_chunk::<PUBLIC_KEY_BYTES>().ok_or(CryptoError::MalformedBox)?;
    if *recipient != reader.public_key().to_sec1() {
        return Err(CryptoError::WrongRecipient);
    }
    let author = PublicKey::from_sec1(author)?;
    let plaintext = open_raw(reader, &author, raw)?;
    Ok(Opened { author, plaintext })
}
